//! Addresses of pages: what is in a name is encoded, so that a name is never read as an address.

use karez_types::RepoAddress;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// What stands for itself in one part of a path.
const PART: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Encodes one part of a path, or a value of a query.
pub fn encode_part(text: &str) -> String {
    utf8_percent_encode(text, PART).to_string()
}

/// Encodes a path, keeping its slashes.
pub fn encode_path(path: &str) -> String {
    path.split('/').map(encode_part).collect::<Vec<_>>().join("/")
}

/// Decodes one part of a path; what does not decode stays as it is.
pub(crate) fn decode_part(part: &str) -> String {
    percent_decode_str(part).decode_utf8().map_or_else(|_| part.to_owned(), |text| text.into_owned())
}

/// Returns the address of a repository's page.
pub fn repo_url(address: &RepoAddress) -> String {
    format!("/{}", address.url_path())
}

/// Returns the address of something in a repository: `blob`, `tree`, `resolve` and so on.
pub fn file_url(address: &RepoAddress, what: &str, revision: &str, path: &str) -> String {
    let mut url = format!("{}/{what}/{}", repo_url(address), encode_part(revision));
    if !path.is_empty() {
        url.push('/');
        url.push_str(&encode_path(path));
    }
    url
}
