//! Any bytes as a proof of logging: never a panic, and what parses and is printed parses to the same.
#![no_main]

use karez_governance::{LogProof, SigningKey};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(proof) = LogProof::parse(bytes) else { return };
    assert_eq!(LogProof::parse(proof.to_string().as_bytes()).as_ref(), Ok(&proof));
    assert!(proof.verify(SigningKey::of_log(&[7; 32]).verifier(), &[]).is_err());
});
