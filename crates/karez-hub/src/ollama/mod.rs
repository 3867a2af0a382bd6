//! GGUF files as the images that Ollama pulls.
//!
//! The model layer is the file itself: its SHA-256 is the digest. The other layers are made from what
//! the file says of itself, or are files `template`, `params` and `system` at the root of the
//! repository. Nothing is stored: a digest is found again by making the layers again.

mod choice;
mod image;

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures::stream::TryStreamExt;
use karez_formats::gguf::{FRONT_BYTES_MAX, Gguf};
use karez_types::{ByteRange, GitOid, RepoAddress, RepoPath, Revision, Sha256};
use quick_cache::sync::Cache;
use sha2::Digest;
use tokio::sync::Mutex;

use crate::tree::{LargeFile, TreeItem, TreeKind, TreeQuery};
use crate::{Actor, Hub, HubError, HubResult, Right};
use choice::{choose, is_gguf, is_projector};
use image::Facts;

/// One layer of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OllamaLayer {
    /// What the layer is.
    pub media_type: &'static str,
    /// SHA-256 of its bytes.
    pub sha256: Sha256,
    /// Length of its bytes.
    pub layer_bytes: u64,
    /// The bytes, unless they are a file of the repository.
    bytes: Option<Bytes>,
}

impl OllamaLayer {
    /// Returns the digest as registries write it.
    pub fn digest_text(&self) -> String {
        format!("sha256:{}", self.sha256)
    }
}

/// An image: a model and how to run it.
#[derive(Debug, Clone)]
pub struct OllamaImage {
    /// The config.
    pub config: OllamaLayer,
    /// The layers, the model first.
    pub layers: Vec<OllamaLayer>,
    /// The file that is the model.
    pub model_path: String,
    /// The file that turns images into tokens, if there is one.
    pub projector_path: Option<String>,
}

/// Where the bytes of a layer are.
#[derive(Debug, Clone)]
pub enum OllamaBlob {
    /// Here.
    Bytes(Bytes),
    /// In a file of the repository.
    File {
        /// The commit.
        commit: GitOid,
        /// The path.
        path: String,
    },
}

/// What is remembered of GGUF files, by their SHA-256.
pub(crate) struct OllamaFacts {
    facts: Cache<Sha256, Arc<Facts>>,
    /// Reading the front of a file takes up to twice [`FRONT_BYTES_MAX`] of memory: one at a time.
    turn: Mutex<()>,
    /// The same for files that are not here yet, for the repository through which they were read.
    far_facts: Cache<(RepoAddress, Sha256), Arc<Facts>>,
    far_turn: Mutex<()>,
}

impl Default for OllamaFacts {
    fn default() -> OllamaFacts {
        OllamaFacts {
            facts: Cache::new(1_000),
            turn: Mutex::new(()),
            far_facts: Cache::new(1_000),
            far_turn: Mutex::new(()),
        }
    }
}

/// Most GGUF files of one repository that are looked at.
const MODELS_MAX: usize = 200;
/// Longest `template`, `params` or `system` file, in bytes.
const TEXT_BYTES_MAX: u64 = 64 << 10;

/// The GGUF files of a commit.
struct Shelf {
    address: RepoAddress,
    commit: GitOid,
    models: Vec<TreeItem>,
    projector: Option<TreeItem>,
    /// Layers that are files at the root, by media type.
    texts: Vec<OllamaLayer>,
}

impl Hub {
    /// Returns the image that a tag means: a quantisation or a file name; `latest` is the usual one.
    ///
    /// # Errors
    /// [`HubError::Missing`] when no GGUF file goes by that name, [`HubError::Invalid`] when it is
    /// one of several parts or is not what its name says.
    pub async fn ollama_image(&self, actor: &Actor, address: &RepoAddress, tag: &str) -> HubResult<OllamaImage> {
        let shelf = self.shelf(actor, address).await?;
        let model = choose(&shelf.models, tag)?;
        self.image_of(actor, &shelf, model).await
    }

