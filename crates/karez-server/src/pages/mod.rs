//! Pages for people: each handler reads the hub and fills the values of a page of `karez-pages`.
//!
//! Page addresses are also those that tools might ask; so a request that takes no HTML (`Accept`) is
//! answered as if the pages were not there. Errors are pages for those who ask for HTML by name, and JSON
//! for all others.
//!
//! A browser stays signed in by a cookie, which counts for reading only: see `session.rs`.

mod answer;
mod asked;
mod commits;
mod errors;
mod files;
mod home;
mod lists;
mod node;
mod owner;
mod repo;
mod session;
mod sign_in;
mod snippets;

use crate::{BodyBound, Guard, Route, Verb};

pub(crate) use answer::IsPage;
pub(crate) use asked::takes_page;
pub(crate) use errors::{Told, page_headers, page_of_error};
pub(crate) use session::{CameFrom, SignInTries, session_token};

/// Templates of the pages.
const TEMPLATES: [&str; 14] = [
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
    "/-/node",
    "/-/sign-in",
    "/-/sign-out",
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
        Route::new(V::Get, "/-/node", G::Anyone, B::Empty, node::node),
        Route::new(V::Get, "/-/sign-in", G::Anyone, B::Empty, sign_in::form),
        Route::new(V::Post, "/-/sign-in", G::Anyone, B::Json, sign_in::sign_in),
        Route::new(V::Post, "/-/sign-out", G::Anyone, B::Json, sign_in::sign_out),
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
            assert!(routes().iter().any(|route| route.template == template), "{template}");
        }
    }
}
