//! Refs, commits, folders and small files of a repository: by git, one commit deep unless all is wanted.

use std::collections::HashSet;
use std::sync::Arc;

use karez_catalog::{Keep, MirrorPatch, NewMirror, Repo};
use karez_hub::{Actor, HubError, MirrorUpdate};
use karez_types::{GitOid, RefName, RemoteId, RepoAddress, Revision};

use super::api::{self, RepoFacts};
use super::call::Call;
use super::failure::PullFailure;
use super::git::{self, Depth, FetchWish, RemoteRef};
use super::held::is_same_name;
use super::remotes::KnownRemote;
use super::rights::Credential;
use super::{Upstreams, Via};

/// What of a repository is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Want {
    /// A revision that is not here.
    Revision(Revision),
    /// Where the refs that are here point now.
    News,
    /// All branches and tags.
    Refs,
    /// All branches and tags with all commits before them.
    History,
}

/// A question to a remote: those who ask the same share the answer.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Ask {
    pub remote: RemoteId,
    pub remote_repo: RepoAddress,
    pub address: RepoAddress,
    pub want: Want,
    /// Hash of the caller's own token, when that is shown.
    pub right: Option<[u8; 32]>,
}

/// Branches and tags that are fetched when all are wanted. More are known by name only when asked for.
const REFS_FETCHED_MAX: usize = 200;

impl Upstreams {
    /// Brings what is asked for. Runs as one flight; never twice at once for one question.
    pub(super) async fn metadata_pull(
        self: &Arc<Self>,
        remote: &Arc<KnownRemote>,
        ask: &Ask,
        credential: Option<Credential>,
        via: &Via,
    ) -> Result<(), PullFailure> {
        let pulled = self.metadata_pull_with(remote, ask, credential.clone(), via).await;
        let pulled = match pulled {
            // The node's own token has ended: what is public is still public.
            Err(PullFailure::TokenRefused) if ask.right.is_none() && credential.is_some() => {
                tracing::error!(remote = remote.name(), "the remote refuses the node's token; asking without");
                self.metadata_pull_with(remote, ask, None, via).await
            }
            Err(PullFailure::TokenRefused) => Err(PullFailure::Missing),
            pulled => pulled,
        };
        if let Err(failure @ (PullFailure::Missing | PullFailure::Gated)) = &pulled
            && ask.right.is_none()
            && let Some((repo, mirror)) = self.hub.mirror_find(&ask.address).await?
            && !mirror.is_restricted
        {
            match failure {
                PullFailure::Gated => self.close(&repo, "auto").await?,
                _ => self.withdrawn_note(&repo, &mirror).await?,
            }
        }
        pulled
    }

    /// From now on only those may read a mirror whom the origin allows it.
    async fn close(&self, repo: &Repo, gated: &str) -> Result<(), PullFailure> {
        let patch = MirrorPatch {
            is_restricted: Some(true),
            gated: Some(gated.to_owned()),
            checked: Some(self.hub.clock().now()),
            ..MirrorPatch::default()
        };
        self.hub.mirror_change(repo, &patch).await?;
        Ok(())
    }

