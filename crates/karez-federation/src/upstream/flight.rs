//! One question to a remote for all who wait for its answer.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use futures::FutureExt;
use futures::future::{BoxFuture, Shared};

/// Questions that are under way. Each runs to its end, whoever goes away meanwhile.
pub(crate) struct Flights<K, V: Clone> {
    running: Arc<Mutex<HashMap<K, Flight<V>>>>,
}

/// An answer that is on its way; `None` when the question was cut off by a panic or by the end of the process.
pub(crate) type Flight<V> = Shared<BoxFuture<'static, Option<V>>>;

impl<K: Eq + Hash + Clone + Send + 'static, V: Clone + Send + Sync + 'static> Flights<K, V> {
    pub(crate) fn new() -> Flights<K, V> {
        Flights { running: Arc::default() }
    }

    /// Joins the question under this key, or starts it.
    pub(crate) fn join<F>(&self, key: K, start: impl FnOnce() -> F) -> Flight<V>
    where
        F: Future<Output = V> + Send + 'static,
    {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(flight) = running.get(&key) {
            return flight.clone();
        }
        let landed = Landed { running: Arc::clone(&self.running), key: key.clone() };
        let question = start();
        let task = tokio::spawn(async move {
            let _landed = landed;
            question.await
        });
        let flight = task.map(Result::ok).boxed().shared();
        running.insert(key, flight.clone());
        flight
    }
}

/// Forgets a question when it has ended, however it ended.
struct Landed<K: Eq + Hash, V: Clone> {
    running: Arc<Mutex<HashMap<K, Flight<V>>>>,
    key: K,
}

impl<K: Eq + Hash, V: Clone> Drop for Landed<K, V> {
    fn drop(&mut self) {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio::sync::Semaphore;

    #[tokio::test]
    async fn a_hundred_who_ask_are_one_question() {
        let flights: Flights<&str, usize> = Flights::new();
        let (asked, gate) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
        let ask = || {
            let (asked, gate) = (Arc::clone(&asked), Arc::clone(&gate));
            async move {
                let number = asked.fetch_add(1, Ordering::SeqCst) + 1;
                drop(gate.acquire().await);
                number
            }
        };
        let waiting: Vec<_> = (0..100).map(|_| flights.join("a", ask)).collect();
        let other = flights.join("b", || async { 7 });
        assert_eq!(other.await, Some(7));
        gate.add_permits(1);
        for answer in waiting {
            assert_eq!(answer.await, Some(1));
        }
        // Ended questions are forgotten: the next is a new one.
        assert_eq!(flights.join("a", ask).await, Some(2));
        assert!(flights.running.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_question_goes_on_when_nobody_waits_any_more() {
        let flights: Flights<u8, ()> = Flights::new();
        let (gate, done) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
        let (opened, ended) = (Arc::clone(&gate), Arc::clone(&done));
        drop(flights.join(1, || async move {
            drop(opened.acquire().await);
            ended.add_permits(1);
        }));
        gate.add_permits(1);
        done.acquire().await.unwrap().forget();
    }

    #[tokio::test]
    async fn a_question_that_panics_has_no_answer_and_is_asked_again() {
        let flights: Flights<u8, u8> = Flights::new();
        assert_eq!(flights.join(1, || async { panic!("on purpose") }).await, None);
        assert_eq!(flights.join(1, || async { 5 }).await, Some(5));
    }
}
