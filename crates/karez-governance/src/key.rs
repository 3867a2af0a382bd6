//! Keys: what signs and what verifies, with name, id and algorithm (signed-note, "Verifier keys").

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use sha2::{Digest as _, Sha256};

/// The byte that names a signature type (signed-note, "Signature types").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Algorithm(pub u8);

impl Algorithm {
    /// Ed25519 over the text of a note.
    pub const ED25519: Algorithm = Algorithm(0x01);
    /// Ed25519 over time and text of a checkpoint: cosignature/v1.
    pub const COSIGNATURE_V1: Algorithm = Algorithm(0x04);
    /// ML-DSA-44 cosignatures. Not verified by this program yet.
    pub const ML_DSA_44: Algorithm = Algorithm(0x06);

    fn is_ed25519(self) -> bool {
        self == Algorithm::ED25519 || self == Algorithm::COSIGNATURE_V1
    }
}

/// Longest key name in bytes; real ones are a host and a path.
pub const KEY_NAME_BYTES_MAX: usize = 255;
/// Longest verifier key as text: a name and an ML-DSA-44 key of 1,312 bytes in base64, with room.
pub const VERIFIER_KEY_BYTES_MAX: usize = 4096;

/// Why a text is not a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not `name+id+base64`.
    #[error("not a verifier key: write it as NAME+ID+KEY, as `karez log key` prints it")]
    Form,
    /// The name breaks the rules.
    #[error("a key name is 1 to {KEY_NAME_BYTES_MAX} bytes without blanks, control characters and `+`")]
    Name,
    /// The id is not the one that the name and the key give.
    #[error("the id in the verifier key does not belong to its name and key; was it copied whole?")]
    Id,
    /// The key material has the wrong length for its algorithm.
    #[error("the key has the wrong length for its algorithm")]
    Length,
}

/// Tells whether a text may name a key.
pub(crate) fn is_key_name(name: &str) -> bool {
    let bad = |c: char| c.is_whitespace() || c.is_control() || c == '+';
    !name.is_empty() && name.len() <= KEY_NAME_BYTES_MAX && !name.contains(bad)
}

/// A key that verifies signatures.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct VerifierKey {
    name: String,
    algorithm: Algorithm,
    public: Vec<u8>,
    id: u32,
}

impl VerifierKey {
    /// Returns the key with this name and Ed25519 public key.
    pub fn new(name: &str, algorithm: Algorithm, public: [u8; 32]) -> Result<VerifierKey, KeyError> {
        VerifierKey::of_bytes(name, algorithm, public.to_vec())
    }

    fn of_bytes(name: &str, algorithm: Algorithm, public: Vec<u8>) -> Result<VerifierKey, KeyError> {
        if !is_key_name(name) {
            return Err(KeyError::Name);
        }
        if public.is_empty() || (algorithm.is_ed25519() && public.len() != 32) {
            return Err(KeyError::Length);
        }
        let id = key_id(name, algorithm, &public);
        Ok(VerifierKey { name: name.to_owned(), algorithm, public, id })
    }

    /// Returns the name, which for a log is its origin.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the short id that signature lines carry. It finds a key; it proves nothing.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Returns the algorithm.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Returns the raw public key.
    pub fn public(&self) -> &[u8] {
        &self.public
    }

    /// Returns the SHA-256 of the raw public key in hexadecimal groups of four, for people to compare.
    pub fn fingerprint(&self) -> String {
        let digits: String = Sha256::digest(&self.public).iter().map(|byte| format!("{byte:02x}")).collect();
        let groups: Vec<&str> = (0..digits.len()).step_by(4).map(|at| &digits[at..at + 4]).collect();
        groups.join(" ")
    }

    /// Tells whether the raw signature is one of this key over the message.
    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        self.algorithm.is_ed25519() && UnparsedPublicKey::new(&ED25519, &self.public).verify(message, signature).is_ok()
    }
}

fn key_id(name: &str, algorithm: Algorithm, public: &[u8]) -> u32 {
    let hash = Sha256::new().chain_update(name).chain_update([b'\n', algorithm.0]).chain_update(public).finalize();
    u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]])
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut key = vec![self.algorithm.0];
        key.extend_from_slice(&self.public);
        write!(f, "{}+{:08x}+{}", self.name, self.id, STANDARD.encode(key))
    }
}

impl fmt::Debug for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifierKey({self})")
    }
}

impl FromStr for VerifierKey {
    type Err = KeyError;
    fn from_str(text: &str) -> Result<VerifierKey, KeyError> {
        if text.len() > VERIFIER_KEY_BYTES_MAX {
            return Err(KeyError::Form);
        }
        // The name has no plus, the base64 may.
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(KeyError::Form);
        };
        let hex = id.len() == 8 && id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let id = u32::from_str_radix(id, 16).ok().filter(|_| hex).ok_or(KeyError::Form)?;
        let key = STANDARD.decode(key).map_err(|_| KeyError::Form)?;
        let (&algorithm, public) = key.split_first().ok_or(KeyError::Form)?;
        let key = VerifierKey::of_bytes(name, Algorithm(algorithm), public.to_vec())?;
        if key.id == id { Ok(key) } else { Err(KeyError::Id) }
    }
}

/// A key that signs. Its seed is never printed.
pub struct SigningKey {
    pair: Ed25519KeyPair,
    verifier: VerifierKey,
}

