//! How much an owner has, and may have.

use maud::{Markup, html};

use crate::locale::{Locale, key};

/// What an owner has, and may have.
#[derive(Debug, Clone, Copy)]
pub struct Room {
    /// Bytes of large files that its repositories name, each file once, mirrors left out.
    pub owned_bytes: u64,
    /// Bytes that it may have; `None` is without a bound.
    pub bytes_max: Option<u64>,
}

/// Returns it as a phrase.
pub(crate) fn room(l: &Locale, room: Room) -> Markup {
    let owned = html! { (l.bytes(room.owned_bytes)) };
    match room.bytes_max {
        Some(bytes_max) => l.fill(key::ROOM_USED_OF, &[("used", owned), ("allowed", l.bytes(bytes_max))]),
        None => l.fill(key::ROOM_USED, &[("used", owned)]),
    }
}
