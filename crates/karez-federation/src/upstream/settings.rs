//! What the operator set for one remote, as it stands in the catalog.

use std::time::Duration;

use karez_catalog::Remote;
use karez_types::{AccountId, RemoteId};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::operate::UpstreamChange;
use crate::policy::glob::RepoGlob;
use crate::policy::units::{parse_bytes, show_bytes};
use crate::policy::upstream::UpstreamPolicy;

/// Settings of an upstream hub. Unknown fields are left alone: other parts of the node have theirs here.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct UpstreamSettings {
    /// What it is asked for, and how often.
    pub policy: UpstreamPolicy,
    /// Whether its address may be a private one.
    pub allow_private: bool,
    /// Whether tokens that this node does not know are tried there.
    pub pass_tokens: bool,
}

impl UpstreamSettings {
    /// Reads the settings of a remote. What is not readable asks for nothing: a deny list that was lost
    /// must not open everything.
    pub fn of(remote: &Remote) -> UpstreamSettings {
        serde_json::from_value(remote.settings.clone()).unwrap_or_else(|error| {
            tracing::error!(remote = remote.name, %error, "the settings of a remote are not readable: it is not asked");
            let deny = vec![RepoGlob::parse("*").expect("a star is a pattern")];
            UpstreamSettings { policy: UpstreamPolicy { deny, ..UpstreamPolicy::default() }, ..Default::default() }
        })
    }

    /// Makes settings from what people type.
    ///
    /// # Errors
    /// Says what to write instead.
    pub fn parse(
        allow: &[String],
        deny: &[String],
        file_max: Option<&str>,
        repo_max: Option<&str>,
        revalidate: Option<&str>,
        allow_private: bool,
        pass_tokens: bool,
    ) -> Result<UpstreamSettings, String> {
        let mut policy = UpstreamPolicy { allow: globs(allow)?, deny: globs(deny)?, ..UpstreamPolicy::default() };
        policy.file_bytes_max = file_max.map(parse_bytes).transpose().map_err(|error| error.to_string())?;
        policy.repo_bytes_max = repo_max.map(parse_bytes).transpose().map_err(|error| error.to_string())?;
        if let Some(text) = revalidate {
            policy.revalidate_secs = parse_duration(text)?.as_secs();
        }
        Ok(UpstreamSettings { policy, allow_private, pass_tokens })
    }

    /// Names the repositories whose large files are passed on and not kept.
    ///
    /// # Errors
    /// Says what to write instead.
    pub fn passing(mut self, patterns: &[String]) -> Result<UpstreamSettings, String> {
        self.policy.pass_through = globs(patterns)?;
        Ok(self)
    }

    /// Returns the settings with what is to be different.
    ///
    /// # Errors
    /// Says what to write instead.
    pub fn with(mut self, change: &UpstreamChange) -> Result<UpstreamSettings, String> {
        let policy = &mut self.policy;
        let lists = [
            (&mut policy.allow, &change.allow),
            (&mut policy.deny, &change.deny),
            (&mut policy.pass_through, &change.pass_through),
        ];
        for (list, texts) in lists {
            if let Some(texts) = texts {
                *list = globs(texts)?;
            }
        }
        let ceilings = [(&mut policy.file_bytes_max, &change.file_max), (&mut policy.repo_bytes_max, &change.repo_max)];
        for (ceiling, text) in ceilings {
            if let Some(text) = text {
                *ceiling = text.as_deref().map(parse_bytes).transpose().map_err(|error| error.to_string())?;
            }
        }
        if let Some(text) = &change.revalidate {
            policy.revalidate_secs = parse_duration(text)?.as_secs();
        }
        self.allow_private = change.allow_private.unwrap_or(self.allow_private);
        self.pass_tokens = change.pass_tokens.unwrap_or(self.pass_tokens);
        Ok(self)
    }

    /// Returns the settings for the catalog.
    pub fn to_json(&self) -> Value {
        serde_json::to_value(self).expect("settings are plain data")
    }

    /// Returns the allow and deny lists as they were typed.
    pub fn patterns(&self) -> (Vec<String>, Vec<String>) {
        (texts(&self.policy.allow), texts(&self.policy.deny))
    }

    /// Returns, as they were typed, the repositories whose large files are passed on and not kept.
    pub fn passed_on(&self) -> Vec<String> {
        texts(&self.policy.pass_through)
    }

