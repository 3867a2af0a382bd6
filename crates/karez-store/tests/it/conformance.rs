//! What every backend does, whatever it is made of.

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use karez_store::{Store, StoreError, UploadId};
use karez_types::{ByteRange, XorbHash};

use crate::sample;

/// Runs every case on an empty store.
pub async fn all(store: &Store) {
    store.healthy().await.unwrap();
    assert_eq!(listed(store).await, [], "a health check leaves nothing behind");
    nothing_is_there(store).await;
    a_xorb_comes_back(store).await;
    a_stage_that_is_dropped_leaves_nothing(store).await;
    a_wrong_index_is_refused(store).await;
    writing_twice_is_harmless(store).await;
    other_frames_of_the_same_chunks_replace_nothing(store).await;
    ranges_beyond_the_end_are_errors(store).await;
    removed_is_gone(store).await;
    parts_come_back(store).await;
    long_parts_come_back(store).await;
    an_interrupted_part_changes_nothing(store).await;
}

async fn listed(store: &Store) -> Vec<(XorbHash, u64)> {
    let mut all: Vec<_> = store.xorb_list().try_collect().await.unwrap();
    all.sort_unstable();
    all
}

async fn nothing_is_there(store: &Store) {
    let hash = XorbHash([7; 32]);
    let range = ByteRange { start: 0, end: 10 };
    assert!(store.xorb_index(hash).await.unwrap().is_none());
    assert!(store.xorb_verify(hash).await.unwrap().is_none());
    assert_eq!(store.xorb_stored_bytes(hash).await.unwrap(), None);
    assert!(matches!(store.xorb_read(hash, range).await, Err(StoreError::Missing { .. })));
    let first = store.xorb_stream(hash, range).next().await.unwrap();
    assert!(matches!(first, Err(StoreError::Missing { .. })));
    store.xorb_delete(hash).await.unwrap();
}

async fn a_xorb_comes_back(store: &Store) {
    // About 3.5 MB: several batches on the way in, many buffers on the way out.
    let built = sample::xorb(1, 60);
    let mut staged = store.xorb_stage().await.unwrap();
    for piece in sample::pieces(&built.bytes, 70_001) {
        staged.write(piece).await.unwrap();
    }
    staged.write(Bytes::new()).await.unwrap();
    assert_eq!(store.xorb_stored_bytes(built.hash).await.unwrap(), None, "nothing is visible before it is published");
    assert!(staged.publish(built.hash, &built.index).await.unwrap(), "it is new");

    let stored_bytes = built.bytes.len() as u64;
    assert_eq!(store.xorb_stored_bytes(built.hash).await.unwrap(), Some(stored_bytes));
    assert_eq!(listed(store).await, [(built.hash, stored_bytes)]);
    assert_eq!(*store.xorb_index(built.hash).await.unwrap().unwrap(), built.index);
    assert_eq!(store.xorb_verify(built.hash).await.unwrap().unwrap(), built.index);
    let ends =
        [(0, 1), (0, stored_bytes), (5, 5), (1, 262_145), (300_000, 1_400_000), (stored_bytes - 1, stored_bytes)];
    for (start, end) in ends {
        let range = ByteRange { start, end };
        let expected = &built.bytes[start as usize..end as usize];
        assert_eq!(store.xorb_read(built.hash, range).await.unwrap(), expected, "{range:?}");
        let pieces: Vec<Bytes> = store.xorb_stream(built.hash, range).try_collect().await.unwrap();
        assert_eq!(pieces.concat(), expected, "{range:?}");
    }
    store.xorb_delete(built.hash).await.unwrap();
}

async fn a_stage_that_is_dropped_leaves_nothing(store: &Store) {
    let built = sample::xorb(2, 40);
    let mut staged = store.xorb_stage().await.unwrap();
    staged.write(Bytes::from(built.bytes)).await.unwrap();
    drop(staged);
    assert_eq!(listed(store).await, []);
}

async fn a_wrong_index_is_refused(store: &Store) {
    let (built, other) = (sample::xorb(3, 2), sample::xorb(4, 2));
    let wrong_name = store.xorb_put(other.hash, built.bytes.clone(), &built.index).await;
    assert!(matches!(wrong_name, Err(StoreError::Corrupt { .. })), "{wrong_name:?}");
    let wrong_length = store.xorb_put(built.hash, built.bytes[1..].to_vec(), &built.index).await;
    assert!(matches!(wrong_length, Err(StoreError::Corrupt { .. })), "{wrong_length:?}");
    assert_eq!(listed(store).await, []);
}

async fn writing_twice_is_harmless(store: &Store) {
    let built = sample::xorb(5, 30);
    let put = || store.xorb_put(built.hash, built.bytes.clone(), &built.index);
    let at_once = futures::join!(put(), put(), put());
    assert!(at_once.0.is_ok() && at_once.1.is_ok() && at_once.2.is_ok(), "{at_once:?}");
    assert!(!put().await.unwrap(), "it was there already");
    assert_eq!(listed(store).await, [(built.hash, built.bytes.len() as u64)]);
    assert_eq!(store.xorb_verify(built.hash).await.unwrap().unwrap(), built.index);
    store.xorb_delete(built.hash).await.unwrap();
}