    async fn metadata_pull_with(
        self: &Arc<Self>,
        remote: &Arc<KnownRemote>,
        ask: &Ask,
        credential: Option<Credential>,
        via: &Via,
    ) -> Result<(), PullFailure> {
        let call = Call::new(remote, credential, via)?;
        let held = self.hub.mirror_find(&ask.address).await?;
        let held_refs = match &held {
            Some((repo, _)) => self.held_refs(&repo.address()).await?,
            None => Vec::new(),
        };
        let prefixes = prefixes(&ask.want, &held_refs);
        // Both at once: a round trip may be a second. What the facts say decides.
        let (facts, refs) =
            tokio::join!(api::repo_facts(&call, &ask.remote_repo), git::refs_list(&call, &ask.remote_repo, &prefixes));
        let facts = facts?;
        if !is_same_name(&facts.address.id(), &ask.remote_repo.id()) {
            return Err(PullFailure::Moved(Box::new(facts.address)));
        }
        let is_restricted = self.is_restricted(ask, &call, &facts).await?;
        let refs = refs?;
        let chosen = self.choose(&call, ask, &held_refs, &refs).await?;
        let held_repo = held.as_ref().map(|(repo, _)| repo);
        let fetched = self.fetch(&call, ask, held_repo, &held_refs, &chosen).await?;
        let _turn = self.turns.of(&ask.address).lock().await;
        let (repo, is_new) = self.mirror_open(remote, ask, &facts, is_restricted).await?;
        let update = MirrorUpdate {
            objects: fetched.objects,
            refs: chosen.refs,
            commits: chosen.commits,
            shallow: fetched.shallow,
            unshallow: fetched.unshallow,
            is_whole_history: ask.want == Want::History || held.is_some_and(|(_, mirror)| mirror.is_whole_history),
            verified_by: "git ids".to_owned(),
        };
        if let Err(error) = self.hub.mirror_apply(&repo, update).await {
            if is_new {
                // Nothing is better than a repository without a commit.
                self.hub.repo_delete(&Actor::Operator, &repo.address()).await?;
            }
            return Err(wrong_or_own(error));
        }
        let now = self.hub.clock().now();
        let is_all_new = !matches!(ask.want, Want::Revision(_)) || is_new;
        let patch = MirrorPatch {
            remote_repo: Some(facts.address),
            is_restricted: Some(is_restricted),
            gated: Some(facts.gated.unwrap_or_else(|| "false".to_owned())),
            checked: is_all_new.then_some(now),
            withdrawn: Some(None),
            ..MirrorPatch::default()
        };
        self.hub.mirror_change(&repo, &patch).await?;
        if matches!(ask.want, Want::Refs | Want::History) {
            self.refs_listed.insert(repo.id, now);
        }
        Ok(())
    }

    /// Returns the refs that are here, and the commits that they lead to.
    async fn held_refs(&self, address: &RepoAddress) -> Result<Vec<(RefName, GitOid)>, PullFailure> {
        let lists = self.hub.ref_list(&Actor::Operator, address).await?;
        let all = [lists.branches, lists.converts, lists.tags, lists.pull_requests].into_iter().flatten();
        Ok(all.map(|info| (info.name, info.commit)).collect())
    }

    /// Decides whether what the call sees is for everybody.
    async fn is_restricted(&self, ask: &Ask, call: &Call, facts: &RepoFacts) -> Result<bool, PullFailure> {
        let is_gated = facts.gated.is_some();
        if ask.right.is_some() {
            // Facts of a gated repository are shown to everybody.
            if is_gated && !api::may_read(call, &ask.remote_repo).await? {
                return Err(PullFailure::Gated);
            }
            if facts.is_private || is_gated {
                return Ok(true);
            }
            // A person's right was needed although the facts say that it is open to all. What others are shown decides.
            return Ok(!api::may_read(&call.anyone(), &ask.remote_repo).await?);
        }
        // The node's own token sees it, which opens it to nobody.
        if facts.is_private {
            return Err(PullFailure::Missing);
        }
        let anyone = call.anyone();
        if is_gated && !api::may_read(&anyone, &ask.remote_repo).await? {
            return Err(PullFailure::Gated);
        }
        Ok(false)
    }

    /// Finds what is wanted among the refs of the remote.
    async fn choose(
        &self,
        call: &Call,
        ask: &Ask,
        held_refs: &[(RefName, GitOid)],
        refs: &[RemoteRef],
    ) -> Result<Chosen, PullFailure> {
        let mut chosen = Chosen::default();
        let main = refs.iter().find(|shown| shown.name.as_str() == "refs/heads/main");
        match &ask.want {
            Want::Revision(revision) => {
                match named(revision, refs) {
                    Some(found) => chosen.take(found),
                    None => chosen.commits.push(commit_of(call, ask, revision).await?),
                }
                // The first time also what everything else about a repository is read from.
                if held_refs.is_empty()
                    && let Some(main) = main
                {
                    chosen.take(main);
                }
            }
            Want::News => {
                for (name, _) in held_refs {
                    match refs.iter().find(|shown| shown.name == *name) {
                        Some(found) => chosen.take(found),
                        None => chosen.refs.push((name.clone(), None)),
                    }
                }
            }
            Want::Refs | Want::History => {
                let listed = |shown: &&RemoteRef| shown.name.is_branch() || shown.name.is_tag();
                main.into_iter().for_each(|main| chosen.take(main));
                for shown in refs.iter().filter(listed).take(REFS_FETCHED_MAX) {
                    chosen.take(shown);
                }
                let gone = held_refs.iter().filter(|(name, _)| {
                    (name.is_branch() || name.is_tag()) && !refs.iter().any(|shown| shown.name == *name)
                });
                chosen.refs.extend(gone.map(|(name, _)| (name.clone(), None)));
            }
        }
        if chosen.is_empty() && held_refs.is_empty() {
            return Err(PullFailure::Wrong("the repository has no commits yet".to_owned()));
        }
        Ok(chosen)
    }

