//! Settings: what they are. `layers.rs` says where they come from, `show.rs` prints them.

mod layers;
mod show;

use std::path::PathBuf;

use anyhow::bail;
use karez_federation::FederationSettings;
use karez_federation::provider::SignInSettings;
use karez_hub::GarbageSettings;
use karez_server::{NetworkSettings, NodeSettings};
use karez_store::StoreLocation;
use karez_types::Limits;
use serde::{Deserialize, Serialize};

pub use layers::{Loaded, Source, Surroundings, load};

/// The settings of a node. Each field is a key of `karez.toml`, a variable `KAREZ_<FIELD>`, and most are flags.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Address and port to listen on. Port 0 takes any free one.
    pub listen: String,
    /// Where people reach the node: every address that it hands out begins with this. When unset,
    /// answers use the host that the request named.
    pub public_url: Option<String>,
    /// Folder for the database, the bytes and the keys, unless they are elsewhere.
    pub data_dir: PathBuf,
    /// `sqlite:FILE` or `postgres://USER:PASSWORD@HOST/NAME`. When unset, a file in the folder.
    pub database: Option<String>,
    /// A folder, or `s3://BUCKET/PREFIX?endpoint=URL`. When unset, a folder in the folder.
    pub store: Option<String>,
    /// What to log: `error`, `warn`, `info`, `debug`, `trace`, or a filter such as `warn,karez_hub=debug`.
    pub log: String,
    /// Seconds that running requests get to finish after SIGTERM or Ctrl-C.
    pub stop_secs_max: u64,
    /// Memory for the indexes of xorbs, in bytes: about 40 for each 64 KiB that people read often.
    pub index_cache_bytes: u64,
    /// Bounds on what comes from outside.
    pub limits: Limits,
    /// When bytes that nothing refers to leave the store.
    pub garbage: GarbageSettings,
    /// How this node deals with others.
    pub federation: FederationSettings,
    /// How people sign in besides passwords and tokens.
    pub sign_in: SignInSettings,
    /// How the node sends.
    pub network: NetworkSettings,
    /// Who runs the node, in words.
    pub node: NodeSettings,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            listen: "127.0.0.1:8080".to_owned(),
            public_url: None,
            data_dir: PathBuf::from("./karez-data"),
            database: None,
            store: None,
            log: "warn".to_owned(),
            stop_secs_max: 30,
            index_cache_bytes: 32 << 20,
            limits: Limits::default(),
            garbage: GarbageSettings::default(),
            federation: FederationSettings::default(),
            sign_in: SignInSettings::default(),
            network: NetworkSettings::default(),
            node: NodeSettings::default(),
        }
    }
}

impl Settings {
    /// Returns the address of the database.
    pub fn database_url(&self) -> String {
        let in_folder = || format!("sqlite:{}", self.data_dir.join("catalog.sqlite").display());
        self.database.clone().unwrap_or_else(in_folder)
    }

    /// Tells whether the database is on PostgreSQL, where other processes of the node may use it too.
    pub fn database_is_shared(&self) -> bool {
        let url = self.database_url();
        url.starts_with("postgres://") || url.starts_with("postgresql://")
    }

    /// Returns where the bytes are.
    pub fn store_location(&self) -> anyhow::Result<StoreLocation> {
        match &self.store {
            Some(text) => Ok(StoreLocation::parse(text)?),
            None => Ok(StoreLocation::Folder(self.data_dir.join("objects"))),
        }
    }

    /// Tells whether anything of the node is in `data_dir`.
    pub fn uses_folder(&self) -> anyhow::Result<bool> {
        Ok(!self.database_is_shared() || !matches!(self.store_location()?, StoreLocation::S3(_)))
    }

    /// Checks what a type alone does not say.
    fn check(&self) -> anyhow::Result<()> {
        let database = self.database_url();
        if !self.database_is_shared() && !database.starts_with("sqlite:") {
            bail!("the setting database must begin with sqlite: or postgres://");
        }
        if let Some(url) = &self.public_url {
            let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
            let plain = rest.is_some_and(|rest| {
                let host = rest.strip_suffix('/').unwrap_or(rest);
                !host.is_empty() && !host.contains(['/', '?', '#', '@', ' ', '\\'])
            });
            if !plain {
                bail!("the setting public_url must look like https://hub.example.org, without a path: {url}");
            }
        }
        self.store_location()?;
        let promised_secs = self.limits.signed_url_secs.max(self.limits.xet_token_secs);
        self.garbage.check(promised_secs).map_err(anyhow::Error::msg)?;
        self.federation.check().map_err(anyhow::Error::msg)?;
        self.sign_in.check().map_err(anyhow::Error::msg)?;
        self.node.check().map_err(anyhow::Error::msg)?;
        self.network.check().map_err(anyhow::Error::msg)
    }
}
