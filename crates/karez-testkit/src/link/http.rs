//! Where messages of HTTP/1.1 begin and end in a stream of bytes, so that a line can tell heads from bodies.
//!
//! This is for honest nodes and clients of our own tests: a stream that it cannot follow is carried on untouched.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Arc, Mutex};

use super::connection::queue;

/// The longest head that is followed.
const HEAD_BYTES_MAX: usize = 256 << 10;

/// What was asked.
#[derive(Debug, Clone, Default)]
pub(super) struct Request {
    is_head: bool,
    path: Arc<str>,
}

/// Requests of one connection that wait for their answers.
pub(super) type Asked = Arc<Mutex<VecDeque<Request>>>;

/// Follows one direction of a connection.
pub(super) struct Framing {
    pub(super) is_answers: bool,
    /// Requests whose heads ended in what was fed, as `GET /path`.
    pub(super) requests_seen: Vec<String>,
    asked: Asked,
    path: Arc<str>,
    place: Place,
}

enum Place {
    Head(Vec<u8>),
    Body(u64),
    ChunkLine(Vec<u8>),
    Chunk(u64),
    ChunkEnd(u8),
    Trailer(Vec<u8>),
    UntilClose,
    Lost,
}

impl Framing {
    pub(super) fn requests(asked: Asked) -> Framing {
        Framing { is_answers: false, requests_seen: Vec::new(), asked, path: "".into(), place: Place::Head(Vec::new()) }
    }

    pub(super) fn answers(asked: Asked) -> Framing {
        Framing { is_answers: true, ..Framing::requests(asked) }
    }

    /// Follows a block; the parts of it that are body go to `bodies`, each with the path that was asked.
    pub(super) fn feed(&mut self, block: &[u8], bodies: &mut Vec<(Range<usize>, Arc<str>)>) {
        let mut at = 0;
        while at < block.len() {
            let rest = &block[at..];
            match &mut self.place {
                Place::Head(head) => {
                    head.push(rest[0]);
                    at += 1;
                    if head.ends_with(b"\r\n\r\n") {
                        let head = String::from_utf8_lossy(head).into_owned();
                        self.place = if self.is_answers { self.answer(&head) } else { self.request(&head) };
                    } else if head.len() > HEAD_BYTES_MAX {
                        self.place = Place::Lost;
                    }
                }
                Place::Body(left) | Place::Chunk(left) => {
                    let count = usize::try_from(*left).unwrap_or(usize::MAX).min(rest.len());
                    bodies.push((at..at + count, Arc::clone(&self.path)));
                    at += count;
                    *left -= count as u64;
                    if *left == 0 {
                        let is_chunk = matches!(self.place, Place::Chunk(_));
                        self.place = if is_chunk { Place::ChunkEnd(2) } else { Place::Head(Vec::new()) };
                    }
                }
                Place::ChunkEnd(left) => {
                    at += 1;
                    *left -= 1;
                    if *left == 0 {
                        self.place = Place::ChunkLine(Vec::new());
                    }
                }
                Place::ChunkLine(line) => {
                    line.push(rest[0]);
                    at += 1;
                    if line.ends_with(b"\r\n") {
                        let digits = String::from_utf8_lossy(line);
                        let digits = digits.trim_end().split(';').next().unwrap_or_default();
                        self.place = match u64::from_str_radix(digits, 16) {
                            Ok(0) => Place::Trailer(b"\r\n".to_vec()),
                            Ok(bytes) => Place::Chunk(bytes),
                            Err(_) => Place::Lost,
                        };
                    }
                }
                Place::Trailer(line) => {
                    line.push(rest[0]);
                    at += 1;
                    if line.ends_with(b"\r\n\r\n") {
                        self.place = Place::Head(Vec::new());
                    }
                }
                Place::UntilClose => {
                    bodies.push((at..block.len(), Arc::clone(&self.path)));
                    return;
                }
                Place::Lost => return,
            }
        }
    }

