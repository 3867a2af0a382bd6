//! The check of a README's metadata that clients ask for before they push one.

use karez_formats::card::Card;

use crate::Hub;

/// What is wrong with a README's metadata.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct YamlReport {
    /// Why it should not be pushed.
    pub errors: Vec<String>,
    /// What would make it better.
    pub warnings: Vec<String>,
}

impl Hub {
    /// Checks the metadata at the top of a README. Everyone may ask; nothing is stored.
    pub fn yaml_check(&self, readme: &str) -> YamlReport {
        let card = Card::parse(readme);
        YamlReport { errors: card.errors, warnings: card.warnings }
    }
}
