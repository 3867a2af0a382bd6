//! Members of an organisation, and the administration of the node.

use karez_types::{OrgRole, OwnerName, RepoAddress, Timestamp};
use maud::{Markup, html};

use super::form::{Notice, button, line, notice, proof};
use super::list::id;
use super::room::{Room, room};
use crate::layout::Frame;
use crate::locale::{Key, Locale, key};

/// The members of an organisation.
#[derive(Debug, Clone)]
pub struct OrgPage {
    /// What came of the form before.
    pub notice: Option<Notice>,
    /// The organisation.
    pub name: OwnerName,
    /// Its members.
    pub members: Vec<(OwnerName, OrgRole)>,
    /// Whether the reader may change them.
    pub may_change: bool,
    /// What proves that the forms came from here.
    pub proof: String,
}

fn role_key(role: OrgRole) -> Key {
    match role {
        OrgRole::Read => key::MAY_READ,
        OrgRole::Write => key::MAY_WRITE,
        OrgRole::Admin => key::MAY_ADMIN,
    }
}

/// Renders the members of an organisation.
pub fn org(frame: &Frame, page: &OrgPage) -> String {
    let l = frame.locale;
    let url = format!("/-/org/{}", page.name);
    let body = html! {
        p.crumbs.soft { (l.t(key::ORGANIZATION)) }
        h1 { a href=(format!("/{}", page.name)) { (id(page.name.as_str())) } }
        (notice(l, page.notice.as_ref()))
        h2 { (l.t(key::MEMBERS)) }
        @let is_last = page.members.iter().filter(|(_, role)| *role == OrgRole::Admin).count() == 1;
        ul.plain { @for (member, role) in &page.members {
            li {
                a href=(format!("/{member}")) { (id(member.as_str())) } " · " (l.t(role_key(*role)))
                @if page.may_change && !(is_last && *role == OrgRole::Admin) {
                    form method="post" action=(url) {
                        (proof(&page.proof))
                        input type="hidden" name="do" value="remove";
                        input type="hidden" name="user" value=(member);
                        button type="submit" aria-label=(format!("{}: {member}", l.plain(key::REMOVE))) { (l.t(key::REMOVE)) }
                    }
                }
            }
        } }
        @if page.may_change {
            form method="post" action=(url) {
                (proof(&page.proof))
                input type="hidden" name="do" value="set";
                (line(l, "user", key::USER_NAME, "", 42))
                div {
                    label for="role" { (l.t(key::MAY)) }
                    select #role name="role" {
                        @for role in [OrgRole::Read, OrgRole::Write, OrgRole::Admin] {
                            option value=(role.as_str()) selected[role == OrgRole::Write] { (l.plain(role_key(role))) }
                        }
                    }
                }
                (button(l, key::SAVE))
            }
        }
    };
    frame.page(page.name.as_str(), &body)
}

/// An account, as administrators see it.
#[derive(Debug, Clone)]
pub struct AccountLine {
    /// Its name.
    pub name: OwnerName,
    /// Whether it is an organisation.
    pub is_organization: bool,
    /// Whether it administers the node.
    pub is_admin: bool,
    /// What it owns and may own.
    pub room: Room,
    /// Whether that was decided for it alone.
    pub has_own_quota: bool,
}

/// A remote, as administrators see it.
#[derive(Debug, Clone)]
pub struct RemoteLine {
    /// Its name.
    pub name: String,
    /// Where it is.
    pub url: String,
    /// How a peer is; nothing for an upstream hub.
    pub peer: Option<RemoteState>,
}

/// How a peer is.
#[derive(Debug, Clone)]
pub struct RemoteState {
    /// Entries of its log that were read and verified.
    pub entries: u64,
    /// When it was last asked with success.
    pub asked: Option<Timestamp>,
    /// Why following stopped, in English.
    pub trouble: Option<String>,
}

/// A job of the node: a file on its way here.
#[derive(Debug, Clone)]
pub struct JobLine {
    /// The file.
    pub path: String,
    /// The repository that asked for it.
    pub repo: String,
    /// `waiting`, `running`, `done` or `failed`.
    pub state: String,
    /// Bytes that are here.
    pub done_bytes: u64,
    /// Bytes of all of it.
    pub file_bytes: u64,
    /// What went wrong.
    pub trouble: Option<String>,
}

/// The administration of the node.
#[derive(Debug, Clone)]
pub struct AdminPage {
    /// What came of the form before.
    pub notice: Option<Notice>,
    /// An invitation that was just made: whose, and its address. Shown once.
    pub invitation: Option<(String, String)>,
    /// People and organisations.
    pub accounts: Vec<AccountLine>,
    /// Where the list goes on.
    pub next: Option<String>,
    /// Upstream hubs and peers.
    pub remotes: Vec<RemoteLine>,
    /// Files on their way here.
    pub jobs: Vec<JobLine>,
    /// What other nodes did wrong, newest first.
    pub incidents: Vec<String>,
    /// Bytes of large files as they lie in the store.
    pub stored_bytes: u64,
    /// Bytes that there are for more, when the store can say.
    pub free_bytes: Option<u64>,
    /// The largest repositories that were looked at.
    pub largest: Vec<(RepoAddress, u64)>,
    /// What proves that the forms came from here.
    pub proof: String,
}

fn invite(l: &Locale, page: &AdminPage, name: &OwnerName) -> Markup {
    html! {
        form method="post" action="/-/admin" {
            (proof(&page.proof))
            input type="hidden" name="do" value="invite";
            input type="hidden" name="user" value=(name);
            button type="submit" aria-label=(format!("{}: {name}", l.plain(key::INVITE))) { (l.t(key::INVITE)) }
        }
    }
}

