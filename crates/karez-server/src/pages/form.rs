//! A form that a page of this node sent: read, and believed only with its proof.
//!
//! The session's cookie counts here, and only here, for what changes something; so nothing of a form is looked
//! at before its proof was found genuine. With files, the proof comes first, and what a stranger sends behind a
//! wrong one is not kept.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::body::Body;
use axum::extract::{FromRequest, Multipart, Request};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures::StreamExt as _;
use karez_hub::{Actor, HubError};
use karez_pages::{AgainPage, Amount, FORM_FILES_MAX, Key, Notice, again_page, key, stale_page};
use percent_encoding::percent_decode_str;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::answer::{form_page, go_to};
use super::asked::{Asked, frame, takes_page, wants_html};
use super::session::{Proof, form_proof, proof_of, session_secret};
use crate::AppState;
use crate::body::broken_body;
use crate::error::{ApiError, ApiResult};
use crate::extract::{Base, Caller, whole_body};
use crate::front::nothing_here;

/// Fields of one form.
const FIELDS_MAX: usize = 64;
/// Longest name of a field, in bytes.
const NAME_BYTES_MAX: usize = 64;

/// A file that a form brings.
pub(super) struct FormFile {
    /// Its name, as the browser says.
    pub name: String,
    /// All of it.
    pub content: Vec<u8>,
}

/// A form with a genuine proof.
pub(super) struct Form {
    /// The request; its caller is whom the session says.
    pub asked: Asked,
    /// The path that it was sent to.
    action: String,
    /// Files.
    pub files: Vec<FormFile>,
    /// Why not all that was sent is here. Then nothing of it may be done.
    pub excess: Option<Notice>,
    fields: Vec<(String, String)>,
    /// The place in memory of what came in parts.
    room: Option<OwnedSemaphorePermit>,
}

/// Bytes that all forms with files may hold together, in pieces of [`ROOM_PIECE_BYTES`]: eight of the largest.
pub(crate) const ROOM_PIECES: usize = 128 << 10;
/// One piece of that room, in bytes.
const ROOM_PIECE_BYTES: usize = 1 << 10;
/// Longest proof, in bytes. Ours have about a hundred.
const PROOF_BYTES_MAX: usize = 1_000;

impl Form {
    /// Takes room for bytes that came; the node is busy when there is none.
    fn room_take(&mut self, room: &Arc<Semaphore>, bytes: usize) -> ApiResult<()> {
        let pieces = u32::try_from(bytes.div_ceil(ROOM_PIECE_BYTES)).unwrap_or(u32::MAX);
        let taken = Arc::clone(room).try_acquire_many_owned(pieces).map_err(|_| ApiError(HubError::Busy))?;
        match &mut self.room {
            Some(room) => room.merge(taken),
            None => self.room = Some(taken),
        }
        Ok(())
    }

    /// Finds out whose session sent it, once its proof was found genuine.
    async fn caller_find(&mut self, state: &AppState) -> ApiResult<()> {
        if let Some(secret) = session_secret(&self.asked.headers) {
            self.asked.caller = state.hub.session_actor(secret).await?;
            self.asked.frame.user = self.asked.caller.user().map(|user| user.account.name.to_string());
        }
        Ok(())
    }

    /// Returns a field; the empty text when there is none.
    pub(super) fn value(&self, name: &str) -> &str {
        self.fields.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }

    /// Returns a field without the space around it.
    pub(super) fn word(&self, name: &str) -> &str {
        self.value(name).trim()
    }

    /// Returns the secret of the session that sent it.
    pub(super) fn session(&self) -> Option<&str> {
        session_secret(&self.asked.headers)
    }
}

/// Returns the words of an error that a form can be shown again with; what is the node's own fault goes on.
pub(super) fn notice_of(error: HubError) -> ApiResult<Notice> {
    use HubError as E;
    match error {
        E::Forbidden(_)
        | E::Blocked
        | E::Exists(_)
        | E::RepoExists(_)
        | E::NameClash(_)
        | E::Invalid(_)
        | E::Refused(_)
        | E::Missing(_)
        | E::TooLarge { .. }
        | E::OverQuota(_)
        | E::BranchMoved
        | E::Busy
        | E::BadName(_)
        | E::PasswordWrong
        | E::PasswordWeak(_)
        | E::StorageFull => Ok(super::told::notice(&error)),
        E::LastAdmin(_) => Ok(Notice::Trouble(key::LAST_ADMIN)),
        other => Err(ApiError(other)),
    }
}

