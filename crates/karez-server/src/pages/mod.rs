//! Pages for people: each handler reads the hub and fills the values of a page of `karez-pages`.
//!
//! Page addresses are also those that tools might ask; so a request that takes no HTML (`Accept`) is
//! answered as if the pages were not there. Errors are pages for those who ask for HTML by name, and JSON
//! for all others.
//!
//! A browser stays signed in by a cookie, which counts for reading (`session.rs`) and for the node's own forms
//! (`form.rs`), which is where people do things.

mod account;
mod admin;
mod answer;
mod asked;
mod change;
mod collections;
mod commits;
mod discussions;
mod errors;
mod files;
mod form;
mod home;
mod lists;
mod make;
mod node;
mod owner;
mod people;
mod provider;
mod repo;
mod session;
mod sign_in;
mod snippets;
mod social;
mod table;
mod told;
mod upstreams;
mod viewer;

use crate::{BodyBound, Guard, Route, Verb};

pub(crate) use answer::IsPage;
pub(crate) use asked::{pairs, takes_page};
pub(crate) use errors::{Told, page_headers, page_of_error};
pub(crate) use form::ROOM_PIECES;
pub(crate) use session::{CameFrom, SignInTries, network, session_secret};
pub(crate) use told::told;

/// Templates of the pages.
const TEMPLATES: &[&str] = &[
    "/",
    "/{kinds}",
    "/{owner}",
    "/{repo}",
    "/{repo}/tree/{rev}",
    "/{repo}/tree/{rev}/{*path}",
    "/{repo}/blob/{rev}/{*path}",
    "/{repo}/commits/{rev}",
    "/{repo}/commit/{rev}",
    "/{repo}/refs",
    "/{repo}/discussions",
    "/{repo}/discussions/{number}",
    "/collections",
    "/collections/{namespace}/{slug}",
    "/{repo}/like",
    "/{repo}/collect",
    "/{repo}/ask-access",
    "/{repo}/viewer",
    "/-/node",
    "/-/search",
    "/-/sign-in",
    "/-/sign-out",
    "/-/invited",
    "/-/provider",
    "/-/provider/back",
    "/-/provider/name",
    "/-/account",
    "/-/account/token",
    "/-/account/revoke",
    "/-/account/others",
    "/-/account/password",
    "/-/new",
    "/-/publish",
    "/-/publish/finish",
    "/-/org/{org}",
    "/-/admin",
    "/-/admin/upstreams",
    "/-/admin/people/{user}",
    "/{repo}/settings",
    "/{repo}/upload/{rev}",
    "/{repo}/upload-begin",
    "/{repo}/upload-end/{rev}",
    "/{repo}/edit/{rev}/{*path}",
    "/-/{style}",
];

/// Tells whether a template is that of a page.
pub(crate) fn is_page(template: &str) -> bool {
    TEMPLATES.contains(&template)
}