async fn other_frames_of_the_same_chunks_replace_nothing(store: &Store) {
    let (packed, plain) = sample::packed_and_plain();
    assert!(packed.bytes.len() < plain.bytes.len() && packed.hash == plain.hash);
    for (first, second) in [(&packed, &plain), (&plain, &packed)] {
        assert!(store.xorb_put(first.hash, first.bytes.clone(), &first.index).await.unwrap());
        assert!(!store.xorb_put(second.hash, second.bytes.clone(), &second.index).await.unwrap());
        assert_eq!(*store.xorb_index(first.hash).await.unwrap().unwrap(), first.index);
        let range = ByteRange { start: 0, end: first.bytes.len() as u64 };
        assert_eq!(store.xorb_read(first.hash, range).await.unwrap(), first.bytes);
        store.xorb_delete(first.hash).await.unwrap();
    }
}

async fn ranges_beyond_the_end_are_errors(store: &Store) {
    let built = sample::xorb(6, 3);
    let stored_bytes = built.bytes.len() as u64;
    store.xorb_put(built.hash, built.bytes, &built.index).await.unwrap();
    let beyond = store.xorb_read(built.hash, ByteRange { start: 0, end: stored_bytes + 1 }).await;
    assert!(matches!(beyond, Err(StoreError::Corrupt { .. })), "{beyond:?}");
    let outside = store.xorb_read(built.hash, ByteRange { start: stored_bytes + 5, end: stored_bytes + 9 }).await;
    assert!(outside.is_err(), "{outside:?}");
    store.xorb_delete(built.hash).await.unwrap();
}

async fn removed_is_gone(store: &Store) {
    let built = sample::xorb(7, 3);
    store.xorb_put(built.hash, built.bytes.clone(), &built.index).await.unwrap();
    store.xorb_delete(built.hash).await.unwrap();
    store.xorb_delete(built.hash).await.unwrap();
    assert!(store.xorb_index(built.hash).await.unwrap().is_none(), "not even from the cache");
    assert_eq!(listed(store).await, []);
    assert!(store.xorb_put(built.hash, built.bytes, &built.index).await.unwrap(), "it can come back");
    store.xorb_delete(built.hash).await.unwrap();
}

fn stream_of(pieces: Vec<Bytes>) -> impl futures::Stream<Item = Result<Bytes, std::io::Error>> + Send {
    futures::stream::iter(pieces.into_iter().map(Ok))
}

async fn part(store: &Store, upload: &UploadId, number: u32) -> Vec<u8> {
    let pieces: Vec<Bytes> = store.part_stream(upload, number).try_collect().await.unwrap();
    pieces.concat()
}

async fn parts_come_back(store: &Store) {
    let (upload, other) = (UploadId::new("one").unwrap(), UploadId::new("one-more").unwrap());
    assert_eq!(store.part_list(&upload).await.unwrap(), []);
    let bytes = |text: &'static str| stream_of(sample::pieces(text.as_bytes(), 2));
    assert_eq!(store.part_put(&upload, 10, bytes("tenth")).await.unwrap(), 5);
    store.part_put(&upload, 2, bytes("second, longer")).await.unwrap();
    store.part_put(&upload, 2, bytes("second")).await.unwrap();
    store.part_put(&other, 1, bytes("")).await.unwrap();
    assert_eq!(store.part_list(&upload).await.unwrap(), [(2, 6), (10, 5)]);
    assert_eq!(store.part_stored_bytes(&upload, 2).await.unwrap(), Some(6));
    assert_eq!(part(store, &upload, 2).await, b"second", "the newest bytes win");
    assert_eq!(part(store, &other, 1).await, b"");
    let missing = store.part_stream(&upload, 3).next().await.unwrap();
    assert!(matches!(missing, Err(StoreError::Missing { .. })));
    store.upload_delete(&upload).await.unwrap();
    store.upload_delete(&upload).await.unwrap();
    assert_eq!(store.part_list(&upload).await.unwrap(), []);
    assert_eq!(store.part_list(&other).await.unwrap(), [(1, 0)], "the other upload is still there");
    store.part_put(&upload, 1, bytes("again")).await.unwrap();
    assert_eq!(part(store, &upload, 1).await, b"again");
    store.upload_delete(&upload).await.unwrap();
    store.upload_delete(&other).await.unwrap();
}

async fn long_parts_come_back(store: &Store) {
    let upload = UploadId::new("long").unwrap();
    // More than two parts of a multipart upload to S3.
    let content: Vec<u8> = (0..20_000_000u32).map(|number| (number / 251) as u8).collect();
    let written = store.part_put(&upload, 1, stream_of(sample::pieces(&content, 600_000))).await.unwrap();
    assert_eq!(written, content.len() as u64);
    assert!(part(store, &upload, 1).await == content);
    store.upload_delete(&upload).await.unwrap();
}

async fn an_interrupted_part_changes_nothing(store: &Store) {
    let upload = UploadId::new("cut").unwrap();
    store.part_put(&upload, 1, stream_of(vec![Bytes::from_static(b"whole")])).await.unwrap();
    let cut = stream_of(sample::pieces(&vec![1; 9_000_000], 500_000))
        .chain(futures::stream::iter([Err(std::io::Error::other("the line is gone"))]));
    let interrupted = store.part_put(&upload, 1, cut).await;
    assert!(matches!(interrupted, Err(StoreError::Interrupted { .. })), "{interrupted:?}");
    assert_eq!(part(store, &upload, 1).await, b"whole");
    store.upload_delete(&upload).await.unwrap();
}
