//! The `store` setting: where the bytes of a node are.

use std::fmt;
use std::path::PathBuf;

use percent_encoding::percent_decode_str;

use crate::StoreError;

/// Where the bytes are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreLocation {
    /// In this process; gone when it ends. For tests.
    Memory,
    /// In a folder of a local file system.
    Folder(PathBuf),
    /// In a bucket of S3-compatible storage.
    S3(S3Location),
}

/// A bucket and how to reach it. What is not given is taken from the `AWS_*` environment.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct S3Location {
    /// Name of the bucket.
    pub bucket: String,
    /// Put before every name; empty for the top of the bucket.
    pub prefix: String,
    /// Address of the service, as `https://s3.example.org`.
    pub endpoint: Option<String>,
    /// Region, as the service names it.
    pub region: Option<String>,
    /// Name of the access key.
    pub access_key_id: Option<String>,
    /// The secret of the access key.
    pub secret_access_key: Option<String>,
    /// Whether an address that starts with `http://` is fine.
    pub allow_http: bool,
    /// Whether the bucket is part of the host name instead of the path.
    pub virtual_hosted: bool,
}

impl fmt::Debug for S3Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3Location")
            .field("bucket", &self.bucket)
            .field("prefix", &self.prefix)
            .field("endpoint", &self.endpoint)
            .field("region", &self.region)
            .finish_non_exhaustive()
    }
}

/// Prints the location without its secrets.
impl fmt::Display for StoreLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreLocation::Memory => f.write_str("memory:"),
            StoreLocation::Folder(path) => path.display().fmt(f),
            StoreLocation::S3(s3) => {
                write!(f, "s3://{}", s3.bucket)?;
                if !s3.prefix.is_empty() {
                    write!(f, "/{}", s3.prefix)?;
                }
                s3.endpoint.iter().try_for_each(|endpoint| write!(f, " at {endpoint}"))
            }
        }
    }
}

impl StoreLocation {
    /// Reads a setting: the path of a folder, `memory:`, or
    /// `s3://bucket/prefix?endpoint=…&region=…&access_key_id=…&secret_access_key=…&allow_http`.
    /// Values are percent-decoded; `allow_http` and `virtual_hosted` need no value.
    ///
    /// # Errors
    /// [`StoreError::Location`] with what to change.
    pub fn parse(text: &str) -> Result<StoreLocation, StoreError> {
        if text == "memory:" {
            return Ok(StoreLocation::Memory);
        }
        if let Some(rest) = text.strip_prefix("s3://") {
            return parse_s3(rest).map(StoreLocation::S3).map_err(|what| StoreError::Location { what });
        }
        if text.is_empty() || text.contains("://") {
            let what = "give the path of a folder, or an address that starts with s3://".to_owned();
            return Err(StoreError::Location { what });
        }
        Ok(StoreLocation::Folder(PathBuf::from(text)))
    }
}

fn parse_s3(rest: &str) -> Result<S3Location, String> {
    let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
    if bucket.is_empty() {
        return Err("give the name of the bucket after s3://".to_owned());
    }
    let mut location =
        S3Location { bucket: bucket.to_owned(), prefix: prefix.trim_matches('/').to_owned(), ..S3Location::default() };
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, "true"));
        let text = percent_decode_str(value).decode_utf8().map_err(|_| format!("{key} is not UTF-8"))?.into_owned();
        match key {
            "endpoint" => location.endpoint = Some(text.trim_end_matches('/').to_owned()),
            "region" => location.region = Some(text),
            "access_key_id" => location.access_key_id = Some(text),
            "secret_access_key" => location.secret_access_key = Some(text),
            "allow_http" => location.allow_http = switch(key, &text)?,
            "virtual_hosted" => location.virtual_hosted = switch(key, &text)?,
            _ => {
                return Err(format!(
                    "{key} is not known; use endpoint, region, access_key_id, secret_access_key, allow_http, \
                     virtual_hosted"
                ));
            }
        }
    }
    if location.endpoint.as_deref().is_some_and(|endpoint| endpoint.starts_with("http://")) && !location.allow_http {
        return Err("the endpoint is not encrypted; add &allow_http if that is what you want".to_owned());
    }
    Ok(location)
}

fn switch(key: &str, value: &str) -> Result<bool, String> {
    match value {
        "true" | "1" | "" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err(format!("{key} is either true or false")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_read() {
        assert_eq!(StoreLocation::parse("memory:").unwrap(), StoreLocation::Memory);
        assert_eq!(StoreLocation::parse("./x").unwrap(), StoreLocation::Folder("./x".into()));
        let text =
            "s3://b/p/q/?endpoint=http://127.0.0.1:9/&region=r&access_key_id=a&secret_access_key=%2Bs%2F&allow_http";
        let StoreLocation::S3(s3) = StoreLocation::parse(text).unwrap() else { panic!("not S3") };
        assert_eq!((s3.bucket.as_str(), s3.prefix.as_str()), ("b", "p/q"));
        assert_eq!(s3.endpoint.as_deref(), Some("http://127.0.0.1:9"));
        assert_eq!(s3.secret_access_key.as_deref(), Some("+s/"));
        assert!(s3.allow_http && !s3.virtual_hosted);
        assert!(!format!("{s3:?} {}", StoreLocation::S3(s3.clone())).contains("+s/"), "secrets are not printed");
    }

    #[test]
    fn nonsense_is_refused_with_what_to_change() {
        for text in [
            "",
            "ftp://x",
            "s3://",
            "s3:///p",
            "s3://b?endpont=x",
            "s3://b?endpoint=http://x",
            "s3://b?allow_http=maybe",
        ] {
            assert!(matches!(StoreLocation::parse(text), Err(StoreError::Location { .. })), "{text}");
        }
    }
}
