//! Finding out what a remote speaks, and planning a file accordingly.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::future::BoxFuture;
use karez_formats::file_map::FileMapLimits;
use karez_types::{FileHash, Revision};
use sha2::{Digest, Sha256};

use super::map_file::MapWanted;
use super::remote::{length_of, tag_of};
use super::{PeerSource, PlainSource, Remote, XetSource};
use crate::net::HttpRequest;
use crate::transfer::{FileWanted, Layout, LayoutError, Plan, Planner, Recipe, SourceError};

/// Plans files of one remote: by map where it is a node like this one, by reconstruction where it speaks
/// Xet, by plain ranges where it does neither.
pub struct RemotePlanner {
    remote: Remote,
    /// Where maps are kept.
    folder: PathBuf,
    limits: FileMapLimits,
    /// Whether the remote has shown that it gives no maps: then it is not asked for each file.
    gives_no_maps: AtomicBool,
}

impl RemotePlanner {
    /// Returns a planner that keeps maps in a folder, which is there.
    pub fn new(remote: Remote, folder: &Path, limits: FileMapLimits) -> RemotePlanner {
        RemotePlanner { remote, folder: folder.to_owned(), limits, gives_no_maps: AtomicBool::new(false) }
    }

    async fn by_map(&self, file: &FileWanted) -> Result<Plan, SourceError> {
        let (repo, sha256) = (&file.remote_repo, file.sha256.to_string());
        let parts = ["federation", "v1", "map", repo.kind.plural(), repo.owner.as_str(), repo.name.as_str()];
        let url = self.remote.url(parts.into_iter().chain([sha256.as_str()]));
        // Maps of two remotes differ in places: each has its own file.
        let of = Sha256::digest(url.as_str().as_bytes());
        let path = self.folder.join(format!("{sha256}.{:02x}{:02x}{:02x}{:02x}.map", of[0], of[1], of[2], of[3]));
        let wanted = MapWanted { url, path, sha256: file.sha256, file_bytes: file.file_bytes, limits: self.limits };
        let map = wanted.get(&self.remote).await?;
        let laid = tokio::task::spawn_blocking(move || Layout::of_map(&map).map(|layout| (layout, map))).await;
        let (layout, map) = match laid {
            Ok(Ok(laid)) => laid,
            Ok(Err(LayoutError::Broken(what))) => {
                return Err(SourceError::Wrong(format!("sent a file map that {what}")));
            }
            Ok(Err(LayoutError::Io(error))) => return Err(lost(&error)),
            Err(error) => return Err(lost(&error)),
        };
        let source = PeerSource::new(self.remote.clone(), repo.clone(), file.sha256);
        Ok(Plan { layout, recipe: Recipe::Mapped(Arc::new(map)), sources: vec![Arc::new(source)] })
    }

    /// Plans by what the hub says about the file at its commit.
    async fn by_resolve(&self, file: &FileWanted) -> Result<Plan, SourceError> {
        let revision: Revision = file.commit.to_string().parse().map_err(|_| SourceError::Gone)?;
        let url = self.remote.resolve_url(&file.remote_repo, &revision, &file.path);
        let answer = self.remote.ask(HttpRequest::head(url.clone()).own_redirects()).await?;
        // A redirect to where the bytes are says all about the file, too.
        if !answer.status.is_success() && !answer.status.is_redirection() {
            return Err(self.remote.failure(answer.status));
        }
        if let Some(length) = length_of(&answer).filter(|length| *length != file.file_bytes) {
            let message = format!("says that a file of {} bytes has {length}", file.file_bytes);
            return Err(SourceError::Wrong(message));
        }
        let sha256 = tag_of(&answer, "x-linked-etag").and_then(|tag| tag.parse::<karez_types::Sha256>().ok());
        if sha256.is_some_and(|sha256| sha256 != file.sha256) {
            return Err(SourceError::Wrong("has another file there than the commit says".to_owned()));
        }
        if let Some(hash) = tag_of(&answer, "x-xet-hash").and_then(|tag| tag.parse::<FileHash>().ok()) {
            match self.by_reconstruction(file, hash).await {
                // It says that it speaks Xet, but not about this file.
                Err(SourceError::Gone | SourceError::Refused { .. }) => {}
                other => return other,
            }
        }
        let source = PlainSource::new(self.remote.clone(), url, file.file_bytes);
        let layout = Layout::plain(file.file_bytes);
        Ok(Plan { layout, recipe: Recipe::Plain, sources: vec![Arc::new(source)] })
    }

    async fn by_reconstruction(&self, file: &FileWanted, hash: FileHash) -> Result<Plan, SourceError> {
        let planned = XetSource::plan(&self.remote, &file.remote_repo, file.commit, hash, file.file_bytes).await?;
        let (terms, source) = planned;
        let layout = Layout::of_terms(&terms)
            .map_err(|error| SourceError::Wrong(format!("sent a reconstruction that makes no sense: {error}")))?;
        Ok(Plan { layout, recipe: Recipe::Reconstructed { hash, terms }, sources: vec![Arc::new(source)] })
    }
}

fn lost(error: &dyn std::fmt::Display) -> SourceError {
    SourceError::Unreachable(format!("the file map was lost here: {error}"))
}

impl Planner for RemotePlanner {
    fn name(&self) -> &str {
        self.remote.name()
    }

    fn plan<'a>(&'a self, file: &'a FileWanted) -> BoxFuture<'a, Result<Plan, SourceError>> {
        Box::pin(async move {
            if !self.gives_no_maps.load(Ordering::Relaxed) {
                match self.by_map(file).await {
                    Err(SourceError::Gone | SourceError::Refused { .. }) => {}
                    other => return other,
                }
            }
            let plan = self.by_resolve(file).await?;
            // It has the file and gives no map of it.
            self.gives_no_maps.store(true, Ordering::Relaxed);
            Ok(plan)
        })
    }
}
