//! Sources and planners that lie: named, banned for the object, and nothing of it is visible.

use std::sync::Arc;

use karez_federation::transfer::{ChunkMap, Layout, Priority, Recipe, TransferError};
use karez_formats::file_map::FileMap;

use crate::sample::Sample;
use crate::source::{Behaviour, Fault, MemorySource};
use crate::world::{Fixed, World, wanted};

fn honest() -> Behaviour {
    Behaviour { bytes_per_sec: 500_000, ..Behaviour::default() }
}

#[tokio::test(start_paused = true)]
async fn a_source_of_wrong_bytes_is_named_and_left() {
    let sample = Sample::new(20, 6_000_000, 30);
    for plan in [sample.mapped(), sample.reconstructed(), sample.plain()] {
        let world = World::new();
        let liar = Behaviour { wrong_every: Some(300_000), bytes_per_sec: 1_000_000, ..Behaviour::default() };
        let sources =
            [MemorySource::new("liar", &sample.objects, liar), MemorySource::new("honest", &sample.objects, honest())];
        let is_mapped = matches!(plan.1, Recipe::Mapped(_));
        let planner = Fixed::new("honest", plan, &sources);
        assert!(world.fetch(&sample, &planner).await.unwrap() == sample.data, "{:?}", planner.recipe);
        assert_eq!(world.reports.wrongs(), [("liar".to_owned(), "wrong_bytes")], "{:?}", planner.recipe);
        if is_mapped {
            assert!(sources[1].sent() < 7_000_000 && sources[0].sent() < 4_000_000, "seen soon");
        }
        let shares = world.reports.progress.lock().unwrap().last().unwrap().sources.clone();
        let banned: Vec<&str> = shares.iter().filter(|share| share.is_banned).map(|share| &*share.name).collect();
        assert_eq!(banned, ["liar"]);
    }
}

#[tokio::test(start_paused = true)]
async fn one_wrong_byte_in_a_chunk_of_two_sources_finds_the_liar() {
    let sample = Sample::new(21, 8_000_000, 30);
    let world = World::new();
    // Cuts leave chunks that two sources have given in part.
    let faults = |wrong| vec![(Fault::Cut, 400), (Fault::WrongByte, wrong)];
    let liar = Behaviour { faults: faults(500), bytes_per_sec: 500_000, ..Behaviour::default() };
    let good = Behaviour { faults: faults(0), bytes_per_sec: 500_000, ..Behaviour::default() };
    let sources =
        [MemorySource::new("liar", &sample.objects, liar), MemorySource::new("honest", &sample.objects, good)];
    let planner = Fixed::new("honest", sample.mapped(), &sources);
    assert!(world.fetch(&sample, &planner).await.unwrap() == sample.data);
    assert_eq!(world.reports.wrongs(), [("liar".to_owned(), "wrong_bytes")]);
}

#[tokio::test(start_paused = true)]
async fn answers_without_end_are_cut_off() {
    let sample = Sample::new(22, 3_000_000, 30);
    let world = World::new();
    let endless = Behaviour { faults: vec![(Fault::Endless, 1000)], ..Behaviour::default() };
    let sources = [
        MemorySource::new("endless", &sample.objects, endless),
        MemorySource::new("honest", &sample.objects, honest()),
    ];
    let planner = Fixed::new("honest", sample.plain(), &sources);
    assert!(world.fetch(&sample, &planner).await.unwrap() == sample.data);
    assert_eq!(world.reports.wrongs(), [("endless".to_owned(), "wrong_answer")]);
}

#[tokio::test(start_paused = true)]
async fn when_everyone_lies_the_transfer_ends() {
    let sample = Sample::new(23, 2_000_000, 30);
    for plan in [sample.mapped(), sample.reconstructed(), sample.plain()] {
        let world = World::new();
        let liar = Behaviour { wrong_every: Some(100_000), ..Behaviour::default() };
        let source = MemorySource::new("liar", &sample.objects, liar);
        let planner = Fixed::new("liar", plan, &[source]);
        let outcome = world.transfers().start(wanted(&sample), planner, Priority::Normal).done().await;
        assert!(matches!(&outcome, Err(TransferError::NoSource(text)) if text.contains("liar")), "{outcome:?}");
        assert!(world.sink.files.lock().unwrap().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_map_of_other_content_ends_at_the_sha256_and_names_who_made_it() {
    let sample = Sample::new(24, 2_000_000, 30);
    let other = Sample::new(25, 2_000_000, 30);
    // Sound in itself, and of the right length.
    let map = FileMap { sha256: sample.sha256, ..(*other.map).clone() };
    let file = karez_federation::transfer::FileWanted { file_bytes: map.file_bytes, ..wanted(&sample) };
    for (_, recipe) in [other.mapped(), other.reconstructed()] {
        let map: Arc<dyn ChunkMap> = Arc::new(map.clone());
        let plan = match recipe {
            Recipe::Mapped(_) => (Layout::of_map(&*map).unwrap(), Recipe::Mapped(map)),
            _ => other.reconstructed(),
        };
        let world = World::new();
        let source = MemorySource::new("carrier", &other.objects, Behaviour::default());
        let planner = Fixed::new("poisoner", plan, &[source]);
        let outcome = world.transfers().start(file.clone(), planner, Priority::Normal).done().await;
        assert!(matches!(&outcome, Err(TransferError::Wrong { remote, .. }) if remote == "poisoner"), "{outcome:?}");
        assert_eq!(world.reports.wrongs(), [("poisoner".to_owned(), "wrong_recipe")]);
        assert!(world.sink.files.lock().unwrap().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_map_that_two_sources_contradict_is_the_liar() {
    let sample = Sample::new(26, 2_000_000, 30);
    let mut map = (*sample.map).clone();
    let at = map.chunks.len() / 2;
    map.chunks[at].hash = karez_types::ChunkHash([7; 32]);
    let map: Arc<dyn ChunkMap> = Arc::new(map);
    let world = World::new();
    let names = ["one", "second", "the third"];
    let sources = names.map(|name| MemorySource::new(name, &sample.objects, honest()));
    let planner = Fixed::new("poisoner", (Layout::of_map(&*map).unwrap(), Recipe::Mapped(map)), &sources);
    let good = Fixed::new("good", sample.mapped(), &sources);
    let transfers = world.transfers();
    let transfer = transfers.start(wanted(&sample), planner, Priority::Normal);
    transfers.start(wanted(&sample), good, Priority::Normal);
    transfer.done().await.unwrap();
    assert_eq!(world.sink.files.lock().unwrap()[0], sample.data);
    assert!(world.reports.wrongs().contains(&("poisoner".to_owned(), "wrong_recipe")), "{:?}", world.reports.wrongs());
}

#[tokio::test(start_paused = true)]
async fn a_plan_that_lies_about_lengths_is_refused() {
    let sample = Sample::new(27, 500_000, 30);
    let world = World::new();
    let source = MemorySource::new("origin", &sample.objects, Behaviour::default());
    let mut file = wanted(&sample);
    file.file_bytes -= 1;
    for plan in [sample.mapped(), sample.reconstructed(), sample.plain()] {
        let planner = Fixed::new("origin", plan, std::slice::from_ref(&source));
        let outcome = world.transfers().start(file.clone(), planner, Priority::Normal).done().await;
        assert!(matches!(&outcome, Err(TransferError::Wrong { remote, .. }) if remote == "origin"), "{outcome:?}");
    }
    assert_eq!(source.sent(), 0);
}
