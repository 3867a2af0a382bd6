//! Evidence of a fork: proof, for anyone with the key of a log, that the log has signed two histories.
//!
//! Two checkpoints of one log contradict each other when they have the same size and different roots,
//! or when the larger tree, by a consistency proof, had another root at the size of the smaller one.
//!
//! As a file:
//!
//! ```text
//! karez.log/fork@v1
//! root BASE64            only when the sizes differ: what the larger tree had at the smaller size
//! BASE64                 the consistency proof from that root to the larger tree, a line for each hash
//!
//! the checkpoint of the smaller or equal size, with its signatures
//!
//! the other checkpoint, with its signatures
//! ```

use std::fmt;

use crate::checkpoint::{CheckpointError, VerifiedCheckpoint};
use crate::key::VerifierKey;
use crate::note::{NOTE_BYTES_MAX, Note, NoteError};
use crate::tree::{PROOF_HASHES_MAX, TreeHash, consistency_verify};

const HEAD: &str = "karez.log/fork@v1";
/// Longest evidence in bytes: two notes and a proof.
pub const EVIDENCE_BYTES_MAX: usize = 2 * NOTE_BYTES_MAX + (PROOF_HASHES_MAX + 2) * 64;

/// Why something is not evidence of a fork.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ForkError {
    /// Not the form of evidence.
    #[error("not evidence of a fork: {0}")]
    Form(&'static str),
    /// One of the two is not a checkpoint of the log.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The checkpoints do not contradict each other, or the evidence does not show that they do.
    #[error("the two checkpoints do not contradict each other by this evidence")]
    NoContradiction,
}

/// What shows that two checkpoints contradict each other. Not to be believed before it is verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForkEvidence {
    first: Note,
    second: Note,
    /// For different sizes: the root that the second tree had at the size of the first, and the proof.
    other: Option<(TreeHash, Vec<TreeHash>)>,
}

impl ForkEvidence {
    /// Returns evidence that two checkpoints of one size contradict each other. The order does not matter:
    /// the same two give the same evidence.
    pub fn of_same_size(one: &VerifiedCheckpoint, two: &VerifiedCheckpoint) -> Option<ForkEvidence> {
        let (first, second) = if one.root() <= two.root() { (one, two) } else { (two, one) };
        let evidence = ForkEvidence { first: plain(first), second: plain(second), other: None };
        let fork = one.size() == two.size() && one.root() != two.root() && one.origin() == two.origin();
        fork.then_some(evidence)
    }

    /// Returns evidence from the larger tree: its root at the smaller size was another one, by this proof.
    pub fn of_proof(
        small: &VerifiedCheckpoint,
        large: &VerifiedCheckpoint,
        other_root: TreeHash,
        proof: &[TreeHash],
    ) -> Option<ForkEvidence> {
        let fork = small.origin() == large.origin()
            && (1..large.size()).contains(&small.size())
            && other_root != small.root()
            && consistency_verify(small.size(), other_root, large.size(), large.root(), proof).is_ok();
        let other = Some((other_root, proof.to_vec()));
        fork.then(|| ForkEvidence { first: plain(small), second: plain(large), other })
    }

    /// Reads a file.
    pub fn parse(bytes: &[u8]) -> Result<ForkEvidence, ForkError> {
        let form = ForkError::Form;
        if bytes.len() > EVIDENCE_BYTES_MAX {
            return Err(form("it is too long"));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| form("it is not UTF-8"))?;
        let (head, notes) = text.split_once("\n\n").ok_or(form("there is no empty line"))?;
        let mut lines = head.split('\n');
        if lines.next() != Some(HEAD) {
            return Err(form("the first line is another one"));
        }
        let mut other = None;
        if let Some(line) = lines.next() {
            let root = line.strip_prefix("root ").and_then(TreeHash::parse).ok_or(form("the root is not a hash"))?;
            let proof: Option<Vec<TreeHash>> = lines.take(PROOF_HASHES_MAX + 1).map(TreeHash::parse).collect();
            let proof = proof.filter(|proof| proof.len() <= PROOF_HASHES_MAX);
            other = Some((root, proof.ok_or(form("the proof is not one hash a line"))?));
        }
        // The text of a checkpoint has no empty line: the first ends it, the second ends its signatures.
        let (first_text, rest) = notes.split_once("\n\n").ok_or(form("there is no first checkpoint"))?;
        let (first_lines, second) = rest.split_once("\n\n").ok_or(form("there is no second checkpoint"))?;
        let note = |text: &str| Note::parse(text.as_bytes()).map_err(|error| ForkError::Checkpoint(error.into()));
        let first = note(&format!("{first_text}\n\n{first_lines}\n"))?;
        let evidence = ForkEvidence { first, second: note(second)?, other };
        if evidence.to_string() == text { Ok(evidence) } else { Err(form("it is not written in the usual way")) }
    }

