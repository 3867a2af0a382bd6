//! Discussions in the shapes that `huggingface_hub` reads (its `community.py`), and changes as git shows them.

use karez_hub::{ChangeSide, CommitInfo, Discussion, DiscussionEvent, EventKind, FileChange, Repo};
use karez_pages::CardPlace;
use serde_json::{Value, json};
use similar::TextDiff;

/// Longest diff, in bytes; what goes beyond is left out, and the diff says so.
const DIFF_BYTES_MAX: usize = 2 << 20;

fn person(name: Option<&karez_types::OwnerName>) -> Value {
    json!({ "name": name.map_or("deleted", |name| name.as_str()), "type": "user" })
}

pub(super) fn discussion_json(repo: &Repo, discussion: &Discussion) -> Value {
    json!({
        "num": discussion.number,
        "title": discussion.title,
        "author": person(discussion.author.as_ref()),
        "createdAt": discussion.created,
        "status": discussion.status.as_str(),
        "isPullRequest": discussion.base.is_some(),
        "repo": { "name": repo.address().id(), "type": repo.kind.as_str() },
    })
}

/// An event has an id of 24 hexadecimal digits, as clients expect: the number of its discussion and its own.
fn event_id(number: u64, seq: u64) -> String {
    format!("{number:012x}{seq:012x}")
}

pub(super) fn event_seq(number: u64, id: &str) -> Option<u64> {
    let seq = u64::from_str_radix(id.get(12..)?, 16).ok()?;
    (event_id(number, seq) == id.to_ascii_lowercase()).then_some(seq)
}

pub(super) fn event_json(repo: &Repo, number: u64, event: &DiscussionEvent) -> Value {
    let data = match event.kind {
        EventKind::Status => json!({ "status": event.content }),
        EventKind::Title => json!({ "from": event.was.as_deref().unwrap_or_default(), "to": event.content }),
        EventKind::Comment => {
            let (updated, editor) = match &event.edited {
                Some((moment, editor)) => (*moment, editor.as_ref()),
                None => (event.created, event.author.as_ref()),
            };
            let address = repo.address();
            let place = CardPlace { repo_url: &karez_pages::repo_url(&address), revision: "main", folder: "" };
            let html =
                if event.is_hidden { String::new() } else { karez_pages::card(&event.content, place).into_string() };
            let history = event.history.iter();
            let history: Vec<Value> = history
                .map(|edit| json!({ "raw": edit.content, "updatedAt": edit.created, "author": person(edit.author.as_ref()) }))
                .collect();
            json!({
                "edited": event.edited.is_some(),
                "hidden": event.is_hidden,
                "numEdits": history.len(),
                "latest": { "raw": event.content, "html": html, "updatedAt": updated, "author": person(editor) },
                "history": history,
            })
        }
    };
    json!({
        "id": event_id(number, event.seq),
        "type": event.kind.as_str(),
        "createdAt": event.created,
        "author": person(event.author.as_ref()),
        "data": data,
    })
}

pub(super) fn commit_json(commit: &CommitInfo) -> Value {
    let oid = commit.oid.to_string();
    json!({
        "id": &oid[..24],
        "type": "commit",
        "createdAt": commit.date,
        "author": { "name": commit.author, "type": "user" },
        "data": { "subject": commit.title, "oid": oid },
    })
}

/// Returns changes as git shows them.
pub(super) fn diff_of(changes: &[FileChange], has_more: bool) -> String {
    let mut diff = String::new();
    let mut is_cut = has_more;
    for change in changes {
        if diff.len() > DIFF_BYTES_MAX {
            is_cut = true;
            break;
        }
        let FileChange { path, before, after } = change;
        diff.push_str(&format!("diff --git a/{path} b/{path}\n"));
        match (before, after) {
            (None, _) => diff.push_str("new file mode 100644\n"),
            (_, None) => diff.push_str("deleted file mode 100644\n"),
            _ => {}
        }
        let name = |side: &Option<ChangeSide>, letter| match side {
            None => "/dev/null".to_owned(),
            Some(_) => format!("{letter}/{path}"),
        };
        let (from, to) = (name(before, 'a'), name(after, 'b'));
        match (text_of(before), text_of(after)) {
            (Some(old), Some(new)) => {
                diff.push_str(&TextDiff::from_lines(old, new).unified_diff().header(&from, &to).to_string());
            }
            _ => diff.push_str(&format!("Binary files {from} and {to} differ\n")),
        }
    }
    if is_cut {
        diff.push_str("# There is more than is shown here; fetch the pull request to see it.\n");
    }
    diff
}

/// Returns a side as text: nothing when there is no file, `None` when it is large or no text.
fn text_of(side: &Option<ChangeSide>) -> Option<&str> {
    let Some(side) = side else { return Some("") };
    std::str::from_utf8(side.content.as_deref()?).ok().filter(|text| !text.contains('\0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_events_lead_back() {
        let id = event_id(7, 12);
        assert_eq!((id.len(), event_seq(7, &id)), (24, Some(12)));
        assert_eq!(event_seq(8, &id), None);
        for text in ["", "x", "00000000000700000000000c0", "00000000000700000000000g", "ä0000000000700000000000c"] {
            assert_eq!(event_seq(7, text), None, "{text}");
        }
        assert_eq!(event_seq(7, "00000000000700000000000C"), Some(12));
    }
}
