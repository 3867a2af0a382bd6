//! A line while bytes come over it: they are counted, slowed to its rate, and stopped when its window
//! closes or its budget is used up.
//!
//! There is one gate for each line, shared by everything that comes over it. It sits between a source and
//! the transfer, so every kind of source obeys, and a transfer sees a closed line as a source that cannot
//! be reached now: what it has stays, and it goes on when the line opens.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{StreamExt, TryStreamExt, stream};
use karez_hub::Hub;
use karez_types::{ByteRange, Timestamp};
use tokio::time::Instant;

use super::{line_allowance, line_charge, line_load};
use crate::policy::line::{Allowance, CostClass, Line};
use crate::transfer::{ByteStream, CostClass as SourceCost, Place, Source, SourceError};

/// Bytes that are counted in memory before they are written down: what a crash forgets at most.
const CHARGE_BYTES: u64 = 4 << 20;
/// How long an answer of the line's rules is good when nothing ends it earlier.
const ALLOWANCE_EVERY: Duration = Duration::from_secs(10);
/// Seconds of rate that may come at once after a pause.
const BURST_SECS: f64 = 0.25;

/// A line in use.
pub struct LineGate {
    hub: Arc<Hub>,
    name: String,
    state: Mutex<GateState>,
    /// One at a time asks the catalog.
    asking: tokio::sync::Mutex<()>,
}

struct GateState {
    line: Line,
    allowance: Option<(Allowance, Instant, Timestamp)>,
    /// Bytes that came and are not written down.
    uncharged: u64,
    /// Bytes that came since the allowance was asked for.
    since: u64,
    /// When the next byte may come, at the rate of the line.
    free_at: Instant,
}

/// The gates of all lines in use.
#[derive(Default)]
pub struct Gates(Mutex<HashMap<String, Arc<LineGate>>>);

impl Gates {
    /// Returns the gate of a line.
    pub fn of(&self, hub: &Arc<Hub>, name: &str) -> Arc<LineGate> {
        let mut gates = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(gates.entry(name.to_owned()).or_insert_with(|| Arc::new(LineGate::new(Arc::clone(hub), name))))
    }

    /// Writes down what came over all lines.
    pub async fn charge_all(&self) {
        let gates: Vec<_> = self.0.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect();
        for gate in gates {
            gate.charge().await;
        }
    }
}

