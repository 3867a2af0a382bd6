//! A load generator for HEAD requests: `wrk`, the usual tool, waits for the body that an answer to HEAD announces and never sends.
//!
//! One blocking thread for each connection, one request after another, no pipelining. Answers to HEAD end with an empty line, so
//! reading one is reading until that.

use std::{
    io::{Read, Write},
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use clap::Args;

/// What to ask, and how hard.
#[derive(Args)]
pub struct Load {
    /// The address of the server, `host:port`.
    address: String,
    /// The path to ask for.
    path: String,
    /// One more header of each request.
    #[arg(long)]
    header: Option<String>,
    #[arg(long, default_value_t = 32)]
    connections: usize,
    #[arg(long, default_value_t = 8)]
    secs: u64,
}

const ANSWER_BYTES_MAX: usize = 64 * 1024;

impl Load {
    /// Runs the load and prints one line of JSON; a status other than 200 is an error.
    pub fn run(&self) -> Result<bool> {
        let header = self.header.as_deref().map(|header| format!("{header}\r\n")).unwrap_or_default();
        let request = format!(
            "HEAD {} HTTP/1.1\r\nHost: {}\r\nAccept-Encoding: identity\r\n{header}\r\n",
            self.path, self.address
        );
        let begun = Instant::now();
        let until = begun + Duration::from_secs(self.secs);
        let workers: Vec<_> = (0..self.connections)
            .map(|_| {
                let (address, request) = (self.address.clone(), request.clone());
                thread::spawn(move || connection(&address, request.as_bytes(), until))
            })
            .collect();
        let mut micros: Vec<u32> = Vec::new();
        for worker in workers {
            micros.extend(worker.join().map_err(|_| anyhow::anyhow!("a connection panicked"))??);
        }
        let secs = begun.elapsed().as_secs_f64();
        micros.sort_unstable();
        let at = |part: f64| micros.get((micros.len() as f64 * part) as usize).copied().unwrap_or(0);
        let said = serde_json::json!({
            "requests": micros.len(), "secs": secs, "p50_micros": at(0.50), "p99_micros": at(0.99), "p999_micros": at(0.999),
        });
        println!("{said}");
        Ok(true)
    }
}

/// Asks again and again over one connection; returns the microseconds of each answer.
fn connection(address: &str, request: &[u8], until: Instant) -> Result<Vec<u32>> {
    let mut stream = TcpStream::connect(address).context("connecting")?;
    stream.set_nodelay(true)?;
    let mut micros = Vec::new();
    let mut buffer = vec![0; ANSWER_BYTES_MAX];
    loop {
        let begun = Instant::now();
        if begun >= until {
            return Ok(micros);
        }
        stream.write_all(request)?;
        let mut filled = 0;
        while !buffer[..filled].ends_with(b"\r\n\r\n") {
            let read = stream.read(&mut buffer[filled..])?;
            if read == 0 {
                bail!("the server closed the connection after: {}", String::from_utf8_lossy(&buffer[..filled]));
            }
            filled += read;
        }
        if !buffer.starts_with(b"HTTP/1.1 200") {
            bail!("the server answered: {}", String::from_utf8_lossy(&buffer[..filled]));
        }
        micros.push(begun.elapsed().as_micros() as u32);
    }
}
