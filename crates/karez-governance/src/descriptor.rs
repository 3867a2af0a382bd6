//! What a node says of itself: a note at `/.well-known/karez`, signed by its log key.
//!
//! The text is one line of JSON. The key is the node; addresses are aliases that may change, and the
//! newest descriptor (by its sequence number) tells them.

use serde::{Deserialize, Serialize};

use crate::key::{Algorithm, SigningKey, VerifierKey, name_by_hash};
use crate::note::{Note, NoteError};

/// Longest descriptor in bytes.
pub const DESCRIPTOR_BYTES_MAX: usize = 32 << 10;
/// Most addresses of a node.
pub const URLS_MAX: usize = 16;
const URL_BYTES_MAX: usize = 1024;
const WORD_BYTES_MAX: usize = 255;
const VERSION: u32 = 1;

/// Why something is not a descriptor, or not one to go by.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DescriptorError {
    /// Not a note, or not signed by the key that it names.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// The text is not that of a descriptor.
    #[error("not the description of a node: {0}")]
    Form(String),
    /// Written by a newer program.
    #[error("the description of a node is of version {0}, and this program knows version {VERSION}")]
    Version(u32),
    /// Its time is over.
    #[error("the description of the node expired at {expires} (seconds since 1970)")]
    Expired {
        /// When.
        expires: u64,
    },
    /// Another node than the one that is expected there.
    #[error("there is another node now: its key is {found}, and {expected} was expected")]
    OtherNode {
        /// The key in the descriptor.
        found: String,
        /// The key that was expected.
        expected: String,
    },
    /// Older than what is known already.
    #[error("an old description of the node: number {found}, and number {known} is known already")]
    Replayed {
        /// The sequence number in the descriptor.
        found: u64,
        /// The one that is known.
        known: u64,
    },
}

/// What a node says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Descriptor {
    /// What people call the node.
    pub name: String,
    /// The key of its log; its name is the log's origin.
    pub log_key: VerifierKey,
    /// The key under which it cosigns other logs.
    pub witness_key: VerifierKey,
    /// Where it can be reached.
    pub urls: Vec<String>,
    /// Grows with every change.
    pub sequence: u64,
    /// Until when it is valid, in seconds since 1970.
    pub expires: u64,
    /// What runs there.
    pub software: String,
}

#[derive(Serialize, Deserialize)]
struct Line {
    v: u32,
    name: String,
    log_origin: String,
    log_key: String,
    witness_key: String,
    urls: Vec<String>,
    sequence: u64,
    expires: u64,
    software: String,
}

impl Descriptor {
    /// Signs the descriptor with the log key that it names.
    ///
    /// # Errors
    /// When what it says could not be read back.
    pub fn sign(&self, key: &SigningKey) -> Result<Note, DescriptorError> {
        let line = Line {
            v: VERSION,
            name: self.name.clone(),
            log_origin: self.log_key.name().to_owned(),
            log_key: self.log_key.to_string(),
            witness_key: self.witness_key.to_string(),
            urls: self.urls.clone(),
            sequence: self.sequence,
            expires: self.expires,
            software: self.software.clone(),
        };
        let text = serde_json::to_string(&line).map_err(|error| DescriptorError::Form(error.to_string()))?;
        let mut note = Note::new(format!("{text}\n"))?;
        note.sign(key, 0);
        Descriptor::open(note.to_string().as_bytes())?;
        Ok(note)
    }

    /// Reads a descriptor and verifies that the key that it names has signed it. Whether that is the right
    /// key, and whether it is a fresh one, is for [`Descriptor::check`].
    pub fn open(bytes: &[u8]) -> Result<Descriptor, DescriptorError> {
        let form = |what: &str| DescriptorError::Form(what.to_owned());
        if bytes.len() > DESCRIPTOR_BYTES_MAX {
            return Err(form("it is too long"));
        }
        let note = Note::parse(bytes)?;
        let text = note.text().strip_suffix('\n').filter(|text| !text.contains('\n'));
        let line = text.ok_or_else(|| form("the text is not one line"))?;
        #[derive(Deserialize)]
        struct Version {
            v: u32,
        }
        let json = |error: serde_json::Error| DescriptorError::Form(error.to_string());
        let Version { v } = serde_json::from_str(line).map_err(json)?;
        if v != VERSION {
            return Err(DescriptorError::Version(v));
        }
        let line: Line = serde_json::from_str(line).map_err(json)?;
        let key = |text: &str| text.parse::<VerifierKey>().map_err(|error| DescriptorError::Form(error.to_string()));
        let (log_key, witness_key) = (key(&line.log_key)?, key(&line.witness_key)?);
        if log_key.algorithm() != Algorithm::ED25519 || log_key.name() != name_by_hash(log_key.public(), "log") {
            return Err(form("the log key is not an Ed25519 key named after its own hash"));
        }
        if line.log_origin != log_key.name() {
            return Err(form("the origin is not that of the log key"));
        }
        if witness_key.algorithm() == Algorithm::ED25519 || witness_key.public() == log_key.public() {
            return Err(form("the witness key is not a key for cosignatures of its own"));
        }
        let words = [&line.name, &line.software];
        if words.iter().any(|word| word.len() > WORD_BYTES_MAX || word.contains(char::is_control)) {
            return Err(form("a name is too long or has control characters"));
        }
        let is_url = |url: &String| {
            let known = url.starts_with("https://") || url.starts_with("http://");
            known && url.len() <= URL_BYTES_MAX && url.bytes().all(|byte| byte.is_ascii_graphic())
        };
        if line.urls.len() > URLS_MAX || !line.urls.iter().all(is_url) {
            return Err(form("an address is not one of HTTP, or there are too many"));
        }
        note.verify(std::slice::from_ref(&log_key))?;
        Ok(Descriptor {
            name: line.name,
            log_key,
            witness_key,
            urls: line.urls,
            sequence: line.sequence,
            expires: line.expires,
            software: line.software,
        })
    }