/// What came of a form that was understood.
pub(super) enum Came {
    /// It was done, and the browser goes to what was made or changed.
    GoTo(String),
    /// It was done, and its page is shown again and says so.
    Done(Key),
    /// Its page is shown again and says, in a text of the languages, why nothing was done.
    Not(Key),
    /// Its page is shown again and says that too much was sent.
    TooMuch(Notice),
    /// Nothing was to be done but to show its page.
    Shown,
}

/// Answers a form: elsewhere, or with its own page, which `shown` makes around what there is to say.
///
/// # Errors
/// What a page cannot say is the error of the request: it is the node's own, or the caller may not know more.
pub(super) async fn answered(
    came: Result<Came, HubError>,
    shown: impl AsyncFnOnce(Option<Notice>) -> ApiResult<Response>,
) -> ApiResult<Response> {
    let (status, notice) = match came {
        Ok(Came::GoTo(path)) => return Ok(go_to(&path)),
        Ok(Came::Done(text)) => (StatusCode::OK, Some(Notice::Done(text))),
        Ok(Came::Not(text)) => (StatusCode::UNPROCESSABLE_ENTITY, Some(Notice::Trouble(text))),
        Ok(Came::TooMuch(notice)) => (StatusCode::PAYLOAD_TOO_LARGE, Some(notice)),
        Ok(Came::Shown) => (StatusCode::OK, None),
        Err(error) => (StatusCode::UNPROCESSABLE_ENTITY, Some(notice_of(error)?)),
    };
    let mut response = shown(notice).await?;
    *response.status_mut() = status;
    Ok(response)
}

/// Decodes the fields of a body.
fn fields_of(body: &[u8]) -> Vec<(String, String)> {
    let decode =
        |part: &str| percent_decode_str(&part.replace('+', " ")).decode_utf8().ok().map(|text| text.into_owned());
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        Some((decode(name)?, decode(value)?)).filter(|(name, _)| name.len() <= NAME_BYTES_MAX)
    };
    let text = std::str::from_utf8(body).unwrap_or_default();
    // One more than there may be, so that too many are seen.
    text.split('&').filter(|pair| !pair.is_empty()).take(FIELDS_MAX + 1).filter_map(pair).collect()
}

/// What is never written into a page, not even back to who typed it.
const SECRETS: [&str; 4] = ["password", "again", "old", "token"];
/// Forms for who is not signed in.
const FOR_STRANGERS: [&str; 4] = ["/-/sign-in", "/-/sign-out", "/-/invited", "/-/provider"];

/// Answers a form whose proof is too old, or not for this session any more: with what was typed, to be sent again.
/// Only when the browser says that a page of this node sent it, or an old proof does: what another site sends
/// must not look like what its reader wrote.
fn again(state: &AppState, form: &Form) -> Response {
    let asked = &form.asked;
    let path = asked.frame.path.as_str();
    let has_secret = form.fields.iter().any(|(name, _)| SECRETS.contains(&name.as_str()));
    let is_for_strangers = FOR_STRANGERS.iter().any(|prefix| path.starts_with(prefix));
    if !wants_html(&asked.headers) || has_secret || is_for_strangers || !form.files.is_empty() {
        return refused(state, asked);
    }
    let (proof, cookie) = form_proof(state, &asked.headers, &asked.base);
    let mut fields = form.fields.clone();
    fields.retain(|(name, _)| name != "proof");
    let page = AgainPage { action: form.action.clone(), fields, proof };
    let mut response = form_page(asked, again_page(&asked.frame, &page), cookie);
    *response.status_mut() = StatusCode::BAD_REQUEST;
    response
}

