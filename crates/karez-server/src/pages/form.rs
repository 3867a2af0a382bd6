//! A form that a page of this node sent: read, and believed only with its proof.
//!
//! The session's cookie counts here, and only here, for what changes something; so nothing of a form is looked
//! at before its proof was found genuine. With files, the proof comes first, and what a stranger sends behind a
//! wrong one is not kept.

use std::sync::Arc;

use axum::extract::{FromRequest, Multipart, Request};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use karez_hub::{Actor, HubError};
use karez_pages::{Key, Notice, key, stale_page};
use percent_encoding::percent_decode_str;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::answer::{form_page, go_to};
use super::asked::{Asked, frame, takes_page, wants_html};
use super::session::{form_is_ours, form_proof, session_secret};
use crate::AppState;
use crate::body::broken_body;
use crate::error::{ApiError, ApiResult};
use crate::extract::{Base, Caller, whole_body};
use crate::front::nothing_here;

/// Fields of one form.
const FIELDS_MAX: usize = 64;
/// Files of one form.
const FILES_MAX: usize = 100;
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
    /// Files.
    pub files: Vec<FormFile>,
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
    text.split('&').filter(|pair| !pair.is_empty()).take(FIELDS_MAX).filter_map(pair).collect()
}

/// Answers a form whose proof is wrong or too old.
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
        for page in ["/-/account", "/-/publish"] {
            if frame.path.starts_with(page) {
                frame.path = page.to_owned();
            }
        }
        let asked = Asked { caller: Actor::Anonymous, frame, base, headers, chosen };
        let has_files = asked
            .headers
            .get(header::CONTENT_TYPE)
            .is_some_and(|kind| kind.as_bytes().starts_with(b"multipart/form-data"));
        let request = Request::from_parts(parts, body);
        let mut form = Form { asked, fields: Vec::new(), files: Vec::new(), room: None };
        let is_ours = if has_files {
            read_parts(request, state, &mut form).await.map_err(IntoResponse::into_response)?
        } else {
            let body = whole_body(request, state).await.map_err(IntoResponse::into_response)?;
            form.fields = fields_of(&body);
            form_is_ours(state, &form.asked.headers, &form.asked.base, form.value("proof"))
        };
        if !is_ours {
            return Err(refused(state, &form.asked));
        }
        if !has_files {
            form.caller_find(state).await.map_err(IntoResponse::into_response)?;
        }
        Ok(form)
    }
}

/// Reads a form with files; tells whether its proof, which comes first, is genuine. Behind a wrong one nothing
/// is read.
async fn read_parts(request: Request, state: &AppState, form: &mut Form) -> ApiResult<bool> {
    let broken = |error: &(dyn std::error::Error + 'static)| ApiError(broken_body(error));
    let mut parts = Multipart::from_request(request, state)
        .await
        .map_err(|error| ApiError::invalid(format!("the form cannot be read: {}", error.body_text())))?;
    let mut is_ours = false;
    while let Some(mut part) = parts.next_field().await.map_err(|error| broken(&error))? {
        let name: String = part.name().unwrap_or_default().chars().take(NAME_BYTES_MAX).collect();
        let file = part.file_name().map(str::to_owned);
        let mut content = Vec::new();
        while let Some(piece) = part.chunk().await.map_err(|error| broken(&error))? {
            if !is_ours && content.len() + piece.len() > PROOF_BYTES_MAX {
                return Ok(false);
            }
            form.room_take(&state.form_room, piece.len())?;
            content.extend_from_slice(&piece);
        }
        if !is_ours {
            let proof = std::str::from_utf8(&content).unwrap_or_default();
            is_ours = name == "proof" && form_is_ours(state, &form.asked.headers, &form.asked.base, proof);
            if !is_ours {
                return Ok(false);
            }
            // Files are held in memory, so only for somebody whom the node knows.
            form.caller_find(state).await?;
            if form.asked.caller.is_anonymous() {
                return Err(ApiError(HubError::SignInNeeded("sign in before you send files".to_owned())));
            }
        } else if let Some(file) = file {
            // A form without a chosen file sends one without a name.
            if !file.is_empty() && form.files.len() < FILES_MAX {
                form.files.push(FormFile { name: file, content });
            }
        } else if form.fields.len() < FIELDS_MAX {
            form.fields.push((name, String::from_utf8_lossy(&content).into_owned()));
        }
    }
    Ok(is_ours)
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
        assert_eq!(fields_of(many.as_bytes()).len(), FIELDS_MAX);
        assert_eq!(fields_of(b"\xff"), []);
    }
}
