//! What a rule asks for of one repository: its history and small files, then its large files.

use std::sync::Arc;

use karez_catalog::{FeedRepo, Keep, Mirror, MirrorPatch, NewMirror, Repo};
use karez_formats::git::PackError;
use karez_hub::{HubError, MirrorUpdate};
use karez_types::RepoAddress;
use url::Url;

use super::{FollowError, FollowPass, LoadedRule};
use crate::Federation;
use crate::peer::{Peer, PeerError};
use crate::source::{GitLimits, GitRemote, GitRemoteError, HistoryHere, Remote};

/// Commits of each branch that come when the whole history was not asked for.
const DEPTH: u32 = 1;
/// The branch that the log speaks of.
const MAIN: &str = "refs/heads/main";
/// How mirrors are verified whose head their origin's log names.
const VERIFIED_BY_LOG: &str = "log";

impl Federation {
    /// Brings a repository here as far as its rule says; tells whether everything is here.
    pub(super) async fn follow_whole(
        self: &Arc<Self>,
        peer: &Peer,
        repo: &FeedRepo,
        rule: &LoadedRule,
        address: &RepoAddress,
        pass: &mut FollowPass,
    ) -> Result<bool, FollowError> {
        let gate = self.gates.of(&self.hub, &peer.remote.line);
        let allowance = gate.allowance().await;
        if !allowance.may_start {
            return Err(FollowError::Later(format!("the line {} is {}", peer.remote.line, allowance.why)));
        }
        let (here, mirror) = match self.mirror_of(peer, repo, rule.row.keep, address).await {
            Err(FollowError::Hub(HubError::NameClash(why))) => {
                pass.clashes += 1;
                self.incident(&peer.remote.name, "name-clash", &why).await;
                return Ok(true);
            }
            made => made?,
        };
        let wanted = (repo.idx, mirror.keep);
        let is_here = self.histories().get(&here.id) == Some(&wanted);
        if !is_here && self.history_update(peer, repo, &here, &mirror).await? {
            pass.mirrored += 1;
        }
        let is_done = mirror.keep < Keep::Whole || self.files_follow(peer, repo, rule, &here, pass).await?;
        // Looked at again only while files are on their way.
        match is_done {
            true => self.histories().remove(&here.id),
            false => self.histories().insert(here.id, wanted),
        };
        Ok(is_done)
    }

    /// Returns the mirror of a repository, made now or before; more is kept of it when the rule says so.
    async fn mirror_of(
        &self,
        peer: &Peer,
        repo: &FeedRepo,
        keep: Keep,
        address: &RepoAddress,
    ) -> Result<(Repo, Mirror), FollowError> {
        let new = NewMirror {
            address: address.clone(),
            remote: peer.remote.id,
            remote_repo: repo.repo.clone(),
            keep,
            is_restricted: false,
            verified_by: VERIFIED_BY_LOG.to_owned(),
            gated: None,
        };
        let (here, mirror) = self.hub.mirror_create(&new).await?;
        if mirror.keep >= keep {
            return Ok((here, mirror));
        }
        let patch = MirrorPatch { keep: Some(keep), ..MirrorPatch::default() };
        let mirror = self.hub.mirror_change(&here, &patch).await?;
        Ok((here, mirror))
    }

    /// Brings history and small files up to date; tells whether something came. The head must be the one
    /// that the origin's log names: what only its git server says is not believed.
    async fn history_update(
        &self,
        peer: &Peer,
        repo: &FeedRepo,
        here: &Repo,
        mirror: &Mirror,
    ) -> Result<bool, FollowError> {
        let catalog = self.hub.catalog();
        let base = Url::parse(peer.wire.url())
            .map_err(|error| PeerError::Setup(format!("{} is no address: {error}", peer.wire.url())))?;
        let cost = self.gates.of(&self.hub, &peer.remote.line).cost();
        let remote = Remote::new(&peer.remote.name, base, peer.wire.http().clone(), None, cost);
        let git = GitRemote::new(remote, repo.repo.clone(), GitLimits::from(self.hub.limits()));
        let (refs, shallow) = (catalog.ref_list(here.id).await?, catalog.mirror_shallow(here.id).await?);
        let history = HistoryHere { refs: &refs, shallow: &shallow };
        // All history comes with a whole copy, also where one commit was taken before.
        let depth = (mirror.keep < Keep::Whole).then_some(DEPTH);
        let mut update = git.update(history, depth, VERIFIED_BY_LOG).await;
        // A past that is too long for this node's bounds does not hold up what is new.
        if matches!(update, Err(GitRemoteError::Pack(PackError::TooLarge { .. }))) && !shallow.is_empty() {
            update = git.update(history, Some(DEPTH), VERIFIED_BY_LOG).await;
        }
        let update = update.map_err(|error| FollowError::Later(format!("its history did not come: {error}")))?;
        let update = match update {
            Some(update) => update,
            // Nothing was cut off, and all refs are here: that is only not written down yet.
            None if depth.is_none() && !mirror.is_whole_history && shallow.is_empty() => MirrorUpdate {
                is_whole_history: true,
                verified_by: VERIFIED_BY_LOG.to_owned(),
                ..MirrorUpdate::default()
            },
            None => return Ok(false),
        };
        let bytes: u64 = update.objects.iter().map(|(_, content)| content.len() as u64).sum();
        self.gates.of(&self.hub, &peer.remote.line).count(bytes);
        let head = update.refs.iter().find(|(name, _)| name.as_str() == MAIN).map(|(_, head)| *head);
        if head.is_some_and(|head| head != repo.head) {
            return Err(FollowError::Later("its main branch is not where its log says; the log is read again".into()));
        }
        self.hub.mirror_apply(here, update).await?;
        let patch = MirrorPatch { checked: Some(self.hub.clock().now()), ..MirrorPatch::default() };
        self.hub.mirror_change(here, &patch).await?;
        Ok(true)
    }

    /// Makes the large files that a rule chooses readable here; tells whether all of them are.
    async fn files_follow(
        self: &Arc<Self>,
        peer: &Peer,
        repo: &FeedRepo,
        rule: &LoadedRule,
        here: &Repo,
        pass: &mut FollowPass,
    ) -> Result<bool, FollowError> {
        let Some(head) = repo.head else { return Ok(true) };
        let files = self.hub.mirror_files(here, head).await?;
        let paths: Vec<&str> = files.iter().map(|file| file.path.as_str()).collect();
        let chosen = rule.rule.files.choose(&paths);
        let mut missing = Vec::new();
        for (file, _) in files.iter().zip(chosen).filter(|(file, is_chosen)| *is_chosen && !file.is_held) {
            // What is stored already, for anyone who may read it, need not travel.
            if !self.hub.mirror_file_attach(here, file.sha256).await? {
                missing.push(file.clone());
            }
        }
        let missing = self.files_begin(peer, repo, here, head, &missing).await?;
        pass.waiting += missing;
        Ok(missing == 0)
    }
}