/// Answers a form whose proof is wrong.
fn refused(state: &AppState, asked: &Asked) -> Response {
    if !wants_html(&asked.headers) {
        let words = "the form was too old, or not from this node; load its page again";
        return ApiError(HubError::Invalid(words.to_owned())).into_response();
    }
    let (_, cookie) = form_proof(state, &asked.headers, &asked.base);
    let back = if asked.frame.path.starts_with("/-/sign") { "/-/sign-in" } else { asked.frame.path.as_str() };
    let mut response = form_page(asked, stale_page(&asked.frame, back), cookie);
    *response.status_mut() = StatusCode::BAD_REQUEST;
    response
}

impl FromRequest<AppState> for Form {
    type Rejection = Response;
    async fn from_request(request: Request, state: &AppState) -> Result<Form, Response> {
        let (mut parts, body) = request.into_parts();
        if !takes_page(&parts.headers) {
            return Err(nothing_here(Ok(Caller(Actor::Anonymous)), parts.uri).await);
        }
        use axum::extract::FromRequestParts as _;
        let Base(base) = Base::from_request_parts(&mut parts, state).await.map_err(IntoResponse::into_response)?;
        let headers = parts.headers.clone();
        let (mut frame, chosen) = frame(state, &headers, &parts.uri, &Actor::Anonymous);
        // Where the page is that these are forms of.
        let action = frame.path.clone();
        for page in ["/-/account", "/-/publish"] {
            if frame.path.starts_with(page) {
                frame.path = page.to_owned();
            }
        }
        // Of these pages nothing is lost when they are read in another language; others have what was typed.
        let is_plain = ["/-/account", "/-/org/", "/-/admin"].iter().any(|page| frame.path.starts_with(page));
        frame.has_languages = is_plain || frame.path.ends_with("/settings");
        let asked = Asked { caller: Actor::Anonymous, frame, base, headers, chosen };
        let has_files = asked
            .headers
            .get(header::CONTENT_TYPE)
            .is_some_and(|kind| kind.as_bytes().starts_with(b"multipart/form-data"));
        let request = Request::from_parts(parts, body);
        let mut form = Form { asked, action, fields: Vec::new(), files: Vec::new(), excess: None, room: None };
        let proof = if has_files {
            read_parts(request, state, &mut form).await.map_err(IntoResponse::into_response)?
        } else {
            let body = whole_body(request, state).await.map_err(IntoResponse::into_response)?;
            form.fields = fields_of(&body);
            if form.fields.len() > FIELDS_MAX {
                return Err(too_many_fields().into_response());
            }
            proof_of(state, &form.asked.headers, &form.asked.base, form.value("proof"))
        };
        if !has_files || proof != Proof::Good {
            form.caller_find(state).await.map_err(IntoResponse::into_response)?;
        }
        match proof {
            Proof::Good => {}
            Proof::Old if !has_files => return Err(again(state, &form)),
            Proof::Old | Proof::Wrong => return Err(refused(state, &form.asked)),
        }
        // The session ended, and the browser does not know.
        if form.asked.caller.is_anonymous() && form.session().is_some() && wants_html(&form.asked.headers) {
            let path = form.asked.frame.path.as_str();
            if !FOR_STRANGERS.iter().any(|prefix| path.starts_with(prefix)) {
                return Err(again(state, &form));
            }
        }
        Ok(form)
    }
}

fn too_many_fields() -> ApiError {
    ApiError::invalid(format!("a form of this node has at most {FIELDS_MAX} fields"))
}