impl LineGate {
    fn new(hub: Arc<Hub>, name: &str) -> LineGate {
        let state = GateState {
            line: Line::open(name, CostClass::Metered),
            allowance: None,
            uncharged: 0,
            since: 0,
            free_at: Instant::now(),
        };
        LineGate { hub, name: name.to_owned(), state: Mutex::new(state), asking: tokio::sync::Mutex::default() }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, GateState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns what the line's bytes cost, as it was when it was last looked at.
    pub fn cost(&self) -> CostClass {
        self.state().line.cost
    }

    /// Says what the line allows now.
    pub async fn allowance(&self) -> Allowance {
        if let Some(allowance) = self.fresh() {
            return allowance;
        }
        let _turn = self.asking.lock().await;
        if let Some(allowance) = self.fresh() {
            return allowance;
        }
        self.charge().await;
        let (catalog, now) = (self.hub.catalog(), self.hub.clock().now());
        let asked = async {
            let line = line_load(catalog, &self.name).await?;
            let allowance = line_allowance(catalog, &line, now).await?;
            Ok::<_, karez_catalog::CatalogError>((line, allowance))
        };
        match asked.await {
            Ok((line, allowance)) => {
                let mut state = self.state();
                state.line = line;
                state.allowance = Some((allowance.clone(), Instant::now(), now));
                state.since = 0;
                allowance
            }
            Err(error) => {
                let why = format!("the line {} cannot be looked up: {error}", self.name);
                Allowance { may_start: false, rate_cap: None, bytes_left: None, until: None, why }
            }
        }
    }

    fn fresh(&self) -> Option<Allowance> {
        let state = self.state();
        let (allowance, asked, at) = state.allowance.as_ref()?;
        let now = self.hub.clock().now();
        let is_over =
            asked.elapsed() >= ALLOWANCE_EVERY || now < *at || allowance.until.is_some_and(|until| until <= now);
        let is_spent = allowance.bytes_left.is_some_and(|left| state.since >= left);
        (!is_over && !is_spent).then(|| allowance.clone())
    }

    /// Lets bytes through that have come: counts them, and waits as long as the rate of the line asks.
    ///
    /// # Errors
    /// When the line may not be used any more; the bytes count as received all the same.
    pub async fn pass(&self, bytes: u64) -> Result<(), SourceError> {
        let is_much = {
            let mut state = self.state();
            state.uncharged += bytes;
            state.since += bytes;
            state.uncharged >= CHARGE_BYTES
        };
        if is_much {
            self.charge().await;
        }
        let allowance = self.allowance().await;
        if !allowance.may_start {
            return Err(self.closed(&allowance));
        }
        let Some(rate) = allowance.rate_cap.filter(|&rate| rate > 0) else { return Ok(()) };
        let wait_until = {
            let mut state = self.state();
            let now = Instant::now();
            let start = state.free_at.max(now.checked_sub(Duration::from_secs_f64(BURST_SECS)).unwrap_or(now));
            state.free_at = start + Duration::from_secs_f64(bytes as f64 / rate as f64);
            state.free_at
        };
        tokio::time::sleep_until(wait_until).await;
        Ok(())
    }

    /// Counts bytes that have come some other way than through a gated source.
    pub fn count(&self, bytes: u64) {
        let mut state = self.state();
        state.uncharged += bytes;
        state.since += bytes;
    }

    fn closed(&self, allowance: &Allowance) -> SourceError {
        SourceError::Unreachable(format!("the line {} is {}", self.name, allowance.why))
    }

    /// Writes down what came.
    pub async fn charge(&self) {
        let bytes = std::mem::take(&mut self.state().uncharged);
        if bytes == 0 {
            return;
        }
        let (catalog, now) = (self.hub.catalog(), self.hub.clock().now());
        let charged = async {
            let line = line_load(catalog, &self.name).await?;
            line_charge(catalog, &line, now, bytes).await
        };
        if let Err(error) = charged.await {
            tracing::warn!(line = self.name, bytes, %error, "could not count what came over a line");
            self.state().uncharged += bytes;
        }
    }
}

/// A source behind the gate of its line.
pub struct GatedSource {
    source: Arc<dyn Source>,
    gate: Arc<LineGate>,
}

impl GatedSource {
    /// Puts a source behind a gate.
    pub fn new(source: Arc<dyn Source>, gate: Arc<LineGate>) -> GatedSource {
        GatedSource { source, gate }
    }
}

impl Source for GatedSource {
    fn name(&self) -> &str {
        self.source.name()
    }

    fn cost(&self) -> SourceCost {
        source_cost(self.gate.cost())
    }

    fn encodings(&self) -> &[&'static str] {
        self.source.encodings()
    }

    fn open<'a>(
        &'a self,
        place: &'a Place,
        bytes: ByteRange,
        encoding: &'static str,
    ) -> BoxFuture<'a, Result<ByteStream, SourceError>> {
        Box::pin(async move {
            let allowance = self.gate.allowance().await;
            if !allowance.may_start {
                return Err(self.gate.closed(&allowance));
            }
            let inner = self.source.open(place, bytes, encoding).await?;
            let gate = Arc::clone(&self.gate);
            // What has come is handed on before the line says stop: it was paid for.
            let gated = inner.then(move |piece| {
                let gate = Arc::clone(&gate);
                async move {
                    let piece: Bytes = piece?;
                    let passed = gate.pass(piece.len() as u64).await;
                    Ok::<_, SourceError>(stream::iter([Ok(piece)].into_iter().chain(passed.err().map(Err))))
                }
            });
            Ok(gated.try_flatten().boxed())
        })
    }

    fn probe(&self) -> BoxFuture<'_, Result<Duration, SourceError>> {
        self.source.probe()
    }

    fn redial(&self) {
        self.source.redial();
    }
}

/// Returns the class of a line as transfers call it.
pub fn source_cost(cost: CostClass) -> SourceCost {
    match cost {
        CostClass::Lan => SourceCost::Lan,
        CostClass::OnNet => SourceCost::OnNet,
        CostClass::Night => SourceCost::Night,
        CostClass::Metered => SourceCost::Metered,
    }
}
