//! Annotated tags.

use karez_types::GitOid;

use super::commit::{Signature, parse_oid, split_headers};
use super::{GitError, GitKind};

/// An annotated tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag {
    /// What the tag points at.
    pub target: GitOid,
    /// Kind of the target.
    pub target_kind: GitKind,
    /// Name of the tag, without `refs/tags/`.
    pub name: String,
    /// Who tagged, and when; tags from before 2005 have none.
    pub tagger: Option<Signature>,
    /// The message, with a signature if there is one.
    pub message: String,
}

/// Returns the tag in these bytes.
///
/// # Errors
/// When `object`, `type` or `tag` are missing, malformed or out of order.
pub fn parse_tag(content: &[u8]) -> Result<Tag, GitError> {
    let malformed = |what| GitError::malformed(GitKind::Tag, what);
    let (headers, message) = split_headers(GitKind::Tag, content)?;
    let mut headers = headers.into_iter();
    let mut required = |wanted: &str| headers.next().filter(|(name, _)| *name == wanted).map(|(_, value)| value);
    let target =
        required("object").and_then(|value| parse_oid(&value)).ok_or(malformed("`object` is missing or malformed"))?;
    let kind = required("type").ok_or(malformed("`type` is missing"))?;
    let target_kind = std::str::from_utf8(&kind).map_err(|_| GitError::Kind)?.parse()?;
    let name = required("tag").ok_or(malformed("`tag` is missing"))?;
    let tagger = required("tagger").and_then(|line| Signature::parse(&line));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok(Tag { target, target_kind, name: text(&name), tagger, message: text(message) })
}

/// Returns the bytes of a tag.
pub fn encode_tag(tag: &Tag) -> Vec<u8> {
    let name: String = tag.name.chars().filter(|c| !c.is_control()).collect();
    let mut content = format!("object {}\ntype {}\ntag {name}\n", tag.target, tag.target_kind).into_bytes();
    if let Some(tagger) = &tag.tagger {
        tagger.write("tagger", &mut content);
    }
    content.push(b'\n');
    content.extend(tag.message.bytes().filter(|&byte| byte != 0));
    content
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_survives_the_round_trip() {
        let tagger = Signature { name: "A".to_owned(), email: "a@b".to_owned(), unix_secs: 5, offset_minutes: 60 };
        for tagger in [Some(tagger), None] {
            let message = "First release\n".to_owned();
            let tag =
                Tag { target: GitOid([9; 20]), target_kind: GitKind::Commit, name: "v1".to_owned(), tagger, message };
            assert_eq!(parse_tag(&encode_tag(&tag)).unwrap(), tag);
        }
    }

    #[test]
    fn malformed_tags_are_refused() {
        let oid = "ab".repeat(20);
        for bad in [
            "",
            "object x\ntype commit\ntag v\n\n",
            &format!("object {oid}\ntype file\ntag v\n\n"),
            &format!("object {oid}\n\n"),
        ] {
            assert!(parse_tag(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
