//! Prints what reading costs: CPU seconds of this process per gigabyte sent over loopback, for the
//! store's stream and for `sendfile`, the floor. Run it in release mode:
//! `cargo run --release -p karez-store --example read_cost`.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};

use bytes::{Buf, Bytes};
use futures::TryStreamExt;
use karez_formats::xet::{XorbBuilder, chunk_hash};
use karez_store::{Store, StoreLocation, file_behind};
use karez_types::{ByteRange, Entropy, SeededEntropy};
use tokio::io::{AsyncWriteExt, Interest};

/// How often the xorb is sent in one measurement.
const ROUNDS: u64 = 32;

fn main() {
    if let Some(address) = std::env::args().nth(1) {
        return drain(&address);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(measure());
}

/// The other end, in its own process so that its CPU time is not counted.
fn drain(address: &str) {
    let mut connection = TcpStream::connect(address).unwrap();
    let mut buffer = vec![0; 1 << 20];
    while connection.read(&mut buffer).unwrap() > 0 {}
}

async fn measure() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(StoreLocation::Folder(folder.path().to_path_buf()), 1 << 20).await.unwrap();
    let entropy = SeededEntropy::new(1);
    let mut builder = XorbBuilder::new();
    let mut raw = vec![0; 65_536];
    while builder.fits(raw.len()) {
        entropy.fill(&mut raw);
        builder.push(&raw, chunk_hash(&raw));
    }
    let built = builder.finish();
    let whole = ByteRange { start: 0, end: built.bytes.len() as u64 };
    let before = cpu_secs();
    store.xorb_put(built.hash, Bytes::from(built.bytes), &built.index).await.unwrap();
    report("write and sync one xorb", before, whole.byte_count());
    let text = built.hash.to_string();
    let path = folder.path().join("xorbs").join(&text[..2]).join(&text[2..4]).join(&text);

    for _ in 0..3 {
        let (mut connection, mut other) = connect();
        let before = cpu_secs();
        for _ in 0..ROUNDS {
            let file = std::fs::File::open(&path).unwrap();
            let mut offset = 0;
            while offset < whole.end {
                rustix::fs::sendfile(&connection, &file, Some(&mut offset), 2 << 20).unwrap();
            }
        }
        connection.flush().unwrap();
        report("sendfile", before, whole.byte_count() * ROUNDS);
        drop(connection);
        other.wait().unwrap();

        let (connection, mut other) = connect();
        connection.set_nonblocking(true).unwrap();
        let mut connection = tokio::net::TcpStream::from_std(connection).unwrap();
        let before = cpu_secs();
        for _ in 0..ROUNDS {
            let mut stream = store.xorb_stream(built.hash, whole);
            while let Some(bytes) = stream.try_next().await.unwrap() {
                connection.write_all(&bytes).await.unwrap();
            }
        }
        report("store, written", before, whole.byte_count() * ROUNDS);
        drop(connection);
        other.wait().unwrap();

        let (connection, mut other) = connect();
        connection.set_nonblocking(true).unwrap();
        let connection = tokio::net::TcpStream::from_std(connection).unwrap();
        let before = cpu_secs();
        for _ in 0..ROUNDS {
            let mut stream = store.xorb_stream(built.hash, whole);
            while let Some(mut bytes) = stream.try_next().await.unwrap() {
                while !bytes.is_empty() {
                    connection.writable().await.unwrap();
                    let behind = file_behind(&bytes).expect("a folder hands out windows");
                    match connection.try_io(Interest::WRITABLE, || behind.send(&connection)) {
                        Ok(sent) => bytes.advance(sent),
                        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock),
                    }
                }
            }
        }
        report("store, sent", before, whole.byte_count() * ROUNDS);
        drop(connection);
        other.wait().unwrap();
    }
}

fn connect() -> (TcpStream, std::process::Child) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let program = std::env::current_exe().unwrap();
    let other = Command::new(program).arg(address).stdin(Stdio::null()).spawn().unwrap();
    (listener.accept().unwrap().0, other)
}

/// CPU seconds of this process, user and system, in ticks of 10 ms.
fn cpu_secs() -> f64 {
    const TICKS_PER_SEC: f64 = 100.0;
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let after_name = stat.rsplit(')').next().unwrap();
    let ticks: Vec<f64> = after_name.split_whitespace().skip(11).take(2).map(|field| field.parse().unwrap()).collect();
    (ticks[0] + ticks[1]) / TICKS_PER_SEC
}

fn report(what: &str, before: f64, bytes: u64) {
    let secs = cpu_secs() - before;
    println!("{what:24} {secs:6.2} CPU-s  {:6.3} CPU-s/GB", secs / (bytes as f64 / 1e9));
}
