//! What to follow, as data: the first rule that a repository matches decides what is kept of it.
//!
//! A rule without any condition matches everything; each condition that is there must hold. Conditions
//! with several values hold when one of them does. [`shortages`] compares the goals of rules with the
//! copies that nodes are known to hold; a shortage is reported, nobody is commanded.

use karez_hub::language_code;
use karez_types::{RepoAddress, RepoKind};
use serde::{Deserialize, Serialize};

use super::files::FileChoice;
use super::glob::{Glob, RepoGlob};
use super::units::show_bytes;

pub use karez_catalog::Keep;

/// What is known of a repository before anything of it is fetched: what a peer's log says.
#[derive(Debug, Clone, Copy)]
pub struct RepoFacts<'a> {
    /// Its address.
    pub repo: &'a RepoAddress,
    /// Sum of the bytes of its large files.
    pub file_bytes: u64,
    /// Tags of its card, languages among them.
    pub tags: &'a [String],
    /// Licence of its card.
    pub license: Option<&'a str>,
    /// Task of a model.
    pub task: Option<&'a str>,
    /// Library that loads a model.
    pub library: Option<&'a str>,
    /// Place by requests at this node and its peers, 1 for the most asked; unset: never asked for.
    pub rank: Option<u64>,
}

/// Which repositories a rule speaks of, and which of their files.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rule {
    /// Owner names.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub owners: Vec<Glob>,
    /// Repositories: `owner/name`, `datasets/owner/*`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub repos: Vec<RepoGlob>,
    /// Kinds: `model`, `dataset`, `space`, `kernel`.
    #[serde(skip_serializing_if = "Vec::is_empty", with = "kinds")]
    pub kinds: Vec<RepoKind>,
    /// Tags of the card.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<Glob>,
    /// Languages, by any of their codes: `sw` is `swa` too, and `language:sw`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub languages: Vec<Glob>,
    /// Licences: `apache-2.0`, `cc-*`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub licenses: Vec<Glob>,
    /// Tasks: `automatic-speech-recognition`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tasks: Vec<Glob>,
    /// Libraries: `transformers`, `gguf`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub libraries: Vec<Glob>,
    /// Least bytes of large files (or as `1 GB`).
    #[serde(with = "super::units::bytes_maybe", skip_serializing_if = "Option::is_none")]
    pub bytes_min: Option<u64>,
    /// Most bytes of large files.
    #[serde(with = "super::units::bytes_maybe", skip_serializing_if = "Option::is_none")]
    pub bytes_max: Option<u64>,
    /// Only the so many that are asked for most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top: Option<u64>,
    /// Which files, where whole is kept.
    #[serde(skip_serializing_if = "FileChoice::is_everything")]
    pub files: FileChoice,
}

mod kinds {
    use karez_types::RepoKind;
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<RepoKind>, D::Error> {
        let words = Vec::<String>::deserialize(deserializer)?;
        words.iter().map(|word| word.parse().map_err(D::Error::custom)).collect()
    }

    pub fn serialize<S: Serializer>(kinds: &[RepoKind], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(kinds.iter().map(|kind| kind.as_str()))
    }
}

mod keep_word {
    use karez_catalog::Keep;
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Keep, D::Error> {
        let word = String::deserialize(deserializer)?;
        Keep::from_word(&word).ok_or_else(|| D::Error::custom("use one of: metadata, demand, whole"))
    }

    pub fn serialize<S: Serializer>(keep: &Keep, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(keep.as_str())
    }
}

fn one_of(globs: &[Glob], text: Option<&str>) -> bool {
    globs.is_empty() || text.is_some_and(|text| globs.iter().any(|glob| glob.matches(text)))
}

