//! A web cache that knows nothing of nodes: it keeps what it may keep, and can leave things out.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use karez_testkit::TestClient;
use karez_testkit::reqwest::Method;

use crate::liar::{Liar, Reply};

/// What a carrier does to what it carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Carry {
    /// Addresses below these are not carried.
    pub without: &'static [&'static str],
    /// This header of answers is not carried.
    pub without_header: Option<&'static str>,
    /// The Range header of requests is not carried.
    pub without_ranges: bool,
    /// A signed address gives exactly the ranges that it was signed for, as on the public hub.
    pub exact_ranges: bool,
}

/// Starts a carrier in front of a node.
pub async fn carrier(node_url: &str, carry: Carry) -> Liar {
    let node = TestClient::new(node_url, None);
    let kept: Arc<Mutex<HashMap<(String, String), Reply>>> = Arc::default();
    Liar::start_async(move |asked| {
        let (node, kept) = (node.clone(), Arc::clone(&kept));
        Box::pin(async move {
            if carry.without.iter().any(|prefix| asked.target.starts_with(prefix)) {
                return Reply::new(404, &[], b"not carried");
            }
            let signed = asked.target.split_once("?r=").map(|(_, query)| query.split('&').next().unwrap_or_default());
            let is_exact = |list: &str| list.split(',').any(|one| asked.header("range") == format!("bytes={one}"));
            if carry.exact_ranges && signed.is_some_and(|list| !is_exact(list)) {
                return Reply::new(403, &[], b"signed for another range");
            }
            let range = if carry.without_ranges { "" } else { asked.header("range") };
            let key = (asked.target.clone(), range.to_owned());
            if let Some(reply) = kept.lock().unwrap().get(&key) {
                return reply.clone();
            }
            let method: Method = asked.method.parse().unwrap();
            let mut request = node.request(method, &asked.target).body(asked.body.clone());
            for name in ["host", "authorization", "content-type", "git-protocol", "if-range"] {
                if !asked.header(name).is_empty() {
                    request = request.header(name, asked.header(name));
                }
            }
            if !range.is_empty() {
                request = request.header("range", range);
            }
            let answer = node.send(request).await;
            let may_keep = answer.header("cache-control").starts_with("public");
            let headers: Vec<(&str, &str)> = answer
                .headers
                .iter()
                .filter(|(name, _)| !["transfer-encoding", "content-length", "date"].contains(&name.as_str()))
                .filter(|(name, _)| carry.without_header != Some(name.as_str()))
                .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
                .collect();
            // HEAD: the length is that of the node, and no body comes.
            let reply = match asked.method.as_str() {
                "HEAD" => {
                    let length = [("content-length", answer.header("content-length"))];
                    Reply::unsized_(answer.status, &[&headers[..], &length[..]].concat(), b"")
                }
                _ => Reply::new(answer.status, &headers, &answer.body),
            };
            if may_keep {
                kept.lock().unwrap().insert(key, reply.clone());
            }
            reply
        })
    })
    .await
}
