//! Trust policies (C2SP tlog-policy): which logs are known, and whose cosignatures make a checkpoint valid.
//!
//! Groups are how a policy asks for different operators: a group for each operator's witnesses, and a
//! group over those groups, so that one operator alone never suffices.

use crate::checkpoint::{Checkpoint, CheckpointError, VerifiedCheckpoint};
use crate::key::{Algorithm, VerifierKey};
use crate::note::{Note, Signer};

/// Longest policy file in bytes.
pub const POLICY_BYTES_MAX: usize = 256 << 10;
/// Most logs, witnesses and groups, each; the specification asks for at least 32.
const ITEMS_MAX: usize = 256;

/// Why a text is not a policy, or a checkpoint does not satisfy one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// A line is not one of a policy.
    #[error("line {line} of the policy: {what}")]
    Line {
        /// Which line, from 1.
        line: usize,
        /// What is wrong with it.
        what: &'static str,
    },
    /// Too many bytes, logs, witnesses or groups.
    #[error("a policy has at most {POLICY_BYTES_MAX} bytes and {ITEMS_MAX} logs, witnesses and groups each")]
    TooLong,
    /// There must be exactly one quorum.
    #[error("the policy has no quorum line; `quorum none` asks for no witness")]
    NoQuorum,
    /// The checkpoint is of a log that the policy does not list.
    #[error("the policy does not list the log {0}")]
    UnknownLog(String),
    /// The note is not a checkpoint that its log has signed.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// Not enough of the witnesses have cosigned.
    #[error("the cosignatures on the checkpoint do not make the quorum of the policy")]
    NoQuorumReached,
}

/// A log or witness of a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyKey {
    /// The key.
    pub key: VerifierKey,
    /// Where it can be reached, when the policy says so.
    pub url: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Member {
    Witness(PolicyKey),
    Group { least: usize, members: Vec<usize> },
}

/// A policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    logs: Vec<PolicyKey>,
    /// Witnesses and groups by name, in order of definition: groups refer only to what comes before.
    members: Vec<(Vec<u8>, Member)>,
    /// `None`: no witness is asked for.
    quorum: Option<usize>,
}

impl Policy {
    /// Reads a policy file.
    pub fn parse(bytes: &[u8]) -> Result<Policy, PolicyError> {
        if bytes.len() > POLICY_BYTES_MAX {
            return Err(PolicyError::TooLong);
        }
        let mut reader = Reader::default();
        for (at, line) in bytes.split(|&byte| byte == b'\n').enumerate() {
            let words: Vec<&[u8]> =
                line.split(|byte| matches!(byte, b' ' | b'\t')).filter(|word| !word.is_empty()).collect();
            if words.first().is_none_or(|word| word.starts_with(b"#")) {
                continue;
            }
            let control = line.iter().any(|&byte| (byte < 0x20 && byte != b'\t') || byte == 0x7f);
            let read = if control { Err("there is a control character") } else { reader.line(&words) };
            read.map_err(|what| PolicyError::Line { line: at + 1, what })?;
            if reader.logs.len() > ITEMS_MAX || reader.members.len() > 2 * ITEMS_MAX {
                return Err(PolicyError::TooLong);
            }
        }
        let quorum = reader.quorum.ok_or(PolicyError::NoQuorum)?;
        Ok(Policy { logs: reader.logs, members: reader.members, quorum })
    }

    /// Returns the logs.
    pub fn logs(&self) -> &[PolicyKey] {
        &self.logs
    }

    /// Returns the witnesses.
    pub fn witnesses(&self) -> impl Iterator<Item = &PolicyKey> {
        self.members.iter().filter_map(|(_, member)| match member {
            Member::Witness(key) => Some(key),
            Member::Group { .. } => None,
        })
    }

    /// Verifies that a note is a checkpoint of a listed log, with a quorum of cosignatures.
    pub fn verify(&self, note: &Note) -> Result<VerifiedCheckpoint, PolicyError> {
        let origin = Checkpoint::parse(note.text())?.origin;
        let keys: Vec<&VerifierKey> = self.logs.iter().map(|log| &log.key).filter(|key| key.name() == origin).collect();
        let witnesses: Vec<VerifierKey> = self.witnesses().map(|witness| witness.key.clone()).collect();
        let mut outcome = Err(PolicyError::UnknownLog(origin));
        for key in keys {
            match VerifiedCheckpoint::open(note, key, &witnesses) {
                Ok(checkpoint) if self.has_quorum(checkpoint.note().signers()) => return Ok(checkpoint),
                Ok(_) => outcome = Err(PolicyError::NoQuorumReached),
                Err(error) => outcome = Err(error.into()),
            }
        }
        outcome
    }

    /// Tells whether these signers make the quorum.
    pub fn has_quorum(&self, signers: &[Signer]) -> bool {
        let mut witnessed: Vec<bool> = Vec::with_capacity(self.members.len());
        for (_, member) in &self.members {
            witnessed.push(match member {
                Member::Witness(witness) => signers.iter().any(|signer| signer.key == witness.key),
                Member::Group { least, members } => members.iter().filter(|&&at| witnessed[at]).count() >= *least,
            });
        }
        self.quorum.is_none_or(|at| witnessed[at])
    }
}

