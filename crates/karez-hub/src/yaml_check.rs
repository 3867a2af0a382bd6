//! The check of a README's metadata that clients ask for before they push one.

use karez_formats::card::{Card, Finding};

use crate::Hub;

impl Hub {
    /// Checks a README, its metadata first. Everyone may ask; nothing is stored.
    pub fn card_check(&self, readme: &str) -> Vec<Finding> {
        Card::parse(readme).findings
    }
}