impl Rule {
    /// Tells whether a repository matches.
    pub fn matches(&self, facts: &RepoFacts) -> bool {
        let repo = facts.repo;
        // `tg`, `tgk` and `tg-Cyrl` are one language.
        let codes: Vec<String> = self.languages.iter().filter_map(|glob| language_code(glob.as_str())).collect();
        let language = |tag: &str| {
            let name = tag.strip_prefix("language:").unwrap_or(tag);
            self.languages.iter().any(|glob| glob.matches(name) || glob.matches(tag))
                || !codes.is_empty() && language_code(name).is_some_and(|code| codes.contains(&code))
        };
        one_of(&self.owners, Some(repo.owner.as_str()))
            && (self.repos.is_empty() || self.repos.iter().any(|glob| glob.matches(repo)))
            && (self.kinds.is_empty() || self.kinds.contains(&repo.kind))
            && (self.tags.is_empty() || facts.tags.iter().any(|tag| one_of(&self.tags, Some(tag))))
            && (self.languages.is_empty() || facts.tags.iter().any(|tag| language(tag)))
            && one_of(&self.licenses, facts.license)
            && one_of(&self.tasks, facts.task)
            && one_of(&self.libraries, facts.library)
            && self.bytes_min.is_none_or(|min| facts.file_bytes >= min)
            && self.bytes_max.is_none_or(|max| facts.file_bytes <= max)
            && self.top.is_none_or(|top| facts.rank.is_some_and(|rank| rank <= top))
    }
}

/// Says what the rule speaks of, in words.
impl std::fmt::Display for Rule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut said = Vec::new();
        let mut say = |what: &str, values: Vec<&str>| {
            if !values.is_empty() {
                said.push(format!("{what} {}", values.join(" or ")));
            }
        };
        fn texts(globs: &[Glob]) -> Vec<&str> {
            globs.iter().map(Glob::as_str).collect()
        }
        let repos: Vec<String> = self.repos.iter().cloned().map(String::from).collect();
        say("owner", texts(&self.owners));
        say("repository", repos.iter().map(String::as_str).collect());
        say("kind", self.kinds.iter().map(|kind| kind.as_str()).collect());
        say("tag", texts(&self.tags));
        say("language", texts(&self.languages));
        say("licence", texts(&self.licenses));
        say("task", texts(&self.tasks));
        say("library", texts(&self.libraries));
        said.extend(self.bytes_min.map(|bytes| format!("at least {}", show_bytes(bytes))));
        said.extend(self.bytes_max.map(|bytes| format!("at most {}", show_bytes(bytes))));
        said.extend(self.top.map(|top| format!("top {top} by requests")));
        if !self.files.is_everything() {
            said.push(format!("of the files {}", self.files));
        }
        if said.is_empty() { f.write_str("everything") } else { f.write_str(&said.join(", ")) }
    }
}

/// A rule with what it decides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Follow {
    /// What it speaks of.
    #[serde(default)]
    pub rule: Rule,
    /// How much is kept.
    #[serde(with = "keep_word")]
    pub keep: Keep,
    /// How many nodes should hold it whole; unset: no goal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copies: Option<u64>,
}

/// Returns the place of the first rule that matches.
pub fn first_match(follows: &[Follow], facts: &RepoFacts) -> Option<usize> {
    follows.iter().position(|follow| follow.rule.matches(facts))
}

/// A repository of which too few nodes are known to hold a whole copy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Shortage {
    /// The repository, as people write it.
    pub repo: String,
    /// Nodes that are known to hold it whole.
    pub copies: u64,
    /// Nodes that should.
    pub goal: u64,
    /// What one more copy would take.
    pub file_bytes: u64,
}

