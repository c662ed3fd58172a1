//! A journal on a simulated disk, and what is asked of it in few words.

use std::sync::{Arc, Condvar, Mutex, PoisonError, mpsc};
use std::time::Duration;

use bytes::Bytes;
use stanchion_journal::inspect::{self, FrameKind};
use stanchion_journal::local::simulated::Simulated;
use stanchion_journal::local::{Durability, Options};
use stanchion_journal::{Address, Epoch, Fault, Journal, Listener, Local, Position, Record, ShardId};

pub(crate) const SHARD: ShardId = ShardId(1);
pub(crate) const SMALL: Options = Options {
    segment_bytes: 16 << 10,
    cache_bytes: 0,
    durability: Durability::Sync,
    reserve_segments: 1,
    open_segments: 4,
    sealed_bytes_max: 256 << 30,
};
/// Longer than anything takes here; a test that waits this long has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Waits for a journal.
#[derive(Default)]
pub(crate) struct Ears {
    heard: Mutex<(Position, Option<Fault>)>,
    changed: Condvar,
}

impl Listener for Ears {
    fn durable(&self, position: Position) {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).0 = position;
        self.changed.notify_all();
    }

    fn failed(&self, fault: Fault) {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).1 = Some(fault);
        self.changed.notify_all();
    }
}

impl Ears {
    /// Waits until a position is durable, or the journal has failed.
    pub(crate) fn wait(&self, position: Position) -> Result<(), Fault> {
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = |heard: &mut (Position, Option<Fault>)| heard.0 < position && heard.1.is_none();
        let (heard, result) =
            self.changed.wait_timeout_while(heard, PATIENCE, waiting).unwrap_or_else(PoisonError::into_inner);
        assert!(!result.timed_out(), "nothing happened: {heard:?}");
        if heard.0 >= position { Ok(()) } else { Err(heard.1.clone().unwrap_or(Fault::Closed)) }
    }

    pub(crate) fn durable(&self) -> Position {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).0
    }
}

pub(crate) fn open(disk: &Simulated, options: Options) -> Result<Arc<Local>, Fault> {
    Local::open_on(Arc::new(disk.clone()), options).map(Arc::new)
}

pub(crate) fn acquire(journal: &Arc<Local>, shard: ShardId) -> (Arc<Ears>, Epoch, Position) {
    let ears = Arc::new(Ears::default());
    let tenure = journal.acquire(shard, Arc::clone(&ears) as Arc<dyn Listener>).expect("can be acquired");
    (ears, tenure.epoch, tenure.last)
}

pub(crate) fn record(position: u64, length: usize) -> Record {
    let payload: Vec<u8> = (0..length).map(|index| (position as usize * 31 + index * 7) as u8).collect();
    Record { shard: SHARD, position: Position(position), clock_ms: position, count: 1, payload: Bytes::from(payload) }
}

/// Appends records one by one, each in a group of its own.
pub(crate) fn append(journal: &Arc<Local>, count: u64, length: usize) -> Position {
    let (ears, epoch, mut last) = acquire(journal, SHARD);
    for _ in 0..count {
        last = last.next();
        journal.append(epoch, record(last.0, length)).expect("is appended");
        ears.wait(last).expect("becomes durable");
    }
    last
}

/// Returns the records from a position on, compared with what was appended.
pub(crate) fn replayed(journal: &Arc<Local>, from: u64, length: usize) -> Position {
    let mut next = from;
    let last = journal.replay(SHARD, Position(from), &mut |found| {
        assert_eq!(found, record(next, length));
        next += 1;
        Ok(())
    });
    last.expect("replays")
}

pub(crate) fn fetch(journal: &Arc<Local>, at: Address) -> Result<Bytes, Fault> {
    let (sender, receiver) = mpsc::channel();
    journal.fetch(SHARD, vec![at], Box::new(move |answer| sender.send(answer).expect("somebody waits")));
    receiver.recv_timeout(PATIENCE).expect("calls back").map(|mut bytes| bytes.remove(0))
}

/// Returns segment, offset and length of each record on a disk, in order.
pub(crate) fn frames(disk: &Simulated) -> Vec<(u64, usize, usize)> {
    let mut frames = Vec::new();
    for segment in inspect::overview_on(disk).expect("an overview").segments {
        let visit = &mut |info: inspect::FrameInfo, _: &[u8]| {
            if matches!(info.kind, FrameKind::Record { .. }) {
                frames.push((segment.number, info.offset as usize, info.bytes as usize));
            }
        };
        inspect::frames_on(disk, segment.number, visit).expect("frames");
    }
    frames
}

pub(crate) fn name(segment: u64) -> String {
    format!("journal/{segment:012}.segment")
}

/// Changes a file of a disk.
pub(crate) fn damage(disk: &Simulated, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
    let mut content = disk.content(name).expect("the file is there");
    change(&mut content);
    disk.overwrite(name, content);
}

/// A disk that lost power while everything was synced, with as many records.
pub(crate) fn written(count: u64, length: usize) -> Simulated {
    let disk = Simulated::new();
    let journal = open(&disk, SMALL).expect("opens");
    append(&journal, count, length);
    journal.settle();
    disk.power_cut(1)
}

/// Opens, and says where the damage is that prevents it.
pub(crate) fn refusal(disk: &Simulated) -> (String, u64) {
    match open(disk, SMALL).map(|_| ()) {
        Err(Fault::Corrupt { file, offset, .. }) => (file.to_string_lossy().into_owned(), offset),
        other => panic!("opened or refused otherwise: {other:?}"),
    }
}
