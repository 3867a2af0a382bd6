//! Commits.

use karez_types::GitOid;

use super::{GitError, GitKind};

/// Who did something, and when.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Signature {
    /// Name of the person.
    pub name: String,
    /// Mail address, or what stands in for one.
    pub email: String,
    /// Seconds since 1970-01-01 UTC.
    pub unix_secs: i64,
    /// Offset of the person's clock from UTC, in minutes.
    pub offset_minutes: i32,
}

/// A commit. Text that is not UTF-8 (old commits in other encodings) is shown with replacement
/// characters: the id is that of the bytes, not of this value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// The root folder.
    pub tree: GitOid,
    /// The commits that this one follows; none for the first.
    pub parents: Vec<GitOid>,
    /// Who wrote the change.
    pub author: Signature,
    /// Who made the commit.
    pub committer: Signature,
    /// Other headers in order, such as `encoding` and `gpgsig`; a value may have several lines.
    pub extra_headers: Vec<(String, String)>,
    /// The message: by custom one summary line, an empty line, a description.
    pub message: String,
}

impl Commit {
    /// Returns the first line of the message.
    pub fn summary(&self) -> &str {
        self.message.trim_start().lines().next().unwrap_or("")
    }

    /// Returns what follows the first line of the message, without surrounding blank lines.
    pub fn description(&self) -> &str {
        self.message.trim_start().split_once('\n').map_or("", |(_, rest)| rest.trim())
    }
}

impl Signature {
    /// Parses `name <email> seconds +hhmm`. A missing or absurd date becomes 1970, as in git.
    pub(super) fn parse(line: &[u8]) -> Option<Signature> {
        let text = String::from_utf8_lossy(line);
        let (name, rest) = text.split_once('<')?;
        let (email, date) = rest.rsplit_once('>')?;
        let mut words = date.split_ascii_whitespace();
        let unix_secs = words.next().and_then(|word| word.parse().ok()).unwrap_or(0);
        let offset: i32 =
            words.next().and_then(|word| word.parse().ok()).filter(|hhmm: &i32| hhmm.abs() <= 9999).unwrap_or(0);
        let offset_minutes = offset / 100 * 60 + offset % 100;
        Some(Signature { name: name.trim_end().to_owned(), email: email.to_owned(), unix_secs, offset_minutes })
    }

    pub(super) fn write(&self, label: &str, content: &mut Vec<u8>) {
        // The characters that git itself takes out of names, because they end the fields.
        let plain = |text: &str| -> String {
            let kept: String = text.chars().filter(|c| !matches!(c, '<' | '>') && !c.is_control()).collect();
            kept.trim().to_owned()
        };
        let (sign, minutes) =
            if self.offset_minutes < 0 { ('-', -self.offset_minutes) } else { ('+', self.offset_minutes) };
        let (hours, minutes) = ((minutes / 60).min(99), minutes % 60);
        let name = plain(&self.name);
        let gap = if name.is_empty() { "" } else { " " };
        let email = plain(&self.email);
        let secs = self.unix_secs.max(0);
        content.extend_from_slice(
            format!("{label} {name}{gap}<{email}> {secs} {sign}{hours:02}{minutes:02}\n").as_bytes(),
        );
    }
}

/// Name and value of a header.
type Header<'a> = (&'a str, Vec<u8>);

/// Splits the headers of a commit or tag from its message; continuation lines are joined.
pub(super) fn split_headers(kind: GitKind, content: &[u8]) -> Result<(Vec<Header<'_>>, &[u8]), GitError> {
    let malformed = |what| GitError::malformed(kind, what);
    let mut headers: Vec<Header<'_>> = Vec::new();
    let mut rest = content;
    loop {
        let Some(end) = rest.iter().position(|&byte| byte == b'\n') else {
            return if rest.is_empty() { Ok((headers, rest)) } else { Err(malformed("a header line does not end")) };
        };
        let line = &rest[..end];
        rest = &rest[end + 1..];
        if line.is_empty() {
            return Ok((headers, rest));
        }
        if line.contains(&0) {
            return Err(malformed("a header holds a NUL"));
        }
        if let Some(continued) = line.strip_prefix(b" ") {
            let (_, value) = headers.last_mut().ok_or(malformed("the first line is a continuation"))?;
            value.push(b'\n');
            value.extend_from_slice(continued);
            continue;
        }
        let space = line.iter().position(|&byte| byte == b' ').unwrap_or(line.len());
        let name = std::str::from_utf8(&line[..space]).map_err(|_| malformed("the name of a header is not UTF-8"))?;
        headers.push((name, line.get(space + 1..).unwrap_or_default().to_vec()));
    }
}

pub(super) fn parse_oid(text: &[u8]) -> Option<GitOid> {
    let lower = !text.iter().any(u8::is_ascii_uppercase);
    std::str::from_utf8(text).ok().filter(|_| lower)?.parse().ok()
}

