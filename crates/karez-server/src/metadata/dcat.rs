//! DCAT-AP 3 as JSON-LD: the node's own open datasets for national portals, and one dataset with its files.

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue};
use axum::response::Response;
use karez_hub::{AccountKind, Described, HashedFile, HubError, PublicationQuery};
use karez_pages::{encode_part, encode_path};
use karez_types::{GitOid, RepoKind, Timestamp};
use serde_json::{Value, json};

use super::described::{keywords, languages, license, media_type};
use super::licences::licence_document;
use crate::AppState;
use crate::changing::changing_packed;
use crate::error::{ApiError, ApiResult};
use crate::extract::{Base, Caller, QueryOf, Target};

const CONTENT: HeaderValue = HeaderValue::from_static("application/ld+json");
const PRIVATE: HeaderValue = HeaderValue::from_static("private, no-cache");
const PUBLIC: HeaderValue = HeaderValue::from_static("public, no-cache");
/// Datasets on one page of the catalogue.
const PAGE_ITEMS: u64 = 100;
/// Files of one dataset in the catalogue; all of them stand in its own description.
const CATALOG_FILES_MAX: usize = 20;
/// Where the European Union keeps its lists of languages and of how free access is.
const AUTHORITY: &str = "http://publications.europa.eu/resource/authority";

fn context() -> Value {
    json!({
        "dcat": "http://www.w3.org/ns/dcat#",
        "dct": "http://purl.org/dc/terms/",
        "foaf": "http://xmlns.com/foaf/0.1/",
        "spdx": "http://spdx.org/rdf/terms#",
        "hydra": "http://www.w3.org/ns/hydra/core#",
        "xsd": "http://www.w3.org/2001/XMLSchema#"
    })
}

pub(super) async fn dataset(
    State(state): State<AppState>,
    Caller(caller): Caller,
    Target(address): Target,
    Base(base): Base,
    asked: HeaderMap,
) -> ApiResult<Response> {
    let files = state.hub.dataset_files(&caller, &address).await?;
    if address.kind != RepoKind::Dataset {
        return Err(HubError::Missing("only datasets are described as DCAT".to_owned()).into());
    }
    let described = state.hub.described(vec![files.info.repo.clone()]).await?.pop();
    let described = described.ok_or_else(|| HubError::Damaged("a repository is not described".to_owned()))?;
    let mut body = dataset_of(&described, &base);
    body["@context"] = context();
    body["dcat:distribution"] = distributions(files.commit, &files.files, &described, &base).into();
    Ok(changing_packed(&asked, body.to_string().into(), CONTENT, PRIVATE))
}

/// Lists the datasets that the node publishes, a hundred on a page.
pub(super) async fn catalog(
    State(state): State<AppState>,
    Base(base): Base,
    QueryOf(query): QueryOf<Vec<(String, String)>>,
    asked: HeaderMap,
) -> ApiResult<Response> {
    let given = query.iter().find(|(name, _)| name == "after").map(|(_, value)| value.as_str());
    let forged = || ApiError::invalid("after is not one that this node gave out; start again without it");
    let after = given.map(|text| {
        let (index, address) = text.split_once('~')?;
        Some((index.parse().ok()?, address.to_owned()))
    });
    let after = after.map(|after| after.ok_or_else(forged)).transpose()?;
    let query =
        PublicationQuery { kind: Some(RepoKind::Dataset), after, limit: PAGE_ITEMS + 1, ..PublicationQuery::default() };
    let mut found = state.hub.publications(&query).await?;
    let has_more = found.len() as u64 > PAGE_ITEMS;
    found.truncate(PAGE_ITEMS as usize);
    let here = format!("{base}/-/catalog.jsonld");
    let last = found.last().filter(|_| has_more).map(|last| {
        let address = &last.publication.address;
        let place = format!("{}~{}/{}", last.publication.index, address.kind.plural(), address.id());
        format!("{here}?after={}", encode_part(&place))
    });
    let mut datasets = Vec::with_capacity(found.len());
    for described in found.iter().filter_map(|one| one.described.as_ref()) {
        let mut dataset = dataset_of(described, &base);
        let files = match state.hub.published_files(described, CATALOG_FILES_MAX).await {
            Ok(files) => files,
            // One damaged dataset must not keep all others from being harvested.
            Err(error @ (HubError::Damaged(_) | HubError::Missing(_))) => {
                tracing::warn!(repo.id = %described.repo.id, %error, "the files of a dataset cannot be listed");
                None
            }
            Err(error) => return Err(error.into()),
        };
        let of_files = files.map(|(commit, files)| distributions(commit, &files, described, &base));
        if let Some(all) = dataset["dcat:distribution"].as_array_mut() {
            all.extend(of_files.unwrap_or_default());
        }
        datasets.push(dataset);
    }
    let words = crate::log::node_words(&state);
    let mut body = json!({
        "@context": context(),
        "@id": here,
        "@type": "dcat:Catalog",
        "dct:title": words.name,
        "dct:description": format!("Datasets that {} publishes", words.name),
        "dct:publisher": { "@id": format!("{base}/"), "@type": "foaf:Agent", "foaf:name": words.name },
        "foaf:homepage": { "@id": format!("{base}/") },
        "dcat:dataset": datasets,
    });
    if let Some(next) = last {
        body["hydra:view"] = json!({ "@type": "hydra:PartialCollectionView", "hydra:next": { "@id": next } });
    }
    Ok(changing_packed(&asked, body.to_string().into(), CONTENT, PUBLIC))
}

