//! Simulates a federation of 193 nodes and prints what it found.
//!
//!     cargo run -p karez-federation --example simulate -- --seed 1 --days 30 [--json]

use std::process::ExitCode;
use std::time::Instant;

use karez_federation::sim::{Params, run};

const USAGE: &str = "usage: simulate [--seed N] [--days N] [--repos N] [--zipf S] [--poll-minutes N] [--json]";

fn main() -> ExitCode {
    let (params, is_json) = match parse(std::env::args().skip(1)) {
        Ok(parsed) => parsed,
        Err(said) => {
            eprintln!("{said}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let began = Instant::now();
    let report = run(&params);
    if is_json {
        println!("{}", serde_json::to_string_pretty(&report).expect("a report is plain data"));
    } else {
        print!("{report}");
    }
    eprintln!("{:.1} s", began.elapsed().as_secs_f64());
    if report.broken_promises().is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn parse(mut words: impl Iterator<Item = String>) -> Result<(Params, bool), String> {
    let (mut params, mut is_json) = (Params::default(), false);
    while let Some(word) = words.next() {
        if word == "--json" {
            is_json = true;
            continue;
        }
        let value = words.next().ok_or(format!("{word} needs a value"))?;
        let wrong = || format!("{word} {value}: not a number that fits");
        match word.as_str() {
            "--seed" => params.seed = value.parse().map_err(|_| wrong())?,
            "--days" => params.days = value.parse().ok().filter(|days| (1..=366).contains(days)).ok_or_else(wrong)?,
            "--repos" => {
                params.repos =
                    value.parse().ok().filter(|repos| (1000..=10_000_000).contains(repos)).ok_or_else(wrong)?;
            }
            "--zipf" => {
                let exponent = value.parse().ok().filter(|exponent| (0.0..=3.0).contains(exponent));
                params.zipf_exponent = exponent.ok_or_else(wrong)?;
            }
            "--poll-minutes" => {
                params.poll_minutes =
                    value.parse().ok().filter(|minutes| (4..=1440).contains(minutes)).ok_or_else(wrong)?;
            }
            _ => return Err(format!("{word} is not known")),
        }
    }
    Ok((params, is_json))
}
