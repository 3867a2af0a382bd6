//! Names of objects inside the store. Made only from checked values, so no name can leave its folder.

use karez_types::XorbHash;

/// Where all xorbs live.
pub(crate) const XORBS: &str = "xorbs";
/// Where parts of unfinished uploads live.
pub(crate) const UPLOADS: &str = "uploads";
/// What the name of an index ends with.
pub(crate) const INDEX_SUFFIX: &str = ".idx";

/// Returns `xorbs/aa/bb/<64 hex>`.
pub(crate) fn xorb(hash: XorbHash) -> String {
    let text = hash.to_string();
    format!("{XORBS}/{}/{}/{text}", &text[..2], &text[2..4])
}

/// Returns the name of the index beside the xorb.
pub(crate) fn index(hash: XorbHash) -> String {
    xorb(hash) + INDEX_SUFFIX
}

/// Returns the folder of an upload's parts.
pub(crate) fn upload(upload: &UploadId) -> String {
    format!("{UPLOADS}/{}", upload.0)
}

/// Returns the name of one part. Zero-padded, so that a listing is in order.
pub(crate) fn part(id: &UploadId, part: u32) -> String {
    format!("{}/{part:010}", upload(id))
}

/// Id of a multipart upload: 1 to 64 letters, digits, `-` or `_`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct UploadId(String);

impl UploadId {
    /// Longest id, in bytes.
    pub const BYTES_MAX: usize = 64;

    /// Returns the id, or `None` when the text is not one.
    pub fn new(text: impl Into<String>) -> Option<UploadId> {
        let text = text.into();
        let length_fits = (1..=UploadId::BYTES_MAX).contains(&text.len());
        let letters_fit = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
        (length_fits && letters_fit).then_some(UploadId(text))
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for UploadId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn upload_ids_cannot_leave_their_folder() {
        for text in ["", "..", "a/b", "a\\b", "a\0", "é", &"a".repeat(65)] {
            assert_eq!(UploadId::new(text), None, "{text:?}");
        }
        let id = UploadId::new("aZ09-_").unwrap();
        assert_eq!(part(&id, 7), "uploads/aZ09-_/0000000007");
    }
}
