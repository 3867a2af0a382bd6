//! How a browser stays signed in.
//!
//! The cookie is the person's token, sealed so that only this node's key opens it, with the time at which it
//! ends. So nothing is stored, every process of the node understands it, and it ends with the token: revoke
//! that, and the browser is signed out. It is `HttpOnly`, since pages have no scripts, and `SameSite=Lax`.
//!
//! The cookie counts for GET and HEAD outside of the addresses of programs; whatever changes something wants
//! the token itself. So a page elsewhere can make a browser ask for things, but not do anything here.
//!
//! A form carries a proof that it was made here for this browser: sealed for a second cookie.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use axum::http::{HeaderMap, header};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use karez_types::Timestamp;

use super::asked::cookie;
use crate::AppState;

/// The cookie that keeps somebody signed in.
const SESSION_COOKIE: &str = "karez_session";
/// The cookie that a form's proof is made for.
const FORM_COOKIE: &str = "karez_form";
/// For how long somebody stays signed in, in seconds: a week.
const SESSION_SECS: i64 = 7 * 86_400;
/// For how long a form may be sent, in seconds.
const FORM_SECS: i64 = 3_600;

fn seal(state: &AppState, context: &str, until: Timestamp, secret: &str) -> String {
    URL_SAFE_NO_PAD.encode(state.hub.secret_seal(context, &format!("{}\n{secret}", until.0)))
}

/// Opens what [`seal`] made, unless its time is over.
fn open(state: &AppState, context: &str, sealed: &str) -> Option<String> {
    let bytes = URL_SAFE_NO_PAD.decode(sealed).ok()?;
    let text = state.hub.secret_open(context, &bytes)?;
    let (until, secret) = text.split_once('\n')?;
    let until = Timestamp(until.parse().ok()?);
    (until > state.hub.clock().now()).then(|| secret.to_owned())
}

/// Returns the token that a browser is signed in with.
pub(crate) fn session_token(state: &AppState, headers: &HeaderMap) -> Option<String> {
    open(state, SESSION_COOKIE, cookie(headers, SESSION_COOKIE)?)
}

/// Returns what a browser is told to keep: the token when somebody signs in, nothing when they sign out.
pub(super) fn session_cookie(state: &AppState, base: &str, token: Option<&str>) -> String {
    let (value, secs) = match token {
        Some(token) => {
            (seal(state, SESSION_COOKIE, state.hub.clock().now().plus_secs(SESSION_SECS), token), SESSION_SECS)
        }
        None => (String::new(), 0),
    };
    format!("{SESSION_COOKIE}={value}; Path=/; Max-Age={secs}; HttpOnly; SameSite=Lax{}", secure(base))
}

/// Over TLS, cookies never travel without it.
fn secure(base: &str) -> &'static str {
    if base.starts_with("https://") { "; Secure" } else { "" }
}

/// Returns the proof for a form, and the cookie that it is for when the browser has none yet.
pub(super) fn form_proof(state: &AppState, headers: &HeaderMap, base: &str) -> (String, Option<String>) {
    let (mark, set) = match form_mark(headers) {
        Some(mark) => (mark.to_owned(), None),
        None => {
            let mark = state.hub.mark_draw();
            let set = format!("{FORM_COOKIE}={mark}; Path=/-/; HttpOnly; SameSite=Strict{}", secure(base));
            (mark, Some(set))
        }
    };
    (seal(state, &format!("{FORM_COOKIE} {mark}"), state.hub.clock().now().plus_secs(FORM_SECS), ""), set)
}

fn form_mark(headers: &HeaderMap) -> Option<&str> {
    cookie(headers, FORM_COOKIE)
        .filter(|mark| mark.len() == 32 && mark.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

/// Tells whether a form came from a page of this node that this browser was shown.
pub(super) fn form_is_ours(state: &AppState, headers: &HeaderMap, base: &str, proof: &str) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let is_foreign = text("sec-fetch-site").is_some_and(|site| !matches!(site, "same-origin" | "none"))
        || text(header::ORIGIN.as_str()).is_some_and(|origin| origin != base);
    !is_foreign && form_mark(headers).is_some_and(|mark| open(state, &format!("{FORM_COOKIE} {mark}"), proof).is_some())
}

/// Where a connection comes from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CameFrom(pub IpAddr);

/// Wrong tokens that one address may show in a minute.
const WRONG_MAX: u32 = 20;
/// The minute, in milliseconds.
const WINDOW_MS: i64 = 60_000;
/// Addresses that are remembered; beyond, all are forgotten. Nobody guesses a token of 238 bits: this keeps the
/// catalog from being asked, and the log readable.
const ADDRESSES_MAX: usize = 10_000;

/// Counts wrong tokens by address. Each process of a node counts for itself.
#[derive(Debug, Default)]
pub(crate) struct SignInTries(Mutex<HashMap<IpAddr, (i64, u32)>>);

impl SignInTries {
    /// Tells whether an address has used up its tries.
    pub(super) fn is_over(&self, from: IpAddr, now: Timestamp) -> bool {
        let tries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tries.get(&network(from)).is_some_and(|(since, count)| now.0 - since < WINDOW_MS && *count >= WRONG_MAX)
    }

    /// Counts a wrong token.
    pub(super) fn count_wrong(&self, from: IpAddr, now: Timestamp) {
        let mut tries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if tries.len() >= ADDRESSES_MAX {
            tries.clear();
        }
        let entry = tries.entry(network(from)).or_insert((now.0, 0));
        if now.0 - entry.0 >= WINDOW_MS {
            *entry = (now.0, 0);
        }
        entry.1 += 1;
    }
}

/// One subscriber has 2^64 addresses of IPv6.
fn network(from: IpAddr) -> IpAddr {
    match from {
        IpAddr::V4(_) => from,
        IpAddr::V6(address) => IpAddr::V6((u128::from(address) & !u128::from(u64::MAX)).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tries_are_counted_by_network_and_minute() {
        let tries = SignInTries::default();
        let (here, neighbour, other) = ("2001:db8::1", "2001:db8::2", "2001:db8:1::1");
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        for _ in 0..WRONG_MAX {
            assert!(!tries.is_over(ip(here), Timestamp(5)));
            tries.count_wrong(ip(here), Timestamp(5));
        }
        assert!(tries.is_over(ip(neighbour), Timestamp(6)) && !tries.is_over(ip(other), Timestamp(6)));
        assert!(!tries.is_over(ip(here), Timestamp(5 + WINDOW_MS)));
    }
}
