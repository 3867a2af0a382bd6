//! Any bytes as a request to a witness: never a panic, never a cosignature without a signature of the
//! log, and what parses prints the same.
#![no_main]

use karez_governance::{AddCheckpoint, Decision, SigningKey, witness};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some(request) = AddCheckpoint::parse(bytes) else { return };
    assert_eq!(request.to_string().as_bytes(), bytes);
    // The name can be guessed, a signature cannot.
    let keys = [SigningKey::of_log(&[7; 32]).verifier().clone()];
    assert!(matches!(witness::decide(&request, &keys, None), Decision::Refuse(..)));
});
