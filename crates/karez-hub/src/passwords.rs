//! Passwords: kept as Argon2id, and never tried more than one at a time per core.
//!
//! A hash takes 19 MiB and some ten milliseconds, on purpose. So hashes wait for one of as many places as the
//! machine has cores, and when too many wait, the node is busy. A name that is not there costs the same as a
//! wrong password, and answers the same.

use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use karez_catalog::{Account, AccountKind};
use karez_types::alphanumeric;
use subtle::ConstantTimeEq as _;
use tokio::sync::Semaphore;

use crate::{Actor, Hub, HubError, HubResult, Right, token_hash};

/// Memory of one hash, in KiB; passes; lanes (OWASP, Password Storage Cheat Sheet: Argon2id).
const MEMORY_KIB: u32 = 19_456;
const PASSES: u32 = 2;
const LANES: u32 = 1;
/// Bytes of salt and of hash.
const SALT_BYTES: usize = 16;
const HASH_BYTES: usize = 32;
/// Shortest password, in characters.
pub const PASSWORD_CHARS_MIN: usize = 10;
/// Longest password, in bytes.
pub const PASSWORD_BYTES_MAX: usize = 256;
/// Hashes that may wait for a place; beyond, the node is busy.
const WAITING_MAX: usize = 32;
/// For how long an invitation holds, in seconds: three days.
const INVITATION_SECS: i64 = 3 * 86_400;
/// Letters and digits of an invitation's code: 238 bits.
const CODE_LETTERS: usize = 40;

/// The places for hashes, and how many wait for one.
pub(crate) struct HashDesk {
    places: Semaphore,
    waiting: Semaphore,
}

impl Default for HashDesk {
    fn default() -> HashDesk {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        HashDesk { places: Semaphore::new(cores), waiting: Semaphore::new(cores + WAITING_MAX) }
    }
}

