//! Goals: of what the rules name, how many nodes are known to hold a whole copy.
//!
//! The origin counts while it publishes, this node counts when it holds all files, and other nodes count
//! by what they say they hold. A shortage is reported; nobody is commanded.

use karez_catalog::{Catalog, CatalogError, FeedFacts, FeedRepo, FeedState};
use karez_formats::log_entry::{LogAct, LogEntry, address_text};
use karez_types::{RemoteId, RepoAddress, RepoId, RepoKind, Visibility, fold_name};

use super::{LoadedRule, facts_of, rule_for, rules_load};
use crate::peer::Table;
use crate::policy::rules::Shortage;

/// Repositories that are looked at in one go.
const PAGE_REPOS: u64 = 1_000;

/// Reports everything that is below its goal, most endangered first: fewest copies, then smallest.
pub async fn shortages(catalog: &Catalog, table: &Table, own_origin: &str) -> Result<Vec<Shortage>, CatalogError> {
    let rules: Vec<LoadedRule> = rules_load(catalog).await?;
    let mut short = Vec::new();
    if rules.iter().all(|rule| rule.row.copies.is_none()) {
        return Ok(short);
    }
    for peer in table.all() {
        let held: std::collections::HashSet<u64> = catalog.held_whole(peer.remote.id).await?.into_iter().collect();
        let mut after: Option<RepoAddress> = None;
        loop {
            let page = catalog.feed_page(peer.remote.id, after.as_ref(), PAGE_REPOS).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.repo.clone());
            for repo in page.iter().filter(|repo| repo.state == FeedState::Public) {
                let Some(goal) = goal_of(&rules, repo) else { continue };
                let here = repo.head_idx.is_some_and(|idx| held.contains(&idx));
                let others = holders(catalog, table, peer.key.name(), repo.head_idx, Some(peer.remote.id)).await?;
                // The origin itself is one.
                push(&mut short, repo, 1 + u64::from(here) + others, goal);
            }
        }
    }
    own(catalog, table, own_origin, &rules, &mut short).await?;
    short.sort_by(|a, b| (a.copies, a.file_bytes, &a.repo).cmp(&(b.copies, b.file_bytes, &b.repo)));
    Ok(short)
}

/// What this node publishes itself: rules that speak of every peer speak of it too.
async fn own(
    catalog: &Catalog,
    table: &Table,
    origin: &str,
    rules: &[LoadedRule],
    short: &mut Vec<Shortage>,
) -> Result<(), CatalogError> {
    let mut after = RepoId(0);
    loop {
        let page = catalog.repos_scan(after, PAGE_REPOS).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after = last.id;
        for repo in page {
            let (Visibility::Public, None, Some(head)) = (repo.visibility, repo.mirror, repo.head) else { continue };
            let address = repo.address();
            let name = fold_name(&address_text(&address));
            let Some(idx) = catalog.log_entry_of(&name, head).await? else { continue };
            let file_bytes = file_bytes(catalog, idx).await?;
            let facts = FeedFacts {
                file_bytes,
                tags: repo.tags.clone(),
                license: repo.tags.iter().find_map(|tag| tag.strip_prefix("license:")).map(str::to_owned),
                pipeline_tag: repo.pipeline_tag.clone(),
                library_name: repo.library_name.clone(),
            };
            // A remote that no rule names: only rules for all match.
            let as_feed = FeedRepo {
                remote: RemoteId(0),
                repo: address,
                head: Some(head),
                at: repo.modified,
                idx,
                head_idx: Some(idx),
                is_done: true,
                state: FeedState::Public,
                moved_to: None,
                facts,
            };
            let Some(goal) = goal_of(rules, &as_feed) else { continue };
            let copies = 1 + holders(catalog, table, origin, Some(idx), None).await?;
            push(short, &as_feed, copies, goal);
        }
    }
}

async fn file_bytes(catalog: &Catalog, idx: u64) -> Result<u64, CatalogError> {
    let entry = catalog.log_entries(idx, 1).await?.pop().and_then(|bytes| LogEntry::parse(&bytes).ok());
    Ok(match entry.map(|entry| entry.act) {
        Some(LogAct::Publish { facts, .. } | LogAct::Ref { facts: Some(facts), .. }) => facts.file_bytes,
        _ => 0,
    })
}

fn goal_of(rules: &[LoadedRule], repo: &FeedRepo) -> Option<u64> {
    rule_for(rules, repo.remote, &facts_of(repo, None))?.row.copies
}

/// Counts the peers that say they hold an entry whole, besides one.
async fn holders(
    catalog: &Catalog,
    table: &Table,
    origin: &str,
    idx: Option<u64>,
    besides: Option<RemoteId>,
) -> Result<u64, CatalogError> {
    let Some(idx) = idx else { return Ok(0) };
    let holders = catalog.have_holders(origin, idx).await?;
    Ok(holders.into_iter().filter(|&id| Some(id) != besides && table.by_id(id).is_some()).count() as u64)
}

fn push(short: &mut Vec<Shortage>, repo: &FeedRepo, copies: u64, goal: u64) {
    if copies < goal {
        let kind: RepoKind = repo.repo.kind;
        let name = format!("{}/{}", kind.plural(), repo.repo.id());
        short.push(Shortage { repo: name, copies, goal, file_bytes: repo.facts.file_bytes });
    }
}