impl SigningKey {
    /// Returns the key that this seed gives under this name.
    pub fn from_seed(name: &str, algorithm: Algorithm, seed: &[u8; 32]) -> Result<SigningKey, KeyError> {
        if !algorithm.is_ed25519() {
            return Err(KeyError::Length);
        }
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).expect("any 32 bytes are a seed");
        let public = pair.public_key().as_ref().try_into().expect("an Ed25519 public key has 32 bytes");
        Ok(SigningKey { verifier: VerifierKey::new(name, algorithm, public)?, pair })
    }

    /// Returns the key of a node's log: named after its own hash, so that the name is the identity and
    /// web addresses are mere aliases: `<32 hex digits>.karez/log`.
    pub fn of_log(seed: &[u8; 32]) -> SigningKey {
        SigningKey::named_by_hash(seed, Algorithm::ED25519, "log")
    }

    /// Returns the key under which a node cosigns other logs: `<32 hex digits>.karez/witness`.
    pub fn of_witness(seed: &[u8; 32]) -> SigningKey {
        SigningKey::named_by_hash(seed, Algorithm::COSIGNATURE_V1, "witness")
    }

    fn named_by_hash(seed: &[u8; 32], algorithm: Algorithm, role: &str) -> SigningKey {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).expect("any 32 bytes are a seed");
        let name = name_by_hash(pair.public_key().as_ref(), role);
        SigningKey::from_seed(&name, algorithm, seed).expect("digits and a word make a valid name")
    }

    /// Returns what others need to verify.
    pub fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }

    /// Returns the raw signature over a message.
    pub(crate) fn sign_raw(&self, message: &[u8]) -> Vec<u8> {
        self.pair.sign(message).as_ref().to_vec()
    }
}

/// Returns the name of a key that is named by its hash.
pub fn name_by_hash(public: &[u8], role: &str) -> String {
    let digits: String = Sha256::digest(public)[..16].iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{digits}.karez/{role}")
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.verifier.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The example of the specification (signed-note v1.0.0).
    pub(crate) const EXAMPLE: &str = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";

    #[test]
    fn the_example_of_the_specification() {
        let key: VerifierKey = EXAMPLE.parse().unwrap();
        assert_eq!((key.name(), key.id(), key.algorithm()), ("example.com/foo", 0x530d_903a, Algorithm::ED25519));
        assert_eq!(key.to_string(), EXAMPLE);
    }

    #[test]
    fn a_node_is_named_by_its_key() {
        let log = SigningKey::of_log(&[7; 32]);
        let name = log.verifier().name();
        assert!(name.ends_with(".karez/log") && name.len() == 32 + 10, "{name}");
        assert!(log.verifier().fingerprint().replace(' ', "").starts_with(&name[..32]));
        assert_eq!(log.verifier().fingerprint().split(' ').count(), 16);
        assert_ne!(SigningKey::of_log(&[8; 32]).verifier().name(), name);
        assert_eq!(SigningKey::of_witness(&[7; 32]).verifier().algorithm(), Algorithm::COSIGNATURE_V1);
        assert!(!format!("{log:?}").contains("0707"));
    }

    #[test]
    fn keys_of_other_algorithms_are_carried_and_verify_nothing() {
        let key = VerifierKey::of_bytes("w.example", Algorithm::ML_DSA_44, vec![5; 1312]).unwrap();
        assert_eq!(key.to_string().parse::<VerifierKey>().unwrap(), key);
        assert!(!key.verifies(b"text", &[0; 2420]));
        assert!(SigningKey::from_seed("w.example", Algorithm::ML_DSA_44, &[1; 32]).is_err());
    }

    #[test]
    fn hostile_keys_are_refused() {
        let with = |from: &str, to: &str| EXAMPLE.replace(from, to);
        for (text, error) in [
            (String::new(), KeyError::Form),
            ("example.com/foo".into(), KeyError::Form),
            ("+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k".into(), KeyError::Name),
            (with("example", "exa mple"), KeyError::Name),
            (with("example", "exa\u{a0}mple"), KeyError::Name),
            (with("example", "exa\u{7}mple"), KeyError::Name),
            (with("example", "Example"), KeyError::Id),
            (with("530d903a", "530d903b"), KeyError::Id),
            (with("530d903a", "530D903a"), KeyError::Form),
            (with("530d903a", "+30d903a"), KeyError::Form),
            (with("530d903a", "30d903a"), KeyError::Form),
            (with("U2k", "U2"), KeyError::Form),
            (with("U2k", "U2!"), KeyError::Form),
            (with("AekyeRrm", "AekyeRrmAAAA"), KeyError::Length),
            (format!("a+530d903a+{}", STANDARD.encode([1])), KeyError::Length),
            (format!("a+530d903a+{}", "A".repeat(8000)), KeyError::Form),
            (format!("{}+530d903a+{}", "n".repeat(256), STANDARD.encode([1; 33])), KeyError::Name),
        ] {
            assert_eq!(text.parse::<VerifierKey>(), Err(error), "{text:.80}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_key_that_prints_the_same_or_an_error(text in "\\PC{0,20}(\\+[0-9a-f]{8}\\+[A-Za-z0-9+/]{0,44})?") {
            if let Ok(key) = text.parse::<VerifierKey>() {
                prop_assert_eq!(key.to_string(), text);
            }
        }
    }
}
