//! How a browser stays signed in, and how a form proves where it comes from.
//!
//! The cookie holds a secret that nobody guesses; the catalog knows its hash. A new one is made at each
//! signing in, so nobody can make a browser use one that they know, and signing out ends it for all who have it.
//!
//! The cookie counts for GET and HEAD outside of the addresses of programs, and for forms of this node, which
//! `form.rs` reads. A form carries a proof that it was made here, for this browser and this session, within an
//! hour: sealed for a second cookie. So a page elsewhere can make a browser ask for things, but not do any.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use axum::http::{HeaderMap, header};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use karez_hub::SESSION_SECS;
use karez_types::{Timestamp, fold_name};

use super::asked::cookie;
use crate::AppState;

/// The cookie that keeps somebody signed in.
const SESSION_COOKIE: &str = "karez_session";
/// The cookie that a form's proof is made for.
const FORM_COOKIE: &str = "karez_form";
/// For how long a form may be sent, in seconds.
const FORM_SECS: i64 = 3_600;

/// Seals a text for a while. What is sealed for one context does not open in another.
pub(super) fn seal(state: &AppState, context: &str, secs: i64, secret: &str) -> String {
    let until = state.hub.clock().now().plus_secs(secs);
    URL_SAFE_NO_PAD.encode(state.hub.secret_seal(context, &format!("{}\n{secret}", until.0)))
}

/// Opens what [`seal`] made, unless its time is over.
pub(super) fn open(state: &AppState, context: &str, sealed: &str) -> Option<String> {
    let (until, secret) = open_whenever(state, context, sealed)?;
    (until > state.hub.clock().now()).then_some(secret)
}

/// Opens what [`seal`] made, also when its time is over: which was then.
fn open_whenever(state: &AppState, context: &str, sealed: &str) -> Option<(Timestamp, String)> {
    let bytes = URL_SAFE_NO_PAD.decode(sealed).ok()?;
    let text = state.hub.secret_open(context, &bytes)?;
    let (until, secret) = text.split_once('\n')?;
    Some((Timestamp(until.parse().ok()?), secret.to_owned()))
}

/// Returns the secret of a browser's session.
pub(crate) fn session_secret(headers: &HeaderMap) -> Option<&str> {
    cookie(headers, SESSION_COOKIE).filter(|secret| !secret.is_empty())
}

/// Returns what a browser is told to keep: the secret when somebody signs in, nothing when they sign out.
pub(super) fn session_cookie(base: &str, secret: Option<&str>) -> String {
    let secs = if secret.is_some() { SESSION_SECS } else { 0 };
    let value = secret.unwrap_or_default();
    format!("{SESSION_COOKIE}={value}; Path=/; Max-Age={secs}; HttpOnly; SameSite=Lax{}", secure(base))
}

/// Over TLS, cookies never travel without it.
pub(super) fn secure(base: &str) -> &'static str {
    if base.starts_with("https://") { "; Secure" } else { "" }
}

/// Returns the proof for a form, and the cookie that it is for when the browser has none yet.
pub(super) fn form_proof(state: &AppState, headers: &HeaderMap, base: &str) -> (String, Option<String>) {
    let (mark, set) = match form_mark(headers) {
        Some(mark) => (mark.to_owned(), None),
        None => {
            let mark = state.hub.mark_draw();
            let set = format!("{FORM_COOKIE}={mark}; Path=/; HttpOnly; SameSite=Strict{}", secure(base));
            (mark, Some(set))
        }
    };
    (seal(state, &form_context(&mark, headers), FORM_SECS, ""), set)
}

/// Returns what a proof is for. The session is a part of it, so that whoever can plant a cookie, such as a
/// neighbour under the same domain, cannot bring the proof along.
fn form_context(mark: &str, headers: &HeaderMap) -> String {
    format!("{FORM_COOKIE} {mark} {}", session_secret(headers).unwrap_or_default())
}

