//! Saying something, and changing what was said.

use karez_catalog::{
    CommitContent, CommitOutcome, CommitWrite, Discussion, DiscussionOutcome, DiscussionStatus, NewDiscussion,
    NewEvent, NewPullRequest, Proposal, Repo,
};
use karez_types::{AccountId, RefName, RepoAddress};

use super::DiscussionChange;
use crate::revision::main_ref;
use crate::{Actor, Hub, HubError, HubResult, Right};

/// Longest title, in characters: one line of a list.
const TITLE_CHARS_MAX: usize = 200;
/// Longest comment, in bytes: ten pages of text.
const COMMENT_BYTES_MAX: usize = 32 << 10;

/// A discussion that somebody wants to open.
#[derive(Debug, Clone)]
pub struct DiscussionWish {
    /// Its title.
    pub title: String,
    /// Its first comment; may be empty.
    pub description: String,
    /// Whether it is a pull request, whose commits come later.
    pub is_pull_request: bool,
}

/// Who takes part in a discussion.
#[derive(Clone)]
struct Participant {
    repo: Repo,
    /// Unset: the operator.
    id: Option<AccountId>,
    /// Whether they may change what others said.
    moderates: bool,
}

impl Participant {
    fn may_change(&self, actor: &Actor, author: Option<&karez_types::OwnerName>) -> bool {
        let own = actor.user().map(|user| &user.account.name);
        self.moderates || own.is_some() && own == author
    }
}

fn title_of(title: &str) -> HubResult<String> {
    let title = title.trim();
    match title.chars().count() {
        0 => Err(HubError::Invalid("a discussion needs a title".to_owned())),
        count if count > TITLE_CHARS_MAX => {
            Err(HubError::Invalid(format!("the title has {count} characters; at most {TITLE_CHARS_MAX}")))
        }
        _ if title.chars().any(char::is_control) => Err(HubError::Invalid("a title is one line of text".to_owned())),
        _ => Ok(title.to_owned()),
    }
}

fn comment_of(comment: &str) -> HubResult<String> {
    let comment = comment.trim();
    match comment.len() {
        0 => Err(HubError::Invalid("a comment needs some text".to_owned())),
        bytes if bytes > COMMENT_BYTES_MAX => Err(HubError::Invalid(format!(
            "the comment has {bytes} bytes; at most {COMMENT_BYTES_MAX}. Put long texts into a file of the repository"
        ))),
        _ => Ok(comment.to_owned()),
    }
}

/// Returns a comment that may be left out.
pub(super) fn said(comment: Option<&str>) -> HubResult<String> {
    match comment.filter(|comment| !comment.trim().is_empty()) {
        Some(comment) => comment_of(comment),
        None => Ok(String::new()),
    }
}

impl Hub {
    async fn participant(&self, actor: &Actor, address: &RepoAddress) -> HubResult<Participant> {
        let repo = self.repo_open(actor, address, Right::See).await?;
        if actor.is_anonymous() {
            return Err(HubError::SignInNeeded(format!(
                "taking part in a discussion about {} needs a token; sign in with `hf auth login` or set HF_TOKEN",
                address.id()
            )));
        }
        self.origin_check(&repo).await?;
        if !actor.token_allows(Right::Write) {
            return Err(HubError::Forbidden(
                "this token may only read; taking part in a discussion needs a token with the role `write`".to_owned(),
            ));
        }
        let moderates = actor.right_over(repo.owner.id).is_some_and(|has| has >= Right::Write);
        Ok(Participant { id: actor.user().map(|user| user.account.id), moderates, repo })
    }

    /// Opens a discussion, or a pull request that has no commits yet: a draft. Returns its number.
    ///
    /// # Errors
    /// As [`Hub::repo_open`]; [`HubError::Invalid`] for a title or a text that is empty or too long.
    pub async fn discussion_create(
        &self,
        actor: &Actor,
        address: &RepoAddress,
        wish: DiscussionWish,
    ) -> HubResult<u64> {
        let who = self.participant(actor, address).await?;
        let gone = || HubError::RepoMissing { address: address.to_string(), anonymous: false };
        let new = NewDiscussion {
            title: title_of(&wish.title)?,
            description: said(Some(&wish.description))?,
            author: who.id.unwrap_or(who.repo.owner.id),
        };
        if !wish.is_pull_request {
            let number = self.catalog.discussion_create(who.repo.id, &new, self.clock.now()).await?;
            return number.ok_or_else(gone);
        }
        self.repo_open(actor, address, Right::Read).await?;
        self.refs_check(&who.repo, &RefName::pull_request(0)).await?;
        let missing = || HubError::RevisionMissing { revision: main_ref().to_string() };
        let tip = self.catalog.ref_get(who.repo.id, &main_ref()).await?.ok_or_else(missing)?;
        let number = self.catalog.discussion_number_next(who.repo.id).await?.ok_or_else(gone)?;
        let request = NewPullRequest { number, discussion: new, base: main_ref(), is_draft: true };
        let write = CommitWrite {
            repo_id: who.repo.id,
            ref_name: RefName::pull_request(number),
            expected: None,
            content: CommitContent::only_target(tip),
            proposal: Some(Proposal::Opens(request)),
        };
        match self.catalog.commit_apply(&write, self.clock.now()).await? {
            CommitOutcome::Applied => Ok(number),
            _ => Err(gone()),
        }
    }

    async fn event_add(&self, who: Participant, number: u64, event: &NewEvent) -> HubResult<DiscussionChange> {
        let added = self.catalog.discussion_event_add(who.repo.id, number, who.id, event, self.clock.now()).await?;
        outcome_of(who.repo, number, added, "it is so already, or the pull request was merged")
    }

