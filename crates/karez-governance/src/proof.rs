//! Proofs of logging (C2SP tlog-proof): one file that shows, without a network, that an entry is in a log.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::checkpoint::{CheckpointError, VerifiedCheckpoint};
use crate::decimal;
use crate::key::VerifierKey;
use crate::note::{NOTE_BYTES_MAX, Note};
use crate::tree::{PROOF_HASHES_MAX, TreeHash, inclusion_verify};

const HEAD: &str = "c2sp.org/tlog-proof@v1";
/// Longest extra data in bytes: one entry of a log of tiles.
pub const EXTRA_BYTES_MAX: usize = 65_535;
/// Longest proof in bytes.
pub const PROOF_BYTES_MAX: usize = NOTE_BYTES_MAX + 2 * EXTRA_BYTES_MAX + (PROOF_HASHES_MAX + 4) * 64;

/// Why something is not a proof, or proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// Not the form of a proof.
    #[error("not a proof of logging: {0}")]
    Form(&'static str),
    /// The checkpoint is not one of the log.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The entry is not in the proof; give it apart.
    #[error("the proof does not carry its entry")]
    NoEntry,
    /// The hashes do not lead from the entry to the root.
    #[error("the proof does not lead from its entry to the root of the log")]
    Mismatch,
}

/// A proof. Not to be believed before it is verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogProof {
    /// In Karez the entry itself; without it the reader has to know the entry.
    pub extra: Option<Vec<u8>>,
    /// Which entry of the log.
    pub index: u64,
    /// From the entry's sibling to the root's child.
    pub hashes: Vec<TreeHash>,
    /// The checkpoint, with cosignatures.
    pub note: Note,
}

/// What a proof has proved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedProof {
    /// The entry.
    pub entry: Vec<u8>,
    /// Its place in the log.
    pub index: u64,
    /// The checkpoint, with who signed it.
    pub checkpoint: VerifiedCheckpoint,
}

impl LogProof {
    /// Reads a file.
    pub fn parse(bytes: &[u8]) -> Result<LogProof, ProofError> {
        let form = ProofError::Form;
        if bytes.len() > PROOF_BYTES_MAX {
            return Err(form("it is too long"));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| form("it is not UTF-8"))?;
        let (head, note) = text.split_once("\n\n").ok_or(form("there is no empty line"))?;
        let mut lines = head.split('\n').peekable();
        if lines.next() != Some(HEAD) {
            return Err(form("the first line is another one"));
        }
        let extra = lines.next_if(|line| line.starts_with("extra ")).map(|line| {
            let extra = STANDARD.decode(&line["extra ".len()..]).ok();
            extra.filter(|extra| extra.len() <= EXTRA_BYTES_MAX).ok_or(form("the extra data is not base64"))
        });
        let index = lines.next().and_then(|line| line.strip_prefix("index ")).and_then(decimal);
        let index = index.ok_or(form("there is no index"))?;
        let hashes: Option<Vec<TreeHash>> = lines.take(PROOF_HASHES_MAX + 1).map(TreeHash::parse).collect();
        let hashes = hashes.filter(|hashes| hashes.len() <= PROOF_HASHES_MAX);
        Ok(LogProof {
            extra: extra.transpose()?,
            index,
            hashes: hashes.ok_or(form("the hashes are not one a line"))?,
            note: Note::parse(note.as_bytes()).map_err(CheckpointError::from)?,
        })
    }

    /// Returns the origin that the proof claims to be of, to find the key. Not verified.
    pub fn origin(&self) -> &str {
        self.note.text().split('\n').next().unwrap_or_default()
    }

    /// Verifies the proof of the entry that it carries.
    pub fn verify(&self, log: &VerifierKey, cosigners: &[VerifierKey]) -> Result<VerifiedProof, ProofError> {
        self.verify_entry(self.extra.as_deref().ok_or(ProofError::NoEntry)?, log, cosigners)
    }

    /// Verifies the proof of this entry.
    pub fn verify_entry(
        &self,
        entry: &[u8],
        log: &VerifierKey,
        cosigners: &[VerifierKey],
    ) -> Result<VerifiedProof, ProofError> {
        let checkpoint = VerifiedCheckpoint::open(&self.note, log, cosigners)?;
        let leaf = TreeHash::of_entry(entry);
        inclusion_verify(leaf, self.index, checkpoint.size(), checkpoint.root(), &self.hashes)
            .map_err(|_| ProofError::Mismatch)?;
        Ok(VerifiedProof { entry: entry.to_vec(), index: self.index, checkpoint })
    }
}