    /// Finds the layer with this digest.
    ///
    /// # Errors
    /// [`HubError::Missing`] when no image of the repository has it.
    pub async fn ollama_blob(&self, actor: &Actor, address: &RepoAddress, digest: Sha256) -> HubResult<OllamaBlob> {
        let shelf = self.shelf(actor, address).await?;
        if let Some(text) = shelf.texts.iter().find(|layer| layer.sha256 == digest) {
            return Ok(OllamaBlob::Bytes(text.bytes.clone().unwrap_or_default()));
        }
        for item in shelf.models.iter().chain(&shelf.projector) {
            if self.digest_of(item).await? == digest {
                return Ok(OllamaBlob::File { commit: shelf.commit, path: item.path.clone() });
            }
        }
        for model in &shelf.models {
            // A layer is looked for in images that somebody asked for: its search must not bring every file.
            if is_far(model) && self.ollama.far_facts.get(&(address.clone(), self.digest_of(model).await?)).is_none() {
                continue;
            }
            // A broken file has no image, but its neighbours have.
            let image = match self.image_of(actor, &shelf, model).await {
                Err(HubError::Invalid(_) | HubError::Missing(_)) => continue,
                image => image?,
            };
            let found = image.layers.iter().chain([&image.config]).find(|layer| layer.sha256 == digest);
            if let Some(bytes) = found.and_then(|layer| layer.bytes.clone()) {
                return Ok(OllamaBlob::Bytes(bytes));
            }
        }
        Err(HubError::Missing(format!("no image of {address} has a layer sha256:{digest}; pull the tag again")))
    }

    async fn shelf(&self, actor: &Actor, address: &RepoAddress) -> HubResult<Shelf> {
        // What is remembered of a file below is told to nobody who may not read it.
        self.repo_open(actor, address, Right::Read).await?;
        let query = TreeQuery { recursive: true, ..TreeQuery::default() };
        let page = self.tree_list(actor, address, &Revision::main(), &query).await?;
        let mut shelf = Shelf {
            address: address.clone(),
            commit: page.commit,
            models: Vec::new(),
            projector: None,
            texts: Vec::new(),
        };
        for item in page.items {
            if is_gguf(&item) && is_projector(&item) {
                shelf.projector.get_or_insert(item);
            } else if is_gguf(&item) && shelf.models.len() < MODELS_MAX {
                shelf.models.push(item);
            } else if let Some(media_type) = text_type(&item) {
                shelf.texts.push(image::of_bytes(media_type, self.blob_read(item.oid).await?));
            }
        }
        Ok(shelf)
    }

    async fn image_of(&self, actor: &Actor, shelf: &Shelf, model: &TreeItem) -> HubResult<OllamaImage> {
        let facts = self.facts_of(actor, shelf, model).await?;
        let mut layers = vec![self.file_layer(image::MODEL, model).await?];
        if let Some(projector) = &shelf.projector {
            layers.push(self.file_layer(image::PROJECTOR, projector).await?);
        }
        for (media_type, made) in
            [(image::TEMPLATE, facts.template()), (image::SYSTEM, None), (image::PARAMS, facts.params())]
        {
            let given = shelf.texts.iter().find(|layer| layer.media_type == media_type).cloned();
            layers.extend(given.or_else(|| made.map(|bytes| image::of_bytes(media_type, bytes))));
        }
        Ok(OllamaImage {
            config: facts.config(&layers),
            layers,
            model_path: model.path.clone(),
            projector_path: shelf.projector.as_ref().map(|item| item.path.clone()),
        })
    }

    async fn file_layer(&self, media_type: &'static str, item: &TreeItem) -> HubResult<OllamaLayer> {
        Ok(OllamaLayer { media_type, sha256: self.digest_of(item).await?, layer_bytes: item.file_bytes(), bytes: None })
    }

