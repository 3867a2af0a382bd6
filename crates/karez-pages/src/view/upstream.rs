//! The administration of upstream hubs.

use karez_types::Timestamp;
use maud::{Markup, html};

use super::admin::code;
use super::form::{Notice, button, notice, proof};
use super::list::id;
use crate::layout::Frame;
use crate::locale::{Key, Locale, key};

/// Where the forms go.
const ACTION: &str = "/-/admin/upstreams";
/// Patterns of one list that the page shows; the command line shows all.
const PATTERNS_SHOWN: usize = 50;

/// What was last heard of an upstream hub since the node started.
#[derive(Debug, Clone)]
pub struct HeardOf {
    /// When.
    pub at: Timestamp,
    /// What was wrong, in English; unset: it answered.
    pub trouble: Option<String>,
}

/// An upstream hub, as administrators see it. Its token is not here.
#[derive(Debug, Clone)]
pub struct UpstreamLine {
    /// Its name.
    pub name: String,
    /// Where it is.
    pub url: String,
    /// Whether a token is kept for it.
    pub has_token: bool,
    /// What alone it is asked for; none: everything.
    pub allow: Vec<String>,
    /// What it is never asked for.
    pub deny: Vec<String>,
    /// Whose large files are passed on and not kept.
    pub passed_on: Vec<String>,
    /// Bytes of the largest file that is fetched.
    pub file_bytes_max: Option<u64>,
    /// Bytes of the largest repository of which large files are fetched.
    pub repo_bytes_max: Option<u64>,
    /// How long what is here counts as new: `5 min`.
    pub revalidate: String,
    /// Whether its address may be a private one.
    pub allows_private: bool,
    /// Whether tokens that this node does not know are tried there.
    pub passes_tokens: bool,
    /// The line over which it is reached.
    pub line: String,
    /// Since when it is here.
    pub added: Timestamp,
    /// What was last heard of it.
    pub heard: Option<HeardOf>,
    /// The last thing that it did wrong, and when.
    pub incident: Option<(Timestamp, String)>,
}

/// What somebody typed into the form, for a new one or to change one. A token is not repeated.
#[derive(Debug, Clone, Default)]
pub struct UpstreamTyped {
    /// Whether the one of this name is there, and changes.
    pub is_change: bool,
    /// Its name.
    pub name: String,
    /// Where it is.
    pub url: String,
    /// Patterns, one on a line.
    pub allow: String,
    /// Patterns, one on a line.
    pub deny: String,
    /// Patterns, one on a line.
    pub passed_on: String,
    /// An amount of bytes.
    pub file_max: String,
    /// An amount of bytes.
    pub repo_max: String,
    /// A length of time.
    pub revalidate: String,
    /// The line.
    pub line: String,
    /// Whether its address may be a private one.
    pub allows_private: bool,
    /// Whether tokens that this node does not know are tried there.
    pub passes_tokens: bool,
}

/// The page of upstream hubs.
#[derive(Debug, Clone)]
pub struct UpstreamsPage {
    /// What came of the form before.
    pub notice: Option<Notice>,
    /// All of them, in the order in which they are asked.
    pub upstreams: Vec<UpstreamLine>,
    /// What the form for a new one shows.
    pub typed: UpstreamTyped,
    /// Lines to choose from.
    pub lines: Vec<String>,
    /// What proves that the forms came from here.
    pub proof: String,
}

fn english(words: &str) -> Markup {
    html! { bdi lang="en" dir="ltr" { (crate::shown(words)) } }
}

fn patterns(l: &Locale, patterns: &[String], none: Key) -> Markup {
    html! {
        @if patterns.is_empty() { (l.t(none)) }
        @for pattern in patterns.iter().take(PATTERNS_SHOWN) { (code(&crate::shown(pattern))) " " }
        @if patterns.len() > PATTERNS_SHOWN { "…" }
    }
}

