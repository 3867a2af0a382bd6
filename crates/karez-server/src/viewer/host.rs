//! The host that the `datasets` library asks: it puts `datasets-server.` before the node's own.

use axum::http::uri::{PathAndQuery, Uri};
use axum::http::{HeaderValue, Request, header};

const PREFIX: &str = "datasets-server.";

/// Turns a request to the viewer's host into one to the viewer's folder of the node, before it is routed.
pub(crate) fn from_virtual_host<B>(request: &mut Request<B>) {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let Some(rest) = host.and_then(|host| Some((host.get(..PREFIX.len())?, host.get(PREFIX.len()..)?))) else { return };
    if !rest.0.eq_ignore_ascii_case(PREFIX) {
        return;
    }
    let Ok(host) = HeaderValue::from_str(rest.1) else { return };
    let path = request.uri().path_and_query().map_or("/", PathAndQuery::as_str);
    let Ok(uri) = format!("/datasets-server{path}").parse::<Uri>() else { return };
    *request.uri_mut() = uri;
    request.headers_mut().insert(header::HOST, host);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_viewers_host_is_turned() {
        for (host, uri, host_after, uri_after) in [
            ("datasets-server.hub.example:80", "/rows?a=b", "hub.example:80", "/datasets-server/rows?a=b"),
            ("Datasets-Server.hub.example", "/", "hub.example", "/datasets-server/"),
            ("hub.example", "/rows", "hub.example", "/rows"),
            ("xdatasets-server.hub.example", "/rows", "xdatasets-server.hub.example", "/rows"),
        ] {
            let mut request = Request::builder().uri(uri).header(header::HOST, host).body(()).unwrap();
            from_virtual_host(&mut request);
            assert_eq!(
                (request.headers()[header::HOST].to_str().unwrap(), request.uri().to_string().as_str()),
                (host_after, uri_after)
            );
        }
    }
}
