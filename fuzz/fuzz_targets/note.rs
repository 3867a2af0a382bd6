//! Any bytes as a signed note, a descriptor, a key or a policy: never a panic, and a note survives the
//! round trip.
#![no_main]

use karez_governance::{Descriptor, Note, Policy, VerifierKey};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(note) = Note::parse(bytes) {
        assert_eq!(note.to_string().as_bytes(), bytes);
    }
    let _ = Descriptor::open(bytes);
    let _ = Policy::parse(bytes);
    if let Ok(key) = String::from_utf8_lossy(bytes).parse::<VerifierKey>() {
        assert_eq!(key.to_string().as_bytes(), bytes);
    }
});