/// Reads a form with files; tells what its proof, which comes first, is worth. Behind one that is not good nothing
/// is read. Of what is too much nothing is kept, and the form says so in `excess`.
async fn read_parts(request: Request, state: &AppState, form: &mut Form) -> ApiResult<Proof> {
    // Where it is too much, it ends: so what came before, the proof and what was typed, is read all the same.
    let is_cut = Arc::new(AtomicBool::new(false));
    let (parts, body) = request.into_parts();
    let cut = Arc::clone(&is_cut);
    let pieces = body.into_data_stream().take_while(move |piece| {
        let is_too_much = piece.as_ref().is_err_and(|error| matches!(broken_body(error), HubError::TooLarge { .. }));
        cut.fetch_or(is_too_much, Ordering::Relaxed);
        std::future::ready(!is_too_much)
    });
    let read = read_good_parts(Request::from_parts(parts, Body::from_stream(pieces)), state, form).await;
    if !is_cut.load(Ordering::Relaxed) || matches!(read, Ok(Proof::Old | Proof::Wrong)) {
        return read;
    }
    let limit = state.hub.limits().form_upload_bytes_max;
    if form.asked.caller.is_anonymous() {
        let (what, setting) = ("the body", "form_upload_bytes_max");
        return Err(ApiError(HubError::TooLarge { what, limit: format!("{limit} bytes"), setting }));
    }
    form.files.clear();
    form.excess = Some(Notice::Amounts(key::FORM_TOO_LARGE, vec![("bytes", Amount::Bytes(limit))]));
    Ok(Proof::Good)
}

async fn read_good_parts(request: Request, state: &AppState, form: &mut Form) -> ApiResult<Proof> {
    let broken = |error: &(dyn std::error::Error + 'static)| ApiError(broken_body(error));
    let mut parts = Multipart::from_request(request, state)
        .await
        .map_err(|error| ApiError::invalid(format!("the form cannot be read: {}", error.body_text())))?;
    let mut proof = Proof::Wrong;
    while let Some(mut part) = parts.next_field().await.map_err(|error| broken(&error))? {
        let name: String = part.name().unwrap_or_default().chars().take(NAME_BYTES_MAX).collect();
        let file = part.file_name().map(str::to_owned);
        let mut content = Vec::new();
        while let Some(piece) = part.chunk().await.map_err(|error| broken(&error))? {
            if proof != Proof::Good && content.len() + piece.len() > PROOF_BYTES_MAX {
                return Ok(Proof::Wrong);
            }
            if form.excess.is_some() && file.is_some() {
                continue;
            }
            form.room_take(&state.form_room, piece.len())?;
            content.extend_from_slice(&piece);
        }
        if proof != Proof::Good {
            let text = std::str::from_utf8(&content).unwrap_or_default();
            if name == "proof" {
                proof = proof_of(state, &form.asked.headers, &form.asked.base, text);
            }
            if proof != Proof::Good {
                return Ok(proof);
            }
            // Files are held in memory, so only for somebody whom the node knows.
            form.caller_find(state).await?;
            if form.asked.caller.is_anonymous() {
                return Err(ApiError(HubError::SignInNeeded("sign in before you send files".to_owned())));
            }
        } else if let Some(file) = file {
            // A form without a chosen file sends one without a name.
            if file.is_empty() || form.excess.is_some() {
                continue;
            }
            if form.files.len() == FORM_FILES_MAX {
                form.files.clear();
                let files = Amount::Count(FORM_FILES_MAX as u64);
                form.excess = Some(Notice::Amounts(key::FORM_TOO_MANY_FILES, vec![("n", files)]));
                continue;
            }
            form.files.push(FormFile { name: file, content });
        } else if form.fields.len() < FIELDS_MAX {
            form.fields.push((name, String::from_utf8_lossy(&content).into_owned()));
        } else {
            return Err(too_many_fields());
        }
    }
    Ok(proof)
}

/// Returns the text that says that two passwords differ, unless they are the same.
pub(super) fn same_twice(form: &Form) -> Option<Notice> {
    (form.value("password") != form.value("again")).then_some(Notice::Trouble(key::PASSWORDS_DIFFER))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_decoded_and_bounded() {
        assert_eq!(
            fields_of(b"a=1+2&b=%C3%A9&c&%FF=x"),
            [("a", "1 2"), ("b", "é"), ("c", "")].map(|(a, b)| (a.to_owned(), b.to_owned()))
        );
        let many = "x=1&".repeat(1_000);
        assert_eq!(fields_of(many.as_bytes()).len(), FIELDS_MAX + 1, "which is refused");
        assert_eq!(fields_of(b"\xff"), []);
    }
}