pub(crate) fn code(words: &str) -> Markup {
    html! { code dir="ltr" { (words) } }
}

/// Renders the administration of the node.
pub fn admin(frame: &Frame, page: &AdminPage) -> String {
    let l = frame.locale;
    let body = html! {
        h1 { (l.t(key::ADMINISTRATION)) }
        (notice(l, page.notice.as_ref()))
        @if let Some((user, url)) = &page.invitation {
            p.done role="status" { (l.fill(key::INVITATION, &[("user", id(user))])) }
            pre dir="ltr" { code { (url) } }
        }
        h2 { (l.t(key::ACCOUNTS)) }
        div.wide tabindex="0" role="region" aria-label=(l.plain(key::ACCOUNTS)) { table {
            thead { tr { th scope="col" { (l.t(key::NAME)) } th scope="col" { (l.t(key::KIND)) } th scope="col" { (l.t(key::ROOM)) } th scope="col" { (l.t(key::INVITE)) } } }
            tbody { @for account in &page.accounts { tr {
                td { a href=(format!("/{}", account.name)) { (id(account.name.as_str())) } }
                td {
                    (l.t(if account.is_organization { key::ORGANIZATION } else { key::PERSON }))
                    @if account.is_admin { " · " (l.t(key::ADMINISTRATOR)) }
                    @if !account.is_organization {
                        " · " a href=(format!("/-/admin/people/{}", account.name)) aria-label=(format!("{}: {}", l.plain(key::MANAGE), account.name)) { (l.t(key::MANAGE)) }
                    }
                    @if account.is_organization { " · " a href=(format!("/-/org/{}", account.name)) { (l.t(key::MEMBERS)) } }
                }
                td { (room(l, account.room)) @if account.has_own_quota { " · " (l.t(key::ROOM_OWN)) } }
                td { @if !account.is_organization { (invite(l, page, &account.name)) } }
            } } }
        } }
        @if let Some(next) = &page.next { p { a rel="next" href=(frame.here_with("after", next)) { (l.t(key::NEXT_PAGE)) } } }
        form method="post" action="/-/admin" {
            (proof(&page.proof))
            input type="hidden" name="do" value="create";
            (line(l, "name", key::NAME, "", 42))
            div {
                label for="kind" { (l.t(key::KIND)) }
                select #kind name="kind" {
                    option value="user" { (l.plain(key::PERSON)) }
                    option value="org" { (l.plain(key::ORGANIZATION)) }
                }
            }
            (button(l, key::CREATE))
        }
        h2 #room { (l.t(key::ROOM)) }
        p { (l.fill(key::ROOM_HOW, &[("amount", code("20 GB")), ("none", code("none")), ("default", code("default"))])) }
        form method="post" action="/-/admin" {
            (proof(&page.proof))
            input type="hidden" name="do" value="quota";
            div {
                label for="quota_owner" { (l.t(key::ROOM_OWNER)) }
                input #quota_owner type="text" name="owner" maxlength="42" dir="auto" autocomplete="off" spellcheck="false" required;
            }
            div {
                label for="quota" { (l.t(key::ROOM_AMOUNT)) }
                input #quota type="text" name="quota" maxlength="20" dir="ltr" autocomplete="off" spellcheck="false" required;
            }
            (button(l, key::SAVE))
        }
        h2 { (l.t(key::REMOTES)) }
        @if page.remotes.is_empty() { p { (l.t(key::NODE_ALONE)) } }
        ul.plain { @for remote in &page.remotes { li {
            (id(&remote.name)) " · " (id(&remote.url))
            @if let Some(peer) = &remote.peer {
                " · " (l.t(key::PEER))
                div.soft {
                    (l.t(if peer.trouble.is_some() { key::UPSTREAM_TROUBLE } else { key::PEER_FINE })) " "
                    @if let Some(trouble) = &peer.trouble { bdi lang="en" dir="ltr" { (crate::shown(trouble)) } }
                    " · " (l.count(key::ENTRIES, peer.entries))
                    @if let Some(at) = peer.asked { " · " (l.t(key::PEER_ASKED)) " " (l.date(at)) }
                }
            }
        } } }
        p { a href="/-/admin/upstreams" { (l.t(key::UPSTREAMS)) } }
        p.soft { (l.fill(key::COMMAND_LINE, &[("command", code("karez peer"))])) }
        h2 { (l.t(key::STORED)) }
        p {
            (l.fill(key::STORED_ALL, &[("bytes", l.bytes(page.stored_bytes))]))
            @if let Some(free) = page.free_bytes { " " (l.fill(key::STORED_FREE, &[("bytes", l.bytes(free))])) }
        }
        ul.plain { @for (address, bytes) in &page.largest { li { a href=(crate::repo_url(address)) { (id(&address.id())) } " · " (l.bytes(*bytes)) } } }
        h2 { (l.t(key::JOBS)) }
        @if page.jobs.is_empty() { p { (l.t(key::NO_JOBS)) } }
        ul.plain { @for job in &page.jobs {
            li {
                (id(&job.repo)) " " (id(&job.path)) div.soft { (id(&job.state)) " · " (l.bytes(job.done_bytes)) " / " (l.bytes(job.file_bytes))
                @if let Some(trouble) = &job.trouble { " · " bdi lang="en" dir="ltr" { (crate::shown(trouble)) } } }
            }
        } }
        @if !page.incidents.is_empty() {
            h2 { (l.t(key::INCIDENTS)) }
            ul.plain { @for incident in &page.incidents { li lang="en" dir="ltr" { (crate::shown(incident)) } } }
        }
    };
    frame.page(l.plain(key::ADMINISTRATION), &body)
}
