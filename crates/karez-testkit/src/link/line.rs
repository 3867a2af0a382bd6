//! The state that all connections of a line share: pace, cuts, script, counts.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::shape::{Act, Cut, LinkCounts, LinkShape, Step, Trigger};

/// The longest that one slice of bytes keeps the line: short, so that connections share it fairly.
const SLICES_PER_SEC: u64 = 64;

/// Which way bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Up,
    Down,
}

/// The line was reset.
#[derive(Debug)]
pub(super) struct Gone;

/// When a connection was made, in cuts and renumberings.
#[derive(Debug, Clone, Copy)]
pub(super) struct Birth {
    resets: u64,
    strandings: u64,
}

pub(super) struct Line {
    pub(super) seed: u64,
    state: Mutex<State>,
    changed: watch::Sender<()>,
}

pub(super) struct State {
    shape: LinkShape,
    cut: Option<Cut>,
    resets: u64,
    strandings: u64,
    /// When the serialiser of each way is free again.
    free: [Instant; 2],
    /// Bytes that were admitted to each way since the present step began, whether they arrived yet or not.
    admitted: [u64; 2],
    /// Bytes that arrived since the present step began.
    arrived: [u64; 2],
    counts: LinkCounts,
    requests: Vec<String>,
    steps: VecDeque<Step>,
    /// How many scripts and steps there were: a timer of an older one is void.
    step_number: u64,
}

impl State {
    pub(super) fn steps_left(&self) -> usize {
        self.steps.len()
    }

    pub(super) fn counts(&self) -> &LinkCounts {
        &self.counts
    }

    pub(super) fn is_black_hole(&self) -> bool {
        self.cut == Some(Cut::BlackHole)
    }

    /// Returns how many bytes of a way are left until the present step of the script.
    fn step_bytes(&self, way: Way) -> Option<u64> {
        match (self.steps.front()?.trigger, way) {
            (Trigger::DownBytes(bytes), Way::Down) | (Trigger::UpBytes(bytes), Way::Up) => Some(bytes),
            _ => None,
        }
    }

    fn act(&mut self, act: &Act) {
        match act {
            Act::Cut(cut) => {
                self.cut = Some(*cut);
                self.resets += u64::from(*cut == Cut::Reset);
            }
            Act::Heal => self.cut = None,
            Act::Strand => self.strandings += 1,
            Act::Set(shape) => self.shape = shape.clone(),
        }
    }
}

