//! Whose turn it is: few children run at once, and nobody has all of them.
//!
//! Who asks is an account, or the network that a request came from. Each has a share of the children and a short line
//! in front of it; who is behind that is told to come back, so that what one asks costs the others a child's time at
//! most.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};

use crate::{HubError, HubResult};

/// Children at once. Each may use a core and the memory of `limits.preview_memory_bytes_max`.
const CHILDREN_MAX: usize = 4;
/// Children that look through whole splits, of those: pages must not wait for them.
const LONG_CHILDREN_MAX: usize = 2;
/// Children of one asker at once, and those that look through whole splits.
const ASKER_CHILDREN_MAX: usize = 2;
const ASKER_LONG_CHILDREN_MAX: usize = 1;
/// Questions of one asker that run or wait: a class behind one address, or a page with its pictures.
const ASKER_QUESTIONS_MAX: usize = 24;
/// How long a question waits for its turn before the node says that it is busy.
const TURN_SECS_MAX: u64 = 15;

/// The children that run, and who waits for one.
pub(super) struct Turns {
    children: Semaphore,
    long_children: Semaphore,
    askers: Mutex<HashMap<String, Arc<Share>>>,
}

struct Share {
    children: Semaphore,
    long_children: Semaphore,
    questions: Semaphore,
}

impl Default for Turns {
    fn default() -> Turns {
        Turns {
            children: Semaphore::new(CHILDREN_MAX),
            long_children: Semaphore::new(LONG_CHILDREN_MAX),
            askers: Mutex::default(),
        }
    }
}

/// A place in the line of an asker. It is given back when it is dropped.
pub(super) struct Line<'a> {
    turns: &'a Turns,
    asker: String,
    share: Option<Arc<Share>>,
}

impl Turns {
    /// Returns the line of an asker.
    pub(super) fn line(&self, asker: &str) -> Line<'_> {
        let new = || {
            Arc::new(Share {
                children: Semaphore::new(ASKER_CHILDREN_MAX),
                long_children: Semaphore::new(ASKER_LONG_CHILDREN_MAX),
                questions: Semaphore::new(ASKER_QUESTIONS_MAX),
            })
        };
        let mut askers = self.askers.lock().unwrap_or_else(PoisonError::into_inner);
        let share = Arc::clone(askers.entry(asker.to_owned()).or_insert_with(new));
        Line { turns: self, asker: asker.to_owned(), share: Some(share) }
    }
}

impl Line<'_> {
    /// Waits for a turn, and keeps it while `work` goes on.
    ///
    /// # Errors
    /// [`HubError::TooMany`] when the asker has too many questions already, [`HubError::Busy`] when it takes too long.
    pub(super) async fn turn<T>(&self, is_long: bool, work: impl Future<Output = HubResult<T>>) -> HubResult<T> {
        let share = self.share.as_ref().expect("it is there until it is dropped");
        let too_many =
            |_| HubError::TooMany("you ask for more previews at once than this node makes for one".to_owned());
        let _question = share.questions.try_acquire().map_err(too_many)?;
        let turn = async {
            // The own share first, so that nobody stands in the line of all with more than that.
            let mut held: Vec<SemaphorePermit<'_>> = Vec::new();
            if is_long {
                held.extend(share.long_children.acquire().await);
            }
            held.extend(share.children.acquire().await);
            if is_long {
                held.extend(self.turns.long_children.acquire().await);
            }
            held.extend(self.turns.children.acquire().await);
            held
        };
        let _turn = tokio::time::timeout(Duration::from_secs(TURN_SECS_MAX), turn).await.map_err(|_| HubError::Busy)?;
        work.await
    }
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        let mut askers = self.turns.askers.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.share.take());
        if askers.get(&self.asker).is_some_and(|share| Arc::strong_count(share) == 1) {
            askers.remove(&self.asker);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_asker_leaves_turns_for_others() {
        let turns = Turns::default();
        let forever = || async {
            let line = turns.line("stranger");
            line.turn(false, std::future::pending::<HubResult<()>>()).await
        };
        let mut asked: Vec<_> = (0..60).map(|_| Box::pin(forever())).collect();
        let mut refused = 0;
        for one in &mut asked {
            if let std::task::Poll::Ready(Err(HubError::TooMany(_))) = futures::poll!(one.as_mut()) {
                refused += 1;
            }
        }
        assert_eq!(refused, 60 - ASKER_QUESTIONS_MAX);
        let others = turns.line("other");
        others.turn(false, async { Ok(()) }).await.unwrap();
        others.turn(true, async { Ok(()) }).await.unwrap();
        drop(others);
        asked.clear();
        assert!(turns.askers.lock().unwrap().is_empty());
    }
}
