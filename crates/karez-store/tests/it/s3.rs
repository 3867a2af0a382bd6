//! The suite over S3: a real server in its own process.
//!
//! `KAREZ_TEST_S3` names the address of a running server, or `KAREZ_TEST_MOTO` the program
//! `moto_server` (from PyPI: the only S3 server in a registry that needs neither a container nor
//! half a gigabyte), which is then started on a free port. `cargo xtask test` sets the latter.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

use karez_store::{Store, StoreLocation};

struct Server {
    address: String,
    process: Option<Child>,
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

impl Server {
    fn start() -> Server {
        if let Ok(endpoint) = std::env::var("KAREZ_TEST_S3") {
            let address = endpoint.trim_start_matches("http://").trim_end_matches('/').to_owned();
            return Server { address, process: None };
        }
        let program = std::env::var("KAREZ_TEST_MOTO").unwrap_or_else(|_| {
            panic!(
                "this test needs an S3 server: run it through `cargo xtask test`, or set KAREZ_TEST_MOTO to moto_server"
            )
        });
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let process = Command::new(&program)
            .args(["-H", "127.0.0.1", "-p", &port.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {program}: {error}"));
        Server { address: format!("127.0.0.1:{port}"), process: Some(process) }
    }

    /// Waits until the server answers, then makes a bucket.
    fn bucket_make(&self, bucket: &str) {
        const TRIES: usize = 600;
        for _ in 0..TRIES {
            if let Ok(mut connection) = TcpStream::connect(&self.address) {
                let host = &self.address;
                write!(
                    connection,
                    "PUT /{bucket} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                )
                .unwrap();
                let mut answer = String::new();
                connection.read_to_string(&mut answer).unwrap();
                assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        panic!("the S3 server at {} does not answer", self.address);
    }

    fn location(&self, bucket_and_prefix: &str) -> StoreLocation {
        let query = "region=us-east-1&access_key_id=test&secret_access_key=test&allow_http";
        let text = format!("s3://{bucket_and_prefix}?endpoint=http://{}&{query}", self.address);
        StoreLocation::parse(&text).unwrap()
    }
}

#[tokio::test]
async fn s3_conforms() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let server = Server::start();
    let bucket = format!("karez-{}", std::process::id());
    server.bucket_make(&bucket);
    let store = Store::open(server.location(&bucket), 1 << 20).await.unwrap();
    crate::conformance::all(&store).await;
    let prefixed = Store::open(server.location(&format!("{bucket}/deep/prefix")), 1 << 20).await.unwrap();
    crate::conformance::all(&prefixed).await;

    let missing_bucket = Store::open(server.location("karez-no-such-bucket"), 1 << 20).await.unwrap();
    let said = missing_bucket.healthy().await;
    assert!(matches!(said, Err(karez_store::StoreError::Backend { .. })), "{said:?}");
}
