//! A source in memory that follows a script.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::{StreamExt, try_unfold};
use karez_federation::transfer::{ByteStream, CostClass, Place, STORED, Source, SourceError};
use karez_types::{ByteRange, SeededEntropy};
use tokio::time::{Instant, sleep, sleep_until};

use crate::sample::Objects;

/// What one answer does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    Cut,
    Stall,
    WrongByte,
    Short,
    Endless,
    Status(u16),
    Gone,
    Expired,
}

/// Buffers that exist at the moment, and the most there were.
#[derive(Debug, Default)]
pub struct Buffers {
    pub bytes: AtomicUsize,
    pub most: AtomicUsize,
}

struct Counted {
    data: Vec<u8>,
    buffers: Arc<Buffers>,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.data
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.buffers.bytes.fetch_sub(self.data.len(), Ordering::SeqCst);
    }
}

#[derive(Debug, Clone)]
pub struct Behaviour {
    pub cost: CostClass,
    pub line: &'static str,
    pub latency_ms: u64,
    pub bytes_per_sec: u64,
    pub item_bytes: usize,
    /// Of a thousand answers, how many have this fault.
    pub faults: Vec<(Fault, u64)>,
    /// Bytes after which each answer is wrong in one byte: every chunk then is.
    pub wrong_every: Option<u64>,
}

impl Default for Behaviour {
    fn default() -> Behaviour {
        Behaviour {
            cost: CostClass::OnNet,
            line: "line",
            latency_ms: 100,
            bytes_per_sec: 2_000_000,
            item_bytes: 32 << 10,
            faults: Vec::new(),
            wrong_every: None,
        }
    }
}

pub struct MemorySource {
    pub name: String,
    pub objects: Objects,
    pub behaviour: Mutex<Behaviour>,
    pub is_cut: AtomicBool,
    pub draw: SeededEntropy,
    /// Right bytes that were sent, and answers that were begun.
    pub sent_bytes: Arc<AtomicU64>,
    pub answers: AtomicU64,
    pub redials: AtomicU64,
    pub open: Arc<AtomicUsize>,
    /// When its line has carried all that was sent before.
    free: Mutex<Option<Instant>>,
    pub buffers: Arc<Buffers>,
}

impl MemorySource {
    pub fn new(name: &str, objects: &Objects, behaviour: Behaviour) -> Arc<MemorySource> {
        Arc::new(MemorySource {
            name: name.to_owned(),
            objects: objects.clone(),
            behaviour: Mutex::new(behaviour),
            is_cut: AtomicBool::new(false),
            draw: SeededEntropy::new(name.len() as u64 * 7919),
            sent_bytes: Arc::default(),
            answers: AtomicU64::new(0),
            redials: AtomicU64::new(0),
            open: Arc::default(),
            free: Mutex::default(),
            buffers: Arc::default(),
        })
    }

    pub fn sent(&self) -> u64 {
        self.sent_bytes.load(Ordering::SeqCst)
    }

    fn behaviour(&self) -> Behaviour {
        self.behaviour.lock().unwrap().clone()
    }

    /// When the line has carried so many bytes after all that was sent before, by whichever answer: one item after
    /// the other, as a line does, and not those of all answers in one moment.
    fn carried(&self, bytes: usize, bytes_per_sec: u64) -> Instant {
        let takes = Duration::from_micros(bytes as u64 * 1_000_000 / bytes_per_sec.max(1));
        let mut free = self.free.lock().unwrap();
        let now = Instant::now();
        let carried = free.map_or(now, |free| free.max(now)) + takes;
        *free = Some(carried);
        carried
    }
}

struct OpenCount(Arc<AtomicUsize>);