/// Prints the file.
impl fmt::Display for LogProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEAD}")?;
        if let Some(extra) = &self.extra {
            writeln!(f, "extra {}", STANDARD.encode(extra))?;
        }
        writeln!(f, "index {}", self.index)?;
        self.hashes.iter().try_for_each(|hash| writeln!(f, "{hash}"))?;
        write!(f, "\n{}", self.note)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SigningKey;
    use crate::checkpoint::tests::signed;
    use crate::tree::inclusion_proof;
    use crate::tree::tests::Whole;
    use proptest::prelude::*;

    fn proof(index: u64, size: u64) -> LogProof {
        let whole = Whole::of(size);
        LogProof {
            extra: Some(format!("entry {index}").into_bytes()),
            index,
            hashes: inclusion_proof(index, size, &whole).unwrap(),
            note: signed(&SigningKey::of_log(&[1; 32]), size, whole.root(size)),
        }
    }

    #[test]
    fn a_proof_proves_its_entry_and_nothing_else() {
        let log = SigningKey::of_log(&[1; 32]);
        for (index, size) in [(0, 1), (0, 2), (4, 5), (3, 300), (299, 300)] {
            let proof = proof(index, size);
            let text = proof.to_string();
            let read = LogProof::parse(text.as_bytes()).unwrap();
            assert_eq!(read, proof);
            let verified = read.verify(log.verifier(), &[]).unwrap();
            assert_eq!((verified.entry, verified.index), (format!("entry {index}").into_bytes(), index));
            assert!(read.verify_entry(b"another", log.verifier(), &[]).is_err());
            for at in 0..text.len() {
                let mut bad = text.clone().into_bytes();
                bad[at] ^= 1;
                let verified = LogProof::parse(&bad).and_then(|proof| proof.verify(log.verifier(), &[]));
                assert!(verified.is_err(), "byte {at} of\n{text}");
            }
        }
        let mut bare = proof(3, 5);
        bare.extra = None;
        let read = LogProof::parse(bare.to_string().as_bytes()).unwrap();
        assert_eq!(read.verify(log.verifier(), &[]), Err(ProofError::NoEntry));
        assert!(read.verify_entry(b"entry 3", log.verifier(), &[]).is_ok());
    }

    #[test]
    fn cosignatures_show_among_the_signers() {
        let (log, witness) = (SigningKey::of_log(&[1; 32]), SigningKey::of_witness(&[2; 32]));
        let mut proof = proof(3, 5);
        proof.note.sign(&witness, 77);
        let verified = proof.verify(log.verifier(), &[witness.verifier().clone()]).unwrap();
        assert_eq!(verified.checkpoint.note().signers()[1].time_secs, Some(77));
    }

    #[test]
    fn hostile_files_are_refused() {
        let good = proof(3, 5).to_string();
        let hash = format!("{}\n", TreeHash([1; 32]));
        for text in [
            String::new(),
            "\n\n".into(),
            good.replace("@v1", "@v2"),
            good.replace("index 3", "index 03"),
            good.replace("index 3", "index -3"),
            good.replace("index 3\n", ""),
            good.replace("extra ", "extra !"),
            good.replace("index 3\n", "index 3\nindex 3\n"),
            good.replace("index 3\n", "index 3\nextra AAAA\n"),
            good.replace("index 3\n", &format!("index 3\n{}", hash.repeat(64))),
            good.replace("— ", "- "),
            good.replace("extra ", &format!("extra {}", "A".repeat(4 * 65_536))),
            good.replace("index", &"x".repeat(PROOF_BYTES_MAX)),
        ] {
            assert!(LogProof::parse(text.as_bytes()).is_err(), "{text:.200}");
        }
        assert!(LogProof::parse(&[0xff; 9]).is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_a_proof_that_prints_the_same_or_an_error(text in "c2sp.org/tlog-proof@v1\n(extra [A-Za-z0-9+/]{0,8}={0,2}\n)?index [0-9]{1,3}\n([A-Za-z]{42}[AEIMQ]=\n){0,3}\n[a-z]\n\n(— a AAAAAAA=\n){0,2}") {
            if let Ok(proof) = LogProof::parse(text.as_bytes()) {
                prop_assert_eq!(proof.to_string(), text);
            }
        }
    }
}
