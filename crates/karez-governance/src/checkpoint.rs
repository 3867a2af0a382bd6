//! Checkpoints (C2SP tlog-checkpoint v1.0.0): a note that says how large a log is and what its root is.

use crate::decimal;
use crate::key::VerifierKey;
use crate::note::{Note, NoteError, VerifiedNote};
use crate::tree::{TREE_SIZE_MAX, TreeHash};

/// Longest origin in bytes, and longest line of a checkpoint.
const LINE_BYTES_MAX: usize = 255;
/// Most lines after the root; the specification advises against any.
const EXTENSION_LINES_MAX: usize = 16;

/// Why a note is not a checkpoint, or not one that may be believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// Not a note, or not one that a known key has signed.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// The text is not that of a checkpoint.
    #[error("not a checkpoint: {0}")]
    Form(&'static str),
    /// It is the checkpoint of another log.
    #[error("the checkpoint is of the log {found}, not of {expected}")]
    Origin {
        /// What it says.
        found: String,
        /// Whose was asked for.
        expected: String,
    },
}

/// What a checkpoint says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log.
    pub origin: String,
    /// How many entries.
    pub size: u64,
    /// The root of the tree over them.
    pub root: TreeHash,
    /// Lines after the root; signed, and without meaning here.
    pub extensions: Vec<String>,
}

impl Checkpoint {
    /// Returns the text that is signed.
    pub fn text(&self) -> String {
        let mut text = format!("{}\n{}\n{}\n", self.origin, self.size, self.root);
        for line in &self.extensions {
            text.push_str(line);
            text.push('\n');
        }
        text
    }

    /// Reads the text of a note.
    pub fn parse(text: &str) -> Result<Checkpoint, CheckpointError> {
        let form = CheckpointError::Form;
        let lines = text.strip_suffix('\n').ok_or(form("the last line has no end"))?;
        let mut lines = lines.split('\n');
        if lines.clone().any(|line| line.is_empty() || line.len() > LINE_BYTES_MAX) {
            return Err(form("a line is empty or too long"));
        }
        let origin = lines.next().ok_or(form("there is no origin"))?.to_owned();
        let size = lines.next().and_then(decimal).filter(|&size| size <= TREE_SIZE_MAX);
        let size = size.ok_or(form("the second line is not a size"))?;
        let root = lines.next().and_then(TreeHash::parse).ok_or(form("the third line is not a hash"))?;
        let extensions: Vec<String> = lines.map(str::to_owned).collect();
        if extensions.len() > EXTENSION_LINES_MAX {
            return Err(form("there are too many lines"));
        }
        Ok(Checkpoint { origin, size, root, extensions })
    }
}

/// A checkpoint that its log has signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedCheckpoint {
    checkpoint: Checkpoint,
    note: VerifiedNote,
}

impl VerifiedCheckpoint {
    /// Verifies that a note is a checkpoint of the log with this key, which is named after its origin.
    /// Signatures of the other keys are verified too and show among the signers.
    pub fn open(
        note: &Note,
        log: &VerifierKey,
        cosigners: &[VerifierKey],
    ) -> Result<VerifiedCheckpoint, CheckpointError> {
        let keys: Vec<VerifierKey> = [log].into_iter().chain(cosigners).cloned().collect();
        let note = note.verify(&keys)?;
        if !note.signers().iter().any(|signer| signer.key == *log) {
            return Err(CheckpointError::Note(NoteError::Unsigned));
        }
        let checkpoint = Checkpoint::parse(note.text())?;
        if checkpoint.origin != log.name() {
            return Err(CheckpointError::Origin { found: checkpoint.origin, expected: log.name().to_owned() });
        }
        Ok(VerifiedCheckpoint { checkpoint, note })
    }

    /// Reads and verifies; see [`VerifiedCheckpoint::open`].
    pub fn parse(
        bytes: &[u8],
        log: &VerifierKey,
        cosigners: &[VerifierKey],
    ) -> Result<VerifiedCheckpoint, CheckpointError> {
        VerifiedCheckpoint::open(&Note::parse(bytes)?, log, cosigners)
    }