    /// Says something in a discussion.
    ///
    /// # Errors
    /// As [`Hub::repo_open`]; [`HubError::Missing`] when there is no such discussion, [`HubError::Invalid`] for a
    /// text that is empty or too long, [`HubError::Refused`] when the discussion has as much as it may have.
    pub async fn discussion_comment(
        &self,
        actor: &Actor,
        address: &RepoAddress,
        number: u64,
        comment: &str,
    ) -> HubResult<DiscussionChange> {
        let who = self.participant(actor, address).await?;
        self.event_add(who, number, &NewEvent::Comment(comment_of(comment)?)).await
    }

    /// Opens a discussion for somebody who wants to change it.
    async fn discussion_change(
        &self,
        actor: &Actor,
        address: &RepoAddress,
        number: u64,
    ) -> HubResult<(Participant, Discussion)> {
        let who = self.participant(actor, address).await?;
        let discussion = self.discussion_find(&who.repo, number).await?;
        if !who.may_change(actor, discussion.author.as_ref()) {
            return Err(HubError::Forbidden(format!(
                "only who opened discussion {number} and who may write to {} may change it",
                address.id()
            )));
        }
        Ok((who, discussion))
    }

    /// Gives a discussion another title.
    ///
    /// # Errors
    /// As [`Hub::discussion_comment`]; [`HubError::Forbidden`] for those who neither opened it nor may write.
    pub async fn discussion_rename(
        &self,
        actor: &Actor,
        address: &RepoAddress,
        number: u64,
        title: &str,
    ) -> HubResult<DiscussionChange> {
        let (who, _) = self.discussion_change(actor, address, number).await?;
        self.event_add(who, number, &NewEvent::Title(title_of(title)?)).await
    }

    /// Closes a discussion or opens it, after a comment if one is given.
    ///
    /// # Errors
    /// As [`Hub::discussion_rename`]; [`HubError::Refused`] when it is so already or was merged.
    pub async fn discussion_status(
        &self,
        actor: &Actor,
        address: &RepoAddress,
        number: u64,
        is_open: bool,
        comment: Option<&str>,
    ) -> HubResult<DiscussionChange> {
        let (who, discussion) = self.discussion_change(actor, address, number).await?;
        let status = if is_open { DiscussionStatus::Open } else { DiscussionStatus::Closed };
        if discussion.status == status || discussion.status == DiscussionStatus::Merged {
            let is = discussion.status.as_str();
            return Err(HubError::Refused(format!("discussion {number} is {is} already")));
        }
        let comment = said(comment)?;
        if !comment.is_empty() {
            self.event_add(who.clone(), number, &NewEvent::Comment(comment)).await?;
        }
        self.event_add(who, number, &NewEvent::Status(status)).await
    }

    async fn comment_change(
        &self,
        actor: &Actor,
        address: &RepoAddress,
        number: u64,
        seq: u64,
        by_moderators: bool,
    ) -> HubResult<Participant> {
        let who = self.participant(actor, address).await?;
        let missing = || HubError::Missing(format!("there is no such comment in discussion {number}"));
        let author = self.catalog.discussion_comment_author(who.repo.id, number, seq).await?.ok_or_else(missing)?;
        let own = actor.user().is_some_and(|user| Some(&user.account.name) == author.as_ref());
        if own || by_moderators && who.moderates {
            return Ok(who);
        }
        Err(HubError::Forbidden(match by_moderators {
            true => format!("only who wrote a comment and who may write to {} may hide it", address.id()),
            false => "only who wrote a comment may edit it".to_owned(),
        }))
    }

    /// Replaces what a comment says; what it said before stays visible.
    ///
    /// # Errors
    /// As [`Hub::discussion_comment`]; [`HubError::Forbidden`] for all but who wrote it.
    pub async fn discussion_comment_edit(
        &self,
        actor: &Actor,
        address: &RepoAddress,
        number: u64,
        seq: u64,
        content: &str,
    ) -> HubResult<DiscussionChange> {
        let who = self.comment_change(actor, address, number, seq, false).await?;
        let (content, now) = (comment_of(content)?, self.clock.now());
        let edited = self.catalog.discussion_comment_edit(who.repo.id, number, seq, (&content, who.id), now).await?;
        outcome_of(who.repo, number, edited, "")
    }

    /// Hides a comment: what it said is gone for good.
    ///
    /// # Errors
    /// As [`Hub::discussion_comment`]; [`HubError::Forbidden`] for those who neither wrote it nor may write.
    pub async fn discussion_comment_hide(
        &self,
        actor: &Actor,
        address: &RepoAddress,
        number: u64,
        seq: u64,
    ) -> HubResult<DiscussionChange> {
        let who = self.comment_change(actor, address, number, seq, true).await?;
        let hidden = self.catalog.discussion_comment_hide(who.repo.id, number, seq, (who.id, self.clock.now())).await?;
        outcome_of(who.repo, number, hidden, "")
    }
}

fn outcome_of(repo: Repo, number: u64, outcome: DiscussionOutcome, unchanged: &str) -> HubResult<DiscussionChange> {
    match outcome {
        DiscussionOutcome::Done(event) => Ok(DiscussionChange { repo, event }),
        DiscussionOutcome::Missing => Err(HubError::Missing(format!("there is no discussion {number} here"))),
        DiscussionOutcome::Unchanged => Err(HubError::Refused(format!("discussion {number}: {unchanged}"))),
        DiscussionOutcome::Full => Err(HubError::Refused(format!(
            "discussion {number} has as much as it may have: {} events or {} MiB of text. Open another",
            karez_catalog::DISCUSSION_EVENTS_MAX,
            karez_catalog::DISCUSSION_TEXT_BYTES_MAX >> 20
        ))),
    }
}