/// Returns the commit in these bytes.
///
/// # Errors
/// When `tree`, `author` or `committer` are missing, malformed or out of order.
pub fn parse_commit(content: &[u8]) -> Result<Commit, GitError> {
    let malformed = |what| GitError::malformed(GitKind::Commit, what);
    let (headers, message) = split_headers(GitKind::Commit, content)?;
    let mut headers = headers.into_iter().peekable();
    let mut required = |wanted: &str| headers.next_if(|(name, _)| *name == wanted).map(|(_, value)| value);
    let tree = required("tree").ok_or(malformed("the first header is not `tree`"))?;
    let tree = parse_oid(&tree).ok_or(malformed("`tree` is not an id"))?;
    let mut parents = Vec::new();
    while let Some(parent) = required("parent") {
        parents.push(parse_oid(&parent).ok_or(malformed("`parent` is not an id"))?);
    }
    let author = required("author")
        .and_then(|line| Signature::parse(&line))
        .ok_or(malformed("`author` is missing or malformed"))?;
    let committer = required("committer")
        .and_then(|line| Signature::parse(&line))
        .ok_or(malformed("`committer` is missing or malformed"))?;
    let extra_headers =
        headers.map(|(name, value)| (name.to_owned(), String::from_utf8_lossy(&value).into_owned())).collect();
    Ok(Commit {
        tree,
        parents,
        author,
        committer,
        extra_headers,
        message: String::from_utf8_lossy(message).into_owned(),
    })
}

/// Returns the bytes of a commit. Names lose `<`, `>` and control characters, the message loses
/// NUL, as git would have it.
pub fn encode_commit(commit: &Commit) -> Vec<u8> {
    let mut content = Vec::with_capacity(256 + commit.message.len());
    content.extend_from_slice(format!("tree {}\n", commit.tree).as_bytes());
    for parent in &commit.parents {
        content.extend_from_slice(format!("parent {parent}\n").as_bytes());
    }
    commit.author.write("author", &mut content);
    commit.committer.write("committer", &mut content);
    for (name, value) in &commit.extra_headers {
        content.extend_from_slice(format!("{name} {}\n", value.replace('\n', "\n ")).as_bytes());
    }
    content.push(b'\n');
    content.extend(commit.message.bytes().filter(|&byte| byte != 0));
    content
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn signature(name: &str, offset_minutes: i32) -> Signature {
        Signature { name: name.to_owned(), email: "a@b.c".to_owned(), unix_secs: 1_700_000_000, offset_minutes }
    }

    fn commit(message: &str) -> Commit {
        Commit {
            tree: GitOid([1; 20]),
            parents: vec![GitOid([2; 20]), GitOid([3; 20])],
            author: signature("Åsa", 330),
            committer: signature("B C", -570),
            extra_headers: vec![("gpgsig".to_owned(), "-----BEGIN\n\nabc\n-----END".to_owned())],
            message: message.to_owned(),
        }
    }

    #[test]
    fn a_commit_survives_the_round_trip() {
        let commit = commit("Summary\n\nDescription\nof it\n");
        let bytes = encode_commit(&commit);
        assert_eq!(parse_commit(&bytes).unwrap(), commit);
        assert_eq!((commit.summary(), commit.description()), ("Summary", "Description\nof it"));
        assert!(String::from_utf8(bytes).unwrap().contains("<a@b.c> 1700000000 -0930\n"));
    }

    #[test]
    fn a_name_cannot_forge_a_header() {
        let mut commit = commit("m");
        commit.author.name = "x> 0 +0000\nparent deadbeef <".to_owned();
        let parsed = parse_commit(&encode_commit(&commit)).unwrap();
        assert_eq!((parsed.parents.len(), parsed.author.name.as_str()), (2, "x 0 +0000parent deadbeef"));
    }

    #[test]
    fn malformed_commits_are_refused() {
        let good = String::from_utf8(encode_commit(&commit("m"))).unwrap();
        let (tree, rest) = good.split_once('\n').unwrap();
        for bad in [
            String::new(),
            rest.to_owned(),
            good.replacen("tree", "tree ", 1),
            good.replacen("author", "writer", 1),
            good.replacen("committer", "author", 1),
            good.replacen("0202", "02x2", 1),
            format!(" {good}"),
            format!("{tree}\0\n{rest}"),
            tree.to_owned(),
        ] {
            assert!(parse_commit(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn old_encodings_are_shown_not_refused() {
        let bytes = encode_commit(&commit("caf\u{e9}"));
        let latin: Vec<u8> = bytes.strip_suffix("\u{e9}".as_bytes()).unwrap().iter().copied().chain([0xE9]).collect();
        assert_eq!(parse_commit(&latin).unwrap().message, "caf\u{FFFD}");
    }

    proptest! {
        #[test]
        fn any_bytes_are_parsed_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse_commit(&bytes);
        }

        #[test]
        fn any_text_survives(name in "\\PC{0,20}", message in "[^\0]{0,80}", secs in 0i64..1 << 40) {
            let mut commit = commit(&message);
            commit.author = Signature { name, email: String::new(), unix_secs: secs, offset_minutes: 0 };
            let parsed = parse_commit(&encode_commit(&commit)).unwrap();
            prop_assert_eq!(parsed.message, message);
            prop_assert_eq!(parsed.author.unix_secs, secs);
        }
    }
}
