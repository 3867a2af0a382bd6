//! `cargo xtask test`: the steps, in the order in which they fail soonest.

mod boundaries;
mod clients;
mod fuzz;
mod lint;
mod oracle;
mod rust;
mod sources;

use anyhow::{Result, bail};

use crate::{
    environment::{self, Venv},
    postgres::Postgres,
    process::{cargo, shown},
    report::{Counts, Report},
};

/// What later steps need of earlier ones.
#[derive(Default)]
struct Session {
    postgres: Option<Postgres>,
    has_program: bool,
}

impl Session {
    /// The PostgreSQL of this run, started when the first step asks for it.
    fn postgres(&mut self) -> Result<&Postgres> {
        if self.postgres.is_none() {
            self.postgres = Some(Postgres::start()?);
        }
        Ok(self.postgres.as_ref().expect("it was just started"))
    }

    /// Builds the program under test, unless the Rust tests of this run did: with other features it would be built a second time.
    fn program(&mut self) -> Result<()> {
        if !self.has_program && !shown(&mut cargo(&["build", "--quiet", "--package", "karez"]))?.succeeded {
            bail!("the program does not build");
        }
        self.has_program = true;
        Ok(())
    }

    fn rust_tests(&mut self) -> Result<Counts> {
        let counts = rust::workspace(&self.postgres()?.url())?;
        // Tests that failed were built, and so was the program; a build that failed counts nothing as passed.
        self.has_program = counts.passed > 0;
        Ok(counts)
    }
}

type Step = (&'static str, fn(&mut Session) -> Result<Counts>);

const STEPS: [Step; 14] = [
    ("environment", set_up),
    ("format", |_| lint::format()),
    ("sources", |_| sources::check()),
    ("boundaries", |_| boundaries::check()),
    ("clippy", |_| lint::clippy()),
    ("rust", Session::rust_tests),
    ("fuzz", |_| fuzz::build()),
    ("oracle", |session| session.program().and_then(|()| oracle::check())),
    ("upstream", |session| session.program().and_then(|()| rust::upstream())),
    ("clients-hub2", |session| session.program().and_then(|()| clients::hub(Venv::Hub2))),
    ("clients-hub1", |session| session.program().and_then(|()| clients::hub(Venv::Hub1))),
    ("clients-catalogue", |session| session.program().and_then(|()| clients::catalogue())),
    ("pages", |session| session.program().and_then(|()| clients::pages())),
    ("clients-others", |session| session.program().and_then(|()| clients::others(&session.postgres()?.url()))),
];

/// Prints the names of the steps.
pub fn list() -> bool {
    for (name, _) in STEPS {
        println!("{name}");
    }
    true
}

/// Runs the steps whose names begin with one of the words, or all of them; returns whether everything passed.
pub fn run(words: &[String]) -> Result<bool> {
    let mut report = Report::default();
    let mut session = Session::default();
    for (name, work) in STEPS {
        if words.is_empty() || words.iter().any(|word| name.starts_with(word.as_str())) {
            report.step(name, || work(&mut session));
        }
    }
    // PostgreSQL stops before the last line, which nothing may follow.
    drop(session);
    Ok(report.finish())
}

/// Installs what the other steps need.
fn set_up(_: &mut Session) -> Result<Counts> {
    let mut counts = Counts::default();
    type Part = (&'static str, fn() -> Result<()>);
    let parts: [Part; 8] = [
        ("packages", environment::ensure_packages),
        ("environment hub2", || Venv::Hub2.ensure()),
        ("environment hub1", || Venv::Hub1.ensure()),
        ("environment catalogue", || Venv::Catalogue.ensure()),
        ("environment s3", || Venv::S3.ensure()),
        ("environment go", || Venv::Go.ensure()),
        ("javascript client", || environment::ensure_javascript().map(drop)),
        ("browser", || environment::ensure_browser().map(drop)),
    ];
    for (name, part) in parts {
        let outcome = part();
        if let Err(error) = &outcome {
            println!("   {name}: {error:#}");
        }
        counts.add(Counts::one(outcome.is_ok()));
    }
    Ok(counts)
}