fn form_mark(headers: &HeaderMap) -> Option<&str> {
    cookie(headers, FORM_COOKIE)
        .filter(|mark| mark.len() == 32 && mark.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

/// What a form's proof is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Proof {
    /// A page of this node that this browser was shown for this session, within the hour.
    Good,
    /// A page of this node, but too long ago or for another session: nothing is done, and what was typed may be
    /// shown to who typed it.
    Old,
    /// Perhaps another site.
    Wrong,
}

/// Finds out whether a form came from a page of this node that this browser was shown.
pub(super) fn proof_of(state: &AppState, headers: &HeaderMap, base: &str, proof: &str) -> Proof {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let (site, origin) = (text("sec-fetch-site"), text(header::ORIGIN.as_str()));
    let is_foreign =
        site.is_some_and(|site| !matches!(site, "same-origin" | "none")) || origin.is_some_and(|origin| origin != base);
    if is_foreign {
        return Proof::Wrong;
    }
    let until = form_mark(headers).and_then(|mark| Some(open_whenever(state, &form_context(mark, headers), proof)?.0));
    match until {
        Some(until) if until > state.hub.clock().now() => Proof::Good,
        Some(_) => Proof::Old,
        // Browsers say these by themselves, and no page can make them say otherwise.
        None if site == Some("same-origin") || origin == Some(base) => Proof::Old,
        None => Proof::Wrong,
    }
}

/// Where a connection comes from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CameFrom(pub IpAddr);

/// Wrong tries of one address in [`ADDRESS_WINDOW_MS`].
const ADDRESS_WRONG_MAX: u32 = 20;
/// A minute, in milliseconds.
const ADDRESS_WINDOW_MS: i64 = 60_000;
/// Wrong passwords for one account in [`ACCOUNT_WINDOW_MS`], wherever they come from: at most 1,440 a day. Who is
/// kept out by somebody else's guessing signs in with a token.
const ACCOUNT_WRONG_MAX: u32 = 10;
/// Ten minutes, in milliseconds.
const ACCOUNT_WINDOW_MS: i64 = 600_000;
/// Addresses, and accounts, that are remembered.
const REMEMBERED_MAX: usize = 10_000;

/// Counts tries of one sort. A try is counted before it is made, so that many at once gain nothing, and given
/// back when it was right.
#[derive(Debug)]
struct Tries<K> {
    counts: Mutex<HashMap<K, (i64, u32)>>,
    wrong_max: u32,
    window_ms: i64,
}

impl<K: Hash + Eq + Clone> Tries<K> {
    fn new(wrong_max: u32, window_ms: i64) -> Tries<K> {
        Tries { counts: Mutex::default(), wrong_max, window_ms }
    }

    /// Counts a try; tells whether it may be made.
    fn take(&self, key: &K, now: Timestamp) -> bool {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.len() >= REMEMBERED_MAX && !counts.contains_key(key) {
            counts.retain(|_, (since, _)| now.0 - *since < self.window_ms);
            // Whoever fills this with names does not make the most tried one forgotten.
            if counts.len() >= REMEMBERED_MAX
                && let Some(least) = counts.iter().min_by_key(|(_, (_, count))| *count).map(|(key, _)| key.clone())
            {
                counts.remove(&least);
            }
        }
        let entry = counts.entry(key.clone()).or_insert((now.0, 0));
        if now.0 - entry.0 >= self.window_ms {
            *entry = (now.0, 0);
        }
        if entry.1 >= self.wrong_max {
            return false;
        }
        entry.1 += 1;
        true
    }

    fn give_back(&self, key: &K) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, count)) = counts.get_mut(key) {
            *count = count.saturating_sub(1);
        }
    }
}

/// Counts wrong tries by address and by account. Each process of a node counts for itself.
#[derive(Debug)]
pub(crate) struct SignInTries {
    addresses: Tries<IpAddr>,
    accounts: Tries<String>,
}

impl Default for SignInTries {
    fn default() -> SignInTries {
        SignInTries {
            addresses: Tries::new(ADDRESS_WRONG_MAX, ADDRESS_WINDOW_MS),
            accounts: Tries::new(ACCOUNT_WRONG_MAX, ACCOUNT_WINDOW_MS),
        }
    }
}

impl SignInTries {
    /// Counts a try from an address, at the password of an account if there is one; tells whether it may be made.
    pub(super) fn take(&self, from: Option<IpAddr>, account: Option<&str>, now: Timestamp) -> bool {
        from.is_none_or(|from| self.addresses.take(&network(from), now))
            && account.is_none_or(|name| self.accounts.take(&account_key(name), now))
    }

    /// Gives a try back that was right.
    pub(super) fn give_back(&self, from: Option<IpAddr>, account: Option<&str>) {
        if let Some(from) = from {
            self.addresses.give_back(&network(from));
        }
        if let Some(name) = account {
            self.accounts.give_back(&account_key(name));
        }
    }
}

fn account_key(name: &str) -> String {
    fold_name(name.trim()).chars().take(96).collect()
}

/// One subscriber has 2^64 addresses of IPv6.
pub(crate) fn network(from: IpAddr) -> IpAddr {
    match from {
        IpAddr::V4(_) => from,
        IpAddr::V6(address) => IpAddr::V6((u128::from(address) & !u128::from(u64::MAX)).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn tries_are_counted_by_network_and_minute() {
        let tries = SignInTries::default();
        let (here, neighbour, other) = (ip("2001:db8::1"), ip("2001:db8::2"), ip("2001:db8:1::1"));
        for _ in 0..ADDRESS_WRONG_MAX {
            assert!(tries.take(here, None, Timestamp(5)));
        }
        assert!(!tries.take(neighbour, None, Timestamp(6)) && tries.take(other, None, Timestamp(6)));
        assert!(tries.take(here, None, Timestamp(5 + ADDRESS_WINDOW_MS)));
    }

    #[test]
    fn tries_are_counted_by_account_wherever_they_come_from() {
        let tries = SignInTries::default();
        for n in 0..ACCOUNT_WRONG_MAX {
            assert!(tries.take(ip(&format!("10.0.0.{n}")), Some("Amina "), Timestamp(5)));
        }
        assert!(!tries.take(ip("10.0.1.1"), Some("amina"), Timestamp(6)));
        assert!(tries.take(ip("10.0.1.1"), Some("karim"), Timestamp(6)));
        tries.give_back(None, Some("amina"));
        assert!(tries.take(ip("10.0.1.1"), Some("amina"), Timestamp(6)));
        assert!(tries.take(ip("10.0.1.1"), Some("amina"), Timestamp(5 + ACCOUNT_WINDOW_MS)));
    }

    #[test]
    fn a_flood_of_names_does_not_make_a_name_forgotten() {
        let tries = SignInTries::default();
        for _ in 0..ACCOUNT_WRONG_MAX {
            tries.take(None, Some("amina"), Timestamp(5));
        }
        for n in 0..REMEMBERED_MAX + 10 {
            tries.take(None, Some(&format!("x{n}")), Timestamp(6));
        }
        assert!(!tries.take(None, Some("amina"), Timestamp(7)));
    }
}
