//! What ran, how long it took, and the last line.

use std::time::{Duration, Instant};

use anyhow::Result;

/// How many checks of a step passed and failed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Checks that ran and held.
    pub passed: u64,
    /// Checks that ran and did not hold, and those that could not run.
    pub failed: u64,
}

impl Counts {
    /// One check that held or did not.
    pub fn one(held: bool) -> Self {
        Counts { passed: u64::from(held), failed: u64::from(!held) }
    }

    /// Adds the counts of another part of the same step.
    pub fn add(&mut self, other: Counts) {
        self.passed += other.passed;
        self.failed += other.failed;
    }

    /// Counts a failure when the command says that it failed and no line of its output did: a crash, or a build error.
    pub fn and_status(mut self, succeeded: bool) -> Self {
        if !succeeded && self.failed == 0 {
            self.failed = 1;
        }
        self
    }
}

struct Row {
    step: String,
    took: Duration,
    counts: Counts,
    trouble: Option<String>,
}

/// The steps that ran so far.
#[derive(Default)]
pub struct Report {
    rows: Vec<Row>,
}

impl Report {
    /// Runs a step, prints its head and foot, and keeps its counts. A step that breaks counts as one failure.
    pub fn step(&mut self, name: &str, work: impl FnOnce() -> Result<Counts>) {
        println!("\n== {name}");
        let begun = Instant::now();
        let (counts, trouble) = match work() {
            Ok(counts) => (counts, None),
            Err(error) => (Counts { passed: 0, failed: 1 }, Some(format!("{error:#}"))),
        };
        let took = begun.elapsed();
        if let Some(trouble) = &trouble {
            println!("   {name} broke: {trouble}");
        }
        println!("-- {name}: {} passed, {} failed, {:.1} s", counts.passed, counts.failed, took.as_secs_f64());
        self.rows.push(Row { step: name.to_owned(), took, counts, trouble });
    }

    /// Prints the table and the last line; returns whether everything passed. A run in which nothing ran did not pass.
    pub fn finish(&self) -> bool {
        let mut total = Counts::default();
        println!("\n{:<28} {:>8} {:>8} {:>9}", "step", "passed", "failed", "seconds");
        for row in &self.rows {
            let seconds = row.took.as_secs_f64();
            println!("{:<28} {:>8} {:>8} {seconds:>9.1}", row.step, row.counts.passed, row.counts.failed);
            if let Some(trouble) = &row.trouble {
                println!("    {trouble}");
            }
            total.add(row.counts);
        }
        let seconds: f64 = self.rows.iter().map(|row| row.took.as_secs_f64()).sum();
        println!("{:<28} {:>8} {:>8} {seconds:>9.1}\n", "all", total.passed, total.failed);
        println!("{} passed, {} failed", total.passed, total.failed);
        total.failed == 0 && total.passed > 0
    }
}