impl Line {
    pub(super) fn new(seed: u64) -> Arc<Line> {
        let now = Instant::now();
        let state = State {
            shape: LinkShape::default(),
            cut: None,
            resets: 0,
            strandings: 0,
            free: [now; 2],
            admitted: [0; 2],
            arrived: [0; 2],
            counts: LinkCounts::default(),
            requests: Vec::new(),
            steps: VecDeque::new(),
            step_number: 0,
        };
        Arc::new(Line { seed, state: Mutex::new(state), changed: watch::Sender::new(()) })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn shape(&self) -> LinkShape {
        self.lock().shape.clone()
    }

    pub(super) fn counts(&self) -> LinkCounts {
        self.lock().counts
    }

    pub(super) fn requests(&self) -> Vec<String> {
        self.lock().requests.clone()
    }

    pub(super) fn is_black_hole(&self) -> bool {
        self.lock().is_black_hole()
    }

    pub(super) fn act(&self, act: &Act) {
        self.lock().act(act);
        self.changed.send_replace(());
    }

    pub(super) fn note_request(&self, request: String) {
        self.lock().requests.push(request);
    }

    pub(super) fn note_body(&self, body_bytes: u64, bits_flipped: u64) {
        let mut state = self.lock();
        state.counts.down_body_bytes += body_bytes;
        state.counts.bits_flipped += bits_flipped;
    }

    /// Notes a new connection.
    pub(super) fn birth(&self) -> Birth {
        let mut state = self.lock();
        state.counts.connections += 1;
        // A connection that comes while the line resets is reset at once.
        let resets = state.resets - u64::from(state.cut == Some(Cut::Reset));
        Birth { resets, strandings: state.strandings }
    }

    /// Waits until the line is as the test wants it.
    pub(super) async fn until(&self, wanted: impl Fn(&State) -> bool) {
        let mut changed = self.changed.subscribe();
        while !wanted(&self.lock()) {
            let _ = changed.changed().await;
        }
    }

    /// Waits until connections of this age are reset.
    pub(super) async fn until_reset(&self, birth: Birth) {
        self.until(|state| state.resets > birth.resets).await;
    }

    /// Waits until some of these bytes are through, and returns how many: at least one. Zero bytes wait only for the line to be up.
    pub(super) async fn pass(self: &Arc<Self>, way: Way, birth: Birth, wanted: usize) -> Result<usize, Gone> {
        let mut changed = self.changed.subscribe();
        loop {
            let admitted = self.admit(way, birth, wanted)?;
            let Some((bytes, end, step_number)) = admitted else {
                let _ = changed.changed().await;
                continue;
            };
            sleep_until(end).await;
            if self.arrive(way, birth, bytes, step_number)? {
                return usize::try_from(bytes).map_err(|_| Gone);
            }
        }
    }

    /// Takes the serialiser for a slice; nothing while the line is cut or the script has to act first.
    fn admit(&self, way: Way, birth: Birth, wanted: usize) -> Result<Option<(u64, Instant, u64)>, Gone> {
        let mut state = self.lock();
        if state.resets > birth.resets {
            return Err(Gone);
        }
        if state.is_black_hole() || state.strandings > birth.strandings {
            return Ok(None);
        }
        let mut bytes = wanted as u64;
        if let Some(step_bytes) = state.step_bytes(way) {
            bytes = bytes.min(step_bytes - state.admitted[way as usize]);
            if bytes == 0 && wanted > 0 {
                return Ok(None);
            }
        }
        let rate = match way {
            Way::Up => state.shape.up_bytes_per_sec,
            Way::Down => state.shape.down_bytes_per_sec,
        };
        let mut end = Instant::now();
        if let Some(rate) = rate.map(|rate| rate.max(1)) {
            bytes = bytes.min((rate / SLICES_PER_SEC).max(1));
            end = end.max(state.free[way as usize]) + Duration::from_secs_f64(bytes as f64 / rate as f64);
            state.free[way as usize] = end;
        }
        state.admitted[way as usize] += bytes;
        Ok(Some((bytes, end, state.step_number)))
    }

    /// Counts a slice that came through; false when a cut came first, so that it must be sent again.
    fn arrive(self: &Arc<Self>, way: Way, birth: Birth, bytes: u64, step_number: u64) -> Result<bool, Gone> {
        let mut state = self.lock();
        if state.resets > birth.resets {
            return Err(Gone);
        }
        let is_lost = state.is_black_hole() || state.strandings > birth.strandings;
        let is_this_step = state.step_number == step_number;
        if is_lost {
            if is_this_step {
                state.admitted[way as usize] -= bytes;
            }
            return Ok(false);
        }
        match way {
            Way::Up => state.counts.up_bytes += bytes,
            Way::Down => state.counts.down_bytes += bytes,
        }
        if is_this_step {
            state.arrived[way as usize] += bytes;
            if state.step_bytes(way) == Some(state.arrived[way as usize]) {
                self.step(&mut state);
            }
        }
        drop(state);
        self.changed.send_replace(());
        Ok(true)
    }

    pub(super) fn script(self: &Arc<Self>, steps: VecDeque<Step>) {
        let mut state = self.lock();
        state.steps = steps;
        self.step_begin(&mut state);
        drop(state);
        self.changed.send_replace(());
    }

    /// Does the present step and begins the next.
    fn step(self: &Arc<Self>, state: &mut State) {
        if let Some(step) = state.steps.pop_front() {
            state.act(&step.act);
        }
        self.step_begin(state);
    }

    fn step_begin(self: &Arc<Self>, state: &mut State) {
        state.step_number += 1;
        state.admitted = [0; 2];
        state.arrived = [0; 2];
        let Some(Step { trigger: Trigger::After(wait), .. }) = state.steps.front() else { return };
        let (line, number, end) = (Arc::clone(self), state.step_number, Instant::now() + *wait);
        tokio::spawn(async move {
            sleep_until(end).await;
            let mut state = line.lock();
            if state.step_number == number {
                line.step(&mut state);
            }
            drop(state);
            line.changed.send_replace(());
        });
    }
}
