//! A thread syncs.
//!
//! It sleeps while there is nothing to write. It wakes one task for each
//! group, which wakes the others from within the runtime: that is cheaper than
//! waking each from outside.

use super::{Failed, Gathered, LogFile};
use std::io;
use std::mem;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use tokio::sync::{mpsc, oneshot};

pub(in crate::ladder) struct Thread {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    gathering: Condvar,
}

#[derive(Default)]
struct State {
    gathered: Gathered,
    followers: Followers,
    failed: bool,
}

type Followers = Vec<oneshot::Sender<()>>;

impl Thread {
    /// This function starts the thread, within a tokio runtime.
    pub(super) fn start(file: LogFile) -> io::Result<Self> {
        let shared = Arc::new(Shared { state: Mutex::default(), gathering: Condvar::new() });
        let (durable, mut groups) = mpsc::unbounded_channel::<Followers>();
        drop(tokio::spawn(async move {
            while let Some(group) = groups.recv().await {
                for follower in group {
                    // Who has left needs no word.
                    let _ = follower.send(());
                }
            }
        }));
        let own = shared.clone();
        drop(std::thread::Builder::new().name("log".into()).spawn(move || write(&own, file, &durable))?);
        Ok(Self { shared })
    }

    pub(super) async fn append(&self, gather: impl FnOnce(&mut Gathered)) -> Result<(), Failed> {
        let told = {
            let mut state = self.shared.state.lock().unwrap_or_else(PoisonError::into_inner);
            if state.failed {
                return Err(Failed);
            }
            gather(&mut state.gathered);
            let (follower, told) = oneshot::channel();
            state.followers.push(follower);
            if state.followers.len() == 1 {
                self.shared.gathering.notify_one();
            }
            told
        };
        told.await.map_err(|_| Failed)
    }
}

/// What the thread does until a write fails, or the runtime has gone.
fn write(shared: &Shared, mut file: LogFile, durable: &mpsc::UnboundedSender<Followers>) {
    let mut spare = Gathered::default();
    loop {
        let state = shared.state.lock().unwrap_or_else(PoisonError::into_inner);
        let mut state = shared
            .gathering
            .wait_while(state, |state| state.followers.is_empty())
            .unwrap_or_else(PoisonError::into_inner);
        let gathered = mem::replace(&mut state.gathered, mem::take(&mut spare));
        let followers = mem::take(&mut state.followers);
        drop(state);
        if file.commit(&gathered.0).is_err() || durable.send(followers).is_err() {
            let mut state = shared.state.lock().unwrap_or_else(PoisonError::into_inner);
            state.failed = true;
            // Followers learn of it by the end of their channel.
            state.followers.clear();
            return;
        }
        spare = gathered;
        spare.0.clear();
    }
}