    /// Returns how many entries the log has.
    pub fn size(&self) -> u64 {
        self.checkpoint.size
    }

    /// Returns the root of the tree over them.
    pub fn root(&self) -> TreeHash {
        self.checkpoint.root
    }

    /// Returns which log it is.
    pub fn origin(&self) -> &str {
        &self.checkpoint.origin
    }

    /// Returns the note, with all its signatures, and who signed.
    pub fn note(&self) -> &VerifiedNote {
        &self.note
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::SigningKey;
    use proptest::prelude::*;

    pub(crate) fn signed(key: &SigningKey, size: u64, root: TreeHash) -> Note {
        let origin = key.verifier().name().to_owned();
        let text = Checkpoint { origin, size, root, extensions: Vec::new() }.text();
        let mut note = Note::new(text).unwrap();
        note.sign(key, 0);
        note
    }

    #[test]
    fn the_example_of_the_specification() {
        let text = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";
        let checkpoint = Checkpoint::parse(text).unwrap();
        assert_eq!((checkpoint.origin.as_str(), checkpoint.size), ("example.com/behind-the-sofa", 20_852_163));
        assert_eq!(checkpoint.text(), text);
        let extended = format!("{text}more\n");
        assert_eq!(Checkpoint::parse(&extended).unwrap().text(), extended);
    }

    #[test]
    fn a_checkpoint_is_of_its_log_only() {
        let (log, other) = (SigningKey::of_log(&[1; 32]), SigningKey::of_log(&[2; 32]));
        let witness = SigningKey::of_witness(&[3; 32]);
        let mut note = signed(&log, 7, TreeHash([4; 32]));
        note.sign(&witness, 5);
        let open = |key: &SigningKey| VerifiedCheckpoint::open(&note, key.verifier(), &[witness.verifier().clone()]);
        let verified = open(&log).unwrap();
        assert_eq!((verified.size(), verified.note().signers().len()), (7, 2));
        // A witness has signed, the log has not.
        assert_eq!(open(&other), Err(CheckpointError::Note(NoteError::Unsigned)));
        // The other log signs this one's checkpoint.
        let mut stolen = Note::new(note.text().to_owned()).unwrap();
        stolen.sign(&other, 0);
        let error = VerifiedCheckpoint::open(&stolen, other.verifier(), &[]).unwrap_err();
        assert!(matches!(error, CheckpointError::Origin { .. }));
    }

    #[test]
    fn hostile_texts_are_refused() {
        let root = TreeHash([1; 32]);
        let long = "x".repeat(256);
        for text in [
            String::new(),
            "\n".into(),
            "a\n7\n".into(),
            format!("a\n7\n{root}"),
            format!("\n7\n{root}\n"),
            format!("a\n07\n{root}\n"),
            format!("a\n+7\n{root}\n"),
            format!("a\n-1\n{root}\n"),
            format!("a\n\n{root}\n"),
            format!("a\n9223372036854775808\n{root}\n"),
            format!("a\n99999999999999999999999\n{root}\n"),
            format!("a\n7\n{root}=\n"),
            "a\n7\nAAAA\n".into(),
            format!("a\n7\n{root}\n\n"),
            format!("a\n7\n{root}\n\nmore\n"),
            format!("a\n7\n{root}\n{}", "more\n".repeat(17)),
            format!("{long}\n7\n{root}\n"),
        ] {
            assert!(matches!(Checkpoint::parse(&text), Err(CheckpointError::Form(_))), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_checkpoint_that_prints_the_same_or_an_error(
            text in "[a-z]{0,3}\n0?[0-9]{0,20}\n([A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=)?\n(\\PC{0,5}\n){0,2}",
        ) {
            if let Ok(checkpoint) = Checkpoint::parse(&text) {
                prop_assert_eq!(checkpoint.text(), text);
            }
        }
    }
}