fn facts(l: &Locale, upstream: &UpstreamLine) -> Markup {
    let ceiling = |bytes: Option<u64>| match bytes {
        Some(bytes) => l.bytes(bytes),
        None => l.t(key::WITHOUT_BOUND),
    };
    html! {
        dl {
            dt { (l.t(key::NODE_ADDRESS)) } dd { (id(&upstream.url)) @if upstream.allows_private { " · " (l.t(key::UPSTREAM_PRIVATE)) } }
            dt { (l.t(key::STATE)) }
            dd { @match &upstream.heard {
                None => (l.t(key::UPSTREAM_UNHEARD)),
                Some(HeardOf { at, trouble: None }) => { (l.t(key::PEER_FINE)) " · " (l.date(*at)) }
                Some(HeardOf { at, trouble: Some(trouble) }) => { (l.t(key::UPSTREAM_TROUBLE)) " " (english(trouble)) " · " (l.date(*at)) }
            } }
            @if let Some((at, incident)) = &upstream.incident { dt { (l.t(key::INCIDENTS)) } dd { (english(incident)) " · " (l.date(*at)) } }
            dt { (l.t(key::TOKEN)) }
            dd {
                (l.t(if upstream.has_token { key::TOKEN_KEPT } else { key::NO_TOKEN }))
                @if upstream.passes_tokens { " · " (l.t(key::UPSTREAM_TOKENS)) }
            }
            dt { (l.t(key::UPSTREAM_ALLOW)) } dd { (patterns(l, &upstream.allow, key::EVERYTHING)) }
            @if !upstream.deny.is_empty() { dt { (l.t(key::UPSTREAM_DENY)) } dd { (patterns(l, &upstream.deny, key::EVERYTHING)) } }
            @if !upstream.passed_on.is_empty() { dt { (l.t(key::UPSTREAM_PASS_ON)) } dd { (patterns(l, &upstream.passed_on, key::EVERYTHING)) } }
            dt { (l.t(key::UPSTREAM_FILE_MAX)) } dd { (ceiling(upstream.file_bytes_max)) }
            dt { (l.t(key::UPSTREAM_REPO_MAX)) } dd { (ceiling(upstream.repo_bytes_max)) }
            dt { (l.t(key::UPSTREAM_REVALIDATE)) } dd { (code(&upstream.revalidate)) }
            dt { (l.t(key::LINE)) } dd { (id(&upstream.line)) }
            dt { (l.t(key::CREATED)) } dd { (l.date(upstream.added)) }
        }
    }
}

/// Returns what can be done with one of them. Names are small letters, digits and hyphens, so they make ids.
fn forms(l: &Locale, page: &UpstreamsPage, name: &str) -> Markup {
    let what = |what: &str| {
        html! {
            (proof(&page.proof))
            input type="hidden" name="do" value=(what);
            input type="hidden" name="upstream" value=(name);
        }
    };
    let (confirm, repos) = (format!("confirm-{name}"), format!("repos-{name}"));
    html! {
        form method="post" action=(ACTION) {
            (what("check"))
            button type="submit" aria-label=(format!("{}: {name}", l.plain(key::UPSTREAM_CHECK))) { (l.t(key::UPSTREAM_CHECK)) }
        }
        p { a href=(format!("{ACTION}?edit={name}#typed")) { (l.t(key::EDIT)) " · " (id(name)) } }
        details {
            summary { (l.t(key::REMOVE)) " · " (id(name)) }
            form method="post" action=(ACTION) {
                (what("remove"))
                div {
                    label for=(confirm) { (l.t(key::UPSTREAM_CONFIRM)) }
                    input id=(confirm) type="text" name="confirm" maxlength="42" dir="ltr" autocomplete="off" spellcheck="false" required;
                }
                div.tick {
                    input id=(repos) type="checkbox" name="repos" value="delete";
                    label for=(repos) { (l.t(key::UPSTREAM_REPOS)) }
                }
                (button(l, key::REMOVE))
            }
        }
    }
}

/// A field of the form for a new one.
fn field(l: &Locale, (name, label): (&str, Key), value: &str, bytes_max: usize, how: Option<Markup>) -> Markup {
    let about = format!("{name}-how");
    html! {
        div {
            label for=(name) { (l.t(label)) }
            input id=(name) type="text" name=(name) value=(value) maxlength=(bytes_max) dir="ltr" autocomplete="off" spellcheck="false"
                aria-describedby=[how.is_some().then_some(&about)];
            @if let Some(how) = how { p.soft id=(about) { (how) } }
        }
    }
}

