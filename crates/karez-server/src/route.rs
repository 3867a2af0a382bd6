//! The route table: every address of the node as data.
//!
//! Tests walk the table, so a new route without its anonymous, wrong-owner and too-large case fails.

use std::collections::BTreeMap;

use axum::Router;
use axum::extract::Extension;
use axum::handler::Handler;
use axum::routing::{MethodFilter, MethodRouter, on};
use karez_types::{Limits, RepoKind};

use crate::{AppState, layers, pages, pull_through};

/// HTTP methods that routes use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verb {
    /// GET; also answers HEAD unless a route of its own does.
    Get,
    /// HEAD.
    Head,
    /// POST.
    Post,
    /// PATCH.
    Patch,
    /// PUT.
    Put,
    /// DELETE.
    Delete,
}

impl Verb {
    fn filter(self) -> MethodFilter {
        match self {
            Verb::Get => MethodFilter::GET,
            Verb::Head => MethodFilter::HEAD,
            Verb::Post => MethodFilter::POST,
            Verb::Patch => MethodFilter::PATCH,
            Verb::Put => MethodFilter::PUT,
            Verb::Delete => MethodFilter::DELETE,
        }
    }

    /// Returns the method's name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Verb::Get => "GET",
            Verb::Head => "HEAD",
            Verb::Post => "POST",
            Verb::Patch => "PATCH",
            Verb::Put => "PUT",
            Verb::Delete => "DELETE",
        }
    }
}

/// Who gets past the front of a route. The hub decides; this says what tests must see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guard {
    /// Everyone.
    Anyone,
    /// Any valid token.
    SignedIn,
    /// The administrators of the node.
    NodeAdmin,
    /// Who may read the repository in the address.
    RepoRead,
    /// Who may propose a change to it: who sees it and shows a token that may write.
    RepoPropose,
    /// Who may write to it.
    RepoWrite,
    /// Who may administer it (delete, move, settings).
    RepoAdmin,
    /// A Xet token that reads.
    XetRead,
    /// A Xet token that writes.
    XetWrite,
    /// An address signed by the node.
    SignedUrl,
}

/// How large the body of a request may be: the name of a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyBound {
    /// No body; up to 64 KiB is read and ignored.
    Empty,
    /// `limits.json_body_bytes_max`.
    Json,
    /// `limits.form_body_bytes_max`: a form that a page of the node sends.
    Form,
    /// `limits.form_upload_bytes_max`: a form with files.
    Upload,
    /// `limits.commit_body_bytes_max`.
    Commit,
    /// `limits.xorb_bytes_max`.
    Xorb,
    /// `limits.shard_bytes_max`.
    Shard,
    /// `limits.file_bytes_max`: streamed, never held.
    File,
    /// `limits.git_request_bytes_max`.
    Git,
    /// `limits.sink_body_bytes_max`: read and thrown away.
    Sink,
}

impl BodyBound {
    /// Returns the bound in bytes.
    pub fn bytes_max(self, limits: &Limits) -> u64 {
        match self {
            BodyBound::Empty => 64 << 10,
            BodyBound::Json => limits.json_body_bytes_max,
            BodyBound::Form => limits.form_body_bytes_max,
            BodyBound::Upload => limits.form_upload_bytes_max,
            BodyBound::Commit => limits.commit_body_bytes_max,
            BodyBound::Xorb => limits.xorb_bytes_max,
            BodyBound::Shard => limits.shard_bytes_max,
            BodyBound::File => limits.file_bytes_max,
            BodyBound::Git => limits.git_request_bytes_max,
            BodyBound::Sink => limits.sink_body_bytes_max,
        }
    }

    /// Returns the setting that raises the bound.
    pub fn setting(self) -> &'static str {
        match self {
            BodyBound::Empty | BodyBound::Json => "json_body_bytes_max",
            BodyBound::Form => "form_body_bytes_max",
            BodyBound::Upload => "form_upload_bytes_max",
            BodyBound::Commit => "commit_body_bytes_max",
            BodyBound::Xorb => "xorb_bytes_max",
            BodyBound::Shard => "shard_bytes_max",
            BodyBound::File => "file_bytes_max",
            BodyBound::Git => "git_request_bytes_max",
            BodyBound::Sink => "sink_body_bytes_max",
        }
    }
}

/// One row of the table.
pub struct Route {
    /// Method.
    pub verb: Verb,
    /// Address. `{kinds}` stands for `models`, `datasets`, `spaces` and `kernels`; `{repo}` for
    /// `{owner}/{name}` behind each kind's prefix; other braces are parameters.
    pub template: &'static str,
    /// Who gets past.
    pub guard: Guard,
    /// Bound of the body.
    pub body: BodyBound,
    handler: Box<dyn Fn() -> MethodRouter<AppState> + Send>,
}

impl Route {
    /// Returns a row.
    pub fn new<H, T>(verb: Verb, template: &'static str, guard: Guard, body: BodyBound, handler: H) -> Route
    where
        H: Handler<T, AppState> + Sync,
        T: 'static,
    {
        let handler = Box::new(move || on(verb.filter(), handler.clone()));
        Route { verb, template, guard, body, handler }
    }

    /// Returns the addresses that the template stands for, each with the kind of repository it names.
    pub fn addresses(&self) -> Vec<(String, Option<RepoKind>)> {
        if !self.template.contains("{kinds}") && !self.template.contains("{repo}") {
            return vec![(self.template.to_owned(), None)];
        }
        let of_kind = |&kind: &RepoKind| {
            let repo = format!("{}{{owner}}/{{name}}", kind.url_prefix());
            (self.template.replace("{kinds}", kind.plural()).replace("{repo}", &repo), Some(kind))
        };
        RepoKind::ALL.iter().map(of_kind).collect()
    }
}

/// Returns every route of the node.
pub fn route_table() -> Vec<Route> {
    let mut table = Vec::new();
    table.extend(crate::front::routes());
    table.extend(crate::pages::routes());
    table.extend(crate::hub_api::routes());
    table.extend(crate::cas::routes());
    table.extend(crate::lfs::routes());
    table.extend(crate::log::routes());
    table.extend(crate::git::routes());
    table.extend(crate::ollama::routes());
    table.extend(crate::federation::routes());
    table.extend(crate::metadata::routes());
    table.extend(crate::viewer::routes());
    table
}

/// Builds the router from the table.
pub fn router(state: AppState) -> Router {
    let mut by_address: BTreeMap<String, MethodRouter<AppState>> = BTreeMap::new();
    for route in route_table() {
        for (address, kind) in route.addresses() {
            let mut row = pull_through::before((route.handler)(), &route, &state);
            if route.verb == Verb::Get && pages::is_page(route.template) {
                // Pages only answer who reads; to all else there is nothing.
                row = row.fallback(crate::front::nothing_here);
            }
            if let Some(kind) = kind {
                row = row.layer(Extension(kind));
            }
            let row = layers::bound_body(row, route.body, state.hub.limits());
            let merged = match by_address.remove(&address) {
                Some(earlier) => earlier.merge(row),
                None => row,
            };
            by_address.insert(address, merged);
        }
    }
    let mut router = Router::new();
    for (address, row) in by_address {
        router = router.route(&address, row);
    }
    layers::around(router.fallback(crate::front::nothing_here), &state).with_state(state)
}
