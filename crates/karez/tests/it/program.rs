//! Runs the program.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Output, Stdio};

/// Returns the program with this folder as its current one, free of settings from outside.
pub fn program(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_karez"));
    command.current_dir(folder).stdin(Stdio::null());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("KAREZ_") {
            command.env_remove(name);
        }
    }
    command
}

/// Runs a command to its end.
pub fn run(folder: &Path, arguments: &[&str]) -> Output {
    program(folder).args(arguments).output().unwrap()
}

/// Runs a command to its end with a text on its standard input.
pub fn run_with_input(folder: &Path, arguments: &[&str], input: &str) -> Output {
    let mut command = program(folder);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = command.spawn().unwrap();
    process.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    process.wait_with_output().unwrap()
}

/// Runs a command that must succeed; returns what it printed.
pub fn succeed(folder: &Path, arguments: &[&str]) -> String {
    let output = run(folder, arguments);
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "karez {arguments:?} failed: {out}{err}");
    out
}

/// Runs a command that must fail with exit code 1; returns what it complained.
pub fn fail(folder: &Path, arguments: &[&str]) -> String {
    let output = run(folder, arguments);
    assert_eq!(output.status.code(), Some(1), "karez {arguments:?}: {}", text(&output.stdout));
    text(&output.stderr)
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// A node that runs; killed when dropped.
pub struct Serving {
    pub process: Child,
    /// What it printed at the start.
    pub welcome: String,
    /// Host and port.
    pub address: String,
    out: BufReader<ChildStdout>,
}

impl Serving {
    /// Starts `karez serve` on a free port and waits until it is ready.
    pub fn start(folder: &Path, arguments: &[&str]) -> Serving {
        let mut command = program(folder);
        command.args(["serve", "--listen", "127.0.0.1:0"]).args(arguments).stdout(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let mut out = BufReader::new(process.stdout.take().unwrap());
        let mut welcome = String::new();
        while !welcome.contains("To stop:") {
            assert_ne!(out.read_line(&mut welcome).unwrap(), 0, "the node ended: {welcome}");
        }
        let after = welcome.split("http://").nth(1).unwrap();
        let address = after.split_whitespace().next().unwrap().to_owned();
        Serving { process, welcome, address, out }
    }

    /// Returns the token that the first start shows.
    pub fn token(&self) -> Option<&str> {
        let after = self.welcome.split("HF_TOKEN=").nth(1)?;
        after.split_whitespace().next()
    }

    /// Asks the process to stop, as a service manager does.
    pub fn terminate(&self) {
        let pid = self.process.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    }

    /// Waits for the end; returns the exit code and what was printed meanwhile.
    pub fn wait(mut self) -> (Option<i32>, String) {
        let mut printed = String::new();
        self.out.read_to_string(&mut printed).unwrap();
        (self.process.wait().unwrap().code(), printed)
    }

    /// Sends one request and returns the whole answer.
    pub fn request(&self, verb: &str, path: &str, token: Option<&str>, body: &str) -> String {
        let mut connection = TcpStream::connect(&self.address).unwrap();
        let head = head(verb, path, token, body.len());
        connection.write_all(format!("{head}{body}").as_bytes()).unwrap();
        let mut answer = Vec::new();
        connection.read_to_end(&mut answer).unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// Commits one file.
    pub fn commit(&self, repo: &str, path: &str, content: &[u8]) -> String {
        let token = self.token().map(str::to_owned);
        self.request("POST", &format!("/api/models/{repo}/commit/main"), token.as_deref(), &commit_body(path, content))
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Returns the head of a request whose connection is closed after the answer.
pub fn head(verb: &str, path: &str, token: Option<&str>, body_bytes: usize) -> String {
    let sign_in = token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
    format!(
        "{verb} {path} HTTP/1.1\r\nHost: node\r\nConnection: close\r\n{sign_in}\
         Content-Type: application/x-ndjson\r\nContent-Length: {body_bytes}\r\n\r\n"
    )
}

/// Returns the body of a commit of one file.
pub fn commit_body(path: &str, content: &[u8]) -> String {
    let content = base64(content);
    format!(
        "{{\"key\":\"header\",\"value\":{{\"summary\":\"add {path}\"}}}}\n\
         {{\"key\":\"file\",\"value\":{{\"path\":\"{path}\",\"content\":\"{content}\",\"encoding\":\"base64\"}}}}\n"
    )
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let word = group.iter().fold(0u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - group.len()));
        for position in 0..4 {
            let letter = LETTERS[(word >> (18 - 6 * position)) as usize & 63];
            text.push(if position <= group.len() { char::from(letter) } else { '=' });
        }
    }
    text
}
