//! What can be typed after `karez log`.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Subcommand};
use karez_governance::VerifierKey;

#[derive(Debug, Subcommand)]
pub enum Log {
    /// Show the log of this node: who signed how much of it, and its newest entries.
    Show(Show),
    /// Print the key by which others verify this node's log.
    Key,
    /// Check the log of this node, or a file: a proof, or evidence of a fork. Files are checked offline.
    Verify(Verify),
    /// Write a proof that a revision is in the log. Anyone can check it offline.
    Prove(Prove),
    /// List logs that have signed two histories, and write the evidence into files for others.
    Forks(Forks),
}

#[derive(Debug, Args)]
pub struct Show {
    /// Show this many of the newest entries.
    #[arg(long, value_name = "NUMBER", default_value_t = 10)]
    pub limit: u64,
}

#[derive(Debug, Args)]
pub struct Verify {
    /// A proof, or evidence of a fork. Without it, the log of this node is checked.
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Key of the log, as `karez log key` prints it there. Keys of witnesses may follow. May be repeated.
    #[arg(long, value_name = "KEY", requires = "file", value_parser = pasted_key)]
    pub key: Vec<VerifierKey>,
    /// Trust policy (C2SP tlog-policy): its logs, and its quorum of witnesses.
    #[arg(long, value_name = "FILE", requires = "file", conflicts_with = "key")]
    pub policy: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct Forks {
    /// Write each piece of evidence into a file of this folder.
    #[arg(short, long, value_name = "FOLDER")]
    pub output: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct Prove {
    /// Repository and revision: owner/name@main, datasets/owner/name@v1.0
    #[arg(value_name = "REPO@REVISION")]
    pub revision: String,
    /// Write the proof into this file instead of printing it.
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// A key as it was copied: from a list, with blanks around it.
fn pasted_key(text: &str) -> Result<VerifierKey, <VerifierKey as FromStr>::Err> {
    text.trim().parse()
}