fn list_field(l: &Locale, (name, label): (&str, Key), value: &str) -> Markup {
    html! {
        div {
            label for=(name) { (l.t(label)) }
            textarea id=(name) name=(name) rows="2" dir="ltr" spellcheck="false" aria-describedby="patterns-how" { "\n" (value) }
        }
    }
}

fn tick(l: &Locale, (name, label): (&str, Key), is_on: bool) -> Markup {
    html! {
        div.tick {
            input id=(name) type="checkbox" name=(name) value="yes" checked[is_on];
            label for=(name) { (l.t(label)) }
        }
    }
}

/// The form for a new one; to change one, it shows what is set.
fn settings_form(l: &Locale, page: &UpstreamsPage) -> Markup {
    let typed = &page.typed;
    let sizes = || l.fill(key::AMOUNT_HOW, &[("amount", code("20 GB"))]);
    html! {
        form.tall method="post" action=(ACTION) {
            (proof(&page.proof))
            input type="hidden" name="do" value=(if typed.is_change { "set" } else { "add" });
            @if typed.is_change { input type="hidden" name="upstream" value=(typed.name); }
            @else { (field(l, ("name", key::NAME), &typed.name, 40, Some(l.t(key::UPSTREAM_NAME_HOW)))) }
            (field(l, ("url", key::NODE_ADDRESS), &typed.url, 2_000, Some(code("https://hub.example.org"))))
            (tick(l, ("allow_private", key::UPSTREAM_PRIVATE), typed.allows_private))
            div {
                label for="token" { (l.t(key::TOKEN)) }
                input #token type="password" name="token" maxlength="4096" dir="ltr" autocomplete="new-password" aria-describedby="token-how";
                p.soft #token-how { (l.t(key::UPSTREAM_TOKEN_HOW)) }
            }
            (list_field(l, ("allow", key::UPSTREAM_ALLOW), &typed.allow))
            p.soft #patterns-how { (l.fill(key::PATTERNS_HOW, &[("example", code("models/*")), ("other", code("*/test-*"))])) }
            (list_field(l, ("deny", key::UPSTREAM_DENY), &typed.deny))
            (list_field(l, ("passed_on", key::UPSTREAM_PASS_ON), &typed.passed_on))
            (field(l, ("file_max", key::UPSTREAM_FILE_MAX), &typed.file_max, 40, Some(sizes())))
            (field(l, ("repo_max", key::UPSTREAM_REPO_MAX), &typed.repo_max, 40, Some(sizes())))
            (field(l, ("revalidate", key::UPSTREAM_REVALIDATE), &typed.revalidate, 40, Some(code("5 min, 2 h, 1 day"))))
            div {
                label for="line" { (l.t(key::LINE)) }
                select #line name="line" { @for line in &page.lines { option value=(line) selected[*line == typed.line] { (crate::shown(line)) } } }
            }
            (tick(l, ("pass_tokens", key::UPSTREAM_TOKENS), typed.passes_tokens))
            (button(l, if typed.is_change { key::SAVE } else { key::UPSTREAM_ADD }))
        }
    }
}

/// Renders the administration of upstream hubs.
pub fn upstreams(frame: &Frame, page: &UpstreamsPage) -> String {
    let l = frame.locale;
    let body = html! {
        p.crumbs { a href="/-/admin" { (l.t(key::ADMINISTRATION)) } }
        h1 { (l.t(key::UPSTREAMS)) }
        p { (l.t(key::UPSTREAMS_HOW)) }
        (notice(l, page.notice.as_ref()))
        @if page.upstreams.is_empty() { p { (l.t(key::NO_UPSTREAMS)) } }
        @for upstream in &page.upstreams {
            h2 { (id(&upstream.name)) }
            (facts(l, upstream))
            (forms(l, page, &upstream.name))
        }
        @if page.typed.is_change { h2 #typed { (l.t(key::EDIT)) " · " (id(&page.typed.name)) } }
        @else { h2 #typed { (l.t(key::UPSTREAM_ADD)) } }
        (settings_form(l, page))
    };
    frame.page(l.plain(key::UPSTREAMS), &body)
}
