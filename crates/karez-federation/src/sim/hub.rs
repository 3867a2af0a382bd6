//! The world and its events.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use karez_types::{RepoAddress, RepoKind};

use super::catalogue::Catalogue;
use super::feeds::{ENTRIES_EACH, Feeds};
use super::node::{Held, Node, Urgency};
use super::random::{Durations, Random};
use super::report::{ClassReport, Report, per_10000};
use super::transfer::{Transfer, Want};
use super::world::{CLASSES, REGION_OFFSETS};
use super::{DAY_MS, HOUR_MS, MINUTE_MS, Params, moment};
use crate::policy::evict::{Candidate, Disk, LastCopies, Popularity, admits, plan};
use crate::policy::files::{Turn, fetch_order};
use crate::policy::line::CostClass;
use crate::policy::rules::{Follow, Keep, RepoFacts, first_match, shortages};

/// What happens at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Event {
    /// A user of a node asks for something.
    Ask(usize),
    /// A span of a transfer is due.
    Due {
        transfer: usize,
        serial: u64,
        span: u64,
    },
    /// A transfer is looked at again.
    Wake {
        transfer: usize,
        serial: u64,
    },
    /// A node's line is cut, and comes back.
    Cut(usize),
    Heal(usize),
    /// Somebody publishes.
    Publish,
    /// A node asks its hub; a hub asks the other hubs.
    Poll(usize),
    HubPoll(usize),
    /// A pinned repository has a new revision, and the node has heard of it.
    Refresh {
        node: usize,
        repo: u32,
    },
    /// It is night in a region.
    Night(usize),
    /// Goals are compared with copies.
    Goals,
}

/// Part of a disk that is filled when the simulation begins: nodes have been running for long.
const WARM_PERCENT: u64 = 98;
/// Part of a disk that is freed beyond need, so that eviction is not planned for each file.
const EVICT_MARGIN_PERCENT: u64 = 2;
/// Repositories of its region's list that a node fetches in a night, and how long the list is.
const PREFETCH_EACH: usize = 20;
const TOP_LIST: usize = 200;
/// Copies that a node offers to make in a day when goals are short.
const OFFERS_EACH: usize = 3;
/// Transfers of large bytes at once, and how many of them may be for nobody who waits.
pub(super) const SLOTS: usize = 4;
const SLOTS_WANTED: usize = 2;

#[derive(Debug, Default)]
struct Tally {
    requests: u64,
    hits: u64,
    asked_bytes: u64,
    hit_bytes: u64,
    metadata_only: u64,
    catalogue_bytes: u64,
    received: BTreeMap<&'static str, u64>,
}

/// Everything.
#[derive(Debug)]
pub(super) struct World {
    pub(super) params: Params,
    random: Random,
    pub(super) now_ms: u64,
    queue: BinaryHeap<Reverse<(u64, u64, Event)>>,
    events: u64,
    pub(super) nodes: Vec<Node>,
    pub(super) custodians: u16,
    hubs: Vec<usize>,
    pub(super) catalogue: Catalogue,
    /// Nodes that hold a repository besides its custodians.
    pub(super) holders: BTreeMap<u32, Vec<u16>>,
    pub(super) transfers: Vec<Option<Box<Transfer>>>,
    free: Vec<usize>,
    serial: u64,
    feeds: Feeds,
    /// Requests in each region, and its list of what is asked for most.
    demand: Vec<BTreeMap<u32, u64>>,
    ranks: Vec<BTreeMap<u32, u64>>,
    curated: Vec<u32>,
    goal: Follow,
    tallies: Vec<Tally>,
    usable: Vec<Durations>,
    whole: Vec<Durations>,
    pub(super) cut_spans: u64,
    pub(super) region_bytes: u64,
    pub(super) refetched_bytes: u64,
    pub(super) window_violation_bytes: u64,
    transfers_done: u64,
    outages: u64,
    evicted: u64,
    below_goal: Vec<u64>,
}

