//! What this node tells catalogues elsewhere: what it publishes itself, and what that is in words.
//!
//! Only what everybody may read and whose history is made here: what it mirrors, others publish.

use std::collections::HashMap;

use karez_catalog::{Publication, PublicationQuery, Repo, Viewer};
use karez_formats::card::body;
use karez_types::{GitOid, RepoAddress, RepoId, fold_name};
use serde_json::Value;

use crate::search::{README_BYTES_MAX, summary_of, title_of};
use crate::{HashedFile, Hub, HubError, HubResult};

/// Longest title that is told, in characters.
const TITLE_CHARS_MAX: usize = 300;
/// Longest summary that is told, in characters.
const SUMMARY_CHARS_MAX: usize = 1_000;

/// A repository in words.
#[derive(Debug, Clone)]
pub struct Described {
    /// Its row.
    pub repo: Repo,
    /// Front matter of its README; null when there is none.
    pub card: Value,
    /// What people call it; its name when nobody said.
    pub title: String,
    /// What it is, in a sentence or two; empty when nobody said.
    pub summary: String,
    /// How its README asks to be cited, in BibTeX.
    pub citation: Option<String>,
}

/// An address that was published.
#[derive(Debug, Clone)]
pub struct Published {
    /// The latest word of the log about it.
    pub publication: Publication,
    /// What is there; nothing when it is gone.
    pub described: Option<Described>,
}

impl Hub {
    /// Lists what this node publishes, in the order of the latest entries of its log.
    pub async fn publications(&self, query: &PublicationQuery) -> HubResult<Vec<Published>> {
        let list = self.catalog.publications(query).await?;
        self.published(list).await
    }

    /// Returns what was published at an address; nothing when nothing ever was.
    pub async fn publication_get(&self, address: &RepoAddress) -> HubResult<Option<Published>> {
        let folded = fold_name(&format!("{}/{}", address.kind.plural(), address.id()));
        let found = self.catalog.publication_get(&folded).await?;
        Ok(self.published(found.into_iter().collect()).await?.pop())
    }

    /// Lists files of the newest commit of a repository that was published, at most `most`, each with its SHA-256: those that
    /// hold data. Nothing when there is no commit.
    ///
    /// # Errors
    /// When catalog or store fail.
    pub async fn published_files(
        &self,
        published: &Described,
        most: usize,
    ) -> HubResult<Option<(GitOid, Vec<HashedFile>)>> {
        let Some(commit) = published.repo.head else { return Ok(None) };
        let (mut files, _, _) = self.hashed_files(commit, most).await?;
        files.retain(|file| file.path != "README.md");
        Ok(Some((commit, files)))
    }

    async fn published(&self, list: Vec<Publication>) -> HubResult<Vec<Published>> {
        let ids: Vec<RepoId> = list.iter().filter_map(|publication| publication.repo).collect();
        // Once more with the eyes of everybody: a row that lags must not tell of what was made private.
        let repos = self.catalog.repos_visible(&ids, &Viewer::Anyone).await?;
        let described = self.described(repos).await?;
        let mut described: HashMap<RepoId, Described> =
            described.into_iter().map(|described| (described.repo.id, described)).collect();
        let publish = |publication: Publication| {
            let described = publication.repo.and_then(|repo| described.remove(&repo));
            Published { publication, described }
        };
        Ok(list.into_iter().map(publish).collect())
    }

    /// Says in words what repositories are that the caller was let see.
    pub async fn described(&self, repos: Vec<Repo>) -> HubResult<Vec<Described>> {
        let ids: Vec<RepoId> = repos.iter().map(|repo| repo.id).collect();
        let mut cards: HashMap<RepoId, Value> = self.catalog.repo_cards(&ids).await?.into_iter().collect();
        let mut made = Vec::with_capacity(repos.len());
        for repo in repos {
            let card = cards.remove(&repo.id).unwrap_or_default();
            let readme = match repo.head {
                Some(head) => match self.small_file(head, "README.md", README_BYTES_MAX).await {
                    Err(HubError::Damaged(_) | HubError::Missing(_)) => None,
                    found => found?,
                },
                None => None,
            };
            let readme = readme.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
            let cut = |text: &str, most: usize| -> String {
                text.chars().filter(|c| !c.is_control()).take(most).collect::<String>().trim().to_owned()
            };
            let title = cut(&title_of(&card, body(&readme)), TITLE_CHARS_MAX);
            let title = if title.is_empty() { repo.name.to_string() } else { title };
            let summary = cut(&summary_of(&card, body(&readme)), SUMMARY_CHARS_MAX);
            made.push(Described { repo, card, title, summary, citation: citation_of(&readme) });
        }
        Ok(made)
    }
}

/// Returns the first entry of BibTeX of a README, from a block of code.
fn citation_of(readme: &str) -> Option<String> {
    let block = readme.split("```bibtex").nth(1)?.split("```").next()?.trim();
    block.starts_with('@').then(|| block.to_owned())
}

#[cfg(test)]
mod tests {
    use super::citation_of;

    #[test]
    fn a_block_of_bibtex_is_the_citation() {
        let readme = "# T\n\n```bibtex\n@misc{a, title={b}}\n```\n```bibtex\n@misc{c}\n```\n";
        assert_eq!(citation_of(readme).as_deref(), Some("@misc{a, title={b}}"));
        for odd in ["", "```bibtex", "```bibtex\nnone\n```", "```python\n@a\n```"] {
            assert_eq!(citation_of(odd), None, "{odd}");
        }
    }
}
