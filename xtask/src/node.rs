//! A node of our own for a step: the debug build, a fresh folder, a free port, gone when the value is dropped.

use std::{
    fs,
    net::TcpStream,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

use crate::process::{free_port, target};

const START_SECS_MAX: u64 = 30;

/// A running node.
pub struct Node {
    child: Child,
    folder: PathBuf,
    port: u16,
    token: String,
}

impl Node {
    /// Starts a node and waits until it answers and has printed the first token.
    pub fn start() -> Result<Self> {
        let port = free_port()?;
        let folder = std::env::temp_dir().join(format!("karez-xtask-{}-{port}", std::process::id()));
        fs::create_dir_all(&folder)?;
        let log = folder.join("output");
        let child = Command::new(target().join("debug/karez"))
            .arg("serve")
            .env("KAREZ_LISTEN", format!("127.0.0.1:{port}"))
            .env("KAREZ_DATA_DIR", folder.join("data"))
            .current_dir(&folder)
            .stdin(Stdio::null())
            .stdout(fs::File::create(&log)?)
            .stderr(fs::File::create(folder.join("log"))?)
            .spawn()
            .context("starting a node")?;
        let mut node = Node { child, folder, port, token: String::new() };
        let deadline = Instant::now() + Duration::from_secs(START_SECS_MAX);
        while node.token.is_empty() || TcpStream::connect(("127.0.0.1", port)).is_err() {
            if Instant::now() > deadline || node.child.try_wait()?.is_some() {
                bail!("the node did not start: {}", fs::read_to_string(node.folder.join("log")).unwrap_or_default());
            }
            std::thread::sleep(Duration::from_millis(20));
            node.token = token_in(&fs::read_to_string(&log)?).unwrap_or_default();
        }
        Ok(node)
    }

    /// The program at the command line of this node.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(target().join("debug/karez"));
        command.args(arguments).env("KAREZ_DATA_DIR", self.folder.join("data")).current_dir(&self.folder);
        command
    }

    /// The base URL of the node.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The first administrator's token.
    pub fn token(&self) -> &str {
        &self.token
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Finds the token in what a new node prints.
fn token_in(text: &str) -> Option<String> {
    let begin = text.find("hf_")?;
    let token: String =
        text[begin..].chars().take_while(|character| character.is_ascii_alphanumeric() || *character == '_').collect();
    // A whole line must have arrived, or the token may be cut.
    (text[begin..].contains('\n') && token.len() > 30).then_some(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_for_the_whole_token() {
        let token = format!("hf_{}", "a1B2".repeat(10));
        assert_eq!(token_in(&format!("export HF_TOKEN={token}\n")), Some(token.clone()));
        assert_eq!(token_in(&format!("export HF_TOKEN={token}")), None);
    }
}
