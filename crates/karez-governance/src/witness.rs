//! The witness (C2SP tlog-witness v1.0.0): what it is asked, and what it answers. Keeping what was
//! cosigned, in one step with the check, is for the caller.

use std::fmt;

use crate::checkpoint::{Checkpoint, VerifiedCheckpoint};
use crate::decimal;
use crate::fork::ForkEvidence;
use crate::key::VerifierKey;
use crate::note::{NOTE_BYTES_MAX, Note, NoteError};
use crate::tree::{PROOF_HASHES_MAX, TREE_SIZE_MAX, TreeHash, consistency_roots, consistency_verify};

/// Longest request in bytes: a note, and a line for each hash of the longest proof.
pub const REQUEST_BYTES_MAX: usize = NOTE_BYTES_MAX + (PROOF_HASHES_MAX + 2) * 64;

/// A request to cosign a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddCheckpoint {
    /// Size that the witness is thought to have cosigned last.
    pub old_size: u64,
    /// Proof that the tree of that size is the beginning of the new one.
    pub proof: Vec<TreeHash>,
    /// The new checkpoint.
    pub note: Note,
}

impl AddCheckpoint {
    /// Reads the body of a request; `None` when it is not one.
    pub fn parse(body: &[u8]) -> Option<AddCheckpoint> {
        let text = std::str::from_utf8(body).ok().filter(|_| body.len() <= REQUEST_BYTES_MAX)?;
        let (head, note) = text.split_once("\n\n")?;
        let mut lines = head.split('\n');
        let old_size = decimal(lines.next()?.strip_prefix("old ")?).filter(|&size| size <= TREE_SIZE_MAX)?;
        let proof: Vec<TreeHash> = lines.take(PROOF_HASHES_MAX + 1).map(TreeHash::parse).collect::<Option<_>>()?;
        if proof.len() > PROOF_HASHES_MAX {
            return None;
        }
        Some(AddCheckpoint { old_size, proof, note: Note::parse(note.as_bytes()).ok()? })
    }

    /// Returns the origin of the checkpoint, to find the log's keys; `None` when it is not a checkpoint.
    pub fn origin(&self) -> Option<String> {
        Checkpoint::parse(self.note.text()).ok().map(|checkpoint| checkpoint.origin)
    }
}

/// Prints the body.
impl fmt::Display for AddCheckpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "old {}", self.old_size)?;
        self.proof.iter().try_for_each(|hash| writeln!(f, "{hash}"))?;
        write!(f, "\n{}", self.note)
    }
}

/// The newest checkpoint of a log that a witness has cosigned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Its size.
    pub size: u64,
    /// Its root.
    pub root: TreeHash,
    /// The note, for evidence.
    pub note: Note,
}

/// Why a witness does not cosign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// 400: not a request, or an old size beyond the new one.
    Malformed,
    /// 403: not signed by the log's key, or the signature is wrong.
    Unsigned,
    /// 404: a log that this witness does not follow.
    Unknown,
    /// 409: the witness has cosigned another size last.
    Conflict {
        /// That size.
        held_size: u64,
    },
    /// 422: the new tree does not continue the old one.
    Inconsistent,
}

impl Refusal {
    /// Returns the HTTP status of the specification.
    pub fn status(self) -> u16 {
        match self {
            Refusal::Malformed => 400,
            Refusal::Unsigned => 403,
            Refusal::Unknown => 404,
            Refusal::Conflict { .. } => 409,
            Refusal::Inconsistent => 422,
        }
    }
}

/// What a witness does with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Store this checkpoint in place of what was held, then cosign it.
    Cosign(Box<VerifiedCheckpoint>),
    /// Answer with a refusal. When the log has signed two histories, here is the evidence.
    Refuse(Refusal, Option<Box<ForkEvidence>>),
}

