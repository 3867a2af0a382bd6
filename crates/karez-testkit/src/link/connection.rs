//! One connection over the line: two directions, each read, held for the delay, let through by the line, written.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bytes::Bytes;
use karez_types::SeededEntropy;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::{Instant, sleep_until};

use super::http::{Asked, Framing};
use super::line::{Birth, Gone, Line, Way};

/// Most bytes that are read at once.
const BLOCK_BYTES: usize = 16 << 10;
/// Blocks that may be under way in one direction: with [`BLOCK_BYTES`] a window of one MiB.
const BLOCKS_UNDER_WAY: usize = 64;

/// Carries one connection until both sides are done, or until the line is reset.
pub(super) async fn run(mut client: TcpStream, number: u64, line: Arc<Line>, target: Arc<OnceLock<String>>) {
    let birth = line.birth();
    let Some(target) = target.get() else { return };
    let Ok(mut node) = TcpStream::connect(target).await else { return };
    let _ = client.set_nodelay(true);
    let _ = node.set_nodelay(true);
    if carry(&mut client, &mut node, birth, number, &line).await.is_err() {
        // A connection that broke must end in a reset, and not as if all had been said.
        let _ = client.set_zero_linger();
        let _ = node.set_zero_linger();
    }
}

async fn carry(
    client: &mut TcpStream,
    node: &mut TcpStream,
    birth: Birth,
    number: u64,
    line: &Arc<Line>,
) -> Result<(), Gone> {
    let (client_read, client_write) = client.split();
    let (node_read, node_write) = node.split();
    let asked = Asked::default();
    let (up_in, up_out) = channel(BLOCKS_UNDER_WAY);
    let (down_in, down_out) = channel(BLOCKS_UNDER_WAY);
    let requests = Watcher::requests(Arc::clone(line), Arc::clone(&asked));
    let answers = Watcher::answers(Arc::clone(line), asked, number);
    let up = both(read(client_read, line, requests, up_in), write(node_write, line, birth, Way::Up, up_out));
    let down = both(read(node_read, line, answers, down_in), write(client_write, line, birth, Way::Down, down_out));
    tokio::select! {
        done = async { tokio::try_join!(up, down) } => done.map(drop),
        () = line.until_reset(birth) => Err(Gone),
    }
}

/// Reads and writes until the writer is done or cannot go on.
async fn both(reading: impl Future<Output = ()>, writing: impl Future<Output = Result<(), Gone>>) -> Result<(), Gone> {
    let reading = async {
        reading.await;
        Ok(())
    };
    tokio::try_join!(reading, writing).map(drop)
}

/// A block of bytes, and when it has been under way long enough.
type UnderWay = (Instant, Bytes);

async fn read(mut source: ReadHalf<'_>, line: &Arc<Line>, mut watcher: Watcher, out: Sender<UnderWay>) {
    let mut block = vec![0; BLOCK_BYTES];
    while let Ok(count @ 1..) = source.read(&mut block).await {
        watcher.see(&mut block[..count]);
        let due = Instant::now() + line.shape().delay;
        if out.send((due, Bytes::copy_from_slice(&block[..count]))).await.is_err() {
            return;
        }
    }
}

async fn write(
    mut sink: WriteHalf<'_>,
    line: &Arc<Line>,
    birth: Birth,
    way: Way,
    mut blocks: Receiver<UnderWay>,
) -> Result<(), Gone> {
    while let Some((due, mut block)) = blocks.recv().await {
        sleep_until(due).await;
        while !block.is_empty() {
            let count = line.pass(way, birth, block.len()).await?;
            let slice = block.split_to(count);
            sink.write_all(&slice).await.map_err(|_| Gone)?;
        }
    }
    // The end of a stream does not travel through a cut either.
    line.pass(way, birth, 0).await?;
    sink.shutdown().await.map_err(|_| Gone)
}

/// Follows the messages of one direction: notes requests, and flips bits in answers.
struct Watcher {
    framing: Framing,
    line: Arc<Line>,
    entropy: SeededEntropy,
    /// Body bytes until the next bit to flip, with the distance it was drawn for.
    next: Option<(u64, u64)>,
}

impl Watcher {
    fn requests(line: Arc<Line>, asked: Asked) -> Watcher {
        Watcher { framing: Framing::requests(asked), line, entropy: SeededEntropy::new(0), next: None }
    }

    fn answers(line: Arc<Line>, asked: Asked, number: u64) -> Watcher {
        // Each connection draws from a stream of its own, so that it does not matter which of two is read first.
        let entropy = SeededEntropy::new(SeededEntropy::new(line.seed ^ number.rotate_left(32)).next_u64());
        Watcher { framing: Framing::answers(asked), line, entropy, next: None }
    }

    fn see(&mut self, block: &mut [u8]) {
        let mut bodies = Vec::new();
        self.framing.feed(block, &mut bodies);
        for request in self.framing.requests_seen.drain(..) {
            self.line.note_request(request);
        }
        if !self.framing.is_answers {
            return;
        }
        let corruption = self.line.shape().corruption;
        let (mut body_bytes, mut bits_flipped) = (0, 0);
        for (range, path) in bodies {
            body_bytes += range.len() as u64;
            if let Some(wanted) = corruption.as_ref().filter(|wanted| path.contains(&wanted.path_part)) {
                bits_flipped += self.flip(&mut block[range], wanted.bytes_apart.max(1));
            }
        }
        self.line.note_body(body_bytes, bits_flipped);
    }

    /// Flips one bit every so many bytes; the distance is drawn evenly from one to twice the mean.
    fn flip(&mut self, body: &mut [u8], bytes_apart: u64) -> u64 {
        let (mut at, mut flipped) = (0u64, 0);
        loop {
            let left = match self.next {
                Some((left, drawn_for)) if drawn_for == bytes_apart => left,
                _ => self.entropy.next_u64() % (2 * bytes_apart),
            };
            let place = at + left;
            let Some(byte) = usize::try_from(place).ok().and_then(|place| body.get_mut(place)) else {
                self.next = Some((place - body.len() as u64, bytes_apart));
                return flipped;
            };
            *byte ^= 1 << (self.entropy.next_u64() % 8);
            self.next = None;
            flipped += 1;
            at = place + 1;
        }
    }
}

/// Locks the queue of requests that wait for their answers.
pub(super) fn queue(asked: &Asked) -> std::sync::MutexGuard<'_, VecDeque<super::http::Request>> {
    let asked: &Mutex<_> = asked;
    asked.lock().unwrap_or_else(PoisonError::into_inner)
}
