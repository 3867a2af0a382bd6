//! Commits of whole files that are here already: what forms make.

use karez_formats::commit_ndjson::Operation;
use karez_types::{RepoAddress, RepoPath, Revision, Sha256};

use crate::{Actor, ChangeWay, CommitMade, Hub, HubResult};

/// One change that a form asks for.
#[derive(Debug, Clone)]
pub enum SimpleChange {
    /// A file with this content.
    File {
        /// Where.
        path: RepoPath,
        /// All of it.
        content: Vec<u8>,
    },
    /// A large file whose bytes came before.
    Uploaded {
        /// Where.
        path: RepoPath,
        /// What it hashes to.
        sha256: Sha256,
        /// Its length.
        file_bytes: u64,
    },
    /// No file any more.
    Delete {
        /// Where.
        path: RepoPath,
    },
}

impl Hub {
    /// Commits changes to a branch. `parent` is the commit that its author looked at, when that matters. From who
    /// may read and not write, they become a pull request.
    ///
    /// # Errors
    /// As [`Hub::commit_begin`] and [`Hub::commit_finish`].
    pub async fn commit_simply(
        &self,
        actor: &Actor,
        address: &RepoAddress,
        revision: &Revision,
        summary: &str,
        parent: Option<String>,
        changes: Vec<SimpleChange>,
    ) -> HubResult<CommitMade> {
        let bytes = changes.iter().map(|change| match change {
            SimpleChange::File { content, .. } => content.len() as u64,
            SimpleChange::Uploaded { .. } | SimpleChange::Delete { .. } => 0,
        });
        let (_, way) = self.change_way(actor, address, revision).await?;
        let draft = self.commit_begin(actor, address, revision, way == ChangeWay::Propose, Some(bytes.sum())).await?;
        let operation = |change| match change {
            SimpleChange::File { path, content } => Operation::File { path, content },
            SimpleChange::Uploaded { path, sha256, file_bytes } => {
                Operation::LfsFile { path, sha256, file_bytes: Some(file_bytes) }
            }
            SimpleChange::Delete { path } => Operation::DeleteFile { path },
        };
        self.commit_whole(draft, summary, parent, changes.into_iter().map(operation).collect()).await
    }
}
