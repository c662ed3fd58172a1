//! Places for what takes long to get.

use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hashbrown::{Equivalent, HashMap};
use stanchion_keyring::service::Refusal;
use tokio::time::Instant;

/// How long a refusal stands for the next ones: a service that is out of order is not asked for every message.
pub(crate) const REFUSAL_REST: Duration = Duration::from_secs(1);

/// Values by key, each for a time. Whoever comes first for a value gets it from elsewhere, while others who want the same
/// wait; those who want another do not.
#[derive(Debug)]
pub(crate) struct Slots<K, V> {
    by_key: Mutex<HashMap<K, Arc<Slot<V>>>>,
    count_max: usize,
}

#[derive(Debug)]
struct Slot<V> {
    state: tokio::sync::Mutex<State<V>>,
}

#[derive(Debug)]
enum State<V> {
    Empty,
    Held { value: V, since: Instant, period: Duration },
    Refused { refusal: Refusal, since: Instant },
}

impl<V> State<V> {
    fn is_over(&self, now: Instant) -> bool {
        match self {
            State::Empty => true,
            State::Held { since, period, .. } => now >= *since + *period,
            State::Refused { since, .. } => now >= *since + REFUSAL_REST,
        }
    }
}

impl<K: Eq + Hash, V> Slots<K, V> {
    /// Makes places for so many values; with more, all are forgotten that nobody waits for.
    pub(crate) fn new(count_max: usize) -> Self {
        Slots { by_key: Mutex::default(), count_max }
    }

    /// Takes something of a value that is younger than a period. If there is none, or `take` gets nothing of it, the value
    /// comes from `ask`.
    ///
    /// # Errors
    /// The refusal of `ask`, or that of a moment ago.
    pub(crate) async fn get<Q, T>(
        &self,
        key: &Q,
        period: Duration,
        take: impl Fn(&V) -> Option<T>,
        ask: impl AsyncFnOnce() -> Result<V, Refusal>,
    ) -> Result<T, Refusal>
    where
        Q: Hash + Equivalent<K> + ToOwned<Owned = K> + ?Sized,
    {
        let slot = self.slot(key);
        let mut state = slot.state.lock().await;
        match &*state {
            State::Held { value, since, .. } if Instant::now() < *since + period => {
                if let Some(taken) = take(value) {
                    return Ok(taken);
                }
            }
            State::Refused { refusal, since } if Instant::now() < *since + REFUSAL_REST => return Err(refusal.clone()),
            _ => {}
        }
        *state = State::Empty;
        // A key counts from when it was asked for: the answer may have taken long.
        let since = Instant::now();
        match ask().await {
            Ok(value) => {
                let taken = take(&value);
                *state = State::Held { value, since, period };
                Ok(taken.expect("of a new value everybody can take"))
            }
            Err(refusal) => {
                *state = State::Refused { refusal: refusal.clone(), since: Instant::now() };
                Err(refusal)
            }
        }
    }

    /// Holds a value that came by another way, unless there is one.
    pub(crate) fn put<Q>(&self, key: &Q, value: V, period: Duration)
    where
        Q: Hash + Equivalent<K> + ToOwned<Owned = K> + ?Sized,
    {
        let slot = self.slot(key);
        if let Ok(mut state) = slot.state.try_lock() {
            *state = State::Held { value, since: Instant::now(), period };
        }
    }

    fn slot<Q>(&self, key: &Q) -> Arc<Slot<V>>
    where
        Q: Hash + Equivalent<K> + ToOwned<Owned = K> + ?Sized,
    {
        let mut by_key = self.by_key.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = by_key.get(key) {
            return slot.clone();
        }
        let now = Instant::now();
        // Nobody has a slot that only the map has, so its lock is free.
        let is_over = |slot: &Slot<V>| slot.state.try_lock().is_ok_and(|state| state.is_over(now));
        by_key.retain(|_, slot| Arc::strong_count(slot) > 1 || !is_over(slot));
        if by_key.len() >= self.count_max {
            by_key.retain(|_, slot| Arc::strong_count(slot) > 1);
        }
        let slot = Arc::new(Slot { state: tokio::sync::Mutex::new(State::Empty) });
        by_key.insert(key.to_owned(), slot.clone());
        slot
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.by_key.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

#[cfg(test)]
mod tests;
