//! Signed addresses of xorb ranges: all that a client without a token can read.
//!
//! An address names a xorb, the exact ranges that the file in question needs, and when it ends. To
//! read next to a range is refused: other chunks of the xorb may belong to other people's files.

use bytes::Bytes;
use futures::stream::{BoxStream, StreamExt, TryStreamExt};
use karez_types::{ByteRange, Timestamp, XorbHash};

use crate::{Hub, HubError, HubResult, Purpose};

/// Ranges in one request; reconstructions put at most 64 under one address.
const RANGES_MAX: usize = 64;

/// What a signed address says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedRanges {
    /// The xorb.
    pub xorb: XorbHash,
    /// The ranges that may be read, sorted.
    pub ranges: Vec<ByteRange>,
    /// When the address ends.
    pub expires: Timestamp,
    /// The proof that the node made it.
    pub proof: String,
}

/// The message under the proof.
fn message(xorb: XorbHash, ranges: &[ByteRange], expires: Timestamp) -> Vec<u8> {
    let mut message = Vec::with_capacity(40 + ranges.len() * 16);
    message.extend_from_slice(&xorb.0);
    message.extend_from_slice(&expires.unix_secs().to_le_bytes());
    for range in ranges {
        message.extend_from_slice(&range.start.to_le_bytes());
        message.extend_from_slice(&range.end.to_le_bytes());
    }
    message
}

impl Hub {
    /// Signs ranges of a xorb for somebody who may read them.
    pub(crate) fn sign_ranges(&self, xorb: XorbHash, ranges: Vec<ByteRange>) -> SignedRanges {
        let lifetime_secs = i64::try_from(self.limits.signed_url_secs).unwrap_or(i64::MAX);
        let expires = Timestamp(0).plus_secs(self.clock.now().unix_secs()).plus_secs(lifetime_secs);
        let proof = self.signer.sign(Purpose::XorbRange, &message(xorb, &ranges, expires));
        SignedRanges { xorb, ranges, expires, proof }
    }

    /// Checks an address, and that the ranges asked for lie inside those that it gives.
    ///
    /// # Errors
    /// [`HubError::SignatureInvalid`] otherwise; clients then ask for a new reconstruction.
    pub fn signed_ranges_check(&self, signed: &SignedRanges, asked: &[ByteRange]) -> HubResult<()> {
        let invalid = |reason: &str| HubError::SignatureInvalid(format!("{reason}; ask for the reconstruction again"));
        let SignedRanges { xorb, ranges, expires, proof } = signed;
        if !self.signer.verify(Purpose::XorbRange, &message(*xorb, ranges, *expires), proof) {
            return Err(invalid("the address was not made by this node"));
        }
        if *expires <= self.clock.now() {
            return Err(invalid("the address has expired"));
        }
        if asked.is_empty() || asked.len() > RANGES_MAX {
            return Err(HubError::Invalid(format!("send a Range header with 1 to {RANGES_MAX} ranges")));
        }
        let outside = |range: &ByteRange| range.is_empty() || !ranges.iter().any(|signed| signed.contains(*range));
        if asked.iter().any(outside) {
            return Err(invalid("the address does not cover the range asked for"));
        }
        Ok(())
    }

    /// Streams a range of a xorb that was checked with [`Hub::signed_ranges_check`].
    ///
    /// The first bytes are read before this answers, so a missing xorb is an error and not a broken stream.
    ///
    /// # Errors
    /// When the store does not have the bytes.
    pub async fn xorb_range(
        &self,
        xorb: XorbHash,
        range: ByteRange,
    ) -> HubResult<BoxStream<'static, HubResult<Bytes>>> {
        let mut stream = self.store.xorb_stream(xorb, range);
        let first = stream.try_next().await?;
        let first = futures::stream::iter(first.map(Ok));
        Ok(first.chain(stream.map_err(HubError::from)).boxed())
    }
}