impl World {
    pub(super) fn new(params: Params) -> World {
        let mut nodes = Vec::new();
        for (class_index, class) in CLASSES.iter().enumerate() {
            nodes.extend((0..class.count).map(|place| Node::new(class_index, place % REGION_OFFSETS.len())));
        }
        let catalogue = Catalogue::new(params.seed, params.repos, params.zipf_exponent);
        let curated = catalogue.curated().collect();
        let goal = nodes.iter().flat_map(|node| &node.follows).find(|follow| follow.copies.is_some());
        let goal = goal.expect("a class has a goal for copies").clone();
        let per_class = || (0..CLASSES.len()).map(|_| Durations::new()).collect();
        let mut world = World {
            params,
            random: Random::new(params.seed),
            now_ms: 0,
            queue: BinaryHeap::new(),
            events: 0,
            custodians: CLASSES[0].count as u16,
            hubs: (0..REGION_OFFSETS.len()).collect(),
            feeds: Feeds::new(nodes.len()),
            nodes,
            catalogue,
            holders: BTreeMap::new(),
            transfers: Vec::new(),
            free: Vec::new(),
            serial: 0,
            demand: vec![BTreeMap::new(); REGION_OFFSETS.len()],
            ranks: vec![BTreeMap::new(); REGION_OFFSETS.len()],
            curated,
            goal,
            tallies: CLASSES.iter().map(|_| Tally::default()).collect(),
            usable: per_class(),
            whole: per_class(),
            cut_spans: 0,
            region_bytes: 0,
            refetched_bytes: 0,
            window_violation_bytes: 0,
            transfers_done: 0,
            outages: 0,
            evicted: 0,
            below_goal: Vec::new(),
        };
        world.warm();
        world.begin();
        world
    }

    /// Fills the disks with what is asked for most, as after a long time.
    fn warm(&mut self) {
        for node in 0..self.nodes.len() {
            let (class, follows) = (self.nodes[node].class, self.nodes[node].follows.clone());
            let limit_bytes = class.disk_bytes / 100 * WARM_PERCENT;
            for rank in 0.. {
                let Some((repo, share)) = self.catalogue.at_rank(rank) else { break };
                let file_bytes = self.catalogue.file_bytes(repo);
                if self.is_custodian(node, repo) || self.keep(&follows, repo, None).0 == Keep::Metadata {
                    continue;
                }
                if file_bytes > limit_bytes / 4 {
                    continue;
                }
                if self.nodes[node].used_bytes + file_bytes > limit_bytes {
                    break;
                }
                // What two weeks of its users' requests leave after ageing, about.
                let milli_requests = (class.requests_per_day * 20.0 * 1000.0 * share) as u64;
                let popularity = Popularity { milli_requests, last_used: moment(0) };
                self.nodes[node].seen.insert(repo, popularity);
                self.hold(node, repo, Held { version: 0, is_pinned: false });
            }
        }
    }

    fn begin(&mut self) {
        for node in 0..self.nodes.len() {
            let class = self.nodes[node].class;
            self.later_by_chance(DAY_MS as f64 / class.requests_per_day, Event::Ask(node));
            self.later_by_chance(class.outage_every_hours * HOUR_MS as f64, Event::Cut(node));
            let first_poll = self.random.below((self.params.poll_minutes * MINUTE_MS) as usize) as u64;
            self.later(first_poll, Event::Poll(node));
        }
        for (region, offset) in REGION_OFFSETS.iter().enumerate() {
            self.later(region as u64 * MINUTE_MS, Event::HubPoll(region));
            let offset = crate::policy::units::parse_offset(offset).unwrap_or(0);
            let night = (23 * 60 - i64::from(offset)).rem_euclid(24 * 60) as u64;
            self.later(night * MINUTE_MS, Event::Night(region));
        }
        self.later(1, Event::Publish);
        self.later(DAY_MS, Event::Goals);
    }

    pub(super) fn later(&mut self, wait_ms: u64, event: Event) {
        self.at(self.now_ms + wait_ms, event);
    }

    pub(super) fn at(&mut self, at_ms: u64, event: Event) {
        self.serial += 1;
        self.queue.push(Reverse((at_ms.max(self.now_ms), self.serial, event)));
    }

    fn later_by_chance(&mut self, mean_ms: f64, event: Event) {
        let wait_ms = self.random.wait_ms(mean_ms);
        self.later(wait_ms, event);
    }