    /// Returns the origin that the evidence claims to be about, to find the key. Not verified.
    pub fn origin(&self) -> &str {
        self.first.text().split('\n').next().unwrap_or_default()
    }

    /// Verifies that the log with this key has signed both, and that they contradict each other.
    pub fn verify(&self, log: &VerifierKey) -> Result<Fork, ForkError> {
        let first = VerifiedCheckpoint::open(&self.first, log, &[])?;
        let second = VerifiedCheckpoint::open(&self.second, log, &[])?;
        let contradict = match &self.other {
            None => first.size() == second.size() && first.root() != second.root(),
            Some((root, proof)) => {
                (1..second.size()).contains(&first.size())
                    && *root != first.root()
                    && consistency_verify(first.size(), *root, second.size(), second.root(), proof).is_ok()
            }
        };
        if contradict { Ok(Fork { first, second }) } else { Err(ForkError::NoContradiction) }
    }
}

/// Returns the note with the signature of its log alone: cosignatures come and go, and evidence of one
/// fork should be one text.
fn plain(checkpoint: &VerifiedCheckpoint) -> Note {
    let note = checkpoint.note().note();
    let mut plain = Note::new(note.text().to_owned()).expect("the text of a verified note is one of a note");
    let log = checkpoint.origin();
    let known = |name: &str, id: u32| {
        let mut signers = checkpoint.note().signers().iter();
        name == log && signers.any(|signer| signer.key.name() == name && signer.key.id() == id)
    };
    note.signatures().iter().filter(|line| known(&line.name, line.key_id)).for_each(|line| plain.add(line.clone()));
    plain
}

/// Prints the file.
impl fmt::Display for ForkEvidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEAD}")?;
        if let Some((root, proof)) = &self.other {
            writeln!(f, "root {root}")?;
            proof.iter().try_for_each(|hash| writeln!(f, "{hash}"))?;
        }
        write!(f, "\n{}\n{}", self.first, self.second)
    }
}

impl From<NoteError> for ForkError {
    fn from(error: NoteError) -> ForkError {
        ForkError::Checkpoint(error.into())
    }
}

