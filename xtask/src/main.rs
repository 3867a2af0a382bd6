//! The commands that a developer and a build machine type: `cargo xtask test` and `cargo xtask bench`.
//!
//! `test` sets up whatever it needs (distribution packages when it is root, virtual environments under `target/`), runs every
//! step, prints one table and ends with the line `N passed, N failed`. `bench` measures a release build and writes
//! `docs/benchmarks.md`. Nothing here is part of the program that is shipped.

mod bench;
mod bench_search;
mod environment;
mod load;
mod node;
mod postgres;
mod process;
mod report;
mod test;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Tests and benchmarks of Karez")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs every check: format, lints, boundaries, Rust tests, fuzz targets, real clients.
    Test {
        /// Runs only the steps whose names begin with one of these words.
        steps: Vec<String>,
        /// Prints the names of the steps and stops.
        #[arg(long)]
        list: bool,
    },
    /// Measures a release build and writes `docs/benchmarks.md`.
    Bench {
        /// Measures only the rows whose names begin with one of these words, and prints the table instead of writing it. With `net`
        /// first: the rows over poor lines, as root, and words after it choose among them. `search` alone: the search index.
        rows: Vec<String>,
        /// For `search`: two million cards instead of a hundred thousand. Takes half an hour and 4 GB of disk.
        #[arg(long)]
        large: bool,
        /// For `net`: smaller files and fewer rows, in under ten minutes.
        #[arg(long)]
        quick: bool,
        /// For `net`: only programs whose names begin with one of these, with commas.
        #[arg(long)]
        clients: Option<String>,
    },
    /// Asks a server for HEAD of one path as fast as it answers; the benchmark uses this.
    #[command(hide = true)]
    Load(load::Load),
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Test { list: true, .. } => Ok(test::list()),
        Command::Test { steps, list: false } => test::run(&steps),
        Command::Bench { rows, large, .. } if rows.first().is_some_and(|word| word == "search") => {
            bench_search::run(large)
        }
        Command::Bench { rows, quick, clients, .. } => {
            let mut net = Vec::new();
            net.extend(quick.then(|| "--quick".to_owned()));
            net.extend(clients.map(|clients| format!("--clients={clients}")));
            bench::run(&rows, &net)
        }
        Command::Load(load) => load.run(),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