    /// Fetches those of the chosen commits that are not here.
    async fn fetch(
        &self,
        call: &Call,
        ask: &Ask,
        held: Option<&Repo>,
        held_refs: &[(RefName, GitOid)],
        chosen: &Chosen,
    ) -> Result<git::Fetched, PullFailure> {
        let mut wants: Vec<GitOid> = chosen.targets().collect();
        wants.sort_unstable();
        wants.dedup();
        let mut wish = FetchWish { depth: Depth::One, ..FetchWish::default() };
        if let Some(repo) = held {
            let here = self.hub.catalog().repo_commits_among(repo.id, &wants).await.map_err(HubError::from)?;
            let here: HashSet<GitOid> = here.into_iter().collect();
            wish.shallow = self.hub.catalog().mirror_shallow(repo.id).await.map_err(HubError::from)?;
            wish.haves = held_refs.iter().map(|(_, target)| *target).collect();
            if ask.want != Want::History {
                wants.retain(|oid| !here.contains(oid));
            }
        }
        if ask.want == Want::History {
            wish.depth = Depth::Whole;
        }
        if wants.is_empty() {
            return Ok(git::Fetched::default());
        }
        wish.wants = wants;
        git::fetch(call, &ask.remote_repo, &wish, self.hub.limits()).await
    }

    /// Returns the mirror, made when there is none, and whether it was.
    async fn mirror_open(
        &self,
        remote: &KnownRemote,
        ask: &Ask,
        facts: &RepoFacts,
        is_restricted: bool,
    ) -> Result<(Repo, bool), PullFailure> {
        if let Some((repo, mirror)) = self.hub.mirror_find(&ask.address).await? {
            return if mirror.remote == ask.remote {
                Ok((repo, false))
            } else {
                Err(PullFailure::Refused(format!("{} comes from another remote since a moment ago", ask.address)))
            };
        }
        // Written as at the origin, unless the operator has given the owner another name.
        let owner = match is_same_name(ask.address.owner.as_str(), facts.address.owner.as_str()) {
            true => facts.address.owner.clone(),
            false => ask.address.owner.clone(),
        };
        let new = NewMirror {
            address: RepoAddress { owner, ..facts.address.clone() },
            remote: remote.row.id,
            remote_repo: facts.address.clone(),
            keep: Keep::Demand,
            is_restricted,
            verified_by: "git ids".to_owned(),
            gated: facts.gated.clone(),
        };
        match self.hub.mirror_create(&new).await {
            Ok((repo, _)) => {
                tracing::info!(remote = remote.name(), repo = %repo.address(), "a new mirror");
                Ok((repo, true))
            }
            Err(HubError::NameClash(words)) => Err(PullFailure::Refused(words)),
            Err(error) => Err(error.into()),
        }
    }
}

/// Refs and commits to bring.
#[derive(Debug, Default)]
struct Chosen {
    refs: Vec<(RefName, Option<GitOid>)>,
    commits: Vec<GitOid>,
}

impl Chosen {
    fn take(&mut self, shown: &RemoteRef) {
        if !self.refs.iter().any(|(name, _)| *name == shown.name) {
            self.refs.push((shown.name.clone(), Some(shown.oid)));
        }
    }