/// Decides. `keys` are the keys of the log that the checkpoint claims to be of, none when it is not
/// followed; `held` is what was cosigned last.
pub fn decide(request: &AddCheckpoint, keys: &[VerifierKey], held: Option<&Held>) -> Decision {
    let refuse = |refusal| Decision::Refuse(refusal, None);
    let Some(origin) = request.origin() else { return refuse(Refusal::Malformed) };
    let keys: Vec<&VerifierKey> = keys.iter().filter(|key| key.name() == origin).collect();
    if keys.is_empty() {
        return refuse(Refusal::Unknown);
    }
    let Some(new) = open(&request.note, &keys) else { return refuse(Refusal::Unsigned) };
    if request.old_size > new.size() {
        return refuse(Refusal::Malformed);
    }
    let (held_size, held_root) = held.map_or((0, TreeHash::EMPTY), |held| (held.size, held.root));
    let evidence = || {
        let held = open(&held?.note, &keys)?;
        contradiction(&held, &new, request).map(Box::new)
    };
    if request.old_size != held_size {
        return Decision::Refuse(Refusal::Conflict { held_size }, evidence());
    }
    match consistency_verify(held_size, held_root, new.size(), new.root(), &request.proof) {
        Ok(()) => Decision::Cosign(Box::new(new)),
        Err(_) => Decision::Refuse(Refusal::Inconsistent, evidence()),
    }
}

/// Opens a checkpoint with whichever of the log's keys has signed it. A wrong signature in the name of
/// any of them spoils it.
fn open(note: &Note, keys: &[&VerifierKey]) -> Option<VerifiedCheckpoint> {
    let mut opened = None;
    for key in keys {
        match VerifiedCheckpoint::open(note, key, &[]) {
            Ok(checkpoint) => opened = opened.or(Some(checkpoint)),
            Err(crate::CheckpointError::Note(NoteError::Unsigned)) => {}
            Err(_) => return None,
        }
    }
    opened
}