/// Two checkpoints of one log that contradict each other, both verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fork {
    /// The one of the smaller or equal size.
    pub first: VerifiedCheckpoint,
    /// The other one.
    pub second: VerifiedCheckpoint,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SigningKey;
    use crate::checkpoint::tests::signed;
    use crate::tree::tests::Whole;
    use crate::tree::{Frontier, consistency_proof};
    use proptest::prelude::*;

    fn open(key: &SigningKey, note: &Note) -> VerifiedCheckpoint {
        VerifiedCheckpoint::open(note, key.verifier(), &[]).unwrap()
    }

    /// A tree that has another first entry.
    fn forked(count: u64) -> Whole {
        let mut whole = Whole::of(count);
        whole.0[0] = TreeHash([6; 32]);
        whole
    }

    #[test]
    fn evidence_of_both_kinds_verifies_for_anyone_with_the_key() {
        let log = SigningKey::of_log(&[1; 32]);
        let (one, two) = (Whole::of(20), forked(20));
        let a = open(&log, &signed(&log, 20, one.root(20)));
        let b = open(&log, &signed(&log, 20, two.root(20)));
        let same = ForkEvidence::of_same_size(&a, &b).unwrap();
        assert_eq!(ForkEvidence::of_same_size(&b, &a).unwrap(), same);
        assert_eq!(ForkEvidence::of_same_size(&a, &a), None);
        let mut all = vec![same];
        for size in 1..20 {
            let small = open(&log, &signed(&log, size, one.root(size)));
            let proof = consistency_proof(size, 20, &two).unwrap();
            all.push(ForkEvidence::of_proof(&small, &b, two.root(size), &proof).unwrap());
            // The same history: no fork.
            let proof = consistency_proof(size, 20, &one).unwrap();
            assert_eq!(ForkEvidence::of_proof(&small, &a, one.root(size), &proof), None);
            assert_eq!(ForkEvidence::of_proof(&small, &a, two.root(size), &proof), None);
        }
        for evidence in all {
            let text = evidence.to_string();
            let read = ForkEvidence::parse(text.as_bytes()).unwrap();
            assert_eq!(read, evidence);
            assert_eq!(read.origin(), log.verifier().name());
            assert_eq!(read.verify(log.verifier()).unwrap().second.size(), 20);
            let other = SigningKey::of_log(&[2; 32]);
            assert!(read.verify(other.verifier()).is_err());
            for at in 0..text.len() {
                let mut bad = text.clone().into_bytes();
                bad[at] ^= 1;
                let verified = ForkEvidence::parse(&bad).and_then(|evidence| evidence.verify(log.verifier()));
                assert!(verified.is_err(), "byte {at} of\n{text}");
            }
        }
    }

    #[test]
    fn honest_checkpoints_make_no_evidence() {
        let log = SigningKey::of_log(&[1; 32]);
        let whole = Whole::of(9);
        let small = signed(&log, 4, whole.root(4));
        let large = signed(&log, 9, whole.root(9));
        let proof = consistency_proof(4, 9, &whole).unwrap();
        let claims = [
            ForkEvidence { first: small.clone(), second: large.clone(), other: None },
            ForkEvidence { first: small.clone(), second: small.clone(), other: None },
            ForkEvidence { first: small.clone(), second: large.clone(), other: Some((whole.root(4), proof.clone())) },
            ForkEvidence { first: small, second: large.clone(), other: Some((TreeHash([1; 32]), proof)) },
            // The empty tree is the beginning of every tree.
            ForkEvidence {
                first: signed(&log, 0, TreeHash::EMPTY),
                second: large,
                other: Some((TreeHash([1; 32]), Vec::new())),
            },
        ];
        for claim in claims {
            assert_eq!(claim.verify(log.verifier()), Err(ForkError::NoContradiction));
        }
        assert_eq!(Frontier::default().root(), TreeHash::EMPTY);
    }

    #[test]
    fn hostile_files_are_refused() {
        let hash = TreeHash([1; 32]);
        let note = "a\n1\nx\n\n— a AAAAAAA=\n";
        let good = format!("{HEAD}\nroot {hash}\n{hash}\n\n{note}\n{note}");
        assert!(ForkEvidence::parse(good.as_bytes()).is_ok());
        for text in [
            String::new(),
            "\n\n\n\n\n\n".into(),
            good.replace("@v1", "@v2"),
            good.replace("root ", "ruth "),
            good.replacen(&format!("{hash}\n\n"), &format!("{}\n", format!("{hash}\n").repeat(64)), 1),
            format!("{HEAD}\n\n{note}"),
            format!("{HEAD}\n\n{note}\n"),
            format!("{good}\n"),
            format!("{HEAD}\n\n{note}\n{}", "x".repeat(EVIDENCE_BYTES_MAX)),
        ] {
            assert!(ForkEvidence::parse(text.as_bytes()).is_err(), "{text:.200}");
        }
        assert!(ForkEvidence::parse(&[0xff; 10]).is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_evidence_that_prints_the_same_or_an_error(text in "karez.log/fork@v1\n(root [A-Za-z]{43}=\n)?\n([a-z]\n){0,3}\n(— a AAAAAAA=\n){0,2}\n([a-z]\n){0,3}\n(— a AAAAAAA=\n){0,2}") {
            if let Ok(evidence) = ForkEvidence::parse(text.as_bytes()) {
                prop_assert_eq!(evidence.to_string(), text);
            }
        }
    }
}
