//! Git LFS: batch, verify, and the sealed addresses under `/-/lfs/` that carry objects.
//!
//! Clients send no token to the sealed addresses, so everything they may do is in the address.

mod batch;
mod objects;

use crate::{BodyBound, Guard, Route, Verb};

/// What bodies of the LFS API are.
const LFS_JSON: &str = "application/vnd.git-lfs+json";

pub(crate) fn routes() -> Vec<Route> {
    use {BodyBound as B, Guard as G, Verb as V};
    vec![
        Route::new(V::Post, "/{repo}/info/lfs/objects/batch", G::RepoRead, B::Json, batch::batch),
        Route::new(V::Post, "/{repo}/info/lfs/objects/verify", G::RepoPropose, B::Json, batch::verify),
        Route::new(V::Post, "/{repo}/info/lfs/verify", G::RepoPropose, B::Json, batch::verify),
        Route::new(V::Post, "/{repo}/info/lfs/locks/verify", G::RepoRead, B::Json, batch::locks),
        Route::new(V::Put, "/-/lfs/upload/{sealed}", G::SignedUrl, B::File, objects::object_put),
        Route::new(V::Put, "/-/lfs/upload/{sealed}/{part}", G::SignedUrl, B::File, objects::part_put),
        Route::new(V::Post, "/-/lfs/upload/{sealed}", G::SignedUrl, B::Json, objects::complete),
        Route::new(V::Get, "/-/lfs/object/{sealed}", G::SignedUrl, B::Empty, objects::object_get),
    ]
}
