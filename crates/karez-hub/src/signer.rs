//! Stateless proofs: everything that the node hands out and later believes again.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// What a proof is for. A proof for one purpose never passes for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// A token for the Xet routes.
    XetToken,
    /// An address of ranges of a xorb.
    XorbRange,
    /// An address that takes one LFS object or part of one.
    LfsUpload,
    /// An address that gives one LFS object.
    LfsDownload,
    /// Where the next page of a listing begins.
    Cursor,
    /// The key of one day's deduplication answers.
    DedupKey,
    /// The key under which secrets are kept in the catalog.
    Secret,
    /// What a node is called in questions that pass it.
    NodeMark,
}

impl Purpose {
    fn domain(self) -> &'static [u8] {
        match self {
            Purpose::XetToken => b"karez xet token\0",
            Purpose::XorbRange => b"karez xorb range\0",
            Purpose::LfsUpload => b"karez lfs upload\0",
            Purpose::LfsDownload => b"karez lfs download\0",
            Purpose::Cursor => b"karez cursor\0",
            Purpose::DedupKey => b"karez dedup key\0",
            Purpose::Secret => b"karez secret\0",
            Purpose::NodeMark => b"karez node mark\0",
        }
    }
}

/// HMAC-SHA256 under the node's signing key.
pub struct Signer {
    keyed: Hmac<Sha256>,
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Signer(..)")
    }
}

impl Signer {
    /// Returns a signer with this key.
    pub fn new(key: &[u8; 32]) -> Signer {
        Signer { keyed: Hmac::new_from_slice(key).expect("HMAC takes keys of any length") }
    }

    fn mac(&self, purpose: Purpose, message: &[u8]) -> Hmac<Sha256> {
        let mut mac = self.keyed.clone();
        mac.update(purpose.domain());
        mac.update(message);
        mac
    }

    /// Returns the proof for a message: 43 characters, safe in addresses.
    pub fn sign(&self, purpose: Purpose, message: &[u8]) -> String {
        URL_SAFE_NO_PAD.encode(self.mac(purpose, message).finalize().into_bytes())
    }

    /// Derives a key for a purpose.
    pub fn derive(&self, purpose: Purpose, message: &[u8]) -> [u8; 32] {
        self.mac(purpose, message).finalize().into_bytes().into()
    }

    /// Tells whether this is the proof for the message, in constant time.
    pub fn verify(&self, purpose: Purpose, message: &[u8], proof: &str) -> bool {
        match URL_SAFE_NO_PAD.decode(proof) {
            Ok(bytes) => self.mac(purpose, message).verify_slice(&bytes).is_ok(),
            Err(_) => false,
        }
    }

    /// Seals a message into a token: `base64url(message).proof`.
    pub fn seal(&self, purpose: Purpose, message: &[u8]) -> String {
        format!("{}.{}", URL_SAFE_NO_PAD.encode(message), self.sign(purpose, message))
    }

    /// Opens a token made by [`Signer::seal`]; `None` when it is not genuine.
    pub fn open(&self, purpose: Purpose, token: &str) -> Option<Vec<u8>> {
        let (message, proof) = token.split_once('.')?;
        let message = URL_SAFE_NO_PAD.decode(message).ok()?;
        self.verify(purpose, &message, proof).then_some(message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_holds_for_its_message_and_purpose_only() {
        let signer = Signer::new(&[7; 32]);
        let token = signer.seal(Purpose::XetToken, b"hello");
        assert_eq!(signer.open(Purpose::XetToken, &token).unwrap(), b"hello");
        assert!(signer.open(Purpose::Cursor, &token).is_none());
        assert!(Signer::new(&[8; 32]).open(Purpose::XetToken, &token).is_none());
        for broken in ["", ".", "a.b", &token[1..], &token[..token.len() - 1]] {
            assert!(signer.open(Purpose::XetToken, broken).is_none(), "{broken}");
        }
    }
}
