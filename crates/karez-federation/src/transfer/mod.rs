//! One large file on its way here: from several sources, over poor lines, each byte once.
//!
//! # Purpose
//! A *transfer* brings one file, named by its sha256, into the hub. What remotes say is a plan; what
//! counts is hashes. A transfer outlives cuts, outages, renumbering, `kill -9`, full disks and lying
//! sources, and a byte that was received is not asked for again.

mod encoding;
mod extents;
mod goodput;
#[allow(dead_code, reason = "the engine comes next")]
mod journal;
#[allow(dead_code, reason = "the engine comes next")]
mod layout;
#[allow(dead_code, reason = "the engine comes next")]
mod lease;
mod map;
mod notice;
mod plan;
#[allow(dead_code, reason = "the engine comes next")]
mod runs;
mod schedule;
mod source;

pub use crate::policy::line::CostClass;
pub use encoding::{Decoder, Encoding, STORED, Stored};
pub use extents::Extents;
pub use layout::{Layout, LayoutError, Piece, Place};
pub use map::{ChunkInfo, ChunkMap, MapTerm};
pub use notice::{Incident, IncidentKind, Notices, Progress, SourceShare, TransferState};
pub use plan::{FileWanted, Plan, Planner, Priority, Recipe, XetTerm};
pub use schedule::{Order, Outcome, Schedule, ScheduleParams, Span, SpanId};
pub use source::{ByteStream, Source, SourceError, SourceId};