    fn request(&mut self, head: &str) -> Place {
        let mut words = head.split(' ');
        let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        self.requests_seen.push(format!("{method} {path}"));
        self.path = path.into();
        queue(&self.asked).push_back(Request { is_head: method == "HEAD", path: path.into() });
        body_place(head).unwrap_or(Place::Head(Vec::new()))
    }

    fn answer(&mut self, head: &str) -> Place {
        let status = head.split(' ').nth(1).unwrap_or_default();
        if status.starts_with('1') {
            return Place::Head(Vec::new());
        }
        let request = queue(&self.asked).pop_front().unwrap_or_default();
        self.path = Arc::clone(&request.path);
        if request.is_head || matches!(status, "204" | "304") {
            return Place::Head(Vec::new());
        }
        body_place(head).unwrap_or(Place::UntilClose)
    }
}

/// Returns where a message goes on after its head, if the head says how long its body is.
fn body_place(head: &str) -> Option<Place> {
    let header = |wanted: &str| {
        head.lines()
            .filter_map(|line| line.split_once(':'))
            .find(|(name, _)| name.eq_ignore_ascii_case(wanted))
            .map(|(_, value)| value.trim())
    };
    if header("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked")) {
        return Some(Place::ChunkLine(Vec::new()));
    }
    match header("content-length")?.parse() {
        Ok(0) => Some(Place::Head(Vec::new())),
        Ok(bytes) => Some(Place::Body(bytes)),
        Err(_) => Some(Place::Lost),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUESTS: &[u8] = b"HEAD /a HTTP/1.1\r\nHost: x\r\n\r\nPOST /b HTTP/1.1\r\nContent-Length: 3\r\n\r\nxyzGET /c HTTP/1.1\r\n\r\nGET /d HTTP/1.1\r\n\r\n";
    const ANSWERS: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n\
        HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4;x=y\r\nBODY\r\n3\r\nbod\r\n0\r\n\r\n\
        HTTP/1.1 206 Partial Content\r\nContent-Length: 5\r\n\r\nhello\
        HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nto the end";

    /// The bodies of the answers with their paths, fed in blocks of this many bytes.
    fn bodies(block_bytes: usize) -> Vec<(String, String)> {
        let asked = Asked::default();
        let mut requests = Framing::requests(Arc::clone(&asked));
        let mut answers = Framing::answers(asked);
        requests.feed(REQUESTS, &mut Vec::new());
        assert_eq!(requests.requests_seen, ["HEAD /a", "POST /b", "GET /c", "GET /d"]);
        let mut found: Vec<(String, String)> = Vec::new();
        for block in ANSWERS.chunks(block_bytes) {
            let mut ranges = Vec::new();
            answers.feed(block, &mut ranges);
            for (range, path) in ranges {
                let text = String::from_utf8_lossy(&block[range]).into_owned();
                match found.last_mut() {
                    Some((last, body)) if **last == *path => body.push_str(&text),
                    _ => found.push((path.to_string(), text)),
                }
            }
        }
        found
    }

    #[test]
    fn finds_bodies_however_the_stream_is_cut() {
        let wanted: Vec<(String, String)> = [("/b", "BODYbod"), ("/c", "hello"), ("/d", "to the end")]
            .map(|(path, body)| (path.to_owned(), body.to_owned()))
            .to_vec();
        for block_bytes in [1, 2, 7, 64, ANSWERS.len()] {
            assert_eq!(bodies(block_bytes), wanted, "blocks of {block_bytes}");
        }
    }

    #[test]
    fn leaves_what_it_cannot_follow() {
        let mut answers = Framing::answers(Asked::default());
        let mut ranges = Vec::new();
        answers.feed(b"HTTP/1.1 200 OK\r\ncontent-length: many\r\n\r\nwhat follows", &mut ranges);
        assert!(ranges.is_empty());
    }
}
