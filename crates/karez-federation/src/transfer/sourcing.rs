//! Who is asked for the bytes: those that the plan names, and others that turn up while it is carried out.

use std::sync::Arc;
use std::time::Duration;

use futures::stream::StreamExt;
use karez_types::ByteRange;
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::content::{Content, Table};
use super::engine::{Chore, Engine, TICK_MS};
use super::journal::{Journal, SourceTag};
use super::run::is_passing;
use super::schedule::Schedule;
use super::translate::{Translated, Translation};
use super::{Layout, Plan, Recipe, Source, SourceError, SourceId};

/// How long after the first question who else has the file the second is asked, and the longest such wait; it
/// doubles. So a transfer waits for a source no longer than it has taken already.
const OTHERS_AGAIN_MS: u64 = 5_000;
const OTHERS_AGAIN_MS_MAX: u64 = 300_000;

/// A rest of fewer bytes is here before another source would have begun.
const OTHERS_REST_BYTES_MIN: u64 = 1 << 20;

/// Plans that wait to be taken.
const FOUND_MAX: usize = 4;

/// A source of the transfer.
pub(super) struct Slot {
    pub(super) source: Arc<dyn Source>,
    pub(super) tag: SourceTag,
    /// Whether it may be asked: the newest plan has it, or it joined.
    pub(super) is_present: bool,
    /// Whether it was found while the plan was carried out.
    has_joined: bool,
}

/// What is under way to find sources.
pub(super) struct Sourcing {
    /// What tells the recipe apart from others.
    digest: [u8; 32],
    is_planning: bool,
    is_asking_others: bool,
    /// Maps of others that are being compared with ours.
    comparing: usize,
    others_due_ms: u64,
    others_wait_ms: u64,
    /// Who has the file in pieces that lead nowhere.
    others_unfit: Vec<String>,
    finder: mpsc::Sender<Plan>,
    /// Plans of others that have the file.
    pub(super) found: mpsc::Receiver<Plan>,
}

impl Sourcing {
    pub(super) fn of(plan: &Plan) -> Sourcing {
        let (finder, found) = mpsc::channel(FOUND_MAX);
        let digest = Journal::digest(&plan.recipe);
        Sourcing {
            digest,
            is_planning: false,
            is_asking_others: false,
            comparing: 0,
            others_due_ms: 0,
            others_wait_ms: OTHERS_AGAIN_MS,
            others_unfit: Vec::new(),
            finder,
            found,
        }
    }

    /// Whether a plan is about the pieces of this layout, which is that of ours.
    fn fits(&self, layout: &Layout, plan: &Plan) -> bool {
        plan.layout == *layout && Journal::digest(&plan.recipe) == self.digest
    }

    /// Whether sources may turn up at any moment.
    pub(super) fn is_asking(&self) -> bool {
        self.is_planning || self.is_asking_others || self.comparing > 0 || !self.found.is_empty()
    }

    pub(super) fn others_asked(&mut self, now_ms: u64) {
        self.is_asking_others = false;
        self.others_due_ms = now_ms + self.others_wait_ms;
        self.others_wait_ms = (self.others_wait_ms * 2).min(OTHERS_AGAIN_MS_MAX);
    }
}

/// Tells the schedule of a source, or again what may have changed of it.
pub(super) fn offer(schedule: &mut Schedule, id: SourceId, source: &dyn Source, now_ms: u64) {
    schedule.source_add(id, source.cost(), now_ms);
    if source.fills_line_alone() {
        schedule.few_suffice(id);
    }
}

impl Engine {
    /// Takes the sources of a plan; those that are known by name get their new addresses.
    pub(super) fn take_sources(&mut self, plan: &Plan) {
        self.slots.iter_mut().for_each(|slot| slot.is_present &= slot.has_joined);
        for source in &plan.sources {
            self.take(source, false);
        }
        let mut schedule = self.work.schedule();
        for (number, _) in self.slots.iter().enumerate().filter(|(_, slot)| !slot.is_present) {
            schedule.source_remove(SourceId(number as u32));
        }
    }

    fn take(&mut self, source: &Arc<dyn Source>, has_joined: bool) -> SourceId {
        let now_ms = self.transfer.now_ms();
        let known = self.slots.iter().position(|slot| slot.source.name() == source.name());
        let number = known.unwrap_or(self.slots.len());
        let tag = SourceTag::of(source.name());
        let slot = Slot { source: source.clone(), tag, is_present: true, has_joined };
        match self.slots.get_mut(number) {
            Some(place) => *place = slot,
            None => self.slots.push(slot),
        }
        let id = SourceId(number as u32);
        let is_banned = self.work.journal.is_banned(tag);
        let mut schedule = self.work.schedule();
        offer(&mut schedule, id, &**source, now_ms);
        schedule.renewed(id);
        if is_banned {
            schedule.ban(id);
        }
        self.transfer.inner().meter.share(source.name()).is_banned = is_banned;
        id
    }

