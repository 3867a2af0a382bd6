//! Opening a node: catalog, store, signing key, hub. The same for `serve` and for commands beside it.

use std::sync::Arc;

use anyhow::{Context, bail};
use karez_catalog::{Catalog, CatalogError};
use karez_hub::{HighWater, Hub, HubParts, LogKeys, NoHighWater};
use karez_store::Store;
use karez_types::{Clock, Entropy, SystemClock, SystemEntropy};

use crate::config::Settings;
use crate::data_folder::{self, KeyFile, LogSizeFile};

/// Names of the rows that hold the keys of a node on PostgreSQL, where all its processes must agree.
const KEY_ROWS: [(KeyFile, &str); 3] =
    [(KeyFile::Signing, "signing-key"), (KeyFile::Log, "log-key"), (KeyFile::Witness, "witness-key")];

/// Opens a node that is there already, for a command. It may be running.
///
/// # Errors
/// When there is none: a wrong folder must not quietly become a new node.
pub async fn open_existing(settings: &Settings) -> anyhow::Result<Arc<Hub>> {
    if settings.database.is_none() && !settings.data_dir.join("catalog.sqlite").exists() {
        bail!(
            "there is no node in {}. Run this where the node runs, or name its folder with --data-dir. \
             To make a new node: karez serve",
            data_folder::shown(&settings.data_dir).display()
        );
    }
    open(settings).await
}

/// Opens a node, making what is missing.
///
/// # Errors
/// With what to do, where that is known.
pub async fn open(settings: &Settings) -> anyhow::Result<Arc<Hub>> {
    if settings.uses_folder()? {
        data_folder::make(&settings.data_dir)?;
    }
    let catalog = match Catalog::open(&settings.database_url(), SystemClock.now()).await {
        // Says by itself what to do.
        Err(error @ (CatalogError::NewerSchema { .. } | CatalogError::Address(_))) => return Err(error.into()),
        opened => opened.context("cannot open the database")?,
    };
    let location = settings.store_location()?;
    let place = location.to_string();
    let store = Store::open(location, settings.index_cache_bytes).await;
    let store = store.with_context(|| format!("cannot open the store {place}"))?;
    let entropy = SystemEntropy;
    let mut keys = [[0; 32]; 3];
    for (key, (file, row)) in keys.iter_mut().zip(KEY_ROWS) {
        *key = if settings.database_is_shared() {
            let mut candidate = [0; 32];
            entropy.fill(&mut candidate);
            catalog.secret_get_or_create(row, candidate).await.with_context(|| format!("cannot get the key {row}"))?
        } else {
            data_folder::key(&settings.data_dir, file, &entropy)?
        };
    }
    let [signing_key, log_seed, witness_seed] = keys;
    // Processes on one PostgreSQL have no folder in common; there, witnesses notice an old backup.
    let high_water: Arc<dyn HighWater> = if settings.database_is_shared() {
        Arc::new(NoHighWater)
    } else {
        Arc::new(LogSizeFile::of(&settings.data_dir))
    };
    Ok(Arc::new(Hub::new(HubParts {
        catalog,
        store,
        limits: settings.limits.clone(),
        signing_key,
        log_keys: LogKeys::from_seeds(&log_seed, &witness_seed)?,
        high_water,
        clock: Arc::new(SystemClock),
        entropy: Arc::new(entropy),
    })))
}
