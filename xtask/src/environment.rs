//! Sets up what the tests need: packages of the distribution, virtual environments, npm packages.
//!
//! Every environment lies under `target/clients/` in a folder named after the hash of its requirements, so a change of a version makes
//! a new one and an interrupted installation is never taken for a whole one. Where packages come from is the business of the machine's
//! own settings; nothing here names a source.

use std::{
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

use crate::process::{find, is_root, read, root, target};

/// Programs of the distribution and the packages that bring them.
const PROGRAMS: [(&str, &str); 5] =
    [("chromium", "chromium"), ("curl", "curl"), ("git", "git"), ("git-lfs", "git-lfs"), ("nginx", "nginx-light")];

/// What the rows over poor lines need besides.
const NET_PROGRAMS: [(&str, &str); 4] =
    [("aria2c", "aria2"), ("ip", "iproute2"), ("sysctl", "procps"), ("chrt", "util-linux")];

/// The virtual environments that the tests use.
#[derive(Clone, Copy)]
pub enum Venv {
    /// Today's line of the Python clients, with datasets and transformers.
    Hub2,
    /// The 1.x line of the Python clients, which is still in the field.
    Hub1,
    /// What catalogues elsewhere read a node with: Croissant, OAI-PMH, Atom, RDF.
    Catalogue,
    /// The S3 server that stands in for a real one.
    S3,
    /// What previews are measured beside.
    Bench,
    /// The Go toolchain, whose own code checks the log.
    Go,
}

impl Venv {
    fn name(self) -> &'static str {
        match self {
            Venv::Hub2 => "hub2",
            Venv::Hub1 => "hub1",
            Venv::Catalogue => "catalogue",
            Venv::S3 => "s3",
            Venv::Bench => "bench",
            Venv::Go => "go",
        }
    }

    fn requirements(self) -> PathBuf {
        root().join(format!("tests/clients/requirements-{}.txt", self.name()))
    }

    /// The folder of the environment, whether it exists or not.
    fn folder(self) -> Result<PathBuf> {
        let wanted = fs::read(self.requirements()).context("reading the requirements of a virtual environment")?;
        Ok(target().join(format!("clients/{}-{:016x}", self.name(), hash_of(&wanted))))
    }

    /// The path of a program in the environment.
    pub fn program(self, program: &str) -> Result<PathBuf> {
        Ok(self.folder()?.join("bin").join(program))
    }

    /// Makes the environment unless it is there.
    pub fn ensure(self) -> Result<()> {
        let folder = self.folder()?;
        once(&folder, || {
            println!("   making the virtual environment {}", self.name());
            read(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
            read(
                Command::new(folder.join("bin/python"))
                    .args(["-m", "pip", "install", "--quiet", "--requirement"])
                    .arg(self.requirements()),
            )?;
            Ok(())
        })
    }
}

/// Installs the packages whose programs are missing. Without root it can only say which ones.
pub fn ensure_packages() -> Result<()> {
    let mut missing = missing_of(&PROGRAMS);
    if postgres_programs().is_none() {
        missing.push("postgresql");
    }
    install(&missing)
}

/// The same for what is measured over poor lines.
pub fn ensure_net_packages() -> Result<()> {
    install(&missing_of(&NET_PROGRAMS))
}

fn missing_of(programs: &[(&str, &'static str)]) -> Vec<&'static str> {
    programs.iter().filter(|(program, _)| find(program).is_none()).map(|&(_, package)| package).collect()
}

fn install(missing: &[&str]) -> Result<()> {
    if missing.is_empty() {
        return Ok(());
    }
    if !is_root() {
        bail!("these packages are missing, and only root may install them: {}", missing.join(" "));
    }
    println!("   installing {}", missing.join(" "));
    let apt = |arguments: &[&str]| {
        read(Command::new("apt-get").env("DEBIAN_FRONTEND", "noninteractive").args(arguments).args(missing))
    };
    if apt(&["install", "-y", "--no-install-recommends"]).is_err() {
        read(Command::new("apt-get").arg("update"))?;
        apt(&["install", "-y", "--no-install-recommends"])?;
    }
    Ok(())
}

/// The folder of PostgreSQL's own programs, of the newest version that is installed.
pub fn postgres_programs() -> Option<PathBuf> {
    let mut versions: Vec<(u32, PathBuf)> = fs::read_dir("/usr/lib/postgresql")
        .ok()?
        .flatten()
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .filter(|(_, folder)| folder.join("initdb").is_file())
        .collect();
    versions.sort();
    versions.pop().map(|(_, folder)| folder)
}

/// Installs the JavaScript client and returns the folder that holds its `node_modules`.
pub fn ensure_javascript() -> Result<PathBuf> {
    ensure_npm("the JavaScript client", "tests/clients/js/package.json", "js")
}

/// Installs what drives the browser over the pages, and returns the folder that holds its `node_modules`. The browser itself is a
/// package of the distribution.
pub fn ensure_browser() -> Result<PathBuf> {
    ensure_npm("what drives the browser", "tests/pages/package.json", "browser")
}

fn ensure_npm(what: &str, manifest: &str, name: &str) -> Result<PathBuf> {
    let manifest = root().join(manifest);
    let wanted = fs::read(&manifest).with_context(|| format!("reading the manifest of {what}"))?;
    let folder = target().join(format!("clients/{name}-{:016x}", hash_of(&wanted)));
    once(&folder, || {
        println!("   installing {what}");
        fs::create_dir_all(&folder)?;
        fs::copy(&manifest, folder.join("package.json"))?;
        read(Command::new("npm").args(["install", "--no-audit", "--no-fund", "--silent"]).current_dir(&folder))?;
        Ok(())
    })?;
    Ok(folder)
}

/// Runs the work unless the folder is marked as done; a folder without the mark is a ruin and goes first.
fn once(folder: &Path, work: impl FnOnce() -> Result<()>) -> Result<()> {
    let mark = folder.join(".whole");
    if mark.is_file() {
        return Ok(());
    }
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    fs::create_dir_all(folder.parent().context("a folder under target has a parent")?)?;
    work()?;
    fs::write(mark, b"")?;
    Ok(())
}

fn hash_of(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
}
