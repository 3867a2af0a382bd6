//! One range from one address, exactly.

use bytes::Bytes;
use futures::stream::{BoxStream, StreamExt, TryStreamExt, try_unfold};
use http::{StatusCode, header};
use karez_types::ByteRange;

use crate::net::{HttpAnswer, NetError};
use crate::transfer::{ByteStream, SourceError};

fn wrong(what: impl Into<String>) -> SourceError {
    SourceError::Wrong(what.into())
}

/// Reads `Content-Range: bytes first-last/total`.
fn content_range(text: &str) -> Option<(ByteRange, Option<u64>)> {
    let (range, total) = text.trim().strip_prefix("bytes")?.trim_start().split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let range = ByteRange::new(first.trim().parse().ok()?, last.trim().parse::<u64>().ok()?.checked_add(1)?)?;
    let total = match total.trim() {
        "*" => None,
        digits => Some(digits.parse().ok()?),
    };
    Some((range, total))
}

/// Turns an answer with status 206 into the bytes that were asked for.
///
/// `total_bytes` is the length of the whole object, where it is known.
///
/// # Errors
/// [`SourceError::Wrong`] when it is another range, of an object of another length, or of another length itself.
pub(super) fn ranged(
    answer: HttpAnswer,
    asked: ByteRange,
    total_bytes: Option<u64>,
) -> Result<ByteStream, SourceError> {
    debug_assert_eq!(answer.status, StatusCode::PARTIAL_CONTENT);
    let said =
        answer.header(&header::CONTENT_RANGE).ok_or_else(|| wrong("sent part of an object without saying which"))?;
    let (range, total) = content_range(said).ok_or_else(|| wrong("sent a malformed Content-Range"))?;
    if range != asked {
        return Err(wrong(format!(
            "was asked for the bytes {}..{} and sent {}..{}",
            asked.start, asked.end, range.start, range.end
        )));
    }
    if let (Some(expected), Some(actual)) = (total_bytes, total)
        && expected != actual
    {
        return Err(wrong(format!("says that an object of {expected} bytes has {actual}")));
    }
    if answer.content_length().is_some_and(|length| length != asked.byte_count()) {
        return Err(wrong("announced another number of bytes than it was asked for"));
    }
    if answer.headers.contains_key(header::CONTENT_ENCODING) {
        return Err(wrong("encoded bytes that were asked for as they are"));
    }
    let is_chunked = answer.headers.contains_key(header::TRANSFER_ENCODING);
    Ok(exactly(answer.stream(), asked.byte_count(), is_chunked))
}

/// Yields as many bytes, or an error. `says_its_end`: whether an end before that was said and not just a
/// connection that broke.
pub(super) fn exactly(
    body: BoxStream<'static, Result<Bytes, NetError>>,
    byte_count: u64,
    says_its_end: bool,
) -> ByteStream {
    try_unfold((body, byte_count), move |(mut body, left)| async move {
        match body.try_next().await? {
            None if left == 0 => Ok(None),
            None if says_its_end => Err(wrong("sent fewer bytes than it was asked for")),
            None => Err(SourceError::Unreachable("the connection ended early".to_owned())),
            Some(_) if left == 0 => Err(wrong("sent more bytes than it was asked for")),
            Some(mut bytes) => {
                // What is too much shows at the next call; what was asked for is given first.
                let surplus = (bytes.len() as u64).saturating_sub(left);
                if surplus > 0 {
                    let body = futures::stream::once(std::future::ready(Ok(Bytes::from_static(b"more")))).boxed();
                    bytes.truncate(left as usize);
                    return Ok(Some((bytes, (body, 0))));
                }
                let left = left - bytes.len() as u64;
                Ok(Some((bytes, (body, left))))
            }
        }
    })
    .boxed()
}

#[cfg(test)]
mod tests {
    use futures::stream;

    use super::*;

    #[test]
    fn ranges_are_read_as_they_are_written() {
        let range = |start, end| ByteRange::new(start, end).unwrap();
        assert_eq!(content_range("bytes 0-9/100"), Some((range(0, 10), Some(100))));
        assert_eq!(content_range(" bytes 5-5/* "), Some((range(5, 6), None)));
        for text in ["", "bytes", "bytes */5", "bytes 1-/5", "bytes 9-1/5", "items 0-1/2", "bytes 0-1", "bytes 0-1/x"] {
            assert_eq!(content_range(text), None, "{text}");
        }
        assert_eq!(content_range(&format!("bytes 0-{}/*", u64::MAX)), None);
    }

    #[tokio::test]
    async fn a_stream_is_exact_or_an_error() {
        let outcome = async |pieces: &[&'static str], byte_count, says_its_end| {
            let pieces: Vec<_> = pieces.iter().map(|piece| Ok(Bytes::from_static(piece.as_bytes()))).collect();
            let mut stream = exactly(stream::iter(pieces).boxed(), byte_count, says_its_end);
            let mut text = String::new();
            loop {
                match stream.try_next().await {
                    Ok(Some(bytes)) => text.push_str(std::str::from_utf8(&bytes).unwrap()),
                    Ok(None) => return (text, None),
                    Err(error) => return (text, Some(error)),
                }
            }
        };
        assert_eq!(outcome(&["ab", "cd"], 4, true).await, ("abcd".to_owned(), None));
        assert_eq!(outcome(&[], 0, true).await, (String::new(), None));
        let (text, error) = outcome(&["ab", "cd"], 3, true).await;
        assert!(text == "abc" && matches!(error, Some(SourceError::Wrong(_))), "{text} {error:?}");
        let (text, error) = outcome(&["ab", "cd"], 2, true).await;
        assert!(text == "ab" && matches!(error, Some(SourceError::Wrong(_))), "{text} {error:?}");
        let (text, error) = outcome(&["ab"], 3, true).await;
        assert!(text == "ab" && matches!(error, Some(SourceError::Wrong(_))), "{text} {error:?}");
        let (text, error) = outcome(&["ab"], 3, false).await;
        assert!(text == "ab" && matches!(error, Some(SourceError::Unreachable(_))), "{text} {error:?}");
    }
}
