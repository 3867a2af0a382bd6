//! LFS pointer files.

use karez_types::Sha256;

/// What stands in git for a large file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LfsPointer {
    /// SHA-256 of the file.
    pub sha256: Sha256,
    /// Length of the file.
    pub file_bytes: u64,
}

/// A pointer file is shorter than this; anything longer is a file of its own (LFS spec: 1,024).
pub const POINTER_BYTES_MAX: usize = 1024;

const VERSION: &str = "version https://git-lfs.github.com/spec/v1";
/// Address used by git-lfs before 1.0; pointers that name it are still valid.
const VERSION_PRE_RELEASE: &str = "version https://hawser.github.com/spec/v1";

impl LfsPointer {
    /// Returns the pointer in these bytes, or `None` when they are something else.
    ///
    /// Follows the specification: `version` first, the other keys sorted; unknown keys and the
    /// lines of extensions are passed over.
    pub fn parse(content: &[u8]) -> Option<LfsPointer> {
        if content.len() >= POINTER_BYTES_MAX {
            return None;
        }
        let text = std::str::from_utf8(content).ok()?;
        let mut lines = text.strip_suffix('\n').unwrap_or(text).split('\n');
        let version = lines.next()?;
        if version != VERSION && version != VERSION_PRE_RELEASE {
            return None;
        }
        let (mut sha256, mut file_bytes) = (None, None);
        for line in lines {
            let (key, value) = line.split_once(' ')?;
            match key {
                "oid" if sha256.is_none() => sha256 = Some(value.strip_prefix("sha256:")?.parse().ok()?),
                "size" if file_bytes.is_none() => file_bytes = Some(parse_decimal(value)?),
                "oid" | "size" | "version" => return None,
                _ => {}
            }
        }
        Some(LfsPointer { sha256: sha256?, file_bytes: file_bytes? })
    }

    /// Returns the bytes that git-lfs writes.
    pub fn encode(&self) -> Vec<u8> {
        format!("{VERSION}\noid sha256:{}\nsize {}\n", self.sha256, self.file_bytes).into_bytes()
    }
}

fn parse_decimal(digits: &str) -> Option<u64> {
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HEX: &str = "4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393";

    #[test]
    fn the_example_of_the_specification() {
        let text = format!("{VERSION}\noid sha256:{HEX}\nsize 12345\n");
        let pointer = LfsPointer::parse(text.as_bytes()).unwrap();
        assert_eq!(pointer, LfsPointer { sha256: HEX.parse().unwrap(), file_bytes: 12345 });
        assert_eq!(pointer.encode(), text.as_bytes());
        let extended = format!("{VERSION}\next-0-foo sha256:{HEX}\noid sha256:{HEX}\nsize 12345\n");
        assert_eq!(LfsPointer::parse(extended.as_bytes()), Some(pointer));
    }

    #[test]
    fn what_only_looks_like_a_pointer_is_a_file() {
        for text in [
            String::new(),
            VERSION.to_owned(),
            format!("{VERSION}\noid sha256:{HEX}\n"),
            format!("{VERSION}\nsize 1\n"),
            format!("{VERSION}\noid sha256:{HEX}\nsize -1\n"),
            format!("{VERSION}\noid sha256:{HEX}\nsize +1\n"),
            format!("{VERSION}\noid sha256:{HEX}\nsize 99999999999999999999\n"),
            format!("{VERSION}\noid md5:{HEX}\nsize 1\n"),
            format!("{VERSION}\noid sha256:{HEX}\nsize 1\nsize 2\n"),
            format!("oid sha256:{HEX}\nsize 1\n{VERSION}\n"),
            format!("{VERSION}\noid sha256:{HEX}\nsize 1\n{}", "x y\n".repeat(300)),
        ] {
            assert_eq!(LfsPointer::parse(text.as_bytes()), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn pointers_survive(sha256 in any::<[u8; 32]>(), file_bytes in any::<u64>()) {
            let pointer = LfsPointer { sha256: Sha256(sha256), file_bytes };
            prop_assert_eq!(LfsPointer::parse(&pointer.encode()), Some(pointer));
        }

        #[test]
        fn any_bytes_are_parsed_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = LfsPointer::parse(&bytes);
        }
    }
}
