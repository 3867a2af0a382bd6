//! A conversation with a peer: what it is, how its log has grown, what it has seen of others, what it holds.
//!
//! Most end after one question, for the news of its log also tell whether anything else is worth one. What
//! costs more with every peer that is known is heard at a rhythm that slows down with their number, so that
//! what a node hears in a day stays about the same. A fork is not hidden by that: it stays in the history of a log, and
//! the witnesses of a log are asked at once.

use std::time::Duration;

use tokio::time::Instant;

use crate::Federation;
use crate::peer::{
    self, Follower, GossipTags, Memory, Peer, PeerError, Polled, Wire, WireError, describe, described_check,
    described_keep, wire_to,
};

/// How long a description of a peer is good before it is asked for again, when its news tell of no newer one:
/// it is signed anew once a day.
const DESCRIBE_EVERY: Duration = Duration::from_secs(86_400);
/// Least time between two times that a peer is heard about third ones: this for each pair of peers. Each of n
/// peers tells of n logs, about 230 bytes of each: so that is 2 MB a day, however many there are.
const GOSSIP_PAUSE: Duration = Duration::from_secs(10);
/// And never sooner than this, for the questions themselves cost more than what few peers have to tell.
const GOSSIP_PAUSE_MIN: Duration = Duration::from_secs(5 * 60);
/// The same for what it holds, for each pair of [`HAVE_PEERS`] peers: once a day where there are 193.
const HAVE_PAUSE: Duration = Duration::from_secs(150);
/// Peers below which that is heard whenever it has changed: the next source of a file may be among them.
const HAVE_PEERS: usize = 8;

/// Returns a time that grows with the square of a number.
fn pause(of_one: Duration, count: usize) -> Duration {
    of_one.saturating_mul(u32::try_from(count.saturating_mul(count)).unwrap_or(u32::MAX))
}

/// Tells whether something should be heard (again): never heard, or other tags than then and not just now.
/// Where the peer tells no tags, time alone decides.
fn is_due<T: PartialEq>(heard: Option<(Instant, Option<T>)>, tags: Option<T>, pause: Duration) -> bool {
    heard.is_none_or(|(when, then)| (tags.is_none() || tags != then) && when.elapsed() >= pause)
}

impl Federation {
    /// Talks to a peer, and writes down what was new.
    pub(crate) async fn conversation(&self, peer: &Peer, memory: &mut Memory) -> Result<Polled, PeerError> {
        let catalog = self.hub.catalog();
        let forks = catalog.fork_list().await?.iter().filter(|fork| fork.origin == peer.key.name()).count() as u64;
        if forks > peer.settings.forks_forgiven {
            return Err(PeerError::Stopped);
        }
        let elsewhere = self.introduce(peer, memory).await?;
        let wire = elsewhere.as_ref().unwrap_or(&peer.wire);
        let now = self.hub.clock().now();
        let follower = Follower { catalog, remote: peer.remote.id, key: &peer.key, wire, now };
        let milestones = memory.milestones.clone();
        let polled = follower.poll(&mut memory.log, &mut memory.trail, &milestones).await?;
        let size = catalog.feed_get(peer.remote.id).await?.map_or(0, |feed| feed.tree.size);
        peer::compared(memory, size);
        self.gossip(peer, memory, wire).await?;
        memory.is_heard = true;
        self.haves(peer, memory, wire).await?;
        Ok(polled)
    }

    /// Asks a peer what it is, when that was long ago. Where another node answers, or nobody, the other
    /// addresses that it named are tried. Returns the way to ask it, when that is a new one.
    async fn introduce(&self, peer: &Peer, memory: &mut Memory) -> Result<Option<Wire>, PeerError> {
        let told = memory.log.tags.map(|tags| tags.sequence).filter(|told| *told > peer.settings.sequence);
        let is_fresh = |asked: Instant| memory.failures == 0 && asked.elapsed() < DESCRIBE_EVERY;
        // A number that leads to no newer description is not looked at twice.
        if memory.described.is_some_and(is_fresh) && (told.is_none() || told == memory.described_for) {
            return Ok(None);
        }
        memory.log.lacks_news = false;
        memory.described_for = told;
        let catalog = self.hub.catalog();
        let refused = match describe(&peer.wire).await {
            Ok(described) => match described_keep(catalog, &peer.remote, &described, None).await {
                Ok(_) => {
                    memory.described = Some(Instant::now());
                    return Ok(None);
                }
                Err(error) => error,
            },
            Err(error) => error,
        };
        // Another node at the old address: the operator should hear of it also when the peer is found.
        if refused.incident().is_some() {
            self.complain(peer, &refused).await;
        }
        for url in peer.settings.urls.iter().filter(|url| url.trim_end_matches('/') != peer.wire.url()) {
            let Ok(wire) = wire_to(url, peer.settings.allow_private, &self.http) else { continue };
            let Ok(described) = describe(&wire).await else { continue };
            if described_check(&peer.remote, &described).is_err() {
                continue;
            }
            described_keep(catalog, &peer.remote, &described, Some(url.trim_end_matches('/'))).await?;
            tracing::warn!(peer = peer.remote.name, url, "a peer has moved; it was found by its key");
            *memory = Memory { milestones: std::mem::take(&mut memory.milestones), ..Memory::default() };
            memory.described = Some(Instant::now());
            return Ok(Some(wire));
        }
        match refused {
            // Without a description, but the log is there: its signatures are what counts.
            PeerError::Wire(WireError::Status { status: 404, .. }) => {
                memory.described = Some(Instant::now());
                Ok(None)
            }
            refused => Err(refused),
        }
    }