    pub(super) fn run(mut self) -> Report {
        let end_ms = self.params.days * DAY_MS;
        while let Some(Reverse((at_ms, _, event))) = self.queue.pop() {
            if at_ms >= end_ms {
                break;
            }
            self.now_ms = at_ms;
            self.events += 1;
            self.handle(event);
        }
        self.now_ms = end_ms;
        self.report()
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Ask(node) => {
                let mean_ms = DAY_MS as f64 / self.nodes[node].class.requests_per_day;
                self.later_by_chance(mean_ms, Event::Ask(node));
                let repo = self.catalogue.asked(&mut self.random);
                self.ask(node, repo);
            }
            Event::Due { transfer, serial, span } => self.due(transfer, serial, span),
            Event::Wake { transfer, serial } => self.wake(transfer, serial),
            Event::Cut(node) => {
                self.outages += 1;
                self.nodes[node].is_up = false;
                let mean_ms = self.nodes[node].class.outage_minutes * MINUTE_MS as f64;
                self.later_by_chance(mean_ms, Event::Heal(node));
                self.cut(node);
            }
            Event::Heal(node) => {
                self.nodes[node].is_up = true;
                let mean_ms = self.nodes[node].class.outage_every_hours * HOUR_MS as f64;
                self.later_by_chance(mean_ms, Event::Cut(node));
                self.feeds.announce(node, self.hubs[self.nodes[node].region], self.now_ms);
                self.heal(node);
            }
            Event::Publish => self.publish(),
            Event::Poll(node) => {
                self.later(self.params.poll_minutes * MINUTE_MS, Event::Poll(node));
                self.poll(node, self.hubs[self.nodes[node].region]);
            }
            Event::HubPoll(region) => {
                self.later(self.params.poll_minutes * MINUTE_MS / 4, Event::HubPoll(region));
                for other in 0..self.hubs.len() {
                    if other != region {
                        self.poll(self.hubs[region], self.hubs[other]);
                    }
                }
            }
            Event::Refresh { node, repo } => self.refresh(node, repo),
            Event::Night(region) => {
                self.later(DAY_MS, Event::Night(region));
                self.night(region);
            }
            Event::Goals => {
                self.later(DAY_MS, Event::Goals);
                self.goals();
            }
        }
    }

    /// Returns how much of a repository these rules keep, and the goal for copies.
    fn keep(&self, follows: &[Follow], repo: u32, rank: Option<u64>) -> (Keep, Option<u64>) {
        let address = self.address(repo);
        let tags = [self.catalogue.language(repo).to_owned()];
        let facts = self.facts(repo, &address, &tags, rank);
        first_match(follows, &facts).map_or((Keep::Metadata, None), |at| (follows[at].keep, follows[at].copies))
    }

    fn address(&self, repo: u32) -> RepoAddress {
        let owner = if self.catalogue.is_curated(repo) { "curated" } else { "org" };
        let kind = if repo.is_multiple_of(5) { RepoKind::Dataset } else { RepoKind::Model };
        RepoAddress::parse(kind, &format!("{owner}/r{repo}")).expect("a number makes a valid name")
    }

    fn facts<'a>(&self, repo: u32, address: &'a RepoAddress, tags: &'a [String], rank: Option<u64>) -> RepoFacts<'a> {
        let file_bytes = self.catalogue.file_bytes(repo);
        RepoFacts { repo: address, file_bytes, tags, license: None, task: None, library: None, rank }
    }

    pub(super) fn is_custodian(&self, node: usize, repo: u32) -> bool {
        self.catalogue.custodians(repo, self.custodians).iter().any(|&custodian| usize::from(custodian) == node)
    }

    fn ask(&mut self, node: usize, repo: u32) {
        let (region, class_index) = (self.nodes[node].region, self.nodes[node].class_index);
        let now = moment(self.now_ms);
        let popularity = self.nodes[node].seen.get(&repo).map_or(Popularity::first(now), |seen| seen.hit(now));
        self.nodes[node].seen.insert(repo, popularity);
        *self.demand[region].entry(repo).or_insert(0) += 1;
        self.tallies[class_index].requests += 1;
        let rank = self.ranks[region].get(&repo).copied();
        let (keep, _) = self.keep(&self.nodes[node].follows, repo, rank);
        let held = self.nodes[node].held.get(&repo).map(|held| held.version);
        let is_custodian = self.is_custodian(node, repo);
        let file_bytes = self.catalogue.file_bytes(repo);
        let missing_bytes = if is_custodian { 0 } else { self.catalogue.missing_bytes(repo, held) };
        if keep == Keep::Metadata && held.is_none() && !is_custodian {
            self.tallies[class_index].metadata_only += 1;
        } else {
            let tally = &mut self.tallies[class_index];
            tally.asked_bytes += file_bytes;
            tally.hit_bytes += file_bytes - missing_bytes;
            tally.hits += u64::from(missing_bytes == 0);
        }
        if missing_bytes > 0 {
            self.fetch(node, repo, keep, Urgency::Asked, false);
        }
    }

    /// Fetches what is missing of a repository, or joins the transfer that does.
    fn fetch(&mut self, node: usize, repo: u32, keep: Keep, urgency: Urgency, is_pinned: bool) {
        let class_index = self.nodes[node].class_index;
        if let Some(&running) = self.nodes[node].transfers.get(&repo) {
            let transfer = self.transfers[running].as_mut().expect("a node's transfers are there");
            transfer.is_pinned |= is_pinned;
            if urgency == Urgency::Asked {
                if transfer.is_usable {
                    self.usable[class_index].add(0, 1);
                }
                transfer.asked_ms.push(self.now_ms);
                let place = (transfer.urgency, transfer.serial, running);
                transfer.urgency = Urgency::Asked;
                let serial = transfer.serial;
                if self.nodes[node].waiting.remove(&place) {
                    self.nodes[node].waiting.insert((Urgency::Asked, serial, running));
                }
            }
            return;
        }
        let held = self.nodes[node].held.get(&repo).map(|held| held.version);
        let missing_bytes = self.catalogue.missing_bytes(repo, held);
        let small_bytes = small_bytes(self.catalogue.file_bytes(repo), repo).min(missing_bytes);
        let wire_bytes = if keep == Keep::Metadata && held.is_none() { small_bytes } else { missing_bytes };
        let version = self.catalogue.version(repo);
        let want = Want { node, repo, version, keep, is_pinned, urgency, wire_bytes, small_bytes };
        self.serial += 1;
        let mut transfer = Transfer::new(want, self.serial);
        if urgency == Urgency::Asked {
            transfer.asked_ms.push(self.now_ms);
        }
        let place = self.free.pop().unwrap_or(self.transfers.len());
        if place == self.transfers.len() {
            self.transfers.push(None);
        }
        self.nodes[node].transfers.insert(repo, place);
        self.nodes[node].waiting.insert((urgency, transfer.serial, place));
        self.transfers[place] = Some(Box::new(transfer));
        self.give_slots(node);
        self.pump(place);
    }

    /// Gives free slots to those who wait, in order.
    pub(super) fn give_slots(&mut self, node: usize) {
        while let Some(&place) = self.nodes[node].waiting.first() {
            let limit = if place.0 == Urgency::Asked { SLOTS } else { SLOTS_WANTED };
            if self.nodes[node].slots_used >= limit {
                return;
            }
            self.nodes[node].waiting.remove(&place);
            self.nodes[node].slots_used += 1;
            if let Some(transfer) = self.transfers[place.2].as_mut() {
                transfer.has_slot = true;
            }
            self.pump(place.2);
        }
    }

    /// What a loader reads first is here.
    pub(super) fn became_usable(&mut self, transfer: &Transfer) {
        let class_index = self.nodes[transfer.node].class_index;
        for asked_ms in &transfer.asked_ms {
            self.usable[class_index].add(self.now_ms - asked_ms, 1);
        }
    }

    pub(super) fn tally_received(&mut self, node: usize, cost: CostClass, bytes: u64) {
        *self.tallies[self.nodes[node].class_index].received.entry(cost.as_str()).or_insert(0) += bytes;
    }

    /// Everything is here: keeps it, or only passes it on.
    pub(super) fn finished(&mut self, place: usize, transfer: Transfer) {
        let (node, repo) = (transfer.node, transfer.repo);
        self.transfers_done += 1;
        self.free.push(place);
        self.nodes[node].transfers.remove(&repo);
        self.nodes[node].waiting.remove(&(transfer.urgency, transfer.serial, place));
        let class_index = self.nodes[node].class_index;
        for asked_ms in &transfer.asked_ms {
            self.whole[class_index].add(self.now_ms - asked_ms, 1);
        }
        self.store(&transfer);
        if transfer.has_slot {
            self.nodes[node].slots_used -= 1;
        }
        self.give_slots(node);
    }

    fn store(&mut self, transfer: &Transfer) {
        let (node, repo) = (transfer.node, transfer.repo);
        let now = moment(self.now_ms);
        if let Some(held) = self.nodes[node].held.get_mut(&repo) {
            held.version = transfer.version;
            held.is_pinned |= transfer.is_pinned;
            return;
        }
        let file_bytes = self.catalogue.file_bytes(repo);
        let limit_bytes = self.nodes[node].class.disk_bytes;
        let disk = Disk { used_bytes: self.nodes[node].used_bytes, limit_bytes };
        let milli_requests = self.nodes[node].seen.get(&repo).map_or(0, |seen| seen.at(now));
        let is_all = transfer.wire_bytes >= file_bytes;
        if !is_all || !admits(disk, file_bytes, milli_requests, transfer.keep, transfer.is_pinned) {
            return;
        }
        let over = (disk.used_bytes + file_bytes).saturating_sub(limit_bytes);
        if over > 0 && !self.evict(node, over + limit_bytes / 100 * EVICT_MARGIN_PERCENT) {
            return;
        }
        self.hold(node, repo, Held { version: transfer.version, is_pinned: transfer.is_pinned });
    }

    fn hold(&mut self, node: usize, repo: u32, held: Held) {
        self.nodes[node].used_bytes += self.catalogue.file_bytes(repo);
        self.nodes[node].held.insert(repo, held);
        self.holders.entry(repo).or_default().push(node as u16);
    }

    /// Frees bytes on a node's disk; false when pins leave too little.
    fn evict(&mut self, node: usize, need_bytes: u64) -> bool {
        let now = moment(self.now_ms);
        let this = &self.nodes[node];
        let candidate = |(&repo, held): (&u32, &Held)| {
            let file_bytes = self.catalogue.file_bytes(repo);
            let others = self.holders.get(&repo).map_or(&[][..], Vec::as_slice);
            let is_near = others
                .iter()
                .any(|&other| usize::from(other) != node && self.nodes[usize::from(other)].region == this.region);
            let nearest = if is_near { this.line_to(this.region) } else { super::world::WORLD };
            Candidate {
                key: repo,
                disk_bytes: file_bytes,
                refetch_bytes: file_bytes,
                cost: this.lines[nearest].line.cost,
                popularity: this.seen.get(&repo).copied().unwrap_or(Popularity::first(now)),
                is_pinned: held.is_pinned || this.transfers.contains_key(&repo),
                copies_elsewhere: others.len() as u64 + 1,
            }
        };
        let candidates: Vec<_> = this.held.iter().map(candidate).collect();
        let plan = plan(&candidates, need_bytes, now, LastCopies::Stay);
        let is_enough = plan.short_bytes == 0;
        for victim in plan.victims {
            let node_state = &mut self.nodes[node];
            node_state.held.remove(&victim.key);
            node_state.used_bytes -= victim.disk_bytes;
            if let Some(holders) = self.holders.get_mut(&victim.key) {
                holders.retain(|&holder| usize::from(holder) != node);
            }
            self.evicted += 1;
        }
        is_enough
    }

    fn publish(&mut self) {
        let per_day = (self.params.revisions_per_day / ENTRIES_EACH).max(1);
        self.later_by_chance(DAY_MS as f64 / per_day as f64, Event::Publish);
        let node = self.random.below(self.nodes.len());
        self.feeds.publish(node, self.now_ms);
        if self.nodes[node].is_up {
            self.feeds.announce(node, self.hubs[self.nodes[node].region], self.now_ms);
        }
        let heard_ms = self.params.poll_minutes * MINUTE_MS;
        for _ in 0..ENTRIES_EACH {
            let repo = self.catalogue.publish(&mut self.random);
            let holders = self.holders.get(&repo).cloned().unwrap_or_default();
            for node in holders.into_iter().map(usize::from) {
                if self.nodes[node].held.get(&repo).is_some_and(|held| held.is_pinned) {
                    self.later(heard_ms, Event::Refresh { node, repo });
                }
            }
        }
    }

    fn poll(&mut self, asking: usize, asked: usize) {
        if asking == asked || !self.nodes[asking].is_up || !self.nodes[asked].is_up {
            return;
        }
        let line = self.nodes[asking].line_to(self.nodes[asked].region);
        // An answer of a day is at most this long; the next poll brings what this one may not.
        const ANSWER_BYTES_MAX: u64 = 20_000_000;
        let state = &mut self.nodes[asking].lines[line];
        state.refresh(self.now_ms);
        if !state.is_open_for_small(ANSWER_BYTES_MAX) {
            return;
        }
        let bytes = self.feeds.poll(asking, asked, self.now_ms);
        let cost = state.line.cost;
        state.charge(bytes, self.now_ms);
        self.nodes[asking].down.push_in(bytes, self.now_ms);
        self.tally_received(asking, cost, bytes);
        self.tallies[self.nodes[asking].class_index].catalogue_bytes += bytes;
    }

    fn refresh(&mut self, node: usize, repo: u32) {
        let held = self.nodes[node].held.get(&repo).map(|held| held.version);
        if held.is_some() && self.catalogue.missing_bytes(repo, held) > 0 {
            self.fetch(node, repo, Keep::Whole, Urgency::Wanted, true);
        }
    }

    /// Makes the list of what the region asks for most, and fetches ahead where that is wanted.
    fn night(&mut self, region: usize) {
        if region == 0 {
            self.catalogue.drift(&mut self.random, self.params.drift_per_day);
        }
        let mut list: Vec<(u64, u32)> = self.demand[region].iter().map(|(&repo, &count)| (count, repo)).collect();
        list.sort_by_key(|&(count, repo)| (Reverse(count), repo));
        list.truncate(TOP_LIST);
        self.ranks[region] = (1..).zip(&list).map(|(rank, &(_, repo))| (repo, rank)).collect();
        // Old demand counts half from one night to the next, as taste changes.
        self.demand[region].values_mut().for_each(|count| *count /= 2);
        self.demand[region].retain(|_, count| *count > 0);
        let eager = |node: &usize| self.nodes[*node].region == region && self.nodes[*node].class.is_prefetching;
        for node in (0..self.nodes.len()).filter(eager).collect::<Vec<_>>() {
            let mut left = PREFETCH_EACH;
            for (rank, &(_, repo)) in (1..).zip(&list) {
                let is_here = self.nodes[node].held.contains_key(&repo) || self.is_custodian(node, repo);
                if left > 0 && !is_here && self.keep(&self.nodes[node].follows, repo, Some(rank)).0 == Keep::Whole {
                    left -= 1;
                    self.fetch(node, repo, Keep::Whole, Urgency::Wanted, false);
                }
            }
        }
    }

    /// Reports shortages; nodes with room offer to mend some of them.
    fn goals(&mut self) {
        let short = self.below_goal();
        self.below_goal.push(short.len() as u64);
        let regional =
            (0..self.nodes.len()).filter(|&node| self.nodes[node].follows.iter().any(|follow| follow.copies.is_some()));
        let takers: Vec<usize> = regional.flat_map(|node| [node; OFFERS_EACH]).collect();
        for (repo, node) in short.into_iter().zip(takers) {
            let is_here = self.nodes[node].held.contains_key(&repo);
            if is_here {
                let held = self.nodes[node].held.get_mut(&repo).expect("it was there just now");
                held.is_pinned = true;
            }
            if !is_here
                || self.catalogue.missing_bytes(repo, self.nodes[node].held.get(&repo).map(|held| held.version)) > 0
            {
                self.fetch(node, repo, Keep::Whole, Urgency::Wanted, true);
            }
        }
    }

    /// Returns curated repositories of which too few nodes hold the newest revision.
    fn below_goal(&self) -> Vec<u32> {
        let addresses: Vec<RepoAddress> = self.curated.iter().map(|&repo| self.address(repo)).collect();
        let repos = self.curated.iter().zip(&addresses).map(|(&repo, address)| {
            let version = self.catalogue.version(repo);
            let holders = self.holders.get(&repo).map_or(&[][..], Vec::as_slice);
            let is_current = |node: &&u16| {
                let held = self.nodes[usize::from(**node)].held.get(&repo);
                held.is_some_and(|held| held.version == version)
            };
            let copies = 2 + holders.iter().filter(is_current).count() as u64;
            (self.facts(repo, address, &[], None), copies)
        });
        let follows = std::slice::from_ref(&self.goal);
        let number = |short: &crate::policy::rules::Shortage| {
            short.repo.rsplit_once("/r").and_then(|(_, number)| number.parse().ok())
        };
        shortages(follows, repos).iter().filter_map(number).collect()
    }

    fn report(mut self) -> Report {
        let (poll_ms, days) = (self.params.poll_minutes * MINUTE_MS, self.params.days.max(1));
        self.feeds.close(self.now_ms, 2 * poll_ms);
        let goals = self.curated.len() as u64;
        let below_goal_at_end = self.below_goal().len() as u64;
        let mut unfinished = vec![0; CLASSES.len()];
        for transfer in self.transfers.iter().flatten() {
            unfinished[self.nodes[transfer.node].class_index] += transfer.asked_ms.len() as u64;
        }
        let classes: Vec<ClassReport> = CLASSES
            .iter()
            .enumerate()
            .map(|(at, class)| {
                let tally = &self.tallies[at];
                ClassReport {
                    class: class.name.to_owned(),
                    nodes: class.count as u64,
                    requests: tally.requests,
                    hits_per_10000: per_10000(tally.hits, tally.requests - tally.metadata_only),
                    byte_hits_per_10000: per_10000(tally.hit_bytes, tally.asked_bytes),
                    metadata_only: tally.metadata_only,
                    received_bytes: tally.received.iter().map(|(cost, &bytes)| ((*cost).to_owned(), bytes)).collect(),
                    first_usable_ms_p50: self.usable[at].percentile(50),
                    first_usable_ms_p99: self.usable[at].percentile(99),
                    whole_ms_p50: self.whole[at].percentile(50),
                    whole_ms_p99: self.whole[at].percentile(99),
                    unfinished: unfinished[at],
                    catalogue_bytes_per_node_day: tally.catalogue_bytes / class.count as u64 / days,
                }
            })
            .collect();
        let sum = |of: fn(&Tally) -> u64| self.tallies.iter().map(of).sum::<u64>();
        let mut received_bytes = BTreeMap::new();
        for class in &classes {
            for (cost, bytes) in &class.received_bytes {
                *received_bytes.entry(cost.clone()).or_insert(0) += bytes;
            }
        }
        let lines = self.nodes.iter().flat_map(|node| &node.lines);
        let over = lines.map(|state| {
            let max = state.line.month_bytes_max.unwrap_or(u64::MAX);
            state.audit.values().filter(|&&bytes| bytes > max).count() as u64
        });
        Report {
            seed: self.params.seed,
            days: self.params.days,
            nodes: self.nodes.len() as u64,
            repos: self.params.repos as u64,
            events: self.events,
            transfers: self.transfers_done,
            outages: self.outages,
            cut_spans: self.cut_spans,
            requests: sum(|tally| tally.requests),
            hits_per_10000: per_10000(sum(|t| t.hits), sum(|t| t.requests) - sum(|t| t.metadata_only)),
            byte_hits_per_10000: per_10000(sum(|tally| tally.hit_bytes), sum(|tally| tally.asked_bytes)),
            received_bytes,
            region_bytes: self.region_bytes,
            entries: self.feeds.entries(),
            staleness_ms_p50: self.feeds.staleness.percentile(50),
            staleness_ms_p99: self.feeds.staleness.percentile(99),
            catalogue_bytes_per_node_day: sum(|tally| tally.catalogue_bytes) / self.nodes.len() as u64 / days,
            evicted: self.evicted,
            goals,
            below_goal_at_first: self.below_goal.first().copied().unwrap_or(below_goal_at_end),
            below_goal_at_end,
            budget_violations: over.sum(),
            window_violation_bytes: self.window_violation_bytes,
            refetched_bytes: self.refetched_bytes,
            classes,
        }
    }
}

/// Returns how many bytes of a repository a loader reads first, by the real order of files.
fn small_bytes(file_bytes: u64, repo: u32) -> u64 {
    /// Largest shard that libraries write.
    const SHARD_BYTES: u64 = 5_000_000_000;
    const SHARDS_MAX: u64 = 32;
    let shards = file_bytes.div_ceil(SHARD_BYTES).clamp(1, SHARDS_MAX);
    let mut files = vec![
        ("config.json".to_owned(), 900),
        ("tokenizer.json".to_owned(), 1_000_000 + u64::from(repo % 16) * 1_000_000),
        ("README.md".to_owned(), 12_000),
    ];
    if shards > 1 {
        files.push(("model.safetensors.index.json".to_owned(), 40_000));
    }
    files.extend((1..=shards).map(|shard| (format!("model-{shard:05}.safetensors"), file_bytes / shards)));
    let steps = fetch_order(&files, &[]);
    let first = steps.iter().filter(|step| step.turn < Turn::Weights);
    first.map(|step| step.head_bytes.unwrap_or(files[step.file].1)).sum()
}
