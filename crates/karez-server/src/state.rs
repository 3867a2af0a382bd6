//! What every handler can reach.

use std::sync::Arc;

use karez_hub::Hub;

/// Shared by all requests; cheap to clone.
#[derive(Clone)]
pub struct AppState {
    /// The application.
    pub hub: Arc<Hub>,
    /// Where the node is reached from outside, without a trailing slash. When unset, each answer
    /// uses the host that its request named.
    pub public_url: Option<Arc<str>>,
}

impl AppState {
    /// Returns the state for a hub.
    pub fn new(hub: Arc<Hub>, public_url: Option<&str>) -> AppState {
        AppState { hub, public_url: public_url.map(|url| url.trim_end_matches('/').into()) }
    }
}