    /// Checks that the descriptor is in force, and that it is the expected node's, no older than what is
    /// known of it.
    pub fn check(&self, now_secs: u64, known: Option<(&VerifierKey, u64)>) -> Result<(), DescriptorError> {
        if let Some((expected, sequence)) = known {
            if self.log_key != *expected {
                let (found, expected) = (self.log_key.fingerprint(), expected.fingerprint());
                return Err(DescriptorError::OtherNode { found, expected });
            }
            if self.sequence < sequence {
                return Err(DescriptorError::Replayed { found: self.sequence, known: sequence });
            }
        }
        if self.expires <= now_secs {
            return Err(DescriptorError::Expired { expires: self.expires });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn described() -> (SigningKey, Descriptor) {
        let log = SigningKey::of_log(&[1; 32]);
        let descriptor = Descriptor {
            name: "Khwarazm".into(),
            log_key: log.verifier().clone(),
            witness_key: SigningKey::of_witness(&[2; 32]).verifier().clone(),
            urls: vec!["https://hub.example".into()],
            sequence: 3,
            expires: 1000,
            software: "karez/0.1.0".into(),
        };
        (log, descriptor)
    }

    #[test]
    fn a_descriptor_is_read_as_written() {
        let (log, descriptor) = described();
        let note = descriptor.sign(&log).unwrap();
        assert!(note.text().starts_with(r#"{"v":1,"name":"Khwarazm","log_origin":""#));
        assert_eq!(Descriptor::open(note.to_string().as_bytes()).unwrap(), descriptor);
    }

    #[test]
    fn another_node_an_old_one_and_an_expired_one_are_told_apart() {
        let (log, descriptor) = described();
        let other = SigningKey::of_log(&[9; 32]);
        assert_eq!(descriptor.check(999, None), Ok(()));
        assert_eq!(descriptor.check(999, Some((log.verifier(), 3))), Ok(()));
        assert_eq!(descriptor.check(1000, None), Err(DescriptorError::Expired { expires: 1000 }));
        let replayed = Err(DescriptorError::Replayed { found: 3, known: 4 });
        assert_eq!(descriptor.check(999, Some((log.verifier(), 4))), replayed);
        let error = descriptor.check(999, Some((other.verifier(), 0))).unwrap_err();
        assert!(matches!(error, DescriptorError::OtherNode { .. }));
    }

    #[test]
    fn what_its_own_key_did_not_sign_is_refused() {
        let (log, descriptor) = described();
        let other = SigningKey::of_log(&[9; 32]);
        assert!(matches!(descriptor.sign(&other), Err(DescriptorError::Note(NoteError::Unsigned))));
        let bytes = descriptor.sign(&log).unwrap().to_string().into_bytes();
        for at in 0..bytes.len() {
            let mut bad = bytes.clone();
            bad[at] ^= 1;
            assert!(Descriptor::open(&bad).is_err(), "byte {at}");
        }
    }

    #[test]
    fn hostile_descriptors_are_refused() {
        let (log, good) = described();
        let with = |change: fn(&mut Descriptor)| {
            let mut bad = good.clone();
            change(&mut bad);
            bad.sign(&log)
        };
        assert!(with(|bad| bad.urls = vec!["file:///etc".into()]).is_err());
        assert!(with(|bad| bad.urls = vec!["https://a b".into()]).is_err());
        assert!(with(|bad| bad.urls = vec!["https://a".into(); 17]).is_err());
        assert!(with(|bad| bad.urls = vec![format!("https://{}", "a".repeat(1024))]).is_err());
        assert!(with(|bad| bad.name = "a\u{1b}[2J".into()).is_err());
        assert!(with(|bad| bad.software = "x".repeat(256)).is_err());
        assert!(with(|bad| bad.witness_key = bad.log_key.clone()).is_err());
        // One seed for both purposes.
        assert!(with(|bad| bad.witness_key = SigningKey::of_witness(&[1; 32]).verifier().clone()).is_err());
        let named = SigningKey::from_seed("hub.example/log", Algorithm::ED25519, &[1; 32]).unwrap();
        let mut bad = good.clone();
        bad.log_key = named.verifier().clone();
        assert!(bad.sign(&named).is_err());
        let signed = |text: &str| {
            let mut note = Note::new(text.into()).unwrap();
            note.sign(&log, 0);
            Descriptor::open(note.to_string().as_bytes())
        };
        assert_eq!(signed("{\"v\":2}\n"), Err(DescriptorError::Version(2)));
        for text in ["null\n", "{}\n", "{\"v\":1}\n", "{\"v\":1}\n{}\n", "[[[[[[\n"] {
            assert!(matches!(signed(text), Err(DescriptorError::Form(_))), "{text}");
        }
        assert!(Descriptor::open(&vec![b'x'; DESCRIPTOR_BYTES_MAX + 1]).is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_a_descriptor_or_an_error(text in "\\{(\"[a-z]{1,3}\":[0-9],?){0,3}\\}\n\n— a AAAAAAA=\n") {
            let _ = Descriptor::open(text.as_bytes());
        }
    }
}