    /// Hears what a peer has seen of third ones, and of this node.
    async fn gossip(&self, peer: &Peer, memory: &mut Memory, wire: &Wire) -> Result<(), PeerError> {
        let (catalog, table, now) = (self.hub.catalog(), self.table(), self.hub.clock().now());
        let peers = table.all().len();
        let tags = memory.log.tags.map(|tags| GossipTags { seen: tags.seen, nodes: tags.nodes, peers });
        if !is_due(memory.gossip.heard, tags, pause(GOSSIP_PAUSE, peers).max(GOSSIP_PAUSE_MIN)) {
            return Ok(());
        }
        let name = &peer.remote.name;
        if let Some(notes) = peer::seen_by(wire, &mut memory.gossip).await? {
            for found in peer::compare(catalog, &table, &notes, name, now).await? {
                let fork = PeerError::Fork(found.what);
                if let Some(other) = table.by_name(&found.peer) {
                    self.complain(other, &fork).await;
                }
            }
            let own = self.hub.log_keys().origin();
            for note in notes.iter().filter(|note| note.lines().next() == Some(own)) {
                if let Ok(false) = self.hub.log_own_seen(note.as_bytes()).await {
                    let what = "it has seen a state of this node's log that is not here: this database is an old one, or \
                                another node has the same key. Nothing is signed until that is cleared up";
                    self.incident(name, "old-database", what).await;
                }
            }
        }
        if let Some(notes) = peer::nodes_seen_by(wire, &mut memory.gossip).await?
            && peer::descriptions_learn(catalog, &table, &notes).await?
        {
            self.refresh().await?;
        }
        memory.gossip.heard = Some((Instant::now(), tags));
        Ok(())
    }

    /// Hears what a peer holds of the logs that this node follows, and of this node's own.
    async fn haves(&self, peer: &Peer, memory: &mut Memory, wire: &Wire) -> Result<(), PeerError> {
        let table = self.table();
        let others = table.all().iter().filter(|other| other.remote.id != peer.remote.id);
        let origins = others.map(|other| other.key.name()).chain([self.hub.log_keys().origin()]);
        let origins: Vec<String> = origins.map(str::to_owned).collect();
        let tag = memory.log.tags.map(|tags| tags.have);
        // What a log holds that this node did not know of then was not heard.
        let known = memory.have.heard.filter(|_| memory.have.knows_all(tag, &origins));
        if !is_due(known, tag, pause(HAVE_PAUSE, origins.len() / HAVE_PEERS)) {
            return Ok(());
        }
        peer::haves_hear(self.hub.catalog(), peer.remote.id, wire, &origins, tag, &mut memory.have).await?;
        memory.have.heard = Some((Instant::now(), tag));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_has_changed_is_heard_at_its_rhythm() {
        let now = Instant::now();
        let hour = Duration::from_secs(3600);
        assert!(is_due::<u32>(None, None, hour) && is_due(None, Some(1), hour), "the first time at once");
        let cases = [(Some(1), Some(1), false), (Some(1), Some(2), true), (None, Some(2), true), (None, None, true)];
        for (then, tags, has_news) in cases {
            assert!(!is_due(Some((now, then)), tags, hour), "not twice in a pause");
            assert_eq!(is_due(Some((now, then)), tags, Duration::ZERO), has_news, "{then:?} {tags:?}");
        }
        tokio::time::advance(hour).await;
        for (then, tags, has_news) in cases {
            assert_eq!(is_due(Some((now, then)), tags, hour), has_news, "{then:?} {tags:?}");
        }
        assert_eq!(pause(GOSSIP_PAUSE, 3), Duration::from_secs(90));
        assert_eq!((pause(GOSSIP_PAUSE, 193) / hour.as_secs() as u32).as_secs(), 103, "four days for each of 193");
        assert_eq!(
            (pause(HAVE_PAUSE, 7 / HAVE_PEERS), pause(HAVE_PAUSE, 193 / HAVE_PEERS)),
            (Duration::ZERO, 24 * hour)
        );
    }
}
