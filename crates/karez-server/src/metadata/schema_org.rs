//! schema.org in the page of a repository: what search engines for datasets read.

use karez_hub::{AccountKind, Described};
use karez_types::{RepoKind, Visibility};
use serde_json::{Value, json};

use super::described::{keywords, languages, license};
use super::licences::licence_url;

/// Describes a repository; nothing for what not everybody may see.
pub(crate) fn json_ld(described: &Described, base: &str) -> Option<Value> {
    let repo = &described.repo;
    let is_shut = repo.mirror.is_some_and(|mirror| mirror.is_restricted || mirror.is_hidden);
    if repo.visibility != Visibility::Public || is_shut {
        return None;
    }
    let page = format!("{base}/{}", repo.address().url_path());
    let mut body = json!({
        "@context": "https://schema.org/",
        "@type": if repo.kind == RepoKind::Dataset { "Dataset" } else { "SoftwareSourceCode" },
        "@id": page,
        "url": page,
        "name": described.title,
        "alternateName": repo.address().id(),
        "description": if described.summary.is_empty() { &described.title } else { &described.summary },
        "creator": {
            "@type": if repo.owner.kind == AccountKind::Organization { "Organization" } else { "Person" },
            "name": repo.owner.name,
            "url": format!("{base}/{}", repo.owner.name),
        },
        "dateCreated": repo.created,
        "dateModified": repo.modified,
        "isAccessibleForFree": true,
        "conditionsOfAccess": if repo.gated == "false" { "open" } else { "on request" },
    });
    if let Some(license) = license(&described.card) {
        body["license"] = match licence_url(&license) {
            Some(url) => url.into(),
            None => json!({ "@type": "CreativeWork", "name": license }),
        };
    }
    let (keywords, languages) = (keywords(repo), languages(&described.card));
    if !keywords.is_empty() {
        body["keywords"] = keywords.into();
    }
    if !languages.is_empty() {
        body["inLanguage"] = languages.into();
    }
    if repo.kind == RepoKind::Dataset {
        let url = format!("{base}/api/{}/croissant", repo.address().url_path());
        body["distribution"] =
            json!([{ "@type": "DataDownload", "encodingFormat": "application/ld+json", "contentUrl": url }]);
    }
    Some(body)
}
