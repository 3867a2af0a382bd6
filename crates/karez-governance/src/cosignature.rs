//! Cosignatures of checkpoints (C2SP tlog-cosignature v1.0.1, `cosignature/v1`): a witness says that at
//! a time this was the newest consistent tree that it had seen.

use crate::key::{SigningKey, VerifierKey};

/// Seconds before the Ed25519 signature, big-endian.
const TIME_BYTES: usize = 8;

fn message(text: &str, time_secs: u64) -> Vec<u8> {
    format!("cosignature/v1\ntime {time_secs}\n{text}").into_bytes()
}

/// Returns time and signature over the text of a checkpoint.
pub(crate) fn sign(key: &SigningKey, text: &str, time_secs: u64) -> Vec<u8> {
    let time_secs = time_secs.min(i64::MAX as u64);
    let mut bytes = time_secs.to_be_bytes().to_vec();
    bytes.extend(key.sign_raw(&message(text, time_secs)));
    bytes
}

/// Returns the time of a cosignature, or `None` when it is not one of this key.
pub(crate) fn verify(key: &VerifierKey, text: &str, bytes: &[u8]) -> Option<u64> {
    let (time, signature) = bytes.split_first_chunk::<TIME_BYTES>()?;
    let time_secs = u64::from_be_bytes(*time);
    let valid = time_secs <= i64::MAX as u64 && key.verifies(&message(text, time_secs), signature);
    valid.then_some(time_secs)
}

#[cfg(test)]
mod tests {
    use crate::note::{Note, NoteError};
    use crate::{SigningKey, VerifierKey};

    fn signed() -> (Note, Vec<VerifierKey>) {
        let witness = SigningKey::of_witness(&[9; 32]);
        let mut note = Note::new("origin\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n".into()).unwrap();
        note.sign(&witness, 1_700_000_000);
        (note, vec![witness.verifier().clone()])
    }

    #[test]
    fn a_cosignature_tells_its_time() {
        let (note, keys) = signed();
        let verified = note.verify(&keys).unwrap();
        assert_eq!(verified.signers()[0].time_secs, Some(1_700_000_000));
        assert_eq!(note.signatures()[0].bytes.len(), 72);
    }

    #[test]
    fn another_time_or_text_is_found() {
        let (note, keys) = signed();
        for at in 0..72 {
            let mut signature = note.signatures()[0].clone();
            signature.bytes[at] ^= 1;
            let mut forged = note.clone();
            forged.add(signature);
            assert!(matches!(forged.verify(&keys), Err(NoteError::Forged(_))), "byte {at}");
        }
        let mut short = note.signatures()[0].clone();
        short.bytes.truncate(7);
        let mut forged = note.clone();
        forged.add(short);
        assert!(forged.verify(&keys).is_err());
        // A plain signature of the same seed over the text is not a cosignature.
        let plain = SigningKey::from_seed(keys[0].name(), crate::Algorithm::ED25519, &[9; 32]).unwrap();
        let mut other = Note::new(note.text().to_owned()).unwrap();
        other.sign(&plain, 0);
        assert_eq!(other.verify(&keys), Err(NoteError::Unsigned));
    }
}
