//! A poor line to a node, in the test's own process.
//!
//! A [`Link`] listens on a port of its own and forwards every connection to its target over one line that all of them share: so many
//! bytes a second each way, so long under way, cut when the test or a script says so. It can also lie: flip single bits of bodies.
//!
//! What it keeps of a real line, and what not. A cut is silent: open connections stay open and carry nothing, new ones are not answered,
//! because the queue of the listening socket is full. Bytes under way when the cut comes are not lost but late, as TCP would repeat them.
//! There is no loss of packets, and a connection is made without delay: for those the emulator of `benches/net` is the place.
//!
//! Decisions come from a seed and from places in the byte stream, never from the time: a bit that is flipped in one run of a test is
//! flipped in all, and a script that cuts after N bytes lets exactly N bytes through.

mod connection;
mod http;
mod line;
mod shape;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::sync::{Arc, OnceLock};

use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};

use crate::{NodeOptions, TestNode};
use line::Line;
pub use shape::{Act, Corruption, Cut, LinkCounts, LinkShape, Step, Trigger};

/// Connections that wait to be accepted while the line is up.
const BACKLOG: i32 = 1024;

/// A proxy that stands for the line to one target. Dropping it closes every connection.
pub struct Link {
    line: Arc<Line>,
    address: SocketAddr,
    target: Arc<OnceLock<String>>,
    task: AbortHandle,
}

impl Link {
    /// Starts a perfect line to a target, as `http://host:port` or `host:port`.
    pub async fn to(target: &str, seed: u64) -> Link {
        let link = Link::unbound(seed).await;
        link.bind(target);
        link
    }

    /// Starts a line whose target is not known yet: a node must know its public address before it starts.
    pub async fn unbound(seed: u64) -> Link {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("some port is free");
        let address = listener.local_addr().expect("a listener has an address");
        let line = Line::new(seed);
        let target = Arc::new(OnceLock::new());
        let task = tokio::spawn(accept(listener, address, Arc::clone(&line), Arc::clone(&target))).abort_handle();
        Link { line, address, target, task }
    }

    /// Says where the line leads. Only the first time counts.
    pub fn bind(&self, target: &str) {
        let _ = self.target.set(target.trim_start_matches("http://").trim_end_matches('/').to_owned());
    }

    /// Returns the address before the line, without a trailing slash.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Gives the line other properties; they hold from the next byte.
    pub fn set(&self, shape: LinkShape) {
        self.line.act(&Act::Set(shape));
    }

    /// Lets this many bytes a second through to the clients, whatever the shape says otherwise.
    pub fn drip(&self, bytes_per_sec: u64) {
        let shape = LinkShape { down_bytes_per_sec: Some(bytes_per_sec), ..self.line.shape() };
        self.line.act(&Act::Set(shape));
    }

    /// Cuts the line now.
    pub fn cut(&self, cut: Cut) {
        self.line.act(&Act::Cut(cut));
    }

    /// Ends a cut. Connections that were open through a black hole go on.
    pub fn heal(&self) {
        self.line.act(&Act::Heal);
    }

    /// Leaves every present connection open and dead for ever, as a new address of the client does; new ones work.
    pub fn strand(&self) {
        self.line.act(&Act::Strand);
    }

    /// Runs steps one after another; the bytes and the time of each count from the end of the one before it.
    pub fn script(&self, steps: impl IntoIterator<Item = Step>) {
        self.line.script(steps.into_iter().collect());
    }

    /// Waits until no step of the script is left.
    pub async fn script_done(&self) {
        self.line.until(|state| state.steps_left() == 0).await;
    }

    /// Returns what the line carried so far.
    pub fn counts(&self) -> LinkCounts {
        self.line.counts()
    }

    /// Waits until what the line carried satisfies the test.
    pub async fn counted(&self, enough: impl Fn(&LinkCounts) -> bool) {
        self.line.until(|state| enough(state.counts())).await;
    }

    /// Returns the request lines that travelled whole, in order, as `GET /path`.
    pub fn requests(&self) -> Vec<String> {
        self.line.requests()
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A node that is reached over a line: it names the line's address as its own.
pub struct LinkedNode {
    /// The node itself.
    pub node: TestNode,
    /// The line before it.
    pub link: Link,
}

impl LinkedNode {
    /// Starts a node behind a perfect line. The seed is the line's and the node's.
    pub async fn start(options: NodeOptions) -> LinkedNode {
        let link = Link::unbound(options.seed).await;
        let node = TestNode::start_with(NodeOptions { public_url: Some(link.url()), ..options }).await;
        link.bind(node.url());
        LinkedNode { node, link }
    }

    /// Returns the address before the line.
    pub fn url(&self) -> String {
        self.link.url()
    }
}

/// Takes connections while the line is up. In a black hole it takes none and keeps the queue full, so that the kernel drops attempts.
async fn accept(listener: TcpListener, address: SocketAddr, line: Arc<Line>, target: Arc<OnceLock<String>>) {
    let mut connections = JoinSet::new();
    let mut number = 0u64;
    let mut plugged_from = None;
    loop {
        if line.is_black_hole() {
            // A queue of zero holds one connection: ours, or that of a client that came just before it.
            listen(&listener, 0);
            let healed = line.until(|state| !state.is_black_hole());
            tokio::pin!(healed);
            let plug = tokio::select! {
                plug = TcpStream::connect(address) => {
                    healed.await;
                    plug.ok()
                }
                () = &mut healed => None,
            };
            listen(&listener, BACKLOG);
            plugged_from = plug.and_then(|plug| plug.local_addr().ok());
            continue;
        }
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((client, peer)) = accepted else { continue };
                if plugged_from == Some(peer) {
                    plugged_from = None;
                    continue;
                }
                number += 1;
                connections.spawn(connection::run(client, number, Arc::clone(&line), Arc::clone(&target)));
            }
            () = line.until(|state| state.is_black_hole()) => {}
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Changes the length of the queue of a listening socket.
fn listen(listener: &TcpListener, backlog: i32) {
    rustix::net::listen(listener.as_fd(), backlog).expect("a listening socket may listen again");
}
