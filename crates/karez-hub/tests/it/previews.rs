//! Failed previews are remembered, so that a broken file does not cost a process for every request.

use std::io::{Error, Result};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use karez_hub::{PreviewChild, PreviewLauncher};
use karez_preview::worker::{self, FRAME_OUTCOME, WorkerLimits};
use karez_preview::{Answer, Outcome, PreviewError, Trouble};
use karez_testkit::{NodeOptions, TestClient, TestNode};

/// What becomes of the children that are started.
#[derive(Clone, Copy)]
enum Fate {
    /// They read.
    Read,
    /// They are gone at once, as when their memory is used up.
    Die,
    /// They never start.
    Refuse,
    /// The bytes cannot be had.
    Starve,
    /// Their time is over after so many rows.
    Hurry(u64),
}

/// Starts children, and counts them.
struct Counting {
    started: AtomicUsize,
    fate: Mutex<Fate>,
}

impl PreviewLauncher for Counting {
    fn launch(&self, _: WorkerLimits) -> Result<PreviewChild> {
        self.started.fetch_add(1, Ordering::Relaxed);
        let (socket, theirs) = UnixStream::pair()?;
        let life: Box<dyn Send + Sync> = match *self.fate.lock().unwrap() {
            Fate::Read => Box::new(std::thread::spawn(move || worker::serve(theirs))),
            Fate::Die => Box::new(()),
            Fate::Refuse => return Err(Error::other("no process can be started")),
            Fate::Starve => {
                let words = "the file could not be read".to_owned();
                let error = PreviewError { trouble: Trouble::Unreadable, words, is_of_all: false };
                let outcome = serde_json::to_vec(&Outcome::Err(error))?;
                worker::write_frame(&theirs, FRAME_OUTCOME, &outcome)?;
                Box::new(theirs)
            }
            Fate::Hurry(rows) => {
                let answer = Answer { is_partial: true, rows_seen: rows, rows_total: rows, ..Answer::default() };
                worker::write_frame(&theirs, FRAME_OUTCOME, &serde_json::to_vec(&Outcome::Ok(answer))?)?;
                Box::new(theirs)
            }
        };
        Ok(PreviewChild { socket, life })
    }
}

struct Desk {
    node: TestNode,
    counting: Arc<Counting>,
}

impl Desk {
    async fn start() -> Desk {
        let counting = Arc::new(Counting { started: AtomicUsize::new(0), fate: Mutex::new(Fate::Read) });
        let node = TestNode::start_with(NodeOptions { previews: counting.clone(), ..NodeOptions::default() }).await;
        Desk { node, counting }
    }

    fn let_them(&self, fate: Fate) {
        *self.counting.fate.lock().unwrap() = fate;
    }

    /// Asks with this status; returns what is said, and how many children that took.
    async fn ask(&self, path: &str, status: u16) -> (String, usize) {
        let before = self.counting.started.load(Ordering::Relaxed);
        let answer = self.node.anonymous().get(&format!("/datasets-server/{path}&config=default&split=train")).await;
        (answer.expect(status).text(), self.counting.started.load(Ordering::Relaxed) - before)
    }

    async fn dataset(&self, name: &str, path: &str, content: &[u8]) -> TestClient {
        let alice = self.node.client("alice");
        alice.repo_create("dataset", name, "public").await;
        alice.commit(&format!("datasets/{name}"), "main", &[(path, content)]).await.expect(200);
        alice
    }
}

const HOUR_SECS: i64 = 3_600;