fn moment(at: Timestamp) -> Value {
    json!({ "@type": "xsd:dateTime", "@value": at })
}

fn dataset_of(described: &Described, base: &str) -> Value {
    let repo = &described.repo;
    let page = format!("{base}/{}", repo.address().url_path());
    let languages: Vec<Value> = languages(&described.card)
        .iter()
        .map(|code| json!({ "@id": format!("{AUTHORITY}/language/{}", code.to_ascii_uppercase()) }))
        .collect();
    let access = if repo.gated == "false" { "PUBLIC" } else { "RESTRICTED" };
    let mut croissant = json!({
        "@id": format!("{base}/api/{}/croissant", repo.address().url_path()),
        "@type": "dcat:Distribution",
        "dct:title": "All files, as Croissant",
        "dcat:accessURL": { "@id": page },
    });
    if let Some(license) = license(&described.card) {
        croissant["dct:license"] = licence_document(&license);
    }
    let mut body = json!({
        "@id": page,
        "@type": "dcat:Dataset",
        "dct:identifier": page,
        "dct:title": described.title,
        "dct:description": if described.summary.is_empty() { &described.title } else { &described.summary },
        "dct:issued": moment(repo.created),
        "dct:modified": moment(repo.modified),
        "dct:accessRights": { "@id": format!("{AUTHORITY}/access-right/{access}") },
        "dct:publisher": {
            "@id": format!("{base}/{}", repo.owner.name),
            "@type": if repo.owner.kind == AccountKind::Organization { "foaf:Organization" } else { "foaf:Person" },
            "foaf:name": repo.owner.name,
        },
        "dcat:landingPage": { "@id": page },
        "dcat:distribution": [croissant],
    });
    let keywords = keywords(repo);
    if !keywords.is_empty() {
        body["dcat:keyword"] = keywords.into();
    }
    if !languages.is_empty() {
        body["dct:language"] = languages.into();
    }
    body
}

/// One distribution for each file, with its checksum.
fn distributions(commit: GitOid, files: &[HashedFile], described: &Described, base: &str) -> Vec<Value> {
    let page = format!("{base}/{}", described.repo.address().url_path());
    let license = license(&described.card).map(|license| licence_document(&license));
    let one = |file: &HashedFile| {
        let url = format!("{page}/resolve/{commit}/{}", encode_path(&file.path));
        let mut body = json!({
            "@id": url,
            "@type": "dcat:Distribution",
            "dct:title": file.path,
            "dcat:accessURL": { "@id": page },
            "dcat:downloadURL": { "@id": url },
            "dcat:mediaType": { "@id": format!("https://www.iana.org/assignments/media-types/{}", registered_type(&file.path)) },
            "dcat:byteSize": { "@type": "xsd:nonNegativeInteger", "@value": file.file_bytes.to_string() },
            "spdx:checksum": {
                "@type": "spdx:Checksum",
                "spdx:algorithm": { "@id": "spdx:checksumAlgorithm_sha256" },
                "spdx:checksumValue": { "@type": "xsd:hexBinary", "@value": file.sha256 },
            },
        });
        if let Some(license) = &license {
            body["dct:license"] = license.clone();
        }
        body
    };
    files.iter().map(one).collect()
}

/// Returns the media type as it is registered; Croissant has names of its own for some.
fn registered_type(path: &str) -> &'static str {
    match media_type(path) {
        "application/x-parquet" => "application/vnd.apache.parquet",
        other => other,
    }
}
