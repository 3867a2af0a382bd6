//! The program `karez`: command line, settings, and the wiring of a node.
//!
//! Invariants:
//! - Nothing dials out that is not configured.
//! - Settings are read once, at the start, and handed down; nothing below reads files or the environment for them.
//! - Messages for people go to standard output, or to standard error when something is wrong; logs to standard error.

#![forbid(unsafe_code)]

mod admin;
mod chores;
mod cli;
mod config;
mod data_folder;
mod federation;
mod fsck;
mod gc;
mod log;
mod node;
mod print;
mod serve;
mod upstream;
mod welcome;

use std::process::ExitCode;

use clap::Parser;

use cli::{Cli, Command};
use config::Settings;
use karez_preview::worker::{self, WORKER_COMMAND};

/// Threads for work that waits for the disk. Each holds at most one buffer or batch.
const BLOCKING_THREADS_MAX: usize = 64;

/// Makes glibc's allocator keep a few MiB that were freed instead of giving them back at once.
///
/// A node that takes uploads frees and allocates buffers of some hundred KiB all the time, and each page
/// that went back costs a page fault when it returns: a quarter of the CPU time of a xorb upload. glibc
/// raises its thresholds by itself when a large block is freed; this frees one. Elsewhere it does nothing.
fn keep_freed_memory() {
    const BLOCK_BYTES: usize = 2 << 20;
    drop(std::hint::black_box(Vec::<u8>::with_capacity(BLOCK_BYTES)));
}

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    if words.next().as_deref() == Some(WORKER_COMMAND) {
        // A child that reads files of strangers: it gets no settings, no log, no runtime.
        return if worker::run(words).is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    keep_freed_memory();
    let cli = Cli::parse();
    match run(cli) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("karez: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let loaded = config::load(&cli.overrides, &config::Surroundings::of_process()?)?;
    loaded.warnings.iter().for_each(|warning| eprintln!("karez: {warning}"));
    if let Command::Config = cli.command {
        print::lines(&loaded.show(cli.json)?);
        return Ok(ExitCode::SUCCESS);
    }
    start_log(&loaded.settings)?;
    // The only provider in the program. Fails when one is there already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().max_blocking_threads(BLOCKING_THREADS_MAX).build()?;
    runtime.block_on(command(cli, loaded.settings))
}

async fn command(cli: Cli, settings: Settings) -> anyhow::Result<ExitCode> {
    match cli.command {
        Command::Serve(serve) => serve::run(&serve, &settings).await.map(|()| ExitCode::SUCCESS),
        Command::User(command) => admin::user::run(command, &settings, cli.json).await,
        Command::Org(command) => admin::org::run(command, &settings, cli.json).await,
        Command::Token(command) => admin::token::run(command, &settings, cli.json).await,
        Command::Repo(command) => admin::repo::run(command, &settings, cli.json).await,
        Command::Upstream(command) => upstream::run(command, &settings, cli.json).await,
        Command::Fsck(command) => fsck::run(&command, &settings, cli.json).await,
        Command::Gc => gc::run(&settings, cli.json).await,
        Command::Log(command) => log::run(command, &settings, cli.json).await,
        Command::Peer(command) => federation::peer::run(command, &settings, cli.json).await,
        Command::Goals => federation::goals::run(&settings, cli.json).await,
        Command::Names(command) => federation::names::run(command, &settings, cli.json).await,
        Command::Follow(command) => federation::follow::run(command, &settings, cli.json).await,
        Command::Line(command) => federation::line::run(command, &settings, cli.json).await,
        Command::Cost(command) => federation::cost::run(&command, &settings, cli.json).await,
        Command::Transfers(command) => federation::transfers::run(&command, &settings, cli.json).await,
        Command::Incidents(command) => federation::incidents::run(&command, &settings, cli.json).await,
        Command::Config => unreachable!("answered before the runtime starts"),
    }
}

fn start_log(settings: &Settings) -> anyhow::Result<()> {
    use std::io::IsTerminal;
    let filter = tracing_subscriber::EnvFilter::try_new(&settings.log)
        .map_err(|error| anyhow::anyhow!("the setting log is wrong: {error}; use error, warn, info, debug or trace"))?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    Ok(())
}
