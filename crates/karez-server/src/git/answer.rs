//! The answer to a fetch, piece by piece.

use std::convert::Infallible;

use axum::body::Body;
use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt};
use karez_formats::git::upload_pack::{Depth, FetchRequest, Stage, v0, v2};
use karez_formats::git::{SideBand, write_flush, write_side_band};
use karez_hub::{GitFetch, HubResult};

/// Returns what comes before the pack, or the whole answer when there is none.
pub(super) fn start_v2(request: &FetchRequest, planned: &GitFetch) -> Vec<u8> {
    let mut out = Vec::new();
    if request.stage != Stage::Done {
        v2::write_acknowledgments(&planned.common, &mut out);
    }
    if planned.pack.is_some() {
        if request.depth != Depth::Whole || !request.shallow.is_empty() || !planned.shallow.is_empty() {
            v2::write_shallow(&planned.shallow, &planned.unshallow, &mut out);
        }
        v2::write_pack_start(&mut out);
    }
    out
}

/// As [`start_v2`], for version 0.
pub(super) fn start_v0(request: &FetchRequest, planned: &GitFetch) -> Vec<u8> {
    let mut out = Vec::new();
    if request.depth != Depth::Whole {
        v0::write_shallow(&planned.shallow, &planned.unshallow, &mut out);
    }
    if request.stage != Stage::Shallow {
        v0::write_acknowledgments(request.stage, &planned.common, &mut out);
    }
    out
}

/// Puts a pack behind what was said before. A pack that breaks off ends in words, not in silence.
pub(super) fn pack_body(start: Vec<u8>, pack: BoxStream<'static, HubResult<Bytes>>, side_band: bool) -> Body {
    if !side_band {
        return Body::from_stream(stream::iter([Ok(Bytes::from(start))]).chain(pack));
    }
    let framed = |piece: HubResult<Bytes>| {
        let mut out = Vec::new();
        match piece {
            Ok(bytes) => write_side_band(SideBand::Pack, &bytes, &mut out),
            Err(error) => {
                tracing::error!(error = %error, "fetch broke off");
                write_side_band(
                    SideBand::Error,
                    b"the node failed to read this repository; its log says why\n",
                    &mut out,
                );
            }
        }
        out
    };
    let mut end = Vec::new();
    write_flush(&mut end);
    let lines = stream::iter([start]).chain(pack.map(framed)).chain(stream::iter([end]));
    Body::from_stream(lines.map(|bytes| Ok::<_, Infallible>(Bytes::from(bytes))))
}
