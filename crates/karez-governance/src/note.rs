//! Signed notes (C2SP signed-note v1.0.0): text, an empty line, signature lines.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::cosignature;
use crate::key::{Algorithm, SigningKey, VerifierKey, is_key_name};

/// Longest note in bytes: a checkpoint with [`NOTE_SIGNATURES_MAX`] signatures of today's size has less.
pub const NOTE_BYTES_MAX: usize = 256 << 10;
/// Most signatures of a note; the specification asks for at least 16.
pub const NOTE_SIGNATURES_MAX: usize = 64;

/// Why bytes are not a note, or not one that may be believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// Too many bytes or signatures.
    #[error("a signed note has at most {NOTE_BYTES_MAX} bytes and {NOTE_SIGNATURES_MAX} signatures")]
    TooLong,
    /// Not the form of a note.
    #[error("not a signed note: {0}")]
    Form(&'static str),
    /// No signature is from a key that was given.
    #[error("the note is not signed by a known key")]
    Unsigned,
    /// A signature in the name of a key that was given is not one of that key.
    #[error("the signature of {0} does not verify: the note was changed or forged")]
    Forged(String),
}

/// One signature line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoteSignature {
    /// Name of the key.
    pub name: String,
    /// Short id of the key.
    pub key_id: u32,
    /// What the algorithm made.
    pub bytes: Vec<u8>,
}

impl NoteSignature {
    /// Reads one line, without its line end.
    pub fn parse(line: &str) -> Result<NoteSignature, NoteError> {
        let form = NoteError::Form("a signature line is not `— NAME BASE64`");
        let (name, base64) = line.strip_prefix("— ").and_then(|rest| rest.split_once(' ')).ok_or(form.clone())?;
        let bytes = STANDARD.decode(base64).map_err(|_| form.clone())?;
        match bytes.split_first_chunk::<4>() {
            Some((id, bytes)) if !bytes.is_empty() && is_key_name(name) => {
                Ok(NoteSignature { name: name.to_owned(), key_id: u32::from_be_bytes(*id), bytes: bytes.to_vec() })
            }
            _ => Err(form),
        }
    }

    fn is_of(&self, key: &VerifierKey) -> bool {
        self.name == key.name() && self.key_id == key.id()
    }
}

/// Prints the line without its line end.
impl fmt::Display for NoteSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = self.key_id.to_be_bytes().to_vec();
        bytes.extend_from_slice(&self.bytes);
        write!(f, "— {} {}", self.name, STANDARD.encode(bytes))
    }
}

/// Reads signature lines alone, as a witness answers them. An empty text has none.
pub fn parse_signatures(text: &str) -> Result<Vec<NoteSignature>, NoteError> {
    if text.len() > NOTE_BYTES_MAX || text.matches('\n').count() > NOTE_SIGNATURES_MAX {
        return Err(NoteError::TooLong);
    }
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let lines = text.strip_suffix('\n').ok_or(NoteError::Form("the last line has no end"))?;
    lines.split('\n').map(NoteSignature::parse).collect()
}

/// A note whose signatures nobody has looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<NoteSignature>,
}

impl Note {
    /// Returns a note with this text, which ends its last line, and no signature yet.
    pub fn new(text: String) -> Result<Note, NoteError> {
        text_check(&text)?;
        Ok(Note { text, signatures: Vec::new() })
    }

    /// Reads a note.
    pub fn parse(bytes: &[u8]) -> Result<Note, NoteError> {
        if bytes.len() > NOTE_BYTES_MAX {
            return Err(NoteError::TooLong);
        }
        let all = std::str::from_utf8(bytes).map_err(|_| NoteError::Form("the text is not UTF-8"))?;
        let at = all.rfind("\n\n").ok_or(NoteError::Form("there is no empty line before signatures"))?;
        let (text, lines) = (&all[..=at], &all[at + 2..]);
        text_check(text)?;
        let signatures = parse_signatures(lines)?;
        if signatures.is_empty() {
            return Err(NoteError::Form("there is no signature"));
        }
        Ok(Note { text: text.to_owned(), signatures })
    }

