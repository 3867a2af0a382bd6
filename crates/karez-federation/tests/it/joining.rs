//! Sources that turn up while a file is on its way.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use karez_federation::transfer::{Layout, Plan, Recipe};
use tokio::time::Instant;

use crate::sample::Sample;
use crate::source::{Behaviour, Fault, Handle, MemorySource};
use crate::world::{Fixed, World};

const SLOW: u64 = 200_000;

fn source(name: &str, sample: &Sample, faults: &[(Fault, u64)]) -> Arc<MemorySource> {
    let behaviour = Behaviour { latency_ms: 300, bytes_per_sec: SLOW, faults: faults.to_vec(), ..Behaviour::default() };
    MemorySource::new(name, &sample.objects, behaviour)
}

fn plan((layout, recipe): (Layout, Recipe), source: &Arc<MemorySource>) -> Plan {
    Plan { layout, recipe, sources: vec![Handle::of(source)] }
}

#[tokio::test(start_paused = true)]
async fn a_source_that_turns_up_is_taken_in() {
    let sample = Sample::new(51, 12_000_000, 100);
    let mut took = Vec::new();
    // The second question comes five seconds after the first, the third ten after that.
    for first_answer in [u64::MAX, 0, 2] {
        let world = World::new();
        let (here, there) = (source("origin", &sample, &[]), source("another", &sample, &[]));
        let planner = Fixed::new("origin", sample.mapped(), std::slice::from_ref(&here));
        planner.others.lock().unwrap().push((first_answer, plan(sample.mapped(), &there)));
        let begun = Instant::now();
        assert!(world.fetch(&sample, &planner).await.unwrap() == sample.data);
        took.push(begun.elapsed().as_secs_f64());
        let sent = here.sent() + there.sent();
        assert!(sent * 1000 <= sample.mapped().0.wire_bytes * 1005, "{sent} bytes were sent");
        assert_eq!(there.sent() > 0, first_answer != u64::MAX);
    }
    let [alone, from_the_start, later] = took[..] else { unreachable!() };
    assert!(from_the_start * 1.85 <= alone, "{took:?}");
    assert!(later < alone - 10.0 && later > from_the_start + 5.0, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn who_turns_up_carries_on_when_the_first_has_no_more() {
    let sample = Sample::new(52, 3_000_000, 100);
    let world = World::new();
    let (here, there) = (source("origin", &sample, &[(Fault::Gone, 1000)]), source("another", &sample, &[]));
    let planner = Fixed::new("origin", sample.mapped(), std::slice::from_ref(&here));
    planner.others.lock().unwrap().push((0, plan(sample.mapped(), &there)));
    assert!(world.fetch(&sample, &planner).await.unwrap() == sample.data);
    assert_eq!(there.sent(), sample.mapped().0.wire_bytes);
}

#[tokio::test(start_paused = true)]
async fn who_lies_is_banned_however_it_came() {
    let sample = Sample::new(53, 6_000_000, 100);
    let world = World::new();
    let (here, there) = (source("origin", &sample, &[]), source("another", &sample, &[(Fault::WrongByte, 1000)]));
    let planner = Fixed::new("origin", sample.mapped(), std::slice::from_ref(&here));
    planner.others.lock().unwrap().push((0, plan(sample.mapped(), &there)));
    assert!(world.fetch(&sample, &planner).await.unwrap() == sample.data);
    assert!(world.reports.wrongs().iter().all(|(name, _)| name == "another") && !world.reports.wrongs().is_empty());
}

/// Who packed the file in another way, because its files came one by one or beside others, gives its part, too.
#[tokio::test(start_paused = true)]
async fn a_source_with_other_pieces_is_taken_in() {
    let (sample, packed_anew) = (Sample::new(55, 12_000_000, 100), Sample::new(55, 12_000_000, 37));
    assert_eq!(sample.sha256, packed_anew.sha256);
    assert_ne!(sample.mapped().0, packed_anew.mapped().0);
    let mut took = Vec::new();
    for first_answer in [u64::MAX, 0] {
        let world = World::new();
        let (here, there) = (source("origin", &sample, &[]), source("another", &packed_anew, &[]));
        let planner = Fixed::new("origin", sample.mapped(), std::slice::from_ref(&here));
        planner.others.lock().unwrap().push((first_answer, plan(packed_anew.mapped(), &there)));
        let begun = Instant::now();
        assert!(world.fetch(&sample, &planner).await.unwrap() == sample.data);
        took.push(begun.elapsed().as_secs_f64());
        let sent = here.sent() + there.sent();
        assert!(sent * 1000 <= sample.mapped().0.wire_bytes * 1005, "{sent} bytes were sent");
        assert!(world.reports.wrongs().is_empty());
    }
    assert!(took[1] * 1.8 <= took[0], "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_source_with_other_pieces_carries_on_alone_and_is_banned_when_it_lies() {
    let (sample, packed_anew) = (Sample::new(56, 3_000_000, 100), Sample::new(56, 3_000_000, 7));
    for is_liar in [false, true] {
        let world = World::new();
        let gone = if is_liar { vec![] } else { vec![(Fault::Gone, 1000)] };
        let lies = if is_liar { vec![(Fault::WrongByte, 1000)] } else { vec![] };
        let (here, there) = (source("origin", &sample, &gone), source("another", &packed_anew, &lies));
        let planner = Fixed::new("origin", sample.mapped(), std::slice::from_ref(&here));
        planner.others.lock().unwrap().push((0, plan(packed_anew.mapped(), &there)));
        assert!(world.fetch(&sample, &planner).await.unwrap() == sample.data);
        let wire_bytes = sample.mapped().0.wire_bytes;
        assert_eq!(there.sent() == wire_bytes, !is_liar, "{} of {wire_bytes}", there.sent());
        assert_eq!(world.reports.wrongs(), if is_liar { vec![("another".to_owned(), "wrong_bytes")] } else { vec![] });
    }
}

/// The question costs bytes on the line of whoever is asked: it is asked less and less often, and not again
/// of those who have the file in pieces that no map of ours leads to.
#[tokio::test(start_paused = true)]
async fn others_are_asked_ever_more_rarely() {
    let sample = Sample::new(54, 60_000_000, 100);
    let world = World::new();
    let (here, there) = (source("origin", &sample, &[]), source("another", &sample, &[]));
    let planner = Fixed::new("origin", sample.plain(), std::slice::from_ref(&here));
    planner.others.lock().unwrap().push((0, plan(sample.mapped(), &there)));
    let begun = Instant::now();
    assert!(world.fetch(&sample, &planner).await.unwrap() == sample.data);
    let secs = begun.elapsed().as_secs();
    assert!(secs > 290, "{secs} s");
    // After 0, 5, 15, 35, 75, 155 and 315 seconds.
    let asked = planner.others_asked.load(Ordering::SeqCst);
    // The last question is not asked for the last megabyte.
    assert!(asked == 6 || asked == 7 && secs >= 315, "{asked} questions in {secs} s");
    assert_eq!(there.sent(), 0);
}
