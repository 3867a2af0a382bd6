//! Listings and search of repositories.

use karez_types::{RepoId, RepoKind, fold_name};
use sqlx::AssertSqlSafe;

use crate::engine::args;
use crate::list::placeholders;
use crate::model::{Direction, Repo, RepoQuery, RepoSort, Viewer};
use crate::repo::{repo_at, select_repo};
use crate::value::Value;
use crate::{Catalog, CatalogError};

/// Words of one search that are looked for; more are passed over.
pub(crate) const SEARCH_WORDS_MAX: usize = 8;
/// Tags of one query that are looked for; more find nothing.
const TAGS_MAX: usize = 32;

/// Repositories in one statement that looks up many.
const IDS_MAX: usize = 128;

impl Catalog {
    /// Lists repositories of one kind that the viewer may see. A following page starts at
    /// [`RepoCursor::after`](crate::RepoCursor::after) the last item.
    pub async fn repo_list(&self, query: &RepoQuery) -> Result<Vec<Repo>, CatalogError> {
        if query.tags.len() > TAGS_MAX {
            return Ok(Vec::new());
        }
        let text = QueryText::of(query);
        let mut conditions = Conditions::default();
        conditions.add("r.kind = {}", query.kind.as_str());
        conditions.visible_to(&query.visible_to);
        if let Some(owner) = &text.owner {
            conditions.add("r.owner_id = (SELECT id FROM account WHERE name_folded = {})", owner);
        }
        for pattern in &text.patterns {
            conditions.add("r.id_folded LIKE {} ESCAPE '\\'", pattern);
        }
        for tag in &query.tags {
            conditions.add("r.id IN (SELECT repo_id FROM repo_tag WHERE tag = {})", tag);
        }
        if let Some(task) = &query.pipeline_tag {
            conditions.add("r.pipeline_tag = {}", task);
        }
        if let Some(library) = &query.library_name {
            conditions.add("r.library_name = {}", library);
        }
        if let Some(gated) = query.gated {
            conditions.text.push(if gated { "r.gated <> 'false'" } else { "r.gated = 'false'" }.to_owned());
        }
        let column = match query.sort {
            RepoSort::Modified => "r.modified",
            RepoSort::Created => "r.created",
            RepoSort::Downloads => "r.downloads",
            RepoSort::Likes => "r.likes",
            RepoSort::Trending => "r.trend",
        };
        let (beyond, order) = match query.direction {
            Direction::Descending => ("<", "DESC"),
            Direction::Ascending => (">", "ASC"),
        };
        if let Some(after) = query.after {
            let value = conditions.place(after.value);
            let id = conditions.place(after.id);
            conditions.text.push(format!("({column}, r.id) {beyond} ({value}, {id})"));
        }
        let limit = conditions.place(query.limit);
        let sql = format!(
            "{} {} ORDER BY {column} {order}, r.id {order} LIMIT {limit}",
            select_repo!("WHERE"),
            conditions.text.join(" AND ")
        );
        let rows = self.pool.rows(AssertSqlSafe(sql), &conditions.values).await?;
        rows.iter().map(repo_at).collect()
    }

    /// Returns those of these repositories that the viewer may see, in any order.
    pub async fn repos_visible(&self, ids: &[RepoId], viewer: &Viewer) -> Result<Vec<Repo>, CatalogError> {
        let mut repos = Vec::with_capacity(ids.len());
        for group in ids.chunks(IDS_MAX) {
            let mut conditions = Conditions::default();
            let places: Vec<String> = group.iter().map(|&id| conditions.place(id)).collect();
            conditions.text.push(format!("r.id IN ({})", places.join(", ")));
            conditions.visible_to(viewer);
            let sql = format!("{} {}", select_repo!("WHERE"), conditions.text.join(" AND "));
            let rows = self.pool.rows(AssertSqlSafe(sql), &conditions.values).await?;
            repos.extend(rows.iter().map(repo_at).collect::<Result<Vec<_>, _>>()?);
        }
        Ok(repos)
    }

