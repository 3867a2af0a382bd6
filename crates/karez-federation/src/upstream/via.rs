//! Through which nodes a question came, so that nodes that are upstream of each other do not ask in circles.

use http::HeaderValue;
use karez_hub::Hub;

/// Name of the header.
pub const VIA_HEADER: &str = "x-karez-via";

/// Nodes that a question may pass: a school asks a university asks a national node asks the hub.
const NODES_MAX: usize = 8;
/// Longest name of a node, in bytes.
const NODE_BYTES_MAX: usize = 16;

/// The nodes that a question came through.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Via(Vec<String>);

impl Via {
    /// Reads the header of a request. What breaks the form is as good as a circle: it came from no node of ours.
    pub fn of_header(text: Option<&str>) -> Via {
        let nodes = text.into_iter().flat_map(|text| text.split(',')).map(|node| {
            node.trim().chars().filter(char::is_ascii_alphanumeric).take(NODE_BYTES_MAX).collect::<String>()
        });
        Via(nodes.filter(|node| !node.is_empty()).take(NODES_MAX).collect())
    }

    /// Tells whether the question goes no further here: it came through this node, or through too many.
    pub(super) fn has(&self, node: &str) -> bool {
        self.0.len() >= NODES_MAX || self.0.iter().any(|passed| passed == node)
    }

    /// Returns the same with one more node.
    pub(super) fn and(&self, node: &str) -> Via {
        Via(self.0.iter().cloned().chain([node.to_owned()]).collect())
    }

    pub(super) fn to_header(&self) -> HeaderValue {
        HeaderValue::try_from(self.0.join(", ")).expect("letters and digits are a header value")
    }
}

/// Returns what a node is called here.
pub(super) fn node_name(hub: &Hub) -> String {
    hub.node_mark().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn circles_and_long_ways_end() {
        let via = Via::of_header(Some("a1, b2"));
        assert!(via.has("a1") && via.has("b2") && !via.has("c3"));
        assert_eq!(via.and("c3").to_header().to_str().unwrap(), "a1, b2, c3");
        assert!(!Via::of_header(None).has("a1"));
        let long = "x,".repeat(1_000);
        assert!(Via::of_header(Some(&long)).has("c3"));
        assert_eq!(Via::of_header(Some("\u{e9}\r\n;")), Via::default());
    }
}