impl Drop for OpenCount {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// The source that a plan has: a handle, so that the script can look at it meanwhile.
pub struct Handle(pub Arc<MemorySource>, pub CostClass, pub &'static str);

impl Handle {
    pub fn of(source: &Arc<MemorySource>) -> Arc<dyn Source> {
        let behaviour = source.behaviour();
        Arc::new(Handle(source.clone(), behaviour.cost, behaviour.line))
    }
}

async fn while_cut(source: &MemorySource) {
    while source.is_cut.load(Ordering::SeqCst) {
        sleep(Duration::from_millis(50)).await;
    }
}

impl Source for Handle {
    fn name(&self) -> &str {
        &self.0.name
    }

    fn cost(&self) -> CostClass {
        self.1
    }

    fn line(&self) -> &str {
        self.2
    }

    fn encodings(&self) -> &[&'static str] {
        &[STORED]
    }

    fn probe(&self) -> BoxFuture<'_, Result<Duration, SourceError>> {
        Box::pin(async move {
            if self.0.is_cut.load(Ordering::SeqCst) {
                // The first packet is lost for good.
                sleep(Duration::from_secs(3600)).await;
            }
            let latency = Duration::from_millis(self.0.behaviour().latency_ms);
            sleep(latency).await;
            Ok(latency)
        })
    }

    fn redial(&self) {
        self.0.redials.fetch_add(1, Ordering::SeqCst);
    }

    fn open<'a>(
        &'a self,
        place: &'a Place,
        bytes: ByteRange,
        encoding: &'static str,
    ) -> BoxFuture<'a, Result<ByteStream, SourceError>> {
        Box::pin(async move {
            assert_eq!(encoding, STORED);
            let source = self.0.clone();
            let behaviour = source.behaviour();
            source.open.fetch_add(1, Ordering::SeqCst);
            let count = OpenCount(source.open.clone());
            sleep(Duration::from_millis(behaviour.latency_ms)).await;
            // A connection that a cut hits never comes back.
            if source.is_cut.load(Ordering::SeqCst) {
                sleep(Duration::from_secs(3600)).await;
            }
            source.answers.fetch_add(1, Ordering::SeqCst);
            let mut fault = None;
            for (kind, often) in &behaviour.faults {
                if source.draw.next_u64() % 1000 < *often {
                    fault = Some(*kind);
                }
            }
            match fault {
                Some(Fault::Status(status)) => return Err(SourceError::Refused { status }),
                Some(Fault::Gone) => return Err(SourceError::Gone),
                Some(Fault::Expired) => return Err(SourceError::Expired),
                _ => {}
            }
            let mut data = source.objects.read(place, bytes.start, bytes.end).ok_or(SourceError::Gone)?;
            if let Some(step) = behaviour.wrong_every {
                let mut at = 20;
                while at < data.len() as u64 {
                    data[at as usize] ^= 0x55;
                    at += step;
                }
            }
            if fault == Some(Fault::WrongByte) {
                let at = source.draw.next_u64() as usize % data.len();
                data[at] ^= 1;
            }
            let fault_at = match fault {
                Some(Fault::Cut | Fault::Stall | Fault::Short) => source.draw.next_u64() as usize % data.len(),
                _ => usize::MAX,
            };
            let step = move |(source, data, at, count): (Arc<MemorySource>, Vec<u8>, usize, OpenCount)| async move {
                let behaviour = source.behaviour();
                if at >= data.len() && fault == Some(Fault::Endless) {
                    return Ok(Some((Bytes::from(vec![0; 1000]), (source, data, at, count))));
                }
                if at >= data.len() {
                    return Ok(None);
                }
                if source.is_cut.load(Ordering::SeqCst) {
                    while_cut(&source).await;
                    sleep(Duration::from_secs(3600)).await;
                }
                let end = data.len().min(at + behaviour.item_bytes).min(fault_at.max(at));
                if end == at {
                    match fault {
                        Some(Fault::Stall) => sleep(Duration::from_secs(3600)).await,
                        Some(Fault::Short) => return Ok(None),
                        _ => return Err(SourceError::Unreachable("cut".to_owned())),
                    }
                }
                sleep_until(source.carried(end - at, behaviour.bytes_per_sec)).await;
                source.sent_bytes.fetch_add((end - at) as u64, Ordering::SeqCst);
                let buffers = source.buffers.clone();
                let now = buffers.bytes.fetch_add(end - at, Ordering::SeqCst) + (end - at);
                buffers.most.fetch_max(now, Ordering::SeqCst);
                let item = Bytes::from_owner(Counted { data: data[at..end].to_vec(), buffers });
                Ok(Some((item, (source, data, end, count))))
            };
            Ok(try_unfold((source, data, 0, count), step).boxed())
        })
    }
}
