//! Opening a node: catalog, store, signing key, hub. The same for `serve` and for commands beside it.

use std::sync::Arc;

use anyhow::{Context, bail};
use karez_catalog::{Catalog, CatalogError};
use karez_hub::{Hub, HubParts};
use karez_store::Store;
use karez_types::{Clock, Entropy, SystemClock, SystemEntropy};

use crate::config::Settings;
use crate::data_folder;

/// Name of the row that holds the signing key of a node on PostgreSQL.
const SIGNING_KEY_ROW: &str = "signing-key";

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
    let signing_key = if settings.database_is_shared() {
        let mut candidate = [0; 32];
        entropy.fill(&mut candidate);
        catalog.secret_get_or_create(SIGNING_KEY_ROW, candidate).await.context("cannot get the signing key")?
    } else {
        data_folder::signing_key(&settings.data_dir, &entropy)?
    };
    Ok(Arc::new(Hub::new(HubParts {
        catalog,
        store,
        limits: settings.limits.clone(),
        signing_key,
        clock: Arc::new(SystemClock),
        entropy: Arc::new(entropy),
    })))
}
