//! What nodes ask of each other, as plain GETs that any proxy, cache or mirror can carry.
//!
//! Addresses name a repository, because that is what decides who may read, and then content by its hash;
//! so what they answer never changes, and a copy of the answer is as good as the node.

mod bytes;

use crate::{BodyBound, Guard, Route, Verb};

pub(crate) fn routes() -> Vec<Route> {
    use {BodyBound as B, Guard as G, Verb as V};
    let map = "/federation/v1/map/{kinds}/{owner}/{name}/{sha256}";
    let xorb = "/federation/v1/xorb/{kinds}/{owner}/{name}/{sha256}/{xorb}";
    vec![
        Route::new(V::Get, map, G::RepoRead, B::Empty, bytes::file_map),
        Route::new(V::Get, xorb, G::RepoRead, B::Empty, bytes::xorb_range),
    ]
}