    /// Returns the text. Not to be believed before the note is verified.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns the signatures.
    pub fn signatures(&self) -> &[NoteSignature] {
        &self.signatures
    }

    /// Signs the text: adds a line, or replaces the one of the same key. `now_secs` is what a
    /// cosignature says of time; a plain signature says nothing.
    pub fn sign(&mut self, key: &SigningKey, now_secs: u64) {
        let verifier = key.verifier();
        let bytes = if verifier.algorithm() == Algorithm::COSIGNATURE_V1 {
            cosignature::sign(key, &self.text, now_secs)
        } else {
            key.sign_raw(self.text.as_bytes())
        };
        self.add(NoteSignature { name: verifier.name().to_owned(), key_id: verifier.id(), bytes });
    }

    /// Adds a signature line, or replaces the one of the same key. Beyond [`NOTE_SIGNATURES_MAX`]
    /// nothing is added.
    pub fn add(&mut self, signature: NoteSignature) {
        let same = |other: &&mut NoteSignature| other.name == signature.name && other.key_id == signature.key_id;
        if let Some(old) = self.signatures.iter_mut().find(same) {
            *old = signature;
        } else if self.signatures.len() < NOTE_SIGNATURES_MAX {
            self.signatures.push(signature);
        }
    }

    /// Verifies the note against keys. Signatures of other keys are passed over.
    ///
    /// # Errors
    /// When no signature is of one of the keys, or one claims to be and is not.
    pub fn verify(&self, keys: &[VerifierKey]) -> Result<VerifiedNote, NoteError> {
        let mut signers: Vec<Signer> = Vec::new();
        for signature in &self.signatures {
            let Some(key) = keys.iter().find(|key| signature.is_of(key)) else { continue };
            // A second signature of one key says nothing more.
            if signers.iter().any(|signer| signer.key == *key) {
                continue;
            }
            let time_secs = match key.algorithm() {
                Algorithm::ED25519 => key.verifies(self.text.as_bytes(), &signature.bytes).then_some(None),
                Algorithm::COSIGNATURE_V1 => cosignature::verify(key, &self.text, &signature.bytes).map(Some),
                // Not known here: as if the key had not been given.
                _ => continue,
            };
            let time_secs = time_secs.ok_or_else(|| NoteError::Forged(signature.name.clone()))?;
            signers.push(Signer { key: key.clone(), time_secs });
        }
        if signers.is_empty() {
            return Err(NoteError::Unsigned);
        }
        Ok(VerifiedNote { note: self.clone(), signers })
    }
}

/// Prints the whole note.
impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures.iter().try_for_each(|signature| writeln!(f, "{signature}"))
    }
}

fn text_check(text: &str) -> Result<(), NoteError> {
    if text.len() > NOTE_BYTES_MAX {
        return Err(NoteError::TooLong);
    }
    if !text.ends_with('\n') {
        return Err(NoteError::Form("the text does not end its last line"));
    }
    // U+0000 to U+001F; the specification allows the rest.
    if text.bytes().any(|byte| byte < 0x20 && byte != b'\n') {
        return Err(NoteError::Form("there is a control character"));
    }
    Ok(())
}

/// Who signed a verified note.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signer {
    /// The key.
    pub key: VerifierKey,
    /// When, in seconds since 1970, as a cosigner says; plain signatures say nothing.
    pub time_secs: Option<u64>,
}

/// A note that at least one known key has signed, and no known key's signature in it is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedNote {
    note: Note,
    signers: Vec<Signer>,
}

impl VerifiedNote {
    /// Returns the text.
    pub fn text(&self) -> &str {
        &self.note.text
    }

    /// Returns the note, with the signatures of unknown keys too.
    pub fn note(&self) -> &Note {
        &self.note
    }

    /// Returns who signed, each key once.
    pub fn signers(&self) -> &[Signer] {
        &self.signers
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KEY: &str = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
    const NOTE: &str = "This is an example message.\n\n— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n";

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_seed(&format!("key{seed}.example"), Algorithm::ED25519, &[seed; 32]).unwrap()
    }