    /// Returns how long what is here counts as new, as people type it: `10 min`.
    pub fn revalidate(&self) -> String {
        show_duration(self.policy.revalidate_secs)
    }

    /// Returns the settings in words.
    pub fn sentences(&self) -> Vec<String> {
        let (allow, deny) = self.patterns();
        let mut lines = vec![match allow.as_slice() {
            [] => "It is asked for every repository that is not here.".to_owned(),
            patterns => format!("It is asked for repositories that match: {}", patterns.join(" ")),
        }];
        if !deny.is_empty() {
            lines.push(format!("It is never asked for repositories that match: {}", deny.join(" ")));
        }
        if !self.policy.pass_through.is_empty() {
            let patterns = self.passed_on().join(" ");
            lines.push(format!("Large files of repositories that match are passed on and not kept: {patterns}"));
        }
        if let Some(bytes) = self.policy.file_bytes_max {
            lines.push(format!("Files larger than {} are not fetched.", show_bytes(bytes)));
        }
        if let Some(bytes) = self.policy.repo_bytes_max {
            lines.push(format!(
                "Large files of repositories that have more than {} of them are not fetched.",
                show_bytes(bytes)
            ));
        }
        lines.push(format!("What is here is checked again after {}.", self.revalidate()));
        if self.allow_private {
            lines.push("Its address may be a private one.".to_owned());
        }
        if self.pass_tokens {
            lines.push("Tokens that this node does not know are tried there.".to_owned());
        }
        lines
    }
}

fn globs(texts: &[String]) -> Result<Vec<RepoGlob>, String> {
    texts.iter().map(|text| RepoGlob::parse(text)).collect()
}

fn texts(globs: &[RepoGlob]) -> Vec<String> {
    globs.iter().map(|glob| String::from(glob.clone())).collect()
}

/// Parses a length of time: `90`, `30 s`, `10 min`, `2 h`, `1 day`.
///
/// # Errors
/// Says how it is written.
fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = || {
        let shown: String = text.chars().take(40).flat_map(char::escape_debug).collect();
        format!("`{shown}` is not a length of time: write `30 s`, `10 min`, `2 h` or `1 day`")
    };
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 = text[..end].parse().map_err(|_| wrong())?;
    let unit_secs = match text[end..].trim() {
        "" | "s" | "sec" | "secs" | "second" | "seconds" => 1,
        "m" | "min" | "minute" | "minutes" => 60,
        "h" | "hour" | "hours" => 3_600,
        "d" | "day" | "days" => 86_400,
        _ => return Err(wrong()),
    };
    number.checked_mul(unit_secs).map(Duration::from_secs).ok_or_else(wrong)
}

fn show_duration(secs: u64) -> String {
    match secs {
        secs if secs > 0 && secs % 86_400 == 0 => format!("{} d", secs / 86_400),
        secs if secs > 0 && secs % 3_600 == 0 => format!("{} h", secs / 3_600),
        secs if secs > 0 && secs % 60 == 0 => format!("{} min", secs / 60),
        secs => format!("{secs} s"),
    }
}

/// Returns under which context the node's own token for a remote is sealed.
pub fn token_context(remote: RemoteId) -> String {
    format!("token of the node for remote {remote}")
}

/// Returns under which context a person's token for a remote is sealed.
pub fn login_context(remote: RemoteId, user: AccountId) -> String {
    format!("token of account {user} for remote {remote}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_as_typed_and_come_back() {
        let allow = ["Qwen/*".to_owned(), "datasets/*".to_owned()];
        let settings =
            UpstreamSettings::parse(&allow, &["x/y".to_owned()], Some("20 GB"), None, Some("1 day"), true, false)
                .unwrap();
        assert_eq!(settings.policy.file_bytes_max, Some(20_000_000_000));
        assert_eq!(settings.policy.revalidate_secs, 86_400);
        assert_eq!(serde_json::from_value::<UpstreamSettings>(settings.to_json()).unwrap(), settings);
        assert!(settings.sentences().contains(&"What is here is checked again after 1 d.".to_owned()));
        for (file_max, revalidate) in
            [(Some("20 Gb"), None), (None, Some("soon")), (None, Some("-1 s")), (None, Some("99999999999999999999 d"))]
        {
            assert!(UpstreamSettings::parse(&[], &[], file_max, None, revalidate, false, false).is_err());
        }
        assert!(UpstreamSettings::parse(&["[".to_owned()], &[], None, None, None, false, false).is_err());
    }
}