    /// Lists all repositories by id, whoever may see them: at most `limit` after `after`.
    pub async fn repos_all(&self, after: RepoId, limit: u64) -> Result<Vec<Repo>, CatalogError> {
        let sql = select_repo!("WHERE r.id > $1 ORDER BY r.id LIMIT $2");
        let rows = self.pool.rows(sql, args![after, limit]).await?;
        rows.iter().map(repo_at).collect()
    }

    /// Counts the tags of public repositories of one kind, most used first.
    pub async fn repo_tags(&self, kind: RepoKind, limit: u64) -> Result<Vec<(String, u64)>, CatalogError> {
        let rows = self
            .pool
            .rows(
                "SELECT t.tag, COUNT(*) FROM repo_tag t JOIN repo r ON r.id = t.repo_id
                 LEFT JOIN mirror m ON m.repo_id = r.id
                 WHERE r.kind = $1 AND r.visibility = 'public' AND COALESCE(m.is_hidden, 0) = 0
                 GROUP BY t.tag ORDER BY COUNT(*) DESC, t.tag LIMIT $2",
                args![kind.as_str(), limit],
            )
            .await?;
        rows.iter().map(|row| Ok((row.text(0)?, row.count("repo_tag", 1)?))).collect()
    }
}

/// Texts of a query that are not in it as such, kept while the statement borrows them.
struct QueryText {
    owner: Option<String>,
    patterns: Vec<String>,
}

impl QueryText {
    fn of(query: &RepoQuery) -> QueryText {
        let words = query.search.iter().flat_map(|search| search.split_whitespace()).take(SEARCH_WORDS_MAX);
        QueryText {
            owner: query.owner.as_deref().map(fold_name),
            patterns: words.map(|word| format!("%{}%", like_escape(&fold_name(word)))).collect(),
        }
    }
}

/// Takes the special meaning from `%`, `_` and the escape itself.
pub(crate) fn like_escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if matches!(character, '%' | '_' | '\\') {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}

/// Conditions of a statement and their values, side by side.
#[derive(Default)]
struct Conditions<'a> {
    text: Vec<String>,
    values: Vec<Value<'a>>,
}

impl<'a> Conditions<'a> {
    /// Adds a value; returns its placeholder.
    fn place(&mut self, value: impl Into<Value<'a>>) -> String {
        self.values.push(value.into());
        format!("${}", self.values.len())
    }

    /// Adds a condition with one value at `{}`.
    fn add(&mut self, condition: &str, value: impl Into<Value<'a>>) {
        let place = self.place(value);
        self.text.push(condition.replace("{}", &place));
    }

    /// Adds the rule of [`Viewer::may_see`], and grants for restricted mirrors, as SQL.
    fn visible_to(&mut self, viewer: &Viewer) {
        let is_seen = match viewer {
            Viewer::All => return,
            Viewer::Anyone => "r.visibility = 'public'".to_owned(),
            Viewer::User { id, orgs, granted_since } => {
                let first = self.values.len() + 1;
                self.values.push((*id).into());
                self.values.extend(orgs.iter().map(|&org| Value::from(org)));
                let owners = placeholders(first, orgs.len() + 1);
                let since = self.place(*granted_since);
                format!(
                    "(r.visibility = 'public' OR CASE WHEN COALESCE(m.is_restricted, 0) = 0
                      THEN r.owner_id IN ({owners})
                      ELSE EXISTS (SELECT 1 FROM mirror_grant g WHERE g.repo_id = r.id AND g.user_id = ${first}
                                   AND g.is_allowed = 1 AND g.checked > {since}) END)"
                )
            }
        };
        self.text.push(format!("COALESCE(m.is_hidden, 0) = 0 AND {is_seen}"));
    }
}

#[cfg(test)]
mod tests {
    use super::like_escape;

    #[test]
    fn patterns_mean_what_was_typed() {
        assert_eq!(like_escape(r"50%_a\b"), r"50\%\_a\\b");
    }
}