fn argon(memory_kib: u32, passes: u32, lanes: u32) -> Option<Argon2<'static>> {
    let params = Params::new(memory_kib, passes, lanes, Some(HASH_BYTES)).ok()?;
    Some(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

/// Returns the PHC string of a password.
fn hash(password: &str, salt: [u8; SALT_BYTES]) -> String {
    let mut out = [0; HASH_BYTES];
    let argon = argon(MEMORY_KIB, PASSES, LANES).expect("the constants are in range");
    argon.hash_password_into(password.as_bytes(), &salt, &mut out).expect("lengths are in range");
    let (salt, out) = (STANDARD_NO_PAD.encode(salt), STANDARD_NO_PAD.encode(out));
    format!("$argon2id$v=19$m={MEMORY_KIB},t={PASSES},p={LANES}${salt}${out}")
}

/// Tells whether a PHC string is that of this password. What cannot be read is no password's.
fn is_hash_of(phc: &str, password: &str) -> bool {
    let verify = || {
        let mut fields = phc.strip_prefix("$argon2id$v=19$")?.split('$');
        let (costs, salt, stated) = (fields.next()?, fields.next()?, fields.next()?);
        let mut costs = costs.split(',').map(|cost| cost.split_once('=')?.1.parse::<u32>().ok());
        let (memory, passes, lanes) = (costs.next()??, costs.next()??, costs.next()??);
        let (salt, stated) = (STANDARD_NO_PAD.decode(salt).ok()?, STANDARD_NO_PAD.decode(stated).ok()?);
        let mut out = [0; HASH_BYTES];
        argon(memory, passes, lanes)?.hash_password_into(password.as_bytes(), &salt, &mut out).ok()?;
        Some(bool::from(out[..].ct_eq(&stated)))
    };
    verify().unwrap_or(false)
}

/// Checks that a password may be chosen.
fn check(password: &str, name: &str) -> HubResult<()> {
    if password.chars().count() < PASSWORD_CHARS_MIN || password.len() > PASSWORD_BYTES_MAX {
        return Err(HubError::PasswordWeak(format!(
            "a password has at least {PASSWORD_CHARS_MIN} characters and at most {PASSWORD_BYTES_MAX} bytes; several \
             words are easy to keep in mind"
        )));
    }
    let plain = password.to_lowercase();
    let first = plain.chars().next();
    if plain.contains(&name.to_lowercase()) || plain.chars().all(|c| Some(c) == first) {
        return Err(HubError::PasswordWeak(
            "choose a password without your name in it, and not one letter again and again".to_owned(),
        ));
    }
    Ok(())
}

impl Hub {
    /// Runs a hash in its place.
    async fn hashing<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> HubResult<T> {
        let _waiting = self.hash_desk.waiting.try_acquire().map_err(|_| HubError::Busy)?;
        let _place = self.hash_desk.places.acquire().await.map_err(|_| HubError::Busy)?;
        tokio::task::spawn_blocking(work).await.map_err(|_| HubError::Busy)
    }

    /// Finds out who signs in with a name and a password; `None` when there is nobody of that name, or with
    /// another password, or without one. All of these take as long.
    ///
    /// # Errors
    /// [`HubError::Busy`] when too many sign in at once.
    pub async fn password_verify(&self, name: &str, password: &str) -> HubResult<Option<Account>> {
        let account = match self.account_of_kind(name.trim(), AccountKind::User).await {
            Ok(account) => Some(account),
            Err(HubError::Missing(_)) => None,
            Err(error) => return Err(error),
        };
        let stored = match &account {
            Some(account) => self.catalog.password_get(account.id).await?,
            None => None,
        };
        let is_there = stored.is_some();
        let password = password.to_owned();
        if password.len() > PASSWORD_BYTES_MAX {
            return Ok(None);
        }
        let is_right = self
            .hashing(move || match stored {
                Some(stored) => is_hash_of(&stored, &password),
                None => hash(&password, [0; SALT_BYTES]).is_empty(),
            })
            .await?;
        Ok(account.filter(|_| is_there && is_right))
    }

    async fn password_store(&self, user: &Account, password: &str) -> HubResult<()> {
        check(password, user.name.as_str())?;
        let mut salt = [0; SALT_BYTES];
        self.entropy.fill(&mut salt);
        let password = password.to_owned();
        let phc = self.hashing(move || hash(&password, salt)).await?;
        Ok(self.catalog.password_set(user.id, &phc, self.clock.now()).await?)
    }

    /// Sets a person's password, for who administers the node. Ends all sessions of the person.
    ///
    /// # Errors
    /// [`HubError::Forbidden`]; [`HubError::Missing`]; [`HubError::PasswordWeak`] for a password that is too short.
    pub async fn password_set(&self, actor: &Actor, user: &str, password: &str) -> HubResult<()> {
        self.node_admin_check(actor)?;
        let user = self.account_of_kind(user, AccountKind::User).await?;
        self.password_store(&user, password).await
    }

    /// Changes the caller's own password, which they must know if they have one. Ends all their sessions. The first
    /// one is not chosen by who has only a token to show: it would outlive the token.
    ///
    /// # Errors
    /// [`HubError::SignInNeeded`]; [`HubError::PasswordWrong`] when the old one is wrong; [`HubError::PasswordWeak`].
    pub async fn password_change(&self, actor: &Actor, old: &str, new: &str) -> HubResult<()> {
        let user = self.signed_in(actor)?.account.clone();
        self.right_check(actor, user.id, Right::Admin, "your password")?;
        let has_password = self.catalog.password_get(user.id).await?.is_some();
        if !has_password {
            actor.more_than_token_check()?;
        }
        if has_password && self.password_verify(user.name.as_str(), old).await?.is_none() {
            return Err(HubError::PasswordWrong);
        }
        self.password_store(&user, new).await
    }

    /// Tells whether the caller has a password.
    ///
    /// # Errors
    /// [`HubError::SignInNeeded`].
    pub async fn password_has(&self, actor: &Actor) -> HubResult<bool> {
        let user = self.signed_in(actor)?.account.id;
        Ok(self.catalog.password_get(user).await?.is_some())
    }

    /// Makes the code with which a person chooses a password, once, within three days. It takes the place of
    /// the one before. Only who administers the node may; who has only a token to show invites no administrator,
    /// themselves included: with the password they would have more than the token, and for longer.
    ///
    /// # Errors
    /// [`HubError::Forbidden`]; [`HubError::Missing`]; [`HubError::Refused`] to a token.
    pub async fn invitation_create(&self, actor: &Actor, user: &str) -> HubResult<String> {
        self.node_admin_check(actor)?;
        let user = self.account_of_kind(user, AccountKind::User).await?;
        self.sign_in_check(user.id).await?;
        if user.is_admin {
            actor.more_than_token_check()?;
        }
        let code = alphanumeric(&*self.entropy, CODE_LETTERS);
        let expires = self.clock.now().plus_secs(INVITATION_SECS);
        self.catalog.invitation_set(user.id, &token_hash(&code), expires).await?;
        Ok(code)
    }

    /// Returns whom an invitation is for.
    ///
    /// # Errors
    /// [`HubError::InvitationOver`] when it was used, is over, or never was.
    pub async fn invitation_open(&self, code: &str) -> HubResult<Account> {
        let found = self.catalog.invitation_get(&token_hash(code)).await?;
        let open = found.filter(|(_, expires)| *expires > self.clock.now()).map(|(account, _)| account);
        open.ok_or(HubError::InvitationOver)
    }

    /// Chooses a password with an invitation, which is used up by it.
    ///
    /// # Errors
    /// As [`Hub::invitation_open`]; [`HubError::PasswordWeak`] for a password that is too short, and then the
    /// invitation stays.
    pub async fn invitation_use(&self, code: &str, password: &str) -> HubResult<Account> {
        let user = self.invitation_open(code).await?;
        check(password, user.name.as_str())?;
        if !self.catalog.invitation_take(&token_hash(code)).await? {
            return Err(HubError::InvitationOver);
        }
        self.password_store(&user, password).await?;
        Ok(user)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_of_one_password() {
        let phc = hash("correct horse", [7; SALT_BYTES]);
        assert!(phc.starts_with("$argon2id$v=19$m=19456,t=2,p=1$BwcHBwcHBwcHBwcHBwcHBw$"), "{phc}");
        assert!(is_hash_of(&phc, "correct horse") && !is_hash_of(&phc, "correct horsf"));
        assert_ne!(phc, hash("correct horse", [8; SALT_BYTES]));
        for broken in [
            "",
            "$argon2id$v=19$",
            "$argon2i$v=19$m=1,t=1,p=1$a$b",
            &phc[..phc.len() - 1],
            "$argon2id$v=19$m=4294967295,t=1,p=1$BwcHBwcHBwc$BwcHBwcHBwc",
        ] {
            assert!(!is_hash_of(broken, "correct horse"), "{broken}");
        }
    }

    #[test]
    fn weak_passwords_are_not_chosen() {
        for weak in ["short", "aaaaaaaaaaaa", "Amina-2026-x", &"x y".repeat(200)] {
            assert!(check(weak, "amina").is_err(), "{weak}");
        }
        check("three quiet rivers", "amina").unwrap();
        check("三条安静的河流在夏天里", "amina").unwrap();
    }
}
