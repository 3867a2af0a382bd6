//! Following: what peers publish comes here as the operator's rules say, over lines as they allow.

mod cost;
mod evict;
mod files;
mod gate;
mod goals;
mod lines;
mod names;
mod pass;
mod rules;
mod whole;
mod withdraw;

pub use cost::{Cost, FileCost, SourceCost};
pub use evict::Evicted;
pub use files::journal_folder;
pub use gate::{Gates, LineGate};
pub use goals::shortages;
pub use lines::{DEFAULT_LINE, line_allowance, line_charge, line_load, line_read, line_used};
pub use names::{LocalName, NameView, local_name, names};
pub use pass::{FollowError, FollowPass};
pub use rules::{LoadedRule, facts_of, rule_for, rules_load};
