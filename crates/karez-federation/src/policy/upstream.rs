//! Which repositories of an upstream hub this node answers for, and which of them it keeps.

use karez_types::{RepoAddress, Timestamp};
use serde::{Deserialize, Serialize};

use super::glob::RepoGlob;
use super::units::show_bytes;

/// Seconds after which a branch of an upstream repository is looked up again when somebody asks.
const REVALIDATE_SECS: u64 = 5 * 60;

/// What an operator decided about an upstream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct UpstreamPolicy {
    /// Only these repositories; none: all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allow: Vec<RepoGlob>,
    /// Not these, even when allowed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub deny: Vec<RepoGlob>,
    /// Answered, but their large files are never kept.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pass_through: Vec<RepoGlob>,
    /// Largest file that is fetched (or as `20 GB`); unset: any.
    #[serde(with = "super::units::bytes_maybe", skip_serializing_if = "Option::is_none")]
    pub file_bytes_max: Option<u64>,
    /// Largest repository, as the sum of its large files; unset: any.
    #[serde(with = "super::units::bytes_maybe", skip_serializing_if = "Option::is_none")]
    pub repo_bytes_max: Option<u64>,
    /// Seconds for which the answer about a branch is used without asking again.
    pub revalidate_secs: u64,
}

impl Default for UpstreamPolicy {
    fn default() -> UpstreamPolicy {
        UpstreamPolicy {
            allow: Vec::new(),
            deny: Vec::new(),
            pass_through: Vec::new(),
            file_bytes_max: None,
            repo_bytes_max: None,
            revalidate_secs: REVALIDATE_SECS,
        }
    }
}

/// What happens with a repository that somebody asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Fetched and kept.
    Keep,
    /// Fetched for whoever asks, large files not kept.
    PassThrough,
    /// Not fetched; says why, for the operator (readers are told that it is not here).
    Refuse(String),
}

impl UpstreamPolicy {
    /// Decides about a repository by its name, before anything is asked of the upstream.
    pub fn repo(&self, repo: &RepoAddress) -> Verdict {
        let among = |globs: &[RepoGlob]| globs.iter().any(|glob| glob.matches(repo));
        if among(&self.deny) {
            Verdict::Refuse(format!("{} is on this upstream's deny list", repo.id()))
        } else if !self.allow.is_empty() && !among(&self.allow) {
            Verdict::Refuse(format!("{} is not on this upstream's allow list", repo.id()))
        } else if among(&self.pass_through) {
            Verdict::PassThrough
        } else {
            Verdict::Keep
        }
    }

    /// Decides about a repository by the sum of its large files.
    ///
    /// # Errors
    /// Says which ceiling it breaks.
    pub fn repo_bytes(&self, file_bytes: u64) -> Result<(), String> {
        let max = self.repo_bytes_max.filter(|max| file_bytes > *max);
        max.map_or(Ok(()), |max| {
            let (has, takes) = (show_bytes(file_bytes), show_bytes(max));
            Err(format!(
                "the large files of its repository have {has}, and of none above {takes} one is taken from there"
            ))
        })
    }

    /// Decides about a file by its length.
    ///
    /// # Errors
    /// Says which ceiling it breaks.
    pub fn file_bytes(&self, file_bytes: u64) -> Result<(), String> {
        let max = self.file_bytes_max.filter(|max| file_bytes > *max);
        max.map_or(Ok(()), |max| {
            let (has, takes) = (show_bytes(file_bytes), show_bytes(max));
            Err(format!("it has {has}, and files of at most {takes} are taken from there"))
        })
    }

    /// Tells whether what was seen then must be asked again. A moment in the future was seen by a clock
    /// that was wrong, and is asked again.
    pub fn is_stale(&self, checked: Timestamp, now: Timestamp) -> bool {
        let interval = i64::try_from(self.revalidate_secs).unwrap_or(i64::MAX);
        checked > now || checked.plus_secs(interval) <= now
    }
}

#[cfg(test)]
mod tests {
    use karez_types::RepoKind;

    use super::*;

    #[test]
    fn lists_and_ceilings() {
        let policy: UpstreamPolicy = serde_json::from_str(
            r#"{"allow":["models/*","datasets/masakhane/*"],"deny":["*/nsfw-*"],"pass_through":["big/*"],"file_bytes_max":"20 GB"}"#,
        )
        .unwrap();
        let verdict = |kind, id| policy.repo(&RepoAddress::parse(kind, id).unwrap());
        assert_eq!(verdict(RepoKind::Model, "a/b"), Verdict::Keep);
        assert_eq!(verdict(RepoKind::Model, "Big/b"), Verdict::PassThrough);
        assert_eq!(verdict(RepoKind::Dataset, "masakhane/x"), Verdict::Keep);
        assert!(matches!(verdict(RepoKind::Dataset, "other/x"), Verdict::Refuse(why) if why.contains("allow list")));
        assert!(matches!(verdict(RepoKind::Model, "a/NSFW-x"), Verdict::Refuse(why) if why.contains("deny list")));
        assert_eq!(policy.file_bytes(20_000_000_000), Ok(()));
        let said = policy.file_bytes(21_000_000_000).unwrap_err();
        assert_eq!(said, "it has 21 GB, and files of at most 20 GB are taken from there");
        assert_eq!(policy.repo_bytes(u64::MAX), Ok(()));
        assert!(serde_json::from_str::<UpstreamPolicy>(r#"{"allowed":[]}"#).is_err());
    }

    #[test]
    fn answers_grow_old_and_wrong_clocks_do_not_keep_them() {
        let policy = UpstreamPolicy::default();
        let seen = Timestamp(1_795_478_400_000);
        assert!(!policy.is_stale(seen, seen.plus_secs(299)));
        assert!(policy.is_stale(seen, seen.plus_secs(300)));
        assert!(policy.is_stale(seen, seen.plus_secs(-1)));
        let never = UpstreamPolicy { revalidate_secs: u64::MAX, ..policy };
        assert!(!never.is_stale(seen, seen.plus_secs(1 << 40)));
    }
}
