//! Secrets of others that the node must be able to read again: tokens for remotes.
//!
//! What is in the catalog is useless without the node's signing key: ChaCha20-Poly1305 (RFC 8439) under a
//! key derived from it. The context (whose secret, for which remote) is authenticated with it, so a row
//! copied to another place does not open there.

use karez_types::Entropy;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

use crate::{Hub, Purpose};

/// First byte of what is sealed; another layout gets another number.
const LAYOUT: u8 = 1;

/// Longest secret, in bytes. Tokens have about a hundred.
pub const SECRET_BYTES_MAX: usize = 4_096;

fn key_of(key: &[u8; 32]) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, key).expect("the key has the length of the algorithm"))
}

/// Seals a secret: layout, nonce, ciphertext with tag.
fn seal(key: &[u8; 32], entropy: &dyn Entropy, context: &str, secret: &str) -> Vec<u8> {
    // 96 random bits: a collision is not to be expected below billions of secrets under one key.
    let mut nonce = [0u8; NONCE_LEN];
    entropy.fill(&mut nonce);
    let mut body = secret.as_bytes().to_vec();
    let unique = Nonce::assume_unique_for_key(nonce);
    key_of(key).seal_in_place_append_tag(unique, Aad::from(context.as_bytes()), &mut body).expect("a token is short");
    let mut sealed = vec![LAYOUT];
    sealed.extend_from_slice(&nonce);
    sealed.append(&mut body);
    sealed
}

/// Opens what [`seal`] made; `None` when it is not genuine or not of this context.
fn open(key: &[u8; 32], context: &str, sealed: &[u8]) -> Option<String> {
    let (&layout, rest) = sealed.split_first()?;
    if layout != LAYOUT || rest.len() < NONCE_LEN {
        return None;
    }
    let (nonce, body) = rest.split_at(NONCE_LEN);
    let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
    let mut body = body.to_vec();
    let secret = key_of(key).open_in_place(nonce, Aad::from(context.as_bytes()), &mut body).ok()?;
    String::from_utf8(secret.to_vec()).ok()
}

impl Hub {
    /// Returns what tells this node from others: the same in all its processes, and says nothing.
    pub fn node_mark(&self) -> [u8; 8] {
        let derived = self.signer.derive(Purpose::NodeMark, b"");
        *derived.first_chunk().expect("32 bytes begin with eight")
    }

    /// Draws a mark that nobody guesses: 32 letters and digits.
    pub fn mark_draw(&self) -> String {
        karez_types::alphanumeric(&*self.entropy, 32)
    }

    /// Seals a secret for the catalog. The same context opens it again.
    pub fn secret_seal(&self, context: &str, secret: &str) -> Vec<u8> {
        seal(&self.signer.derive(Purpose::Secret, b""), &*self.entropy, context, secret)
    }

    /// Opens a sealed secret; `None` when it was sealed by another node, for another context, or is damaged.
    pub fn secret_open(&self, context: &str, sealed: &[u8]) -> Option<String> {
        open(&self.signer.derive(Purpose::Secret, b""), context, sealed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use karez_types::SeededEntropy;

    #[test]
    fn a_secret_opens_under_its_key_and_context_only() {
        let (key, entropy) = ([7; 32], SeededEntropy::new(1));
        let sealed = seal(&key, &entropy, "remote 3", "hf_secret");
        assert!(!sealed.windows(9).any(|part| part == b"hf_secret"));
        assert_eq!(open(&key, "remote 3", &sealed).as_deref(), Some("hf_secret"));
        assert_eq!(open(&key, "remote 4", &sealed), None);
        assert_eq!(open(&[8; 32], "remote 3", &sealed), None);
        for at in 0..sealed.len() {
            let mut broken = sealed.clone();
            broken[at] ^= 1;
            assert_eq!(open(&key, "remote 3", &broken), None, "byte {at}");
            assert_eq!(open(&key, "remote 3", &sealed[..at]), None, "cut at {at}");
        }
        assert_ne!(sealed, seal(&key, &entropy, "remote 3", "hf_secret"), "the same secret never looks the same");
    }
}
