//! What bytes from a source cost, in the order in which sources are asked.

/// What a byte from a source costs, cheapest first: a dearer class is asked only for what no cheaper
/// one has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CostClass {
    /// The same building.
    Lan,
    /// The same research or operator's network: no international traffic.
    OnNet,
    /// A line that is cheap at this hour.
    Night,
    /// Each byte is paid for.
    Metered,
}
