//! A line while bytes come over it: they are counted, slowed to its rate, and stopped when its window
//! closes or its budget is used up.
//!
//! There is one gate for each line, shared by everything that comes over it. Transfers ask it several times
//! a second, so it answers from memory, which [`Gates::refresh`] keeps fresh. A transfer over a line that
//! closes keeps what it has, and goes on when the line opens.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use karez_hub::Hub;
use karez_types::Timestamp;
use tokio::time::Instant;

use super::{line_allowance, line_charge, line_load};
use crate::policy::line::{Allowance, CostClass, Line};
use crate::transfer::{LINE_CONNECTIONS_MAX, LineRule, Lines, Pace, Priority};

/// How long an answer of the line's rules is good when nothing ends it earlier.
const ALLOWANCE_EVERY: Duration = Duration::from_secs(10);
/// Bytes that are written down at the next look: few beside any budget, and one write a second at most.
const UNCHARGED_BYTES_MAX: u64 = 1 << 20;
/// What may come at once after a pause, in time at the line's rate.
const BURST: Duration = Duration::from_millis(250);
/// How long a connection waits whose line has no bytes left: the transfer closes it meanwhile.
const SPENT_PAUSE: Duration = Duration::from_secs(1);
/// Longest wait for a rate.
const WAIT_MAX: Duration = Duration::from_secs(86_400);

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

    /// Looks the lines up whose answers are old, and writes down what came over them.
    pub async fn refresh(&self) {
        let gates: Vec<_> = self.0.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect();
        for gate in gates {
            // What is not written down is not counted after a power cut.
            if gate.state().uncharged >= UNCHARGED_BYTES_MAX {
                gate.charge().await;
            }
            gate.allowance().await;
        }
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

    /// Counts bytes that have come some other way than through a gated source.
    pub fn count(&self, bytes: u64) {
        let mut state = self.state();
        state.uncharged += bytes;
        state.since += bytes;
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

impl Lines for Gates {
    fn rule(&self, line: &str, _priority: Priority) -> LineRule {
        let open = LineRule { connections_max: LINE_CONNECTIONS_MAX, closed: None };
        let gates = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(gate) = gates.get(line) else { return open };
        let now = gate.hub.clock().now();
        let state = gate.state();
        let closed = match &state.allowance {
            None => Some("its line is being looked up".to_owned()),
            Some((allowance, ..)) if !allowance.may_start => Some(allowance.why.clone()),
            Some((allowance, ..)) if allowance.until.is_some_and(|until| until <= now) => {
                Some("its line is being looked up again".to_owned())
            }
            Some((allowance, ..)) if allowance.bytes_left.is_some_and(|left| state.since >= left) => {
                Some("the budget of its line is used up".to_owned())
            }
            Some(_) => None,
        };
        LineRule { closed, ..open }
    }

    fn received(&self, line: &str, bytes: u64) -> Pace {
        let gates = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(gate) = gates.get(line) else { return Pace::default() };
        gate.count(bytes);
        let mut state = gate.state();
        let Some((allowance, ..)) = &state.allowance else { return Pace::default() };
        let left = allowance.bytes_left.map(|left| left.saturating_sub(state.since));
        if left == Some(0) {
            // Until the transfer has closed its connections, or the month is another.
            return Pace { pause: SPENT_PAUSE, batch_bytes_max: 0 };
        }
        let batch_bytes_max = left.map_or(u64::MAX, |left| left / LINE_CONNECTIONS_MAX as u64);
        let Some(rate) = allowance.rate_cap.filter(|&rate| rate > 0) else {
            return Pace { pause: Duration::ZERO, batch_bytes_max };
        };
        let now = Instant::now();
        let start = state.free_at.max(now.checked_sub(BURST).unwrap_or(now));
        // Eighths of a microsecond would not be noticed; a rate of nearly nothing waits a day at most.
        let took_us = u128::from(bytes) * 1_000_000 / u128::from(rate);
        let took = Duration::from_micros(u64::try_from(took_us).unwrap_or(u64::MAX)).min(WAIT_MAX);
        state.free_at = start + took;
        Pace { pause: state.free_at.saturating_duration_since(now), batch_bytes_max }
    }
}
