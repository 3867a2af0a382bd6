//! A PostgreSQL of our own: a fresh cluster in a temporary folder, on a free port, gone when the value is dropped.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};

use crate::{
    environment::postgres_programs,
    process::{free_port, is_root, read},
};

/// A running PostgreSQL.
pub struct Postgres {
    programs: PathBuf,
    folder: PathBuf,
    port: u16,
}

impl Postgres {
    /// Makes a cluster and starts it. Root may not run PostgreSQL, so root runs it as the distribution's user `postgres`.
    pub fn start() -> Result<Self> {
        let programs = postgres_programs().context("PostgreSQL is not installed")?;
        let port = free_port()?;
        let folder = std::env::temp_dir().join(format!("karez-postgres-{}-{port}", std::process::id()));
        fs::create_dir_all(&folder)?;
        let postgres = Postgres { programs, folder, port };
        if is_root() {
            read(Command::new("chown").arg("postgres").arg(&postgres.folder))?;
        }
        let cluster = postgres.folder.join("cluster");
        read(
            postgres
                .program("initdb")
                .args(["--username=karez", "--auth=trust", "--encoding=UTF8", "--locale=C"])
                .arg(&cluster),
        )?;
        // The tests do not pull the plug of PostgreSQL, so it need not sync; many tests at once need many connections.
        let settings = format!(
            "-c port={port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={} -c fsync=off -c max_connections=400",
            postgres.folder.display()
        );
        read(
            postgres
                .program("pg_ctl")
                .args(["start", "--wait", "--pgdata"])
                .arg(&cluster)
                .arg("--log")
                .arg(postgres.folder.join("log"))
                .arg("--options")
                .arg(settings)
                .stdout(std::process::Stdio::null()),
        )?;
        Ok(postgres)
    }

    /// The URL of the server's first database; a test makes its own beside it.
    pub fn url(&self) -> String {
        format!("postgres://karez@127.0.0.1:{}/postgres", self.port)
    }

    fn program(&self, program: &str) -> Command {
        let path = self.programs.join(program);
        let mut command = if is_root() { as_postgres(&path) } else { Command::new(path) };
        command.current_dir(&self.folder);
        command
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let mut stop = self.program("pg_ctl");
        stop.args(["stop", "--mode=immediate", "--pgdata"]).arg(self.folder.join("cluster"));
        if let Err(error) = read(&mut stop) {
            eprintln!("xtask: PostgreSQL did not stop: {error:#}");
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn as_postgres(program: &Path) -> Command {
    let mut command = Command::new("runuser");
    command.args(["-u", "postgres", "--"]).arg(program);
    command
}
