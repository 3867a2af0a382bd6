//! Rules of what to follow, as they are kept.

use karez_catalog::{Catalog, CatalogError, FeedRepo, FollowRow};
use karez_types::RemoteId;

use crate::policy::rules::{RepoFacts, Rule};

/// A rule with where it is kept.
#[derive(Debug, Clone)]
pub struct LoadedRule {
    /// The row.
    pub row: FollowRow,
    /// What it speaks of.
    pub rule: Rule,
}

/// Returns the rules in the order in which they are tried. One that cannot be read, from a newer program
/// perhaps, matches nothing and is warned about.
pub async fn rules_load(catalog: &Catalog) -> Result<Vec<LoadedRule>, CatalogError> {
    let rows = catalog.follow_list().await?;
    let read = |row: FollowRow| match serde_json::from_str::<Rule>(&row.rule) {
        Ok(rule) => Some(LoadedRule { row, rule }),
        Err(error) => {
            tracing::warn!(rule = row.id, %error, "a follow rule cannot be read; it matches nothing");
            None
        }
    };
    Ok(rows.into_iter().filter_map(read).collect())
}

/// Returns what a rule looks at.
pub fn facts_of(repo: &FeedRepo, rank: Option<u64>) -> RepoFacts<'_> {
    RepoFacts {
        repo: &repo.repo,
        file_bytes: repo.facts.file_bytes,
        tags: &repo.facts.tags,
        license: repo.facts.license.as_deref(),
        task: repo.facts.pipeline_tag.as_deref(),
        library: repo.facts.library_name.as_deref(),
        rank,
    }
}

/// Returns the first rule that speaks of this peer and matches.
pub fn rule_for<'a>(rules: &'a [LoadedRule], remote: RemoteId, facts: &RepoFacts) -> Option<&'a LoadedRule> {
    let speaks = |rule: &&LoadedRule| rule.row.remote.is_none_or(|id| id == remote);
    rules.iter().filter(speaks).find(|rule| rule.rule.matches(facts))
}
