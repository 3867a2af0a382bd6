//! One question for everything that is new in a peer's log, and what the answer is worth.

use karez_formats::log_news::{LogNews, LogNewsError, NEWS_BYTES_MAX, NewsTags};
use karez_governance::{Checkpoint, Note, NoteSignature, TreeHash, VerifiedCheckpoint, VerifierKey};

use super::{PeerError, Wire, WireError};

/// Where a node tells what is new.
const PATH: &str = "/federation/v1/news";

/// What is remembered of the questions about one log.
#[derive(Debug, Clone, Default)]
pub struct LogAsked {
    /// Tag of the last news that were taken in.
    pub news_etag: Option<String>,
    /// What those said of the rest of the node; `None` until a node has told its news.
    pub tags: Option<NewsTags>,
    /// Tag of the last checkpoint, where the log is read in tiles.
    pub checkpoint_etag: Option<String>,
    /// Whether the peer does not tell its news: an older program, or a log of another kind. Looked at
    /// again whenever the peer is asked what it is.
    pub lacks_news: bool,
}

/// What a peer answered.
pub(super) enum NewsAnswer {
    /// Nothing has changed.
    Same,
    /// It does not tell its news, or in a form that is not known here: its log is read in tiles.
    NotTold,
    /// A signed checkpoint, and what comes with it.
    Told(Box<Told>),
}

/// News whose signature is that of the log. Whether the entries lead to the root is not known yet.
pub(super) struct Told {
    pub checkpoint: VerifiedCheckpoint,
    /// All entries from the size that was named to that of the checkpoint, or none when they are too many.
    pub entries: Vec<Vec<u8>>,
    pub tags: NewsTags,
    pub etag: Option<String>,
}

/// Asks what is new after the first `size` entries. `etag` is that of news that were taken in already.
pub(super) async fn news_ask(
    wire: &Wire,
    key: &VerifierKey,
    size: u64,
    etag: Option<&str>,
) -> Result<NewsAnswer, PeerError> {
    let path = format!("{PATH}?size={size}");
    let answer = match wire.get(&path, etag, NEWS_BYTES_MAX as u64).await {
        Ok(answer) if answer.status == 304 => return Ok(NewsAnswer::Same),
        Ok(answer) => answer,
        // What programs, static servers and stores of objects say of addresses that they do not have.
        Err(WireError::Status { status: 400 | 403..=405 | 410 | 501, .. }) => return Ok(NewsAnswer::NotTold),
        Err(error) => return Err(error.into()),
    };
    let wrong = |what: String| WireError::Wrong { path: path.clone(), what };
    let news = match LogNews::parse(&answer.body) {
        Err(LogNewsError::Version(_)) => return Ok(NewsAnswer::NotTold),
        news => news.map_err(|error| wrong(error.to_string()))?,
    };
    if news.from != size {
        return Err(wrong(format!("they begin at entry {}", news.from)).into());
    }
    let checkpoint = checkpoint_of(&news, key)?;
    Ok(NewsAnswer::Told(Box::new(Told { checkpoint, entries: news.entries, tags: news.tags, etag: answer.etag })))
}

/// Writes the checkpoint that the news speak of, and verifies it: origin and key are those of the peer, so
/// what another node has signed does not pass.
fn checkpoint_of(news: &LogNews, key: &VerifierKey) -> Result<VerifiedCheckpoint, PeerError> {
    let (origin, root) = (key.name().to_owned(), TreeHash(news.root));
    let text = Checkpoint { origin, size: news.size, root, extensions: Vec::new() }.text();
    let mut note = Note::new(text).map_err(|error| PeerError::Unsound(error.to_string()))?;
    note.add(NoteSignature { name: key.name().to_owned(), key_id: key.id(), bytes: news.signature.to_vec() });
    Ok(VerifiedCheckpoint::open(&note, key, &[])?)
}
