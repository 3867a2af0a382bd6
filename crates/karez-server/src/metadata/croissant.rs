//! Croissant 1.1: a dataset with every file by its SHA-256, and its tables with their columns.
//!
//! One record set for each table: the reference reader (mlcroissant 1.1) reads a set of files only out of an
//! archive, and what it cannot read is no description.

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue};
use axum::response::Response;
use karez_hub::{AccountKind, DatasetFiles, Described, HubError, Table, TableFormat};
use karez_pages::encode_path;
use karez_types::RepoKind;
use serde_json::{Value, json};

use super::described::{is_web, keywords, languages, license, media_type};
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
        "isLiveDataset": false,
        "distribution": dataset.files.iter().map(file).collect::<Vec<_>>(),
        "recordSet": dataset.tables.iter().map(record_set).collect::<Vec<_>>(),
    });
    if let Some(license) = license(&described.card) {
        body["license"] = license.into();
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

fn record_set(table: &Table) -> Value {
    let id = format!("rows/{}", encode_path(&table.path));
    let field = |(name, kind): &(String, Option<String>)| {
        Some(json!({
            "@type": "cr:Field",
            "@id": format!("{id}/{}", karez_pages::encode_part(name)),
            "name": name,
            "dataType": data_type(kind.as_deref())?,
            "source": { "fileObject": { "@id": encode_path(&table.path) }, "extract": { "column": name } },
        }))
    };
    let fields: Vec<Value> = table.columns.iter().filter_map(field).collect();
    let rows = match TableFormat::of_path(&table.path) {
        Some(TableFormat::JsonLines) => "Each line is a record.",
        _ => "Each row is a record.",
    };
    json!({ "@type": "cr:RecordSet", "@id": id, "name": table.path, "description": rows, "field": fields })
}

/// Returns the type of a column. Without a word of the card it is text: whatever stands there is one.
fn data_type(kind: Option<&str>) -> Option<&'static str> {
    match kind {
        None | Some("string" | "large_string") => Some("sc:Text"),
        Some("bool") => Some("sc:Boolean"),
        Some(kind) if kind.starts_with("int") || kind.starts_with("uint") => Some("sc:Integer"),
        Some(kind) if kind.starts_with("float") => Some("sc:Float"),
        Some(_) => None,
    }
}
