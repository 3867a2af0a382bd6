//! The properties of a repository that callers may ask for by name (`expand`).

use karez_types::RepoKind;

use crate::{HubError, HubResult};

macro_rules! fields {
    ($($variant:ident = $word:literal),+ $(,)?) => {
        /// A property of a repository, under the name that clients know.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[expect(missing_docs, reason = "the words are those of the clients, and say what they are")]
        pub enum RepoField { $($variant),+ }

        impl RepoField {
            /// Returns the name on the wire.
            pub fn as_str(self) -> &'static str {
                match self { $(RepoField::$variant => $word),+ }
            }
        }
    };
}

fields!(
    Author = "author",
    BaseModels = "baseModels",
    CardData = "cardData",
    ChildrenModelCount = "childrenModelCount",
    Citation = "citation",
    Config = "config",
    CreatedAt = "createdAt",
    Datasets = "datasets",
    Description = "description",
    Disabled = "disabled",
    Downloads = "downloads",
    DownloadsAllTime = "downloadsAllTime",
    EvalResults = "evalResults",
    Gated = "gated",
    Gguf = "gguf",
    Inference = "inference",
    InferenceProviderMapping = "inferenceProviderMapping",
    LastModified = "lastModified",
    LibraryName = "library_name",
    Likes = "likes",
    MainSize = "mainSize",
    MaskToken = "mask_token",
    ModelIndex = "model-index",
    Models = "models",
    PaperswithcodeId = "paperswithcode_id",
    PipelineTag = "pipeline_tag",
    Private = "private",
    Region = "region",
    ResourceGroup = "resourceGroup",
    Runtime = "runtime",
    Safetensors = "safetensors",
    Sdk = "sdk",
    Sha = "sha",
    Siblings = "siblings",
    Spaces = "spaces",
    Subdomain = "subdomain",
    Tags = "tags",
    TransformersInfo = "transformersInfo",
    TrendingScore = "trendingScore",
    UsedStorage = "usedStorage",
    WidgetData = "widgetData",
);

use RepoField as F;

/// `ExpandModelProperty_T` of huggingface_hub 2.4; kernels answer to the same names.
const MODEL_FIELDS: &[RepoField] = &[
    F::Author,
    F::BaseModels,
    F::CardData,
    F::ChildrenModelCount,
    F::Config,
    F::CreatedAt,
    F::Disabled,
    F::Downloads,
    F::DownloadsAllTime,
    F::EvalResults,
    F::Gated,
    F::Gguf,
    F::Inference,
    F::InferenceProviderMapping,
    F::LastModified,
    F::LibraryName,
    F::Likes,
    F::MaskToken,
    F::ModelIndex,
    F::PipelineTag,
    F::Private,
    F::ResourceGroup,
    F::Safetensors,
    F::Sha,
    F::Siblings,
    F::Spaces,
    F::Tags,
    F::TransformersInfo,
    F::TrendingScore,
    F::UsedStorage,
    F::WidgetData,
];

/// `ExpandDatasetProperty_T`.
const DATASET_FIELDS: &[RepoField] = &[
    F::Author,
    F::CardData,
    F::Citation,
    F::CreatedAt,
    F::Description,
    F::Disabled,
    F::Downloads,
    F::DownloadsAllTime,
    F::Gated,
    F::LastModified,
    F::Likes,
    F::MainSize,
    F::PaperswithcodeId,
    F::Private,
    F::ResourceGroup,
    F::Sha,
    F::Siblings,
    F::Tags,
    F::TrendingScore,
    F::UsedStorage,
];

/// `ExpandSpaceProperty_T`.
const SPACE_FIELDS: &[RepoField] = &[
    F::Author,
    F::CardData,
    F::CreatedAt,
    F::Datasets,
    F::Disabled,
    F::LastModified,
    F::Likes,
    F::Models,
    F::Private,
    F::Region,
    F::ResourceGroup,
    F::Runtime,
    F::Sdk,
    F::Sha,
    F::Siblings,
    F::Subdomain,
    F::Tags,
    F::TrendingScore,
    F::UsedStorage,
];

/// What listings give without being asked: what one row of the catalog holds.
const ROW_FIELDS: &[RepoField] = &[
    F::Author,
    F::CreatedAt,
    F::Disabled,
    F::Downloads,
    F::Gated,
    F::LastModified,
    F::LibraryName,
    F::Likes,
    F::PipelineTag,
    F::Private,
    F::Sdk,
    F::Sha,
    F::Tags,
    F::TrendingScore,
];

impl RepoField {
    /// Returns the names that callers may ask of this kind of repository.
    pub fn allowed(kind: RepoKind) -> &'static [RepoField] {
        match kind {
            RepoKind::Model | RepoKind::Kernel => MODEL_FIELDS,
            RepoKind::Dataset => DATASET_FIELDS,
            RepoKind::Space => SPACE_FIELDS,
        }
    }

    /// Parses the names that a caller asks for.
    ///
    /// # Errors
    /// [`HubError::Invalid`] that lists the names there are, which clients' tests read.
    pub fn parse_all(kind: RepoKind, words: &[String]) -> HubResult<Vec<RepoField>> {
        let allowed = RepoField::allowed(kind);
        let parse = |word: &String| {
            allowed.iter().copied().find(|field| field.as_str() == word).ok_or_else(|| {
                let names: Vec<String> = allowed.iter().map(|field| format!("\"{}\"", field.as_str())).collect();
                HubError::Invalid(format!("Invalid option for expand: expected one of {}", names.join("|")))
            })
        };
        words.iter().map(parse).collect()
    }

    /// Returns what a listing gives without being asked.
    pub fn of_listing() -> Vec<RepoField> {
        ROW_FIELDS.to_vec()
    }

    /// Returns what a single repository gives without being asked.
    pub fn of_info(kind: RepoKind) -> Vec<RepoField> {
        let mut fields = RepoField::of_listing();
        fields.extend([F::CardData, F::Siblings]);
        match kind {
            RepoKind::Model | RepoKind::Kernel => fields.extend([F::Config, F::ModelIndex, F::Spaces]),
            RepoKind::Space => fields.extend([F::Datasets, F::Models]),
            RepoKind::Dataset => {}
        }
        fields
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_name_is_answered_with_the_known_ones() {
        let error = RepoField::parse_all(RepoKind::Space, &["sdk".into(), "nope".into()]).unwrap_err().to_string();
        assert!(error.contains("\"runtime\"|"), "{error}");
        assert!(!error.contains("gguf"), "{error}");
        assert_eq!(RepoField::parse_all(RepoKind::Space, &["sdk".into()]).unwrap(), [RepoField::Sdk]);
    }
}
