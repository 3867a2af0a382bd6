//! What brings large files to a node: one registry of transfers and one gate for each line in the process,
//! shared by following and pull-through, so that a file comes once and budgets hold for both together.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use karez_catalog::{TransferRow, TransferState};
use karez_hub::Hub;
use karez_types::{ByteRange, Entropy};

use crate::follow::Gates;
use crate::policy::line::CostClass;
use crate::transfer::{
    ByteStream, HubSink, Incident, Notices, Place, Plan, Progress, ScheduleParams, Source, SourceError, Transfers,
    TransfersParts,
};
use crate::upstream::Uses;

/// The ways of large files to a node. Cheap to clone; all clones are the same ways.
#[derive(Clone)]
pub struct FileWays {
    /// Files on their way.
    pub transfers: Arc<Transfers>,
    /// Lines that they come over.
    pub gates: Arc<Gates>,
    /// Where journals and file maps are.
    pub folder: PathBuf,
    /// How often files are asked for, as far as it is not written down.
    pub(crate) uses: Arc<Uses>,
}

impl FileWays {
    /// Opens the ways of a hub, with journals in this folder, which must be there.
    pub fn new(hub: &Arc<Hub>, entropy: &Arc<dyn Entropy>, folder: &Path) -> FileWays {
        let gates = Arc::new(Gates::default());
        let transfers = Arc::new(Transfers::new(TransfersParts {
            folder: folder.to_owned(),
            sink: Arc::new(HubSink(Arc::clone(hub))),
            notices: Arc::new(CatalogNotices(Arc::clone(hub))),
            lines: Arc::<Gates>::clone(&gates),
            clock: Arc::new(HubClock(Arc::clone(hub))),
            entropy: Arc::clone(entropy),
            params: ScheduleParams::default(),
        }));
        FileWays { transfers, gates, folder: folder.to_owned(), uses: Arc::default() }
    }
}

/// Says over which line the sources of a plan come.
pub(crate) fn over_line(mut plan: Plan, line: &str) -> Plan {
    let lined = |source| Arc::new(LinedSource { source, line: line.to_owned() }) as Arc<dyn Source>;
    plan.sources = plan.sources.into_iter().map(lined).collect();
    plan
}

struct HubClock(Arc<Hub>);

impl karez_types::Clock for HubClock {
    fn now(&self) -> karez_types::Timestamp {
        self.0.clock().now()
    }
}

/// Writes what transfers tell where people look.
struct CatalogNotices(Arc<Hub>);

impl Notices for CatalogNotices {
    fn incident<'a>(&'a self, incident: &'a Incident) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            let (catalog, now) = (self.0.catalog(), self.0.clock().now());
            let written = catalog.incident_insert(&incident.remote, incident.kind.word(), &incident.what, now).await;
            if let Err(error) = written {
                tracing::warn!(remote = incident.remote, what = incident.what, %error, "could not write an incident");
            }
        })
    }

    fn progress<'a>(&'a self, progress: &'a Progress) -> BoxFuture<'a, ()> {
        use crate::transfer::TransferState as S;
        Box::pin(async move {
            let row = TransferRow {
                sha256: progress.sha256,
                repo: progress.repo.to_string(),
                path: progress.path.to_string(),
                remote: progress.remote.clone(),
                state: match progress.state {
                    S::Waiting => TransferState::Waiting,
                    S::Done => TransferState::Done,
                    S::Failed => TransferState::Failed,
                    _ => TransferState::Running,
                },
                file_bytes: progress.file_bytes,
                wire_bytes: progress.wire_bytes,
                done_bytes: progress.done_bytes,
                rate_bytes_per_sec: progress.rate_bytes_per_sec,
                started: progress.started,
                updated: self.0.clock().now(),
                trouble: progress.trouble.clone(),
            };
            if let Err(error) = self.0.catalog().transfer_put(&row).await {
                tracing::warn!(file = %row.sha256, %error, "could not write how far a transfer is");
            }
        })
    }
}

/// A source over a line that has a name.
struct LinedSource {
    source: Arc<dyn Source>,
    line: String,
}

impl Source for LinedSource {
    fn name(&self) -> &str {
        self.source.name()
    }

    fn cost(&self) -> CostClass {
        self.source.cost()
    }

    fn line(&self) -> &str {
        &self.line
    }

    fn encodings(&self) -> &[&'static str] {
        self.source.encodings()
    }

    fn fills_line_alone(&self) -> bool {
        self.source.fills_line_alone()
    }

    fn open<'a>(
        &'a self,
        place: &'a Place,
        bytes: ByteRange,
        encoding: &'static str,
    ) -> BoxFuture<'a, Result<ByteStream, SourceError>> {
        self.source.open(place, bytes, encoding)
    }

    fn probe(&self) -> BoxFuture<'_, Result<Duration, SourceError>> {
        self.source.probe()
    }

    fn redial(&self) {
        self.source.redial();
    }
}
