//! Writes evidence of forks of both kinds into a folder, for the oracle of `cargo xtask test`: a log that
//! has replaced its first entry. Prints the verifier key of the log.

use std::path::PathBuf;

use karez_governance::tree::consistency_proof;
use karez_governance::{
    Checkpoint, ForkEvidence, Frontier, Growth, Note, SigningKey, TileSet, TreeHash, VerifiedCheckpoint,
};

const SIZE: u64 = 300;

struct History {
    tiles: TileSet,
}

impl History {
    fn of(first_entry: &str) -> History {
        let mut growth = Growth::new(0, &TileSet::default()).expect("an empty tree needs no tiles");
        for number in 0..SIZE {
            let entry = if number == 0 { first_entry.to_owned() } else { format!("entry {number}") };
            growth.append(TreeHash::of_entry(entry.as_bytes())).expect("the tree is small");
        }
        let mut tiles = TileSet::default();
        growth.changed().for_each(|(tile, hashes)| tiles.insert(tile, hashes.to_vec()));
        History { tiles }
    }

    fn root(&self, size: u64) -> TreeHash {
        Frontier::read(size, &self.tiles).expect("all tiles are there").root()
    }

    fn checkpoint(&self, key: &SigningKey, size: u64) -> VerifiedCheckpoint {
        let origin = key.verifier().name().to_owned();
        let text = Checkpoint { origin, size, root: self.root(size), extensions: Vec::new() }.text();
        let mut note = Note::new(text).expect("a checkpoint is the text of a note");
        note.sign(key, 0);
        VerifiedCheckpoint::open(&note, key.verifier(), &[]).expect("it was just signed")
    }
}

fn main() {
    let folder = PathBuf::from(std::env::args().nth(1).expect("name a folder"));
    let key = SigningKey::of_log(&[42; 32]);
    let (one, two) = (History::of("one"), History::of("two"));
    let write = |name: &str, text: String| std::fs::write(folder.join(name), text).expect("the folder can be written");
    let large = two.checkpoint(&key, SIZE);
    let same = ForkEvidence::of_same_size(&one.checkpoint(&key, SIZE), &large).expect("two roots of one size");
    write("fork-same-size", same.to_string());
    // Also sizes at which a proof does not repeat the old root.
    for size in [1, 7, 128, 256, 299] {
        let proof = consistency_proof(size, SIZE, &two.tiles).expect("all tiles are there");
        let small = one.checkpoint(&key, size);
        let evidence = ForkEvidence::of_proof(&small, &large, two.root(size), &proof).expect("another root");
        write(&format!("fork-{size}"), evidence.to_string());
    }
    // What a liar would show: two checkpoints of one history.
    let honest = same
        .to_string()
        .replace(&one.checkpoint(&key, SIZE).note().note().to_string(), &large.note().note().to_string());
    write("honest", honest);
    println!("{}", key.verifier());
}