#[derive(Default)]
struct Reader {
    logs: Vec<PolicyKey>,
    members: Vec<(Vec<u8>, Member)>,
    /// Which of the members are in a group already.
    taken: Vec<usize>,
    quorum: Option<Option<usize>>,
}

impl Reader {
    fn line(&mut self, words: &[&[u8]]) -> Result<(), &'static str> {
        match *words {
            [b"log", key, ref url @ ..] if url.len() <= 1 => self.log(key, url.first().copied()),
            [b"witness", name, key, ref url @ ..] if url.len() <= 1 => self.witness(name, key, url.first().copied()),
            [b"group", name, least, ref members @ ..] if !members.is_empty() => self.group(name, least, members),
            [b"quorum", name] => self.quorum(name),
            [b"log" | b"witness" | b"group" | b"quorum", ..] => Err("there are too many or too few words"),
            _ => Err("it begins with none of `log`, `witness`, `group`, `quorum`"),
        }
    }

    fn log(&mut self, key: &[u8], url: Option<&[u8]>) -> Result<(), &'static str> {
        let log = policy_key(key, url)?;
        if log.key.algorithm() == Algorithm::COSIGNATURE_V1 {
            return Err("this is the key of a witness, not of a log");
        }
        if self.logs.iter().any(|other| other.key.public() == log.key.public()) {
            return Err("this key is there already");
        }
        self.logs.push(log);
        Ok(())
    }

    fn witness(&mut self, name: &[u8], key: &[u8], url: Option<&[u8]>) -> Result<(), &'static str> {
        let witness = policy_key(key, url)?;
        if !matches!(witness.key.algorithm(), Algorithm::COSIGNATURE_V1 | Algorithm::ML_DSA_44) {
            return Err("this is not the key of a witness");
        }
        let same = |(_, other): &(Vec<u8>, Member)| matches!(other, Member::Witness(other) if other.key.public() == witness.key.public());
        if self.members.iter().any(same) {
            return Err("this key is there already");
        }
        self.define(name, Member::Witness(witness))
    }

    fn group(&mut self, name: &[u8], least: &[u8], words: &[&[u8]]) -> Result<(), &'static str> {
        let mut members = Vec::new();
        for word in words {
            let at = self.find(word).ok_or("a member of the group is not defined before it")?;
            if self.taken.contains(&at) {
                return Err("a member of the group is in a group already");
            }
            self.taken.push(at);
            members.push(at);
        }
        let least = match least {
            b"any" => 1,
            b"all" => members.len(),
            number => std::str::from_utf8(number)
                .ok()
                .and_then(crate::decimal)
                .map_or(0, |least| usize::try_from(least).unwrap_or(0)),
        };
        if least == 0 || least > members.len() {
            return Err("the threshold is `any`, `all` or a number from 1 to that of the members");
        }
        self.define(name, Member::Group { least, members })
    }

    fn quorum(&mut self, name: &[u8]) -> Result<(), &'static str> {
        if self.quorum.is_some() {
            return Err("there is a quorum already");
        }
        let at = if name == b"none" { None } else { Some(self.find(name).ok_or("the quorum is not defined before")?) };
        self.quorum = Some(at);
        Ok(())
    }

    fn define(&mut self, name: &[u8], member: Member) -> Result<(), &'static str> {
        if name == b"none" || self.find(name).is_some() {
            return Err("the name is taken");
        }
        self.members.push((name.to_vec(), member));
        Ok(())
    }

    fn find(&self, name: &[u8]) -> Option<usize> {
        self.members.iter().position(|(other, _)| other == name)
    }
}

