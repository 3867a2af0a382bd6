//! What the main branch says about its repository: the card, and tags for listings.

use std::collections::BTreeSet;

use karez_catalog::{NewObject, Repo, RepoFacts};
use karez_formats::card::Card;
use karez_formats::git::{TreeEntry, parse_tree};
use karez_types::{GitOid, RepoKind};

use crate::{Hub, HubError, HubResult};

const README: &str = "README.md";
/// Longer cards are not read, in bytes.
const README_BYTES_MAX: usize = 4 << 20;

/// Formats of weights that become tags: the tag, and how names of their files end.
const FORMATS: [(&str, &str); 4] =
    [("safetensors", ".safetensors"), ("gguf", ".gguf"), ("onnx", ".onnx"), ("pytorch", "pytorch_model.bin")];

/// What of a root folder the facts depend on.
#[derive(PartialEq, Eq)]
struct Sources {
    readme: Option<GitOid>,
    formats: BTreeSet<&'static str>,
}

impl Sources {
    fn of(entries: &[TreeEntry], kind: RepoKind) -> Sources {
        let readme = entries.iter().find(|entry| entry.name == README && entry.mode.is_blob()).map(|entry| entry.oid);
        let has = |ending: &str| entries.iter().any(|entry| entry.name.ends_with(ending));
        let formats = match kind {
            RepoKind::Model => FORMATS.iter().filter(|(_, ending)| has(ending)).map(|(tag, _)| *tag).collect(),
            RepoKind::Dataset | RepoKind::Space | RepoKind::Kernel => BTreeSet::new(),
        };
        Sources { readme, formats }
    }
}

impl Hub {
    /// Returns the facts after a commit, unless they are those from before it. Both are root folders.
    pub(crate) async fn facts_if_changed(
        &self,
        repo: &Repo,
        before: Option<GitOid>,
        after: GitOid,
        objects: &[NewObject],
    ) -> HubResult<Option<RepoFacts>> {
        let new = |oid: GitOid| objects.iter().find(|object| object.oid == oid);
        let sources_before = match before {
            Some(before) => Some(Sources::of(self.folder_read(before).await?.entries(), repo.kind)),
            None => None,
        };
        let sources = match new(after) {
            Some(tree) => {
                let entries = parse_tree(&tree.content).map_err(|error| HubError::Damaged(error.to_string()))?;
                Sources::of(&entries, repo.kind)
            }
            None => Sources::of(self.folder_read(after).await?.entries(), repo.kind),
        };
        if sources_before.as_ref() == Some(&sources) {
            return Ok(None);
        }
        let readme = match sources.readme {
            None => None,
            Some(oid) => match new(oid) {
                Some(blob) => Some(bytes::Bytes::copy_from_slice(&blob.content)),
                None => Some(self.blob_read(oid).await?),
            },
        };
        Ok(Some(facts_of(repo.kind, readme.as_deref(), &sources)))
    }
}

fn facts_of(kind: RepoKind, readme: Option<&[u8]>, sources: &Sources) -> RepoFacts {
    let card = match readme {
        Some(bytes) if bytes.len() <= README_BYTES_MAX => Card::parse(&String::from_utf8_lossy(bytes)),
        _ => Card::default(),
    };
    let mut tags = card.tags(kind);
    for format in &sources.formats {
        if !tags.iter().any(|tag| tag == format) {
            tags.push((*format).to_owned());
        }
    }
    RepoFacts {
        tags,
        pipeline_tag: card.pipeline_tag().map(str::to_owned),
        library_name: card.library_name().map(str::to_owned),
        card: card.data,
    }
}