pub(crate) fn routes() -> Vec<Route> {
    use {BodyBound as B, Guard as G, Verb as V};
    vec![
        Route::new(V::Get, "/", G::Anyone, B::Empty, home::home),
        Route::new(V::Get, "/{kinds}", G::Anyone, B::Empty, lists::list),
        Route::new(V::Get, "/{owner}", G::Anyone, B::Empty, owner::owner),
        Route::new(V::Get, "/{repo}", G::RepoRead, B::Empty, repo::repo),
        Route::new(V::Get, "/{repo}/tree/{rev}", G::RepoRead, B::Empty, files::tree),
        Route::new(V::Get, "/{repo}/tree/{rev}/{*path}", G::RepoRead, B::Empty, files::tree),
        Route::new(V::Get, "/{repo}/blob/{rev}/{*path}", G::RepoRead, B::Empty, files::file),
        Route::new(V::Get, "/{repo}/commits/{rev}", G::RepoRead, B::Empty, commits::commits),
        Route::new(V::Get, "/{repo}/commit/{rev}", G::RepoRead, B::Empty, commits::commit),
        Route::new(V::Get, "/{repo}/refs", G::RepoRead, B::Empty, commits::refs),
        Route::new(V::Get, "/{repo}/discussions", G::RepoRead, B::Empty, discussions::list),
        Route::new(V::Post, "/{repo}/discussions", G::Anyone, B::Form, discussions::begin),
        Route::new(V::Get, "/{repo}/discussions/{number}", G::RepoRead, B::Empty, discussions::one),
        Route::new(V::Post, "/{repo}/discussions/{number}", G::Anyone, B::Form, discussions::change),
        Route::new(V::Get, "/{repo}/viewer", G::RepoRead, B::Empty, viewer::viewer),
        Route::new(V::Get, "/-/node", G::Anyone, B::Empty, node::node),
        Route::new(V::Get, "/collections", G::Anyone, B::Empty, collections::list),
        Route::new(V::Post, "/collections", G::Anyone, B::Form, collections::create),
        Route::new(V::Get, "/collections/{namespace}/{slug}", G::Anyone, B::Empty, collections::one),
        Route::new(V::Post, "/collections/{namespace}/{slug}", G::Anyone, B::Form, collections::change),
        Route::new(V::Post, "/{repo}/like", G::Anyone, B::Form, social::like),
        Route::new(V::Post, "/{repo}/ask-access", G::Anyone, B::Form, social::access_ask),
        Route::new(V::Get, "/{repo}/collect", G::RepoRead, B::Empty, social::collect_form),
        Route::new(V::Post, "/{repo}/collect", G::Anyone, B::Form, social::collect),
        Route::new(V::Get, "/-/search", G::Anyone, B::Empty, lists::everything),
        Route::new(V::Get, "/-/sign-in", G::Anyone, B::Empty, sign_in::form),
        Route::new(V::Post, "/-/sign-in", G::Anyone, B::Form, sign_in::sign_in),
        Route::new(V::Post, "/-/sign-out", G::Anyone, B::Form, sign_in::sign_out),
        Route::new(V::Get, "/-/invited", G::Anyone, B::Empty, sign_in::invited),
        Route::new(V::Post, "/-/invited", G::Anyone, B::Form, sign_in::invitation_use),
        Route::new(V::Get, "/-/provider", G::Anyone, B::Empty, provider::start),
        Route::new(V::Get, "/-/provider/back", G::Anyone, B::Empty, provider::come_back),
        Route::new(V::Post, "/-/provider/name", G::Anyone, B::Form, provider::name_choose),
        Route::new(V::Get, "/-/account", G::SignedIn, B::Empty, account::account),
        // Who sends a form is found out with its proof; without one, nobody gets past.
        Route::new(V::Post, "/-/account/token", G::Anyone, B::Form, account::token_create),
        Route::new(V::Post, "/-/account/revoke", G::Anyone, B::Form, account::token_revoke),
        Route::new(V::Post, "/-/account/others", G::Anyone, B::Form, account::sessions_end),
        Route::new(V::Post, "/-/account/password", G::Anyone, B::Form, account::password_change),
        Route::new(V::Get, "/-/new", G::SignedIn, B::Empty, make::new_form),
        Route::new(V::Post, "/-/new", G::Anyone, B::Form, make::repo_create),
        Route::new(V::Get, "/-/publish", G::SignedIn, B::Empty, make::publish_form),
        Route::new(V::Post, "/-/publish", G::Anyone, B::Upload, make::publish),
        Route::new(V::Post, "/-/publish/finish", G::Anyone, B::Form, make::publish_finish),
        Route::new(V::Get, "/-/org/{org}", G::SignedIn, B::Empty, admin::org),
        Route::new(V::Post, "/-/org/{org}", G::Anyone, B::Form, admin::org_change),
        Route::new(V::Get, "/-/admin", G::NodeAdmin, B::Empty, admin::admin),
        Route::new(V::Post, "/-/admin", G::Anyone, B::Form, admin::admin_change),
        Route::new(V::Get, "/-/admin/people/{user}", G::NodeAdmin, B::Empty, people::person),
        Route::new(V::Post, "/-/admin/people/{user}", G::Anyone, B::Form, people::person_change),
        Route::new(V::Get, "/-/admin/upstreams", G::NodeAdmin, B::Empty, upstreams::upstreams),
        Route::new(V::Post, "/-/admin/upstreams", G::Anyone, B::Form, upstreams::upstreams_change),
        Route::new(V::Get, "/{repo}/settings", G::RepoAdmin, B::Empty, change::settings),
        Route::new(V::Post, "/{repo}/settings", G::Anyone, B::Form, change::settings_change),
        Route::new(V::Get, "/{repo}/upload/{rev}", G::RepoPropose, B::Empty, change::upload_form),
        Route::new(V::Post, "/{repo}/upload/{rev}", G::Anyone, B::Upload, change::upload),
        Route::new(V::Post, "/{repo}/upload-begin", G::Anyone, B::Form, change::upload_begin),
        Route::new(V::Post, "/{repo}/upload-end/{rev}", G::Anyone, B::Form, change::upload_end),
        Route::new(V::Get, "/{repo}/edit/{rev}/{*path}", G::RepoPropose, B::Empty, change::edit_form),
        Route::new(V::Post, "/{repo}/edit/{rev}/{*path}", G::Anyone, B::Form, change::edit),
        Route::new(V::Get, "/-/{style}", G::Anyone, B::Empty, answer::style),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_is_known_as_one() {
        for route in routes() {
            assert!(is_page(route.template), "{}", route.template);
        }
        for template in TEMPLATES {
            assert!(routes().iter().any(|route| route.template == *template), "{template}");
        }
    }
}
