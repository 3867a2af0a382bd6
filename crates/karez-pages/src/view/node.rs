//! The node itself: who it is, what it holds, whom it follows, how it is.

use karez_types::{RepoKind, Timestamp};
use maud::{Markup, html};

use super::list::{id, kind_key};
use crate::layout::Frame;
use crate::locale::key;

/// A node that this one follows.
#[derive(Debug, Clone)]
pub struct PeerRow {
    /// What the operator calls it.
    pub name: String,
    /// Entries of its log that were read and verified.
    pub entries: u64,
    /// When it was last asked with success.
    pub asked: Option<Timestamp>,
    /// Whether something is wrong.
    pub has_trouble: bool,
}

/// The page of the node.
#[derive(Debug, Clone)]
pub struct NodePage {
    /// Its public address.
    pub base: String,
    /// What its operator calls it; empty when they say nothing.
    pub name: String,
    /// Who runs it; empty when they do not say.
    pub operator: String,
    /// Where to reach them; empty when they do not say.
    pub contact: String,
    /// Bytes of large files in open repositories, each repository counting all of its own.
    pub held_bytes: u64,
    /// What of that is not stored, because it is here once already.
    pub kept_once_bytes: u64,
    /// What readers of mirrors got from here, and the line did not carry again.
    pub not_fetched_bytes: u64,
    /// What runs here, with its version.
    pub software: String,
    /// The name of its log.
    pub log_origin: String,
    /// Entries of its signed log; nothing before the first signature.
    pub log_entries: Option<u64>,
    /// How many repositories of each kind the reader may see; with `false` when there are more.
    pub held: Vec<(RepoKind, u64, bool)>,
    /// Whom it follows.
    pub peers: Vec<PeerRow>,
    /// Whether catalog and store answer.
    pub is_well: bool,
}

/// Returns a way to reach somebody: a link when it is a mail address or an address of the web, and else the words.
pub(crate) fn contact(words: &str) -> Markup {
    let is_mail = words.split_once('@').is_some_and(|(name, host)| !name.is_empty() && host.contains('.'))
        && words.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"@.-_+".contains(&byte));
    let is_address = words.starts_with("https://") && words.bytes().all(|byte| byte.is_ascii_graphic());
    html! {
        @if is_mail { a href=(format!("mailto:{words}")) { (id(words)) } }
        @else if is_address { a href=(words) rel="noopener" { (id(words)) } }
        @else { bdi { (crate::shown(words)) } }
    }
}

/// Renders the page of the node.
pub fn node(frame: &Frame, page: &NodePage) -> String {
    let l = frame.locale;
    let body = html! {
        h1 { (l.t(key::NODE)) " · " bdi { (frame.node) } }
        dl {
            dt { (l.t(key::NODE_HEALTH)) } dd { (l.t(if page.is_well { key::NODE_WELL } else { key::NODE_UNWELL })) }
            dt { (l.t(key::NODE_ADDRESS)) } dd { (id(&page.base)) }
            dt { (l.t(key::NODE_SOFTWARE)) } dd { (id(&page.software)) }
            dt { (l.t(key::NODE_LOG)) }
            dd {
                a href="/log/checkpoint" { (id(&page.log_origin)) }
                @match page.log_entries {
                    Some(entries) => { " · " (l.count(key::ENTRIES, entries)) }
                    None => { " · " (l.t(key::LOG_UNSIGNED)) }
                }
            }
            dt { (l.t(key::NODE_WHO)) }
            dd {
                @if page.operator.is_empty() { (l.t(key::NODE_WHO_UNSAID)) } @else { bdi { (crate::shown(&page.operator)) } }
                @if !page.name.is_empty() { " · " bdi { (crate::shown(&page.name)) } }
                @if !page.contact.is_empty() { " · " (contact(&page.contact)) }
                br; a href="/.well-known/karez" { (l.t(key::NODE_DESCRIPTION)) }
            }
        }
        h2 { (l.t(key::NODE_SAVED)) }
        dl {
            dt { (l.t(key::NODE_SAVED_LINE)) } dd { (l.bytes(page.not_fetched_bytes)) div.soft { (l.t(key::NODE_SAVED_LINE_HOW)) } }
            dt { (l.t(key::NODE_SAVED_DISK)) }
            dd {
                (l.bytes(page.kept_once_bytes))
                div.soft { (l.fill(key::NODE_SAVED_DISK_HOW, &[("bytes", l.bytes(page.held_bytes))])) }
            }
        }
        h2 { (l.t(key::NODE_HOLDS)) }
        dl { @for (kind, count, is_all) in &page.held {
            dt { a href=(format!("/{}", kind.plural())) { (l.t(kind_key(*kind))) } }
            dd { @if !is_all { (l.t(key::AT_LEAST)) " " } (l.number(*count)) }
        } }
        h2 { (l.t(key::NODE_PEERS)) }
        @if page.peers.is_empty() { p { (l.t(key::NODE_ALONE)) } } @else {
            table {
                thead { tr { th scope="col" { (l.t(key::NAME)) } th scope="col" { (l.t(key::STATE)) } th scope="col" { (l.t(key::PEER_ASKED)) } } }
                tbody { @for peer in &page.peers { tr {
                    td { (id(&peer.name)) }
                    td { (l.t(if peer.has_trouble { key::PEER_TROUBLE } else { key::PEER_FINE })) " · " (l.count(key::ENTRIES, peer.entries)) }
                    td { @match peer.asked { Some(at) => (l.date(at)), None => "–" } }
                } } }
            }
        }
    };
    frame.page(l.plain(key::NODE), &body)
}