#[tokio::test]
async fn a_broken_file_costs_one_child() {
    let desk = Desk::start().await;
    let alice = desk.dataset("alice/bad", "a.parquet", b"this is no Parquet file at all").await;
    desk.dataset("alice/other", "a.parquet", b"this is none either, and it is longer").await;
    let (first, started) = desk.ask("rows?dataset=alice/bad", 422).await;
    assert_eq!(started, 1);
    // Nothing can be asked of it at all, and whoever asks is told the same.
    for path in ["rows?dataset=alice/bad", "rows?offset=7&dataset=alice/bad", "statistics?dataset=alice/bad"] {
        assert_eq!(desk.ask(path, 422).await, (first.clone(), 0), "{path}");
    }
    assert_eq!(desk.ask("rows?dataset=alice/other", 422).await.1, 1, "another file is looked at");

    // A commit that leaves the file alone changes nothing; a new version of it is tried.
    alice.commit("datasets/alice/bad", "main", &[("README.md", b"# Bad")]).await.expect(200);
    assert_eq!(desk.ask("rows?dataset=alice/bad", 422).await, (first.clone(), 0));
    alice
        .commit("datasets/alice/bad", "main", &[("a.parquet", b"this is a new version that is no better")])
        .await
        .expect(200);
    assert_eq!(desk.ask("rows?dataset=alice/bad", 422).await.1, 1);

    // It is tried again once in a while.
    desk.node.advance_secs(HOUR_SECS + 1);
    assert_eq!(desk.ask("rows?dataset=alice/bad", 422).await, (first, 1));
}

#[tokio::test]
async fn an_error_of_one_question_is_of_that_question() {
    let desk = Desk::start().await;
    desk.dataset("alice/data", "a.csv", b"n\n1\n2\n").await;
    let (first, started) = desk.ask("filter?where=x%3D1&dataset=alice/data", 422).await;
    assert_eq!(started, 1);
    assert_eq!(desk.ask("filter?where=x%3D1&dataset=alice/data", 422).await, (first, 0));
    assert_eq!(desk.ask("filter?where=n%3D1&dataset=alice/data", 200).await.1, 1);
    assert_eq!(desk.ask("rows?dataset=alice/data", 200).await.1, 1);
}

#[tokio::test]
async fn a_child_that_dies_is_remembered_and_a_busy_node_is_not() {
    let desk = Desk::start().await;
    desk.dataset("alice/data", "a.csv", b"n\n1\n2\n").await;
    for fate in [Fate::Refuse, Fate::Starve] {
        desk.let_them(fate);
        assert_eq!(desk.ask("rows?dataset=alice/data", 503).await.1, 1);
        assert_eq!(desk.ask("rows?dataset=alice/data", 503).await.1, 1, "it is tried each time");
    }
    desk.let_them(Fate::Die);
    let (first, started) = desk.ask("rows?dataset=alice/data", 422).await;
    assert_eq!(started, 1);
    assert!(first.contains("more memory or time"), "{first}");
    desk.let_them(Fate::Read);
    assert_eq!(desk.ask("rows?dataset=alice/data", 422).await, (first, 0));
    assert_eq!(desk.ask("rows?offset=1&dataset=alice/data", 200).await.1, 1, "other rows may be had");
    // The machine may have been busy: that is not held against the file for long.
    desk.node.advance_secs(HOUR_SECS / 6 + 1);
    assert_eq!(desk.ask("rows?dataset=alice/data", 200).await.1, 1);
}

#[tokio::test]
async fn an_answer_without_time_is_no_empty_page() {
    let desk = Desk::start().await;
    desk.dataset("alice/data", "a.csv", b"n\n1\n2\n").await;
    desk.let_them(Fate::Hurry(0));
    for path in ["rows?dataset=alice/data", "search?query=x&dataset=alice/data", "statistics?dataset=alice/data"] {
        desk.ask(path, 503).await;
    }
    desk.let_them(Fate::Hurry(7));
    let (said, _) = desk.ask("rows?offset=9&dataset=alice/data", 422).await;
    assert!(said.contains("row 9 is not reached") && said.contains("7 rows"), "{said}");
    // Nothing was found among those that were looked at: that is an answer.
    desk.ask("search?query=x&dataset=alice/data", 200).await;
    desk.let_them(Fate::Read);
    desk.ask("rows?dataset=alice/data", 200).await;
}
