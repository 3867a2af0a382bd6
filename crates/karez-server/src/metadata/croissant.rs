//! Croissant 1.1: a dataset with every file by its SHA-256, and its tables with their columns.
//!
//! One record set for each table: the reference reader (mlcroissant 1.1) reads a set of files only out of an
//! archive, and what it cannot read is no description.

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue};
use axum::response::Response;
use karez_hub::{AccountKind, ColumnKind, DatasetFiles, Described, HubError, Table, TableFormat};
use karez_pages::encode_path;
use karez_types::RepoKind;
use serde_json::{Value, json};

use super::described::{is_web, keywords, languages, license, media_type};
use super::licences::licence_url;
use crate::AppState;
use crate::changing::changing_packed;
use crate::error::ApiResult;
use crate::extract::{Base, Caller, Target};

const CONTENT: HeaderValue = HeaderValue::from_static("application/ld+json");
/// Private datasets are described to those who may read them; nobody between may keep that.
const ASK_AGAIN: HeaderValue = HeaderValue::from_static("private, no-cache");

pub(super) async fn croissant(
    State(state): State<AppState>,
    Caller(caller): Caller,
    Target(address): Target,
    Base(base): Base,
    asked: HeaderMap,
) -> ApiResult<Response> {
    let dataset = state.hub.dataset_files(&caller, &address).await?;
    if address.kind != RepoKind::Dataset {
        return Err(HubError::Missing("only datasets are described as Croissant".to_owned()).into());
    }
    let described = state.hub.described(vec![dataset.info.repo.clone()]).await?.pop();
    let described = described.ok_or_else(|| HubError::Damaged("a repository is not described".to_owned()))?;
    let body = croissant_of(&dataset, &described, &base).to_string();
    Ok(changing_packed(&asked, body.into(), CONTENT, ASK_AGAIN))
}

/// The official context of version 1.1; readers compare it.
fn context() -> Value {
    json!({
        "@language": "en",
        "@vocab": "https://schema.org/",
        "arrayShape": "cr:arrayShape",
        "citeAs": "cr:citeAs",
        "column": "cr:column",
        "conformsTo": "dct:conformsTo",
        "containedIn": "cr:containedIn",
        "cr": "http://mlcommons.org/croissant/",
        "rai": "http://mlcommons.org/croissant/RAI/",
        "data": { "@id": "cr:data", "@type": "@json" },
        "dataType": { "@id": "cr:dataType", "@type": "@vocab" },
        "dct": "http://purl.org/dc/terms/",
        "description": { "@container": "@language" },
        "equivalentProperty": "cr:equivalentProperty",
        "examples": { "@id": "cr:examples", "@type": "@json" },
        "extract": "cr:extract",
        "field": "cr:field",
        "fileProperty": "cr:fileProperty",
        "fileObject": "cr:fileObject",
        "fileSet": "cr:fileSet",
        "format": "cr:format",
        "includes": "cr:includes",
        "isArray": "cr:isArray",
        "isLiveDataset": "cr:isLiveDataset",
        "jsonPath": "cr:jsonPath",
        "key": "cr:key",
        "md5": "cr:md5",
        "name": { "@container": "@language" },
        "parentField": "cr:parentField",
        "path": "cr:path",
        "recordSet": "cr:recordSet",
        "references": "cr:references",
        "regex": "cr:regex",
        "repeated": "cr:repeated",
        "replace": "cr:replace",
        "samplingRate": "cr:samplingRate",
        "sc": "https://schema.org/",
        "separator": "cr:separator",
        "source": "cr:source",
        "subField": "cr:subField",
        "transform": "cr:transform"
    })
}

fn croissant_of(dataset: &DatasetFiles, described: &Described, base: &str) -> Value {
    let repo = &dataset.info.repo;
    let page = format!("{base}/{}", repo.address().url_path());
    let file = |file: &karez_hub::HashedFile| {
        json!({
            "@type": "cr:FileObject",
            "@id": encode_path(&file.path),
            "name": file.path,
            "contentUrl": format!("{page}/resolve/{}/{}", dataset.commit, encode_path(&file.path)),
            "contentSize": format!("{} B", file.file_bytes),
            "encodingFormat": media_type(&file.path),
            "sha256": file.sha256,
        })
    };
    let mut body = json!({
        "@context": context(),
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.1",
        "name": described.title,
        "alternateName": [repo.address().id()],
        "description": if described.summary.is_empty() { &described.title } else { &described.summary },
        "url": page,
        "identifier": dataset.commit,
        "creator": {
            "@type": if repo.owner.kind == AccountKind::Organization { "sc:Organization" } else { "sc:Person" },
            "name": repo.owner.name,
            "url": format!("{base}/{}", repo.owner.name),
        },
        "datePublished": repo.created,
        "dateModified": dataset.info.modified,
        "version": version_of(&described.card, dataset),
        "citeAs": cite_as(described, dataset, &page),
        "isLiveDataset": false,
        "distribution": dataset.files.iter().map(file).collect::<Vec<_>>(),
        "recordSet": dataset.tables.iter().filter_map(record_set).collect::<Vec<_>>(),
    });
    if let Some(license) = license(&described.card) {
        body["license"] = licence_url(&license).unwrap_or(license).into();
    }
    let keywords = keywords(repo);
    if !keywords.is_empty() {
        body["keywords"] = keywords.into();
    }
    let languages = languages(&described.card);
    if !languages.is_empty() {
        body["inLanguage"] = languages.into();
    }
    let source = described.card["source_url"].as_str().filter(|source| is_web(source));
    if let Some(source) = source {
        body["sameAs"] = source.into();
    }
    body
}