    /// Takes in another source. One that has the file in other pieces is asked for its own, as far as maps tell
    /// which those are.
    pub(super) fn join(&mut self, plan: Plan) {
        if self.sourcing.fits(&self.layout, &plan) {
            plan.sources.iter().for_each(|source| self.take_other(source.clone(), None));
            return;
        }
        let (content, Recipe::Mapped(theirs)) = (self.work.content.clone(), plan.recipe) else {
            self.leave_out(&plan.sources);
            return;
        };
        self.sourcing.comparing += 1;
        let layout = self.layout.clone();
        self.chores.spawn_blocking(move || {
            let translation = match &*content {
                Content::Chunked(chunked) => match &chunked.table {
                    Table::Mapped(ours) => Translation::of(&layout, &**ours, &*theirs),
                    Table::Decoded(_) => Ok(Translation::default()),
                },
                Content::Plain => Ok(Translation::default()),
            };
            let translation = translation.unwrap_or_else(|error| {
                tracing::warn!(%error, "a file map could not be compared with another");
                Translation::default()
            });
            Chore::Compared(plan.sources, Arc::new(translation))
        });
    }

    /// Takes in sources that have the file in other pieces, for what of it they have.
    pub(super) fn compared(&mut self, sources: Vec<Arc<dyn Source>>, translation: &Arc<Translation>) {
        self.sourcing.comparing -= 1;
        let has = translation.has();
        if has.is_empty() {
            self.leave_out(&sources);
            return;
        }
        let lacks = has.gaps(ByteRange { start: 0, end: self.layout.wire_bytes });
        for source in sources {
            let translated = Translated::new(source, &self.layout, translation);
            self.take_other(Arc::new(translated), Some(&lacks));
        }
    }

    fn leave_out(&mut self, sources: &[Arc<dyn Source>]) {
        self.sourcing.others_unfit.extend(sources.iter().map(|source| source.name().to_owned()));
    }

    fn take_other(&mut self, source: Arc<dyn Source>, lacks: Option<&[ByteRange]>) {
        if self.slots.iter().any(|slot| slot.is_present && slot.source.name() == source.name()) {
            return;
        }
        let id = self.take(&source, true);
        self.work.schedule().lacks(id, lacks.unwrap_or_default());
    }

    /// Asks who else has the file.
    pub(super) fn ask_others(&mut self, now_ms: u64) {
        let is_due = !self.sourcing.is_asking_others && now_ms >= self.sourcing.others_due_ms;
        if !is_due || self.work.schedule().rest_bytes() < OTHERS_REST_BYTES_MIN {
            return;
        }
        self.sourcing.is_asking_others = true;
        let present = self.slots.iter().filter(|slot| slot.is_present);
        let present = present.map(|slot| slot.source.name().to_owned());
        let known: Vec<String> = present.chain(self.sourcing.others_unfit.iter().cloned()).collect();
        let (planner, transfer, finder) = (self.planner.clone(), self.transfer.clone(), self.sourcing.finder.clone());
        self.chores.spawn(async move {
            let mut others = planner.others(&transfer.wanted, &known);
            while let Some(plan) = others.next().await {
                if finder.send(plan).await.is_err() {
                    break;
                }
            }
            Chore::AskedOthers
        });
    }

    /// Plans again when addresses have expired.
    pub(super) fn plan_again(&mut self, now_ms: u64) {
        if self.sourcing.is_planning || self.work.schedule().expired().is_empty() {
            return;
        }
        self.sourcing.is_planning = true;
        let (planner, transfer) = (self.planner.clone(), self.transfer.clone());
        // Not at once after a failure: the tick would ask ten times a second.
        let wait = Duration::from_millis(if now_ms == 0 { 0 } else { 2 * TICK_MS });
        self.chores.spawn(async move {
            sleep(wait).await;
            Chore::Planned(planner.plan(&transfer.wanted).await)
        });
    }

    /// Takes a new plan, or returns it when it lays the file out in another way.
    pub(super) fn planned(&mut self, planned: Result<Plan, SourceError>) -> Option<Box<Plan>> {
        self.sourcing.is_planning = false;
        let is_final = match planned {
            Ok(plan) if !self.sourcing.fits(&self.layout, &plan) => return Some(Box::new(plan)),
            Ok(plan) => {
                self.take_sources(&plan);
                true
            }
            Err(error) => {
                self.transfer.set_trouble(Some(format!("{}: {error}", self.planner.name())));
                !is_passing(&error)
            }
        };
        if is_final {
            // Whose addresses have expired and who got no new ones is out; one that joined may be found again.
            let mut schedule = self.work.schedule();
            for id in schedule.expired() {
                self.slots[id.0 as usize].is_present = false;
                schedule.source_remove(id);
            }
        }
        None
    }
}
