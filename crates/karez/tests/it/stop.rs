//! Stopping while requests run.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Instant;

use crate::program::{Serving, commit_body, head, succeed};

/// Starts a commit and sends only a part of its body.
fn half_a_commit(node: &Serving, token: &str) -> (TcpStream, String) {
    let body = commit_body("big.txt", &vec![b'x'; 300_000]);
    let mut connection = TcpStream::connect(&node.address).unwrap();
    let head = head("POST", "/api/models/admin/m/commit/main", Some(token), body.len());
    connection.write_all(head.as_bytes()).unwrap();
    connection.write_all(&body.as_bytes()[..100_000]).unwrap();
    // The node has the request in hand once it answers another one that came later.
    assert!(node.request("GET", "/healthz", None, "").starts_with("HTTP/1.1 200"));
    (connection, body)
}

/// Waits until nobody listens any more.
fn until_refused(address: &str) {
    while TcpStream::connect(address).is_ok() {
        std::thread::yield_now();
    }
}

#[test]
fn a_running_push_is_finished_and_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let node = Serving::start(folder.path(), &[]);
    let token = node.token().unwrap().to_owned();
    succeed(folder.path(), &["repo", "create", "admin/m"]);
    let (mut connection, body) = half_a_commit(&node, &token);

    node.terminate();
    until_refused(&node.address);
    connection.write_all(&body.as_bytes()[100_000..]).unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let (code, printed) = node.wait();
    assert_eq!(code, Some(0));
    assert!(printed.contains("Running requests may finish"), "{printed}");

    let again = Serving::start(folder.path(), &[]);
    let file = again.request("GET", "/admin/m/resolve/main/big.txt", None, "");
    assert!(file.ends_with(&"x".repeat(1000)), "what was acknowledged is there");
}

#[test]
fn a_request_that_does_not_end_is_cut_after_the_named_time() {
    let folder = tempfile::tempdir().unwrap();
    let node = Serving::start(folder.path(), &["--set", "stop_secs_max=1"]);
    let token = node.token().unwrap().to_owned();
    succeed(folder.path(), &["repo", "create", "admin/m"]);
    let (connection, _) = half_a_commit(&node, &token);
    let begun = Instant::now();
    node.terminate();
    let (code, _) = node.wait();
    assert_eq!(code, Some(0));
    // Generous: the machine may be busy. Without the bound this would take the idle limit of 60 s.
    assert!(begun.elapsed().as_secs() < 30, "{:?}", begun.elapsed());
    drop(connection);
}

#[test]
fn an_idle_connection_does_not_hold_the_node_up() {
    let folder = tempfile::tempdir().unwrap();
    let node = Serving::start(folder.path(), &[]);
    let mut idle = TcpStream::connect(&node.address).unwrap();
    idle.write_all(b"GET /healthz HTTP/1.1\r\nHost: node\r\n\r\n").unwrap();
    let mut first = [0; 12];
    idle.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");
    let begun = Instant::now();
    node.terminate();
    assert_eq!(node.wait().0, Some(0));
    assert!(begun.elapsed().as_secs() < 25, "less than stop_secs_max: {:?}", begun.elapsed());
}