/// Describes a table; nothing when no column can be said to hold anything.
fn record_set(table: &Table) -> Option<Value> {
    let id = format!("rows/{}", encode_path(&table.path));
    let field = |(name, kind): &(String, ColumnKind)| {
        Some(json!({
            "@type": "cr:Field",
            "@id": format!("{id}/{}", karez_pages::encode_part(name)),
            "name": name,
            "dataType": data_type(*kind)?,
            "source": { "fileObject": { "@id": encode_path(&table.path) }, "extract": { "column": name } },
        }))
    };
    let fields: Vec<Value> = table.columns.iter().filter_map(field).collect();
    let rows = match TableFormat::of_path(&table.path) {
        Some(TableFormat::JsonLines) => "Each line is a record.",
        _ => "Each row is a record.",
    };
    if fields.is_empty() {
        return None;
    }
    Some(json!({ "@type": "cr:RecordSet", "@id": id, "name": table.path, "description": rows, "field": fields }))
}

/// Returns the type of a column; nothing for what is no plain value.
fn data_type(kind: ColumnKind) -> Option<&'static str> {
    match kind {
        ColumnKind::Text => Some("sc:Text"),
        ColumnKind::Boolean => Some("sc:Boolean"),
        ColumnKind::Integer => Some("sc:Integer"),
        ColumnKind::Float => Some("sc:Float"),
        ColumnKind::Date => Some("sc:Date"),
        ColumnKind::DateTime => Some("sc:DateTime"),
        ColumnKind::Other => None,
    }
}

/// Returns the version that the card says, when it counts as Croissant wants it (semver.org), or else the day of the commit
/// as a number: the later, the larger.
fn version_of(card: &Value, dataset: &DatasetFiles) -> String {
    let said = match &card["version"] {
        Value::String(text) => text.trim().trim_start_matches('v').to_owned(),
        Value::Number(number) => number.to_string(),
        _ => String::new(),
    };
    let is_number = |part: &str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()) && (part == "0" || !part.starts_with('0'))
    };
    let parts: Vec<&str> = said.split('.').collect();
    if said.len() <= 40 && (1..=3).contains(&parts.len()) && parts.iter().all(|part| is_number(part)) {
        return said;
    }
    let day = dataset.info.modified.to_string();
    let day: Vec<&str> = day.split(['-', 'T']).take(3).map(|part| part.trim_start_matches('0')).collect();
    day.join(".")
}

/// Longest citation that is told, in bytes.
const CITATION_BYTES_MAX: usize = 8 << 10;

/// Returns how to cite a dataset: in the words of its card, or as what it is, in BibTeX.
fn cite_as(described: &Described, dataset: &DatasetFiles, page: &str) -> String {
    let said = ["citation", "citation_bibtex"].iter().find_map(|key| described.card[*key].as_str()).map(str::trim);
    if let Some(said) = said.filter(|said| !said.is_empty() && said.len() <= CITATION_BYTES_MAX) {
        return said.to_owned();
    }
    if let Some(said) = described.citation.as_ref().filter(|said| said.len() <= CITATION_BYTES_MAX) {
        return said.clone();
    }
    let repo = &described.repo;
    // What would end or begin something in BibTeX is left out.
    let plain = |text: &str| text.replace(['{', '}', '\\', '%', '#', '$', '&', '"'], "");
    let year = repo.created.to_string();
    let (year, commit) = (year.split('-').next().unwrap_or_default(), dataset.commit.to_string());
    format!(
        "@misc{{{}_{}, title={{{}}}, author={{{}}}, year={{{year}}}, url={{{page}}}, note={{Commit {}}}}}",
        repo.owner.name,
        repo.name,
        plain(&described.title),
        plain(repo.owner.name.as_str()),
        &commit[..commit.len().min(10)],
    )
}
