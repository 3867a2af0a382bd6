//! Routes of the hub_api protocol.

use crate::Route;

mod access_requests;
mod collections;
mod commit;
mod commits;
mod discussion_json;
mod discussions;
mod likes;
mod listing;
mod people;
mod preupload;
mod refs;
mod repo_json;
mod repos;
mod resolve;
mod safetensors;
mod sinks;
mod tree;
mod yaml;

pub(crate) use repos::{missing_without_owner, name_without_owner, says_yes};
pub(crate) use resolve::revision_in;
pub(crate) use resolve::{names_tag, wanted_range};

pub(crate) fn routes() -> Vec<Route> {
    let mut table = Vec::new();
    table.extend(repos::routes());
    table.extend(listing::routes());
    table.extend(people::routes());
    table.extend(access_requests::routes());
    table.extend(likes::routes());
    table.extend(collections::routes());
    table.extend(yaml::routes());
    table.extend(safetensors::routes());
    table.extend(sinks::routes());
    table.extend(discussions::routes());
    table.extend(commit::routes());
    table.extend(commits::routes());
    table.extend(preupload::routes());
    table.extend(refs::routes());
    table.extend(resolve::routes());
    table.extend(tree::routes());
    table
}
