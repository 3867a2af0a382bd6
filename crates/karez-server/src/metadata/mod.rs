//! What the node tells catalogues, harvesters and feed readers: derived from what is in the repositories, and
//! read-only.
//!
//! The front matter of a README is the one source. Croissant and DCAT describe a dataset to whoever may read
//! it; everything that lists (OAI-PMH, the DCAT catalogue, feeds, the sitemap) is answered with the eyes of
//! nobody, whoever asks, so that what is private is in none of them.

mod atom;
mod croissant;
mod dcat;
mod described;
mod licences;
mod oai;
mod schema_org;
mod sitemap;
mod xml;

use crate::{BodyBound, Guard, Route, Verb};

pub(crate) use atom::feed;
pub(crate) use schema_org::json_ld;

pub(crate) fn routes() -> Vec<Route> {
    use {BodyBound as B, Guard as G, Verb as V};
    vec![
        Route::new(V::Get, "/api/{kinds}/{owner}/{name}/croissant", G::RepoRead, B::Empty, croissant::croissant),
        Route::new(V::Get, "/api/{kinds}/{owner}/{name}/dcat", G::RepoRead, B::Empty, dcat::dataset),
        Route::new(V::Get, "/-/catalog.jsonld", G::Anyone, B::Empty, dcat::catalog),
        Route::new(V::Get, "/-/oai", G::Anyone, B::Empty, oai::asked),
        Route::new(V::Post, "/-/oai", G::Anyone, B::Json, oai::posted),
        Route::new(V::Get, "/sitemap.xml", G::Anyone, B::Empty, sitemap::sitemap),
        Route::new(V::Get, "/robots.txt", G::Anyone, B::Empty, sitemap::robots),
    ]
}