/// Reports what is below its goal, most endangered first: fewest copies, then smallest (soonest mended).
/// `copies` counts distinct nodes, this one and the origin among them.
pub fn shortages<'a>(follows: &[Follow], repos: impl IntoIterator<Item = (RepoFacts<'a>, u64)>) -> Vec<Shortage> {
    let mut short: Vec<Shortage> = repos
        .into_iter()
        .filter_map(|(facts, copies)| {
            let goal = follows[first_match(follows, &facts)?].copies?;
            let repo = format!("{}/{}", facts.repo.kind.plural(), facts.repo.id());
            (copies < goal).then_some(Shortage { repo, copies, goal, file_bytes: facts.file_bytes })
        })
        .collect();
    short.sort_by(|a, b| (a.copies, a.file_bytes, &a.repo).cmp(&(b.copies, b.file_bytes, &b.repo)));
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts<'a>(repo: &'a RepoAddress, tags: &'a [String], file_bytes: u64) -> RepoFacts<'a> {
        let (license, task) = (Some("cc-by-4.0"), Some("translation"));
        RepoFacts { repo, file_bytes, tags, license, task, library: None, rank: Some(40) }
    }

    fn follow(json: &str) -> Follow {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn every_condition_counts() {
        let repo = RepoAddress::parse(RepoKind::Dataset, "Masakhane/mafand").unwrap();
        let tags = ["language:sw".to_owned(), "yo".to_owned(), "news".to_owned()];
        let facts = facts(&repo, &tags, 5_000_000_000);
        for (rule, matches) in [
            ("{}", true),
            (r#"{"owners":["nobody","masakhane"]}"#, true),
            (r#"{"owners":["masa"]}"#, false),
            (r#"{"repos":["datasets/masakhane/*"]}"#, true),
            (r#"{"repos":["models/masakhane/*"]}"#, false),
            (r#"{"kinds":["model"]}"#, false),
            (r#"{"tags":["news"]}"#, true),
            (r#"{"languages":["sw"]}"#, true),
            (r#"{"languages":["swa"]}"#, true),
            (r#"{"languages":["swh"]}"#, true),
            (r#"{"languages":["yo"]}"#, true),
            (r#"{"languages":["ha"]}"#, false),
            (r#"{"licenses":["cc-*"]}"#, true),
            (r#"{"libraries":["*"]}"#, false),
            (r#"{"tasks":["translation"],"bytes_max":"5 GB"}"#, true),
            (r#"{"bytes_max":"4.9 GB"}"#, false),
            (r#"{"bytes_min":5000000001}"#, false),
            (r#"{"top":40}"#, true),
            (r#"{"top":39}"#, false),
        ] {
            let rule: Rule = serde_json::from_str(rule).unwrap();
            assert_eq!(rule.matches(&facts), matches, "{rule}");
            let again: Rule = serde_json::from_str(&serde_json::to_string(&rule).unwrap()).unwrap();
            assert_eq!(again, rule);
        }
        for wrong in [r#"{"owner":["x"]}"#, r#"{"kinds":["models"]}"#, r#"{"tags":["[x]"]}"#, r#"{"bytes_max":"5 Gb"}"#]
        {
            assert!(serde_json::from_str::<Rule>(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_first_match_decides() {
        let repo = RepoAddress::parse(RepoKind::Model, "a/b").unwrap();
        let follows = [
            follow(r#"{"rule":{"bytes_min":"100 GB"},"keep":"metadata"}"#),
            follow(r#"{"rule":{"owners":["a"]},"keep":"whole","copies":3}"#),
            follow(r#"{"keep":"demand"}"#),
        ];
        assert_eq!(first_match(&follows, &facts(&repo, &[], 1)), Some(1));
        assert_eq!(first_match(&follows, &facts(&repo, &[], 200_000_000_000)), Some(0));
        assert_eq!(first_match(&follows[..1], &facts(&repo, &[], 1)), None);
        assert_eq!(follows[1].rule.to_string(), "owner a");
        assert_eq!(follows[2].rule.to_string(), "everything");
    }

    #[test]
    fn goals_report_what_is_short() {
        let repos: Vec<RepoAddress> =
            ["a/one", "a/two", "a/three", "b/four"].map(|id| RepoAddress::parse(RepoKind::Model, id).unwrap()).into();
        let follows =
            [follow(r#"{"rule":{"owners":["a"]},"keep":"whole","copies":3}"#), follow(r#"{"keep":"demand"}"#)];
        let copies = [2, 3, 1, 0];
        let report = shortages(&follows, repos.iter().zip(copies).map(|(repo, copies)| (facts(repo, &[], 7), copies)));
        let said: Vec<_> = report.iter().map(|short| (short.repo.as_str(), short.copies, short.goal)).collect();
        assert_eq!(said, [("models/a/three", 1, 3), ("models/a/one", 2, 3)]);
    }
}