    fn targets(&self) -> impl Iterator<Item = GitOid> + '_ {
        self.refs.iter().filter_map(|(_, target)| *target).chain(self.commits.iter().copied())
    }

    fn is_empty(&self) -> bool {
        self.targets().next().is_none()
    }
}

/// Returns the refs that a revision may mean, likeliest first, as the node itself reads revisions.
fn meanings(revision: &Revision) -> Vec<RefName> {
    let text = revision.as_str();
    if text == "HEAD" {
        return RefName::branch("main").into_iter().collect();
    }
    if text.starts_with("refs/") {
        return text.parse().into_iter().collect();
    }
    let mut names: Vec<RefName> = RefName::branch(text).into_iter().chain(RefName::tag(text)).collect();
    if let Some(number) = text.strip_prefix("pr/").and_then(|digits| digits.parse().ok()) {
        names.push(RefName::pull_request(number));
    }
    names
}

fn named<'a>(revision: &Revision, refs: &'a [RemoteRef]) -> Option<&'a RemoteRef> {
    meanings(revision).iter().find_map(|name| refs.iter().find(|shown| shown.name == *name))
}

/// Returns the prefixes of the refs that the remote is asked for.
fn prefixes(want: &Want, held_refs: &[(RefName, GitOid)]) -> Vec<String> {
    let main = "refs/heads/main".to_owned();
    let mut prefixes = match want {
        Want::Revision(revision) => meanings(revision).iter().map(ToString::to_string).collect(),
        Want::News => held_refs.iter().map(|(name, _)| name.to_string()).collect(),
        Want::Refs | Want::History => vec!["refs/heads/".to_owned(), "refs/tags/".to_owned()],
    };
    if !matches!(want, Want::Refs | Want::History) && !prefixes.contains(&main) {
        prefixes.push(main);
    }
    prefixes
}

/// Returns the commit that a revision names that is no ref: a commit id, whole or abbreviated.
async fn commit_of(call: &Call, ask: &Ask, revision: &Revision) -> Result<GitOid, PullFailure> {
    if let Ok(oid) = revision.as_str().parse() {
        return Ok(oid);
    }
    let is_hex = revision.as_str().len() >= 4 && revision.as_str().bytes().all(|byte| byte.is_ascii_hexdigit());
    if !is_hex {
        return Err(PullFailure::RevisionMissing);
    }
    api::revision_commit(call, &ask.remote_repo, revision).await
}

/// What came breaks a rule of git or a bound, or the node failed.
fn wrong_or_own(error: HubError) -> PullFailure {
    match error {
        HubError::Invalid(words) => PullFailure::Wrong(words),
        HubError::TooLarge { .. } => PullFailure::Refused(error.to_string()),
        error => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(name: &str, digit: u8) -> RemoteRef {
        RemoteRef { name: name.parse().unwrap(), oid: GitOid([digit; 20]) }
    }

    #[test]
    fn a_revision_means_branches_before_tags() {
        let refs =
            [shown("refs/tags/v1", 1), shown("refs/heads/v1", 2), shown("refs/pr/3", 3), shown("refs/heads/main", 4)];
        let find = |text: &str| named(&text.parse().unwrap(), &refs).map(|found| found.oid.0[0]);
        assert_eq!(find("v1"), Some(2));
        assert_eq!(find("refs/tags/v1"), Some(1));
        assert_eq!(find("refs/pr/3"), Some(3));
        assert_eq!(find("pr/3"), Some(3));
        assert_eq!(find("HEAD"), Some(4));
        assert_eq!(find("v2"), None);
    }

    #[test]
    fn only_what_may_be_meant_is_asked_for() {
        let of = |want: Want| prefixes(&want, &[("refs/tags/v1".parse().unwrap(), GitOid([1; 20]))]);
        assert_eq!(of(Want::Revision("dev".parse().unwrap())), ["refs/heads/dev", "refs/tags/dev", "refs/heads/main"]);
        assert_eq!(of(Want::Revision(Revision::main())), ["refs/heads/main", "refs/tags/main"]);
        assert_eq!(of(Want::News), ["refs/tags/v1", "refs/heads/main"]);
        assert_eq!(of(Want::History), ["refs/heads/", "refs/tags/"]);
    }
}
