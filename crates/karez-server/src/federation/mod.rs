//! What nodes ask of each other, as plain GETs that any proxy, cache or mirror can carry.
//!
//! Addresses name a repository, because that is what decides who may read, and then content by its hash;
//! so what they answer never changes, and a copy of the answer is as good as the node.

mod admin;
mod bytes;
mod peers;

use crate::{BodyBound, Guard, Route, Verb};

pub(crate) fn routes() -> Vec<Route> {
    use {BodyBound as B, Guard as G, Verb as V};
    let map = "/federation/v1/map/{kinds}/{owner}/{name}/{sha256}";
    let xorb = "/federation/v1/xorb/{kinds}/{owner}/{name}/{sha256}/{xorb}";
    vec![
        Route::new(V::Get, map, G::RepoRead, B::Empty, bytes::file_map),
        Route::new(V::Get, xorb, G::RepoRead, B::Empty, bytes::xorb_range),
        Route::new(V::Get, "/federation/v1/have", G::Anyone, B::Empty, peers::haves),
        Route::new(V::Get, "/federation/v1/have/{*origin}", G::Anyone, B::Empty, peers::have),
        Route::new(V::Get, "/federation/v1/nodes", G::Anyone, B::Empty, peers::nodes),
        Route::new(V::Get, "/metrics", G::NodeAdmin, B::Empty, admin::metrics),
        Route::new(V::Get, "/api/federation/peers", G::NodeAdmin, B::Empty, admin::peers),
        Route::new(V::Get, "/api/federation/transfers", G::NodeAdmin, B::Empty, admin::transfers),
        Route::new(V::Get, "/api/federation/names", G::NodeAdmin, B::Empty, admin::names),
        Route::new(V::Get, "/api/federation/incidents", G::NodeAdmin, B::Empty, admin::incidents),
        Route::new(V::Get, "/api/federation/goals", G::NodeAdmin, B::Empty, admin::goals),
    ]
}
