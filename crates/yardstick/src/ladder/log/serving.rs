//! Whoever serves a request syncs.
//!
//! The first to come when no sync runs leads: it writes what has gathered,
//! syncs, tells its followers that they are durable, and makes one of those
//! who came during the sync the next leader. So every follower is woken once,
//! from within the runtime, and no thread sleeps and wakes for the log.

use super::{Failed, Gathered, LogFile};
use std::mem;
use std::sync::{Mutex, PoisonError};
use tokio::sync::oneshot;

pub(in crate::ladder) struct Serving {
    state: Mutex<State>,
    /// Only the leader takes it.
    file: Mutex<LogFile>,
}

#[derive(Default)]
struct State {
    gathered: Gathered,
    followers: Vec<oneshot::Sender<Word>>,
    led: bool,
    failed: bool,
}

/// What a follower is told.
enum Word {
    Durable,
    Lead(Lead),
}

/// The right to write. It passes on when it is dropped, by whoever did not
/// live to use it as well.
struct Lead(&'static Serving);

impl Drop for Lead {
    fn drop(&mut self) {
        let mut state = lock(&self.0.state);
        while let Some(follower) = state.followers.pop() {
            match follower.send(Word::Lead(Lead(self.0))) {
                Ok(()) => return,
                // Its client has left. The right comes back, and must not pass
                // on by itself while the lock is held.
                Err(word) => mem::forget(word),
            }
        }
        state.led = false;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Serving {
    pub(super) fn new(file: LogFile) -> Self {
        Self { state: Mutex::default(), file: Mutex::new(file) }
    }

    pub(super) async fn append(&'static self, gather: impl FnOnce(&mut Gathered)) -> Result<(), Failed> {
        let waiting = {
            let mut state = lock(&self.state);
            if state.failed {
                return Err(Failed);
            }
            gather(&mut state.gathered);
            if state.led {
                let (follower, told) = oneshot::channel();
                state.followers.push(follower);
                Some(told)
            } else {
                state.led = true;
                None
            }
        };
        let lead = match waiting {
            None => Lead(self),
            Some(told) => match told.await {
                Ok(Word::Durable) => return Ok(()),
                Ok(Word::Lead(lead)) => lead,
                Err(_) => return Err(Failed),
            },
        };
        // Whoever is ready to run may still come along.
        tokio::task::yield_now().await;
        lead.commit()
    }
}

impl Lead {
    /// Writes and syncs what has gathered, and passes the lead on.
    fn commit(self) -> Result<(), Failed> {
        let (gathered, followers) = {
            let mut state = lock(&self.0.state);
            (mem::take(&mut state.gathered), mem::take(&mut state.followers))
        };
        let committed = lock(&self.0.file).commit(&gathered.0);
        let mut state = lock(&self.0.state);
        if committed.is_err() {
            state.failed = true;
            // Followers learn of it by the end of their channel.
            state.followers.clear();
            return Err(Failed);
        }
        if state.gathered.0.capacity() == 0 {
            // The buffer serves again.
            state.gathered.0 = gathered.0;
            state.gathered.0.clear();
        }
        drop(state);
        drop(self);
        for follower in followers {
            // Who has left needs no word.
            let _ = follower.send(Word::Durable);
        }
        Ok(())
    }
}
