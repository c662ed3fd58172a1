//! What the measurements have in common: somebody to hear what is durable, and the time of the processor.

use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use stanchion_journal::{Epoch, Fault, Journal, Listener, Local, Position, ShardId};

/// Hears of one shard what is durable.
#[derive(Default)]
pub(crate) struct Ears {
    durable: Mutex<Position>,
    changed: Condvar,
}

impl Listener for Ears {
    fn durable(&self, position: Position) {
        *self.durable.lock().expect("nobody panics") = position;
        self.changed.notify_one();
    }

    fn failed(&self, fault: Fault) {
        panic!("the journal failed: {fault}");
    }
}

impl Ears {
    /// Waits until a position is durable; returns the last that is.
    pub(crate) fn wait(&self, position: Position) -> Position {
        let durable = self.durable.lock().expect("nobody panics");
        *self.changed.wait_while(durable, |durable| *durable < position).expect("nobody panics")
    }
}

/// Acquires a shard: who hears of it, the epoch, and its last position.
pub(crate) fn acquire(journal: &Local, shard: ShardId) -> (Arc<Ears>, Epoch, Position) {
    let ears = Arc::new(Ears::default());
    let tenure = journal.acquire(shard, Arc::clone(&ears) as Arc<dyn Listener>).expect("acquires");
    (ears, tenure.epoch, tenure.last)
}

/// CPU time of all threads of this process so far, user and system.
pub(crate) fn cpu() -> Duration {
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let time = |text: String| text.split(' ').next().and_then(|word| word.parse::<u64>().ok());
    let times = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("schedstat")).ok());
    Duration::from_nanos(times.filter_map(time).sum())
}
