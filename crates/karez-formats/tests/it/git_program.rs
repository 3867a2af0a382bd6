//! Runs git in a repository of its own.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// An empty repository in a folder that goes away with it.
pub struct GitRepo(tempfile::TempDir);

impl GitRepo {
    /// Makes the repository.
    pub fn new() -> GitRepo {
        let repo = GitRepo(tempfile::tempdir().unwrap());
        repo.run(&["init", "--quiet", "--initial-branch=main"], b"");
        repo
    }

    /// Returns its folder.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Runs git and returns what it prints; anything but success fails the test.
    pub fn run(&self, args: &[&str], input: &[u8]) -> String {
        let (ok, stdout, stderr) = self.try_run(args, input);
        assert!(ok, "git {args:?}: {stderr}");
        stdout
    }

    /// Runs git and returns the bytes that it writes; anything but success fails the test.
    pub fn bytes(&self, args: &[&str], input: &[u8]) -> Vec<u8> {
        let output = self.output(args, input);
        assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    /// Runs git and returns whether it succeeded and what it printed.
    pub fn try_run(&self, args: &[&str], input: &[u8]) -> (bool, String, String) {
        let output = self.output(args, input);
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        (output.status.success(), text(output.stdout), text(output.stderr))
    }

    fn output(&self, args: &[&str], input: &[u8]) -> Output {
        let mut child = Command::new("git")
            .args(args)
            .current_dir(self.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", self.path())
            .env("GIT_CONFIG_NOSYSTEM", "1")
            // For those of its commands that serve others.
            .env("GIT_PROTOCOL", "version=2")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("git is installed");
        let mut stdin = child.stdin.take().unwrap();
        let input = input.to_vec();
        let writer = std::thread::spawn(move || {
            // Git may stop reading when it has seen enough.
            let _ = stdin.write_all(&input);
        });
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap();
        output
    }
}