    #[test]
    fn the_example_of_the_specification() {
        let note = Note::parse(NOTE.as_bytes()).unwrap();
        assert_eq!(note.to_string(), NOTE);
        let verified = note.verify(&[KEY.parse().unwrap()]).unwrap();
        assert_eq!(verified.text(), "This is an example message.\n");
        let changed = Note::parse(NOTE.replace("example message", "exbmple message").as_bytes()).unwrap();
        assert_eq!(changed.verify(&[KEY.parse().unwrap()]), Err(NoteError::Forged("example.com/foo".into())));
    }

    #[test]
    fn a_note_is_signed_by_several() {
        let mut note = Note::new("text\n\nmore\n".into()).unwrap();
        let (one, two, other) = (key(1), key(2), key(3));
        note.sign(&one, 0);
        note.sign(&two, 0);
        note.sign(&one, 0);
        assert_eq!(note.signatures().len(), 2);
        let read = Note::parse(note.to_string().as_bytes()).unwrap();
        assert_eq!(read, note);
        let verified = read.verify(&[two.verifier().clone(), other.verifier().clone()]).unwrap();
        assert_eq!(verified.signers().len(), 1);
        assert_eq!(read.verify(&[other.verifier().clone()]), Err(NoteError::Unsigned));
        assert_eq!(read.verify(&[]), Err(NoteError::Unsigned));
        // One right signature does not outweigh a wrong one in the name of a known key.
        let mut forged = read.clone();
        forged.signatures[1].bytes[5] ^= 1;
        let keys = [one.verifier().clone(), two.verifier().clone()];
        assert_eq!(forged.verify(&keys), Err(NoteError::Forged("key2.example".into())));
        assert!(forged.verify(&keys[..1]).is_ok());
    }

    #[test]
    fn every_flipped_bit_is_found() {
        let mut note = Note::new("origin\n7\nroot\n".into()).unwrap();
        let key = key(1);
        note.sign(&key, 0);
        let bytes = note.to_string().into_bytes();
        for at in 0..bytes.len() * 8 {
            let mut bad = bytes.clone();
            bad[at / 8] ^= 1 << (at % 8);
            let verified = Note::parse(&bad).and_then(|note| note.verify(&[key.verifier().clone()]));
            assert!(verified.is_err(), "bit {at}");
        }
    }

    #[test]
    fn hostile_notes_are_refused() {
        let many = |count: usize| format!("text\n\n{}", "— a AAAAAAA=\n".repeat(count));
        assert!(Note::parse(many(16).as_bytes()).is_ok());
        for (bytes, error) in
            [(many(65).into_bytes(), NoteError::TooLong), (vec![b'x'; NOTE_BYTES_MAX + 1], NoteError::TooLong)]
        {
            assert_eq!(Note::parse(&bytes), Err(error));
        }
        for bytes in [
            &b""[..],
            b"\n",
            b"\n\n",
            b"text",
            b"text\n",
            b"text\n\n",
            b"text\n\nsignature\n",
            "text\n\n— a AAAAAAA=".as_bytes(),
            "text\n\n— a AAAAAAA=\n\n".as_bytes(),
            "text\n\n— a AAAAAA==\n".as_bytes(),
            "text\n\n— a AAAAAAA\n".as_bytes(),
            "text\n\n—  AAAAAAA=\n".as_bytes(),
            "text\n\n— a+b AAAAAAA=\n".as_bytes(),
            "text\n\n— a  AAAAAAA=\n".as_bytes(),
            "text\n\n- a AAAAAAA=\n".as_bytes(),
            "te\rxt\n\n— a AAAAAAA=\n".as_bytes(),
            "te\0xt\n\n— a AAAAAAA=\n".as_bytes(),
            b"te\xffxt\n\n\xe2\x80\x94 a AAAAAAA=\n",
        ] {
            assert!(matches!(Note::parse(bytes), Err(NoteError::Form(_))), "{}", String::from_utf8_lossy(bytes));
        }
        assert!(Note::new("no end".into()).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_note_that_prints_the_same_or_an_error(text in "(\\PC|\n){0,60}\n\n(— [a-z]{1,5} [A-Z]{7}=\n){0,3}") {
            if let Ok(note) = Note::parse(text.as_bytes()) {
                prop_assert_eq!(note.to_string(), text);
            }
        }
    }
}