fn policy_key(key: &[u8], url: Option<&[u8]>) -> Result<PolicyKey, &'static str> {
    let key = std::str::from_utf8(key).ok().and_then(|key| key.parse().ok()).ok_or("the verifier key is not valid")?;
    let url = url.map(|url| String::from_utf8_lossy(url).into_owned());
    Ok(PolicyKey { key, url })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SigningKey;
    use crate::checkpoint::tests::signed;
    use crate::tree::TreeHash;
    use proptest::prelude::*;

    fn witness(seed: u8) -> SigningKey {
        SigningKey::of_witness(&[seed; 32])
    }

    /// Two operators with two witnesses each; both operators are needed.
    fn two_operators() -> String {
        let log = SigningKey::of_log(&[1; 32]);
        let mut text = format!("# who we trust\n\n log\t{}  https://log.example/ \n", log.verifier());
        for (name, seed) in [("x1", 11), ("x2", 12), ("y1", 21), ("y2", 22)] {
            text.push_str(&format!("witness {name} {}\n", witness(seed).verifier()));
        }
        text + "group x any x1 x2\ngroup y 1 y1 y2\ngroup both all x y\nquorum both\n"
    }

    #[test]
    fn one_operator_alone_is_not_a_quorum() {
        let log = SigningKey::of_log(&[1; 32]);
        let policy = Policy::parse(two_operators().as_bytes()).unwrap();
        assert_eq!(policy.logs()[0].url.as_deref(), Some("https://log.example/"));
        assert_eq!(policy.witnesses().count(), 4);
        for (seeds, reached) in
            [(&[][..], false), (&[11, 12], false), (&[21, 22], false), (&[11, 99], false), (&[12, 21], true)]
        {
            let mut note = signed(&log, 7, TreeHash([1; 32]));
            seeds.iter().for_each(|&seed| note.sign(&witness(seed), 5));
            let verified = policy.verify(&note);
            assert_eq!(verified.is_ok(), reached, "{seeds:?}");
            assert!(reached || verified == Err(PolicyError::NoQuorumReached));
        }
        // A forged cosignature of a known witness spoils the note.
        let mut note = signed(&log, 7, TreeHash([1; 32]));
        [12, 21, 22].iter().for_each(|&seed| note.sign(&witness(seed), 5));
        let mut line = note.signatures()[3].clone();
        line.bytes[20] ^= 1;
        note.add(line);
        assert!(matches!(policy.verify(&note), Err(PolicyError::Checkpoint(_))));
        let other = SigningKey::of_log(&[2; 32]);
        let unknown = policy.verify(&signed(&other, 7, TreeHash([1; 32])));
        assert!(matches!(unknown, Err(PolicyError::UnknownLog(_))));
    }

    #[test]
    fn no_witness_and_one_witness() {
        let log = SigningKey::of_log(&[1; 32]);
        let bare = signed(&log, 7, TreeHash([1; 32]));
        let none = Policy::parse(format!("log {}\nquorum none", log.verifier()).as_bytes()).unwrap();
        assert!(none.verify(&bare).is_ok());
        let one = format!("log {}\nwitness w {}\nquorum w\n", log.verifier(), witness(3).verifier());
        let one = Policy::parse(one.as_bytes()).unwrap();
        assert_eq!(one.verify(&bare), Err(PolicyError::NoQuorumReached));
        let mut cosigned = bare;
        cosigned.sign(&witness(3), 1);
        assert!(one.verify(&cosigned).is_ok());
    }

    #[test]
    fn hostile_policies_are_refused() {
        let key = witness(1).verifier().to_string();
        let log = SigningKey::of_log(&[1; 32]).verifier().to_string();
        let w = format!("witness w {key}\n");
        for text in [
            format!("{w}quorum v\n"),
            format!("quorum w\n{w}"),
            format!("{w}quorum w\nquorum w\n"),
            format!("{w}{w}quorum w\n"),
            format!("{w}witness v {key}\nquorum w\n"),
            format!("witness none {key}\nquorum none\n"),
            format!("witness w {log}\nquorum w\n"),
            format!("log {key}\nquorum none\n"),
            format!("log {log}\nlog {log}\nquorum none\n"),
            format!("log {log} a b\nquorum none\n"),
            format!("{w}group g 0 w\nquorum g\n"),
            format!("{w}group g 2 w\nquorum g\n"),
            format!("{w}group g 01 w\nquorum g\n"),
            format!("{w}group g any\nquorum w\n"),
            format!("{w}group g any w w\nquorum g\n"),
            format!("{w}group g any g\nquorum g\n"),
            format!("{w}group g any none\nquorum g\n"),
            format!("{w}group g any w\ngroup h any w\nquorum g\n"),
            format!("{w}group w any w\nquorum w\n"),
            format!("{w}quorum w\r\n"),
            format!("{w}qu\0rum w\n"),
            "witness w key\nquorum none\n".into(),
            "something else\nquorum none\n".into(),
        ] {
            assert!(matches!(Policy::parse(text.as_bytes()), Err(PolicyError::Line { .. })), "{text}");
        }
        assert_eq!(Policy::parse(b""), Err(PolicyError::NoQuorum));
        assert_eq!(Policy::parse(&vec![b'\n'; POLICY_BYTES_MAX + 1]), Err(PolicyError::TooLong));
        let many: String = (0..600)
            .map(|n| format!("group g{n} any {}\n", if n == 0 { "w".into() } else { format!("g{}", n - 1) }))
            .collect();
        assert_eq!(Policy::parse(format!("{w}{many}quorum w\n").as_bytes()), Err(PolicyError::TooLong));
        let enough: String =
            (0..32u8).map(|n| format!("witness w{n} {}\ngroup g{n} any w{n}\n", witness(n).verifier())).collect();
        assert!(Policy::parse(format!("{enough}quorum none\n").as_bytes()).is_ok());
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_policy_or_an_error(text in "((log|witness|group|quorum|#)( [a-z0-9+]{1,4}){0,3}\n){0,6}") {
            let _ = Policy::parse(text.as_bytes());
        }
    }
}
