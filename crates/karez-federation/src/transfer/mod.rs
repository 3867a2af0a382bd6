//! One large file on its way here: from several sources, over poor lines, each byte once.
//!
//! # Purpose
//! A *transfer* brings one file, named by its sha256, into the hub. What remotes say is a plan; what
//! counts is hashes. A transfer outlives cuts, outages, renumbering, `kill -9`, full disks and lying
//! sources, and a byte that was received is not asked for again.
//!
//! # Actors
//! - A [`Planner`] (one per kind of remote) says how a file is put together and who has its bytes: a
//!   [`Plan`] of a [`Layout`] (which bytes travel), a [`Recipe`] (what they mean) and [`Source`]s. While the
//!   bytes come it is asked who else has them (`sourcing`), be it in other places (`translate`).
//! - [`Transfers`] holds one [`Transfer`] for each file. Whoever wants it too joins: waits for
//!   [`Transfer::done`], reads [`Transfer::stream`], looks at [`Transfer::progress`].
//! - The [`Schedule`] decides which bytes are asked of whom: pure, so that the simulator runs it too.
//! - The engine (`engine`) carries that out: a worker for each span receives, decodes the [`Encoding`] and
//!   writes to the `journal`; one verifier follows behind; `blame` finds out who lied; `assemble` gives the
//!   file to the [`Sink`]. [`Lines`] say how many connections and bytes a second a line bears.
//!
//! # From bytes to a file
//! Wire bytes are numbered; the plan's pieces say where each lies in the remote's xorbs or in the file.
//! *Runs* are the chunks in them, each once. Chunks that are held here are taken out before anything is
//! asked for. With a file map each chunk is hashed when its bytes are there, in any order; a reconstruction
//! is unpacked run by run and must give the file hash; plain bytes must give the sha256. Then xorbs that are
//! here whole go into the hub under their names and other chunks in xorbs of our own, as the frames that
//! came, and the hub computes file hash and sha256 again from what it stored.
//!
//! # What is durable when
//! Received bytes are written before anything else is done with them (see `journal`): the death of the
//! program loses what its sockets held; a power cut loses at most five seconds or 64 MiB. Verified marks are
//! recorded after the bytes are synced. The journal goes when the hub has the file. Nothing is visible in
//! the hub before its file row is, and that comes last; what is left of a broken end are unnamed xorbs.
//!
//! # What is not kept
//! See `passing`: such a transfer ends with its readers, and gives nothing to the hub.
//!
//! # Two at once
//! A lease in the transfer's folder makes one process of all that share the folder do the work; on its death
//! another takes over (see `lease`). In one process, transfers share lines: one that a client waits for makes
//! the others close their connections on the same line, and among those the one whose reader has nothing yet
//! (`first_bytes`).
//!
//! # Memory
//! A worker holds up to 1 MiB and one item of its stream, so 16 connections 16 MiB to 20 MiB; the verifier
//! 4 MiB; extents and sources by the number of separate ranges, pieces and runs by that of terms. File maps
//! stay on the disk ([`MapOnDisk`]). No part grows with the length of the file by chunk.

mod assemble;
mod blame;
mod content;
mod encoding;
mod engine;
mod extents;
mod first_bytes;
mod goodput;
mod handle;
mod heads;
mod journal;
mod layout;
mod lease;
mod lines;
mod map;
mod needed;
mod notice;
mod passing;
mod plan;
mod progress;
mod registry;
mod run;
mod runs;
mod schedule;
mod sink;
mod sink_hub;
mod source;
mod sourcing;
mod stream;
mod translate;
mod verify;
mod worker;

pub use crate::policy::line::CostClass;
pub use encoding::{Decoder, Encoding, STORED, Stored};
pub use extents::Extents;
pub use handle::{Transfer, TransferError};
pub use layout::{Layout, LayoutError, Piece, Place};
pub use lines::{LINE_CONNECTIONS_MAX, LineRule, Lines, OpenLines, Pace};
pub use map::{ChunkMap, MapOnDisk};
pub use needed::bytes_needed;
pub use notice::{Incident, IncidentKind, Notices, Progress, SourceShare, TransferState};
pub use passing::Stay;
pub use plan::{FileWanted, Plan, Planner, Priority, Recipe, XetTerm};
pub use registry::{Transfers, TransfersParts};
pub use schedule::{Order, Outcome, Schedule, ScheduleParams, Span, SpanId};
pub use sink::{Body, ChunksHeld, Sink, SinkError};
pub use sink_hub::HubSink;
pub use source::{ByteStream, Source, SourceError, SourceId};
