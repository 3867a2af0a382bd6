//! What a dataset is as a whole: sizes, files, and the description that the `datasets` library loads it by.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::response::Response;
use karez_hub::{Answer, Config, Format, HubError, Question, Split};
use serde::Serialize;
use serde_json::{Value, json};

use super::asked::{Viewed, answer};
use super::shape::{Ordered, resolve_url};
use crate::AppState;
use crate::error::ApiResult;

/// Splits that one request describes, and how long it goes on with that; the others are said to be pending.
const SPLITS_MAX: usize = 200;
const DESCRIBE_TIME: Duration = Duration::from_secs(20);

/// A split, and what was found of it.
struct Described<'a> {
    config: &'a Config,
    split: &'a Split,
    found: Result<Arc<Answer>, HubError>,
}

/// Splits as they were described.
struct Sorted<'a> {
    done: Vec<Described<'a>>,
    pending: Vec<Value>,
    failed: Vec<Value>,
}

impl Sorted<'_> {
    fn is_partial(&self) -> bool {
        self.done.iter().any(|one| one.found.as_ref().is_ok_and(|found| found.is_partial))
    }
}

/// Describes every split of the configuration that is asked for, or of all.
async fn describe<'a>(state: &AppState, viewed: &'a Viewed) -> ApiResult<Sorted<'a>> {
    let only = viewed.value("config");
    if !only.is_empty() {
        viewed.view.config(only)?;
    }
    let named = |config: &Config, split: &Split| json!({ "dataset": viewed.dataset(), "config": config.name, "split": split.name });
    let begun = Instant::now();
    let mut sorted = Sorted { done: Vec::new(), pending: Vec::new(), failed: Vec::new() };
    for config in viewed.view.layout.configs.iter().filter(|config| only.is_empty() || config.name == only) {
        for split in &config.splits {
            if sorted.done.len() >= SPLITS_MAX || begun.elapsed() > DESCRIBE_TIME {
                sorted.pending.push(named(config, split));
                continue;
            }
            let (caller, asker) = (&viewed.caller, viewed.asker.as_str());
            let asked =
                state.hub.preview_ask(caller, asker, &viewed.view, &config.name, &split.name, Question::Describe);
            let found = asked.await;
            match &found {
                Err(HubError::Preview(error)) => {
                    let mut one = named(config, split);
                    one["error"] = json!({ "error": error.words });
                    sorted.failed.push(one);
                }
                Err(_) => {}
                Ok(_) => {}
            }
            match found {
                Ok(_) | Err(HubError::Preview(_)) => sorted.done.push(Described { config, split, found }),
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(sorted)
}

/// Tells whether all splits of each configuration have the same types, which are those of all their values. Otherwise
/// the `datasets` library must find its own: it would take those that are told, and fail on values that they do not hold.
fn are_types_sure(all: &[Described<'_>]) -> bool {
    let types = |one: &Described<'_>| {
        let found = one.found.as_ref().ok()?;
        found.are_types_sure.then(|| found.columns.clone())
    };
    all.chunk_by(|one, other| one.config.name == other.config.name).all(|splits| {
        let first = types(&splits[0]);
        first.is_some() && splits[1..].iter().all(|split| types(split) == first)
    })
}

fn files_bytes(split: &Split) -> u64 {
    split.files.iter().map(|file| file.file_bytes).fold(0, u64::saturating_add)
}

/// Sums of one or more splits.
#[derive(Default, Clone, Copy)]
struct Sums {
    files: u64,
    parquet: u64,
    memory: u64,
    rows: u64,
    columns: usize,
}

impl Sums {
    fn of(one: &Described<'_>) -> Sums {
        let files = files_bytes(one.split);
        let parquet = if one.config.format == Some(Format::Parquet) { files } else { 0 };
        let found = one.found.as_ref().ok();
        Sums {
            files,
            parquet,
            memory: found.map_or(0, |found| found.memory_bytes),
            rows: found.map_or(0, |found| found.rows_total),
            columns: found.map_or(0, |found| found.columns.len()),
        }
    }

    fn with(self, other: Sums) -> Sums {
        Sums {
            files: self.files.saturating_add(other.files),
            parquet: self.parquet.saturating_add(other.parquet),
            memory: self.memory.saturating_add(other.memory),
            rows: self.rows.saturating_add(other.rows),
            columns: self.columns.max(other.columns),
        }
    }
}

pub(super) async fn size(State(state): State<AppState>, viewed: Viewed) -> ApiResult<Response> {
    let sorted = describe(&state, &viewed).await?;
    let dataset = viewed.dataset();
    let mut splits = Vec::new();
    let mut configs: Vec<(&str, Sums)> = Vec::new();
    for one in sorted.done.iter().filter(|one| one.found.is_ok()) {
        let sums = Sums::of(one);
        splits.push(json!({
            "dataset": dataset, "config": one.config.name, "split": one.split.name,
            "num_bytes_parquet_files": sums.parquet, "num_bytes_memory": sums.memory, "num_rows": sums.rows,
            "num_columns": sums.columns, "estimated_num_rows": null,
        }));
        match configs.last_mut().filter(|(name, _)| *name == one.config.name) {
            Some((_, all)) => *all = all.with(sums),
            None => configs.push((&one.config.name, sums)),
        }
    }
    let all = configs.iter().fold(Sums::default(), |all, (_, sums)| all.with(*sums));
    let of_config = |(name, sums): &(&str, Sums)| {
        json!({
            "dataset": dataset, "config": name, "num_bytes_original_files": sums.files,
            "num_bytes_parquet_files": sums.parquet, "num_bytes_memory": sums.memory, "num_rows": sums.rows,
            "num_columns": sums.columns, "estimated_num_rows": null,
        })
    };
    let configs: Vec<Value> = configs.iter().map(of_config).collect();
    let original = if viewed.value("config").is_empty() { viewed.view.layout.data_bytes } else { all.files };
    let body = json!({
        "size": {
            "dataset": {
                "dataset": dataset, "num_bytes_original_files": original, "num_bytes_parquet_files": all.parquet,
                "num_bytes_memory": all.memory, "num_rows": all.rows, "estimated_num_rows": null,
            },
            "configs": configs,
            "splits": splits,
        },
        "partial": sorted.is_partial(), "pending": sorted.pending, "failed": sorted.failed,
    });
    Ok(answer(&viewed, body))
}

/// Lists the Parquet files as they are in the repository: nothing is converted, so that of other formats there are none.
pub(super) async fn parquet(viewed: Viewed) -> ApiResult<Response> {
    let only = viewed.value("config");
    let address = viewed.view.repo.address();
    let (mut files, mut failed) = (Vec::new(), Vec::new());
    for config in viewed.view.layout.configs.iter().filter(|config| only.is_empty() || config.name == only) {
        for split in &config.splits {
            let named = json!({ "dataset": viewed.dataset(), "config": config.name, "split": split.name });
            if config.format != Some(Format::Parquet) {
                let mut one = named;
                one["error"] = json!({ "error": "its files are not Parquet, and this node converts none" });
                failed.push(one);
                continue;
            }
            for file in &split.files {
                let mut one = named.clone();
                one["url"] = resolve_url(&viewed.base, &address, viewed.view.commit, &file.path).into();
                one["filename"] = file.path.rsplit('/').next().unwrap_or_default().into();
                one["size"] = file.file_bytes.into();
                files.push(one);
            }
        }
    }
    let body = json!({ "parquet_files": files, "pending": [], "failed": failed, "partial": false });
    Ok(answer(&viewed, body))
}

/// `DatasetInfo` of one configuration.
#[derive(Serialize)]
struct Info {
    builder_name: &'static str,
    dataset_name: String,
    config_name: String,
    version: Value,
    features: Ordered<Value>,
    splits: Ordered<Value>,
    download_size: u64,
    dataset_size: u64,
}

#[derive(Serialize)]
struct InfoBody<T> {
    dataset_info: T,
    pending: Vec<Value>,
    failed: Vec<Value>,
    partial: bool,
}

pub(super) async fn info(State(state): State<AppState>, viewed: Viewed) -> ApiResult<Response> {
    let sorted = describe(&state, &viewed).await?;
    let name = viewed.view.repo.address().name.to_string();
    let mut infos: Vec<(String, Info)> = Vec::new();
    for one in &sorted.done {
        let Ok(found) = &one.found else { continue };
        let sums = Sums::of(one);
        if infos.last().is_none_or(|(config, _)| *config != one.config.name) {
            let features = found.columns.iter().map(|column| (column.name.clone(), column.feature.clone()));
            let info = Info {
                builder_name: one.config.format.map_or("", Format::builder),
                dataset_name: name.clone(),
                config_name: one.config.name.clone(),
                version: json!({ "version_str": "0.0.0", "major": 0, "minor": 0, "patch": 0 }),
                features: Ordered(features.collect()),
                splits: Ordered(Vec::new()),
                download_size: 0,
                dataset_size: 0,
            };
            infos.push((one.config.name.clone(), info));
        }
        let Some((_, info)) = infos.last_mut() else { continue };
        let split = json!({
            "name": one.split.name, "num_bytes": sums.memory, "num_examples": sums.rows, "dataset_name": name,
        });
        info.splits.0.push((one.split.name.clone(), split));
        info.download_size = info.download_size.saturating_add(sums.files);
        info.dataset_size = info.dataset_size.saturating_add(sums.memory);
    }
    let partial = sorted.is_partial() || !are_types_sure(&sorted.done);
    let (pending, failed) = (sorted.pending, sorted.failed);
    Ok(match (viewed.value("config").is_empty(), infos.len()) {
        (false, 1) => {
            let dataset_info = infos.remove(0).1;
            answer(&viewed, InfoBody { dataset_info, pending, failed, partial })
        }
        _ => answer(&viewed, InfoBody { dataset_info: Ordered(infos), pending, failed, partial }),
    })
}
