//! Any bytes as evidence of a fork: never a panic, never believed without the log's signatures, and what
//! parses prints the same.
#![no_main]

use karez_governance::{ForkEvidence, SigningKey};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(evidence) = ForkEvidence::parse(bytes) else { return };
    assert_eq!(evidence.to_string().as_bytes(), bytes);
    assert!(evidence.verify(SigningKey::of_log(&[7; 32]).verifier()).is_err());
});