/// Returns evidence when what is held and what came cannot both be of one history, as far as the request
/// shows it. A request can be wrong without being evidence: a proof that leads nowhere proves nothing.
fn contradiction(held: &VerifiedCheckpoint, new: &VerifiedCheckpoint, request: &AddCheckpoint) -> Option<ForkEvidence> {
    if held.size() == new.size() {
        return ForkEvidence::of_same_size(held, new);
    }
    if request.old_size != held.size() {
        return None;
    }
    let (old_root, new_root) = consistency_roots(held.size(), held.root(), new.size(), &request.proof).ok()?;
    let leads_there = new_root == new.root() && old_root != held.root();
    if leads_there { ForkEvidence::of_proof(held, new, old_root, &request.proof) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SigningKey;
    use crate::checkpoint::tests::signed;
    use crate::tree::consistency_proof;
    use crate::tree::tests::Whole;
    use proptest::prelude::*;

    fn log() -> SigningKey {
        SigningKey::of_log(&[1; 32])
    }

    fn held(size: u64, whole: &Whole) -> Held {
        Held { size, root: whole.root(size), note: signed(&log(), size, whole.root(size)) }
    }

    fn ask(old: u64, new: u64, whole: &Whole) -> AddCheckpoint {
        AddCheckpoint {
            old_size: old,
            proof: consistency_proof(old, new, whole).unwrap_or_default(),
            note: signed(&log(), new, whole.root(new)),
        }
    }

    fn refusal(decision: &Decision) -> Option<(Refusal, bool)> {
        match decision {
            Decision::Cosign(_) => None,
            Decision::Refuse(refusal, evidence) => Some((*refusal, evidence.is_some())),
        }
    }

    #[test]
    fn every_answer_of_the_specification() {
        let whole = Whole::of(30);
        let mut other = Whole::of(30);
        other.0[2] = TreeHash([9; 32]);
        let keys = [log().verifier().clone()];
        let seven = held(7, &whole);
        let decided = |request: &AddCheckpoint, held| refusal(&decide(request, &keys, held));

        // 200: first, next, again, and the empty tree.
        assert_eq!(decided(&ask(0, 7, &whole), None), None);
        assert_eq!(decided(&ask(7, 30, &whole), Some(&seven)), None);
        assert_eq!(decided(&ask(7, 7, &whole), Some(&seven)), None);
        assert_eq!(decided(&ask(0, 0, &whole), None), None);
        // 404, 403, 400.
        assert_eq!(refusal(&decide(&ask(0, 7, &whole), &[], None)), Some((Refusal::Unknown, false)));
        let stranger = [SigningKey::of_log(&[2; 32]).verifier().clone()];
        assert_eq!(refusal(&decide(&ask(0, 7, &whole), &stranger, None)), Some((Refusal::Unknown, false)));
        let mut unsigned = ask(0, 7, &whole);
        unsigned.note = Note::new(unsigned.note.text().to_owned()).unwrap();
        assert_eq!(decided(&unsigned, None), Some((Refusal::Unsigned, false)));
        let mut forged = ask(0, 7, &whole);
        let mut line = forged.note.signatures()[0].clone();
        line.bytes[0] ^= 1;
        forged.note.add(line);
        assert_eq!(decided(&forged, None), Some((Refusal::Unsigned, false)));
        assert_eq!(decided(&ask(8, 7, &whole), Some(&seven)), Some((Refusal::Malformed, false)));
        // 409, with evidence when the same size has two roots.
        let conflict = Refusal::Conflict { held_size: 7 };
        assert_eq!(decided(&ask(0, 9, &whole), Some(&seven)), Some((conflict, false)));
        assert_eq!(decided(&ask(0, 7, &other), Some(&seven)), Some((conflict, true)));
        assert_eq!(decided(&ask(3, 5, &whole), Some(&seven)), Some((conflict, false)));
        // 422: a fork that shows itself, a proof that leads nowhere, a proof where none belongs.
        assert_eq!(decided(&ask(7, 30, &other), Some(&seven)), Some((Refusal::Inconsistent, true)));
        assert_eq!(decided(&ask(7, 7, &other), Some(&seven)), Some((Refusal::Inconsistent, true)));
        let mut broken = ask(7, 30, &whole);
        broken.proof[1].0[0] ^= 1;
        assert_eq!(decided(&broken, Some(&seven)), Some((Refusal::Inconsistent, false)));
        let mut proof_from_nothing = ask(0, 7, &whole);
        proof_from_nothing.proof.push(TreeHash([1; 32]));
        assert_eq!(decided(&proof_from_nothing, None), Some((Refusal::Inconsistent, false)));
        let mut empty = ask(0, 0, &whole);
        empty.note = signed(&log(), 0, TreeHash([1; 32]));
        assert_eq!(decided(&empty, None), Some((Refusal::Inconsistent, false)));
        // What is given as evidence convinces everyone.
        let Decision::Refuse(_, Some(evidence)) = decide(&ask(7, 30, &other), &keys, Some(&seven)) else {
            panic!("no evidence");
        };
        evidence.verify(&keys[0]).unwrap();
        let statuses = [Refusal::Malformed, Refusal::Unsigned, Refusal::Unknown, conflict, Refusal::Inconsistent];
        assert_eq!(statuses.map(Refusal::status), [400, 403, 404, 409, 422]);
    }

    #[test]
    fn requests_are_read_as_written() {
        let whole = Whole::of(30);
        let request = ask(7, 30, &whole);
        let body = request.to_string();
        assert!(body.starts_with("old 7\n"));
        assert_eq!(AddCheckpoint::parse(body.as_bytes()), Some(request));
        let hash = TreeHash([1; 32]);
        let note = "a\n1\nx\n\n— a AAAAAAA=\n";
        assert!(AddCheckpoint::parse(format!("old 0\n\n{note}").as_bytes()).is_some());
        assert!(
            AddCheckpoint::parse(format!("old 0\n{}\n{note}", format!("{hash}\n").repeat(63)).as_bytes()).is_some()
        );
        for body in [
            String::new(),
            "old 0".into(),
            "old 0\n\n".into(),
            format!("old 0\n{note}"),
            format!("old 00\n\n{note}"),
            format!("old -1\n\n{note}"),
            format!("old 9223372036854775808\n\n{note}"),
            format!("new 0\n\n{note}"),
            format!("old 0\nnonsense\n\n{note}"),
            format!("old 0\n{}\n{note}", format!("{hash}\n").repeat(64)),
            format!("old 0\n\n{}{note}", "x".repeat(REQUEST_BYTES_MAX)),
        ] {
            assert_eq!(AddCheckpoint::parse(body.as_bytes()), None, "{body:.100}");
        }
        assert_eq!(AddCheckpoint::parse(&[0xff; 9]), None);
        let no_checkpoint = AddCheckpoint::parse(format!("old 0\n\n{note}").as_bytes()).unwrap();
        assert_eq!(refusal(&decide(&no_checkpoint, &[], None)), Some((Refusal::Malformed, false)));
    }

    proptest! {
        #[test]
        fn any_text_is_a_request_that_prints_the_same_or_none(body in "old [0-9]{1,3}\n([A-Za-z0-9]{42}[AEIMQ]=\n){0,3}\n[a-z]\n\n(— a AAAAAAA=\n){0,2}") {
            if let Some(request) = AddCheckpoint::parse(body.as_bytes()) {
                prop_assert_eq!(request.to_string(), body);
            }
        }
    }
}
