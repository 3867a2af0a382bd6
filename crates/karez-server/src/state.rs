//! What every handler can reach.

use std::sync::Arc;

use axum::http::HeaderValue;
use karez_federation::Federation;
use karez_federation::provider::Provider;
use karez_federation::upstream::Upstreams;
use karez_hub::Hub;
use tokio::sync::Semaphore;

use crate::NodeSettings;
use crate::log::{LogCache, NewsCache};
use crate::pages::{ROOM_PIECES, SignInTries};

/// Shared by all requests; cheap to clone.
#[derive(Clone)]
pub struct AppState {
    /// The application.
    pub hub: Arc<Hub>,
    /// What the node does with others; unset where it does nothing.
    pub federation: Option<Arc<Federation>>,
    /// Brings what is not here from where it is; unset where nothing is brought.
    pub upstreams: Option<Arc<Upstreams>>,
    /// Whom people may sign in through; unset where there is nobody.
    pub provider: Option<Arc<Provider>>,
    /// Where the node is reached from outside, without a trailing slash. When unset, each answer
    /// uses the host that its request named.
    pub public_url: Option<Arc<str>>,
    /// Who runs the node, in words.
    pub(crate) node: Arc<NodeSettings>,
    /// The congestion control that the node sends with, where it is known.
    pub(crate) congestion: Option<HeaderValue>,
    pub(crate) log: Arc<LogCache>,
    pub(crate) news: Arc<NewsCache>,
    pub(crate) sign_in_tries: Arc<SignInTries>,
    /// Room for forms with files, in pieces.
    pub(crate) form_room: Arc<Semaphore>,
}

impl AppState {
    /// Returns the state for a hub.
    pub fn new(hub: Arc<Hub>, public_url: Option<&str>) -> AppState {
        let public_url = public_url.map(|url| url.trim_end_matches('/').into());
        let (log, news, sign_in_tries) = (Arc::default(), Arc::default(), Arc::default());
        AppState {
            hub,
            federation: None,
            upstreams: None,
            provider: None,
            public_url,
            node: Arc::default(),
            congestion: None,
            log,
            news,
            sign_in_tries,
            form_room: Arc::new(Semaphore::new(ROOM_PIECES)),
        }
    }

    /// Returns the state with the congestion control that the node sends with, for nodes that read from it.
    #[must_use]
    pub fn with_congestion(self, name: Option<String>) -> AppState {
        let congestion = name.and_then(|name| HeaderValue::try_from(name).ok());
        AppState { congestion, ..self }
    }

    /// Returns the state with what the operator says of the node.
    #[must_use]
    pub fn with_node(self, node: NodeSettings) -> AppState {
        AppState { node: Arc::new(node), ..self }
    }

    /// Returns the state with a federation.
    #[must_use]
    pub fn with_federation(self, federation: Arc<Federation>) -> AppState {
        AppState { federation: Some(federation), ..self }
    }

    /// Returns the state with a provider for signing in.
    #[must_use]
    pub fn with_provider(self, provider: Option<Arc<Provider>>) -> AppState {
        AppState { provider, ..self }
    }

    /// Returns the state with somebody who brings what is not here.
    #[must_use]
    pub fn with_upstreams(self, upstreams: Arc<Upstreams>) -> AppState {
        AppState { upstreams: Some(upstreams), ..self }
    }
}
