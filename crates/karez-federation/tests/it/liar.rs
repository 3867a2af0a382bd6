//! A server that answers whatever the test says, byte for byte: for answers that no honest server gives.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Asked {
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Names in lower case.
    pub headers: HashMap<String, String>,
    pub body: Vec<u8>,
}

impl Asked {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// Returns the first and last byte of the Range header.
    pub fn range(&self) -> Option<(u64, u64)> {
        let (first, last) = self.header("range").strip_prefix("bytes=")?.split_once('-')?;
        Some((first.parse().ok()?, last.parse().ok()?))
    }
}

/// What happens after the bytes of an answer.
#[derive(Debug, Clone, Copy)]
pub enum Then {
    /// The next request is read.
    Listen,
    /// The connection is closed.
    Close,
    /// Nothing, for ever.
    Hang,
    /// One byte after every pause, for ever.
    Drip(Duration),
    /// The same bytes, for ever.
    Flood,
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Reply {
    bytes: Vec<u8>,
    then: Then,
}

impl Reply {
    /// An answer with its true length.
    pub fn new(status: u16, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        let length = body.len().to_string();
        Reply::unsized_(status, &[headers, &[("content-length", &length)]].concat(), body)
    }

    /// An answer that says of itself only what these headers say.
    pub fn unsized_(status: u16, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        let mut head = format!("HTTP/1.1 {status} Said\r\n");
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        Reply { bytes: [head.as_bytes(), body].concat(), then: Then::Listen }
    }

    /// A range of a whole, as an honest server gives it.
    pub fn range_of(whole: &[u8], asked: &Asked, headers: &[(&str, &str)]) -> Reply {
        let Some((first, last)) = asked.range() else { return Reply::new(200, headers, whole) };
        let last = last.min(whole.len() as u64 - 1);
        let range = format!("bytes {first}-{last}/{}", whole.len());
        let part = &whole[first as usize..=last as usize];
        Reply::new(206, &[headers, &[("content-range", &range)]].concat(), part)
    }

    pub fn then(mut self, then: Then) -> Reply {
        self.then = then;
        self
    }
}

type Answer = dyn Fn(Asked) -> BoxFuture<'static, Reply> + Send + Sync;

/// A server on a port of its own; stops when it is dropped.
pub struct Liar {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    connections: Arc<Mutex<usize>>,
    task: JoinHandle<()>,
}

impl Liar {
    pub async fn start(answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Liar {
        Liar::start_async(move |asked| Box::pin(std::future::ready(answer(&asked)))).await
    }

    pub async fn start_async(answer: impl Fn(Asked) -> BoxFuture<'static, Reply> + Send + Sync + 'static) -> Liar {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (asked, connections) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(0)));
        let (log, count, answer): (_, _, Arc<Answer>) =
            (Arc::clone(&asked), Arc::clone(&connections), Arc::new(answer));
        let task = tokio::spawn(async move {
            let mut open = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                *count.lock().unwrap() += 1;
                let (log, answer) = (Arc::clone(&log), Arc::clone(&answer));
                open.spawn(async move { drop(serve(stream, &log, &*answer).await) });
            }
        });
        Liar { address, asked, connections, task }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Everything that was asked so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// Connections that were made so far.
    pub fn connections(&self) -> usize {
        *self.connections.lock().unwrap()
    }
}

impl Drop for Liar {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut stream: TcpStream, log: &Mutex<Vec<Asked>>, answer: &Answer) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    while let Some(asked) = read_request(&mut stream).await? {
        log.lock().unwrap().push(asked.clone());
        let reply = answer(asked).await;
        stream.write_all(&reply.bytes).await?;
        match reply.then {
            Then::Listen => {}
            Then::Close => return Ok(()),
            Then::Hang => std::future::pending().await,
            Then::Drip(pause) => loop {
                tokio::time::sleep(pause).await;
                stream.write_all(b"x").await?;
            },
            Then::Flood => loop {
                stream.write_all(&[b'x'; 64 << 10]).await?;
            },
        }
    }
    Ok(())
}

async fn read_request(stream: &mut TcpStream) -> std::io::Result<Option<Asked>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return Ok(None),
        }
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let mut lines = head.lines();
    let mut words = lines.next().unwrap_or_default().split(' ');
    let (method, target) = (words.next().unwrap_or_default().to_owned(), words.next().unwrap_or_default().to_owned());
    let pair = |line: &str| line.split_once(": ").map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()));
    let headers: HashMap<String, String> = lines.filter_map(pair).collect();
    let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    Ok(Some(Asked { method, target, headers, body }))
}