    /// Returns the SHA-256 of a file, which is known unless the file is small.
    async fn digest_of(&self, item: &TreeItem) -> HubResult<Sha256> {
        match item.kind {
            TreeKind::Large(large) => Ok(large.sha256),
            _ => Ok(Sha256(sha2::Sha256::digest(self.blob_read(item.oid).await?).into())),
        }
    }

    async fn facts_of(&self, actor: &Actor, shelf: &Shelf, model: &TreeItem) -> HubResult<Arc<Facts>> {
        // What is remembered of a file is for those who may read it; who asks for one that is not here must
        // bring it first, without keeping others from what is.
        if is_far(model) {
            return self.far_facts_of(actor, shelf, model).await;
        }
        let digest = self.digest_of(model).await?;
        if let Some(facts) = self.ollama.facts.get(&digest) {
            return Ok(facts);
        }
        let _turn = self.ollama.turn.lock().await;
        if let Some(facts) = self.ollama.facts.get(&digest) {
            return Ok(facts);
        }
        let gguf = self.gguf_read(actor, shelf, model).await?;
        let facts = Arc::new(Facts::of(&gguf));
        self.ollama.facts.insert(digest, Arc::clone(&facts));
        Ok(facts)
    }

    async fn far_facts_of(&self, actor: &Actor, shelf: &Shelf, model: &TreeItem) -> HubResult<Arc<Facts>> {
        let key = (shelf.address.clone(), self.digest_of(model).await?);
        if let Some(facts) = self.ollama.far_facts.get(&key) {
            return Ok(facts);
        }
        let _turn = self.ollama.far_turn.lock().await;
        if let Some(facts) = self.ollama.far_facts.get(&key) {
            return Ok(facts);
        }
        let facts = Arc::new(Facts::of(&self.gguf_read(actor, shelf, model).await?));
        self.ollama.far_facts.insert(key, Arc::clone(&facts));
        Ok(facts)
    }

    /// Reads as much of the front of a file as it takes to know what it says of itself.
    async fn gguf_read(&self, actor: &Actor, shelf: &Shelf, model: &TreeItem) -> HubResult<Gguf> {
        let broken = |error| HubError::Invalid(format!("{} is not a GGUF file that runs: {error}", model.path));
        let path: RepoPath = model.path.parse()?;
        let (repo, file) = self.file_resolve(actor, &shelf.address, &Revision::from(shelf.commit), &path).await?;
        let whole = ByteRange { start: 0, end: file.file_bytes.min(FRONT_BYTES_MAX) };
        if file.large.is_none() {
            return Gguf::parse(&self.small_file_read(&file, whole).await?).map_err(broken);
        }
        let mut stream = self.large_file_stream(actor, &repo, &file, whole).await?;
        let mut front = BytesMut::new();
        let mut next_try = 1 << 20;
        while let Some(piece) = stream.try_next().await? {
            front.extend_from_slice(&piece);
            if front.len() >= next_try {
                let gguf = Gguf::parse(&front).map_err(broken)?;
                if gguf.parameters.is_some() {
                    return Ok(gguf);
                }
                next_try = front.len() * 4;
            }
        }
        Gguf::parse(&front).map_err(broken)
    }
}

/// Tells whether the bytes of a file are not here, or not readable through its repository.
fn is_far(item: &TreeItem) -> bool {
    matches!(item.kind, TreeKind::Large(LargeFile { hash: None, .. }))
}

/// Returns what a file at the root stands for in every image.
fn text_type(item: &TreeItem) -> Option<&'static str> {
    let TreeKind::Small { file_bytes: ..=TEXT_BYTES_MAX } = item.kind else { return None };
    match item.path.as_str() {
        "template" => Some(image::TEMPLATE),
        "params" => Some(image::PARAMS),
        "system" => Some(image::SYSTEM),
        _ => None,
    }
}
