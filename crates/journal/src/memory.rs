//! A journal that keeps everything in memory.

use std::collections::{HashMap, VecDeque};
use std::ops::RangeInclusive;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use bytes::Bytes;

use crate::{Address, Epoch, Fault, FetchDone, Journal, Listener, Position, Record, Room, ShardId, Stats, Tenure};

#[cfg(test)]
mod tests;

/// A journal in memory: gone with the process.
///
/// [`Memory::automatic`] has a thread that makes whatever is queued durable as one group, at once. It is the thread that
/// calls listeners and fetch callbacks, so a shard may append under the lock that its listener takes.
///
/// [`Memory::manual`] has no thread: time stands still until somebody calls [`sync_next`](Memory::sync_next),
/// [`sync_all`](Memory::sync_all) or [`deliver`](Memory::deliver), and listeners and callbacks are called on that
/// thread. [`crash`](Memory::crash) answers with what a crash would leave. So a test decides the order of everything.
pub struct Memory {
    shared: Arc<Shared>,
}

struct Shared {
    manual: bool,
    state: Mutex<State>,
    /// Something to do for the thread of an automatic journal, or the queue has been emptied for whoever waits in close.
    changed: Condvar,
}

#[derive(Default)]
struct State {
    shards: HashMap<ShardId, Shard>,
    /// Appended and not yet durable, in the order of arrival.
    unsynced: VecDeque<(ShardId, Position)>,
    fetches: VecDeque<Fetch>,
    /// Latched for ever.
    failed: Option<Fault>,
    failure_told: bool,
    closed: bool,
    fail_append: Option<Fault>,
    fail_sync: Option<Fault>,
    forgets_durable: bool,
    room: Room,
    stats: Stats,
}

#[derive(Default)]
struct Shard {
    epoch: u64,
    listener: Option<Arc<dyn Listener>>,
    /// What is kept, in order; the front has the position after `trimmed`, and nothing is where a record was released.
    records: VecDeque<Option<Record>>,
    trimmed: Position,
    durable: Position,
    /// The newest snapshot that has been saved or loaded.
    saved: Position,
    /// The newest last; at most two.
    snapshots: Vec<(Position, Bytes)>,
}

struct Fetch {
    shard: ShardId,
    at: Vec<Address>,
    done: FetchDone,
}

impl Memory {
    /// Returns an empty journal with a thread of its own that makes records durable at once.
    pub fn automatic() -> Memory {
        Memory::start(false, State::default())
    }

    /// Returns an empty journal that does nothing by itself.
    pub fn manual() -> Memory {
        Memory::start(true, State::default())
    }

    /// Makes [`Journal::cached`] answer for records that are not durable yet and for no others, so that everything else
    /// has to be fetched.
    pub fn without_cache(self) -> Memory {
        self.shared.lock().forgets_durable = true;
        self
    }

    fn start(manual: bool, state: State) -> Memory {
        let shared = Arc::new(Shared { manual, state: Mutex::new(state), changed: Condvar::new() });
        if !manual {
            let worker = Arc::clone(&shared);
            // The thread holds the state, not the handle, and leaves when the handle is dropped or closed.
            thread::spawn(move || worker.run());
        }
        Memory { shared }
    }

    /// Makes the oldest queued record durable and tells its listener; says whether there was one.
    pub fn sync_next(&self) -> bool {
        self.shared.sync(1)
    }

    /// Makes everything that is queued durable as one group; says whether there was anything.
    pub fn sync_all(&self) -> bool {
        self.shared.sync(usize::MAX)
    }

    /// Runs the fetches that wait, and tells of a failure that has not been told; returns how many fetches ran.
    pub fn deliver(&self) -> usize {
        self.shared.tell_failure();
        self.shared.run_fetches()
    }

    /// Returns how many records are appended and not durable.
    pub fn unsynced(&self) -> usize {
        self.shared.lock().unsynced.len()
    }

    /// Returns how many fetches wait to be run.
    pub fn waiting_fetches(&self) -> usize {
        self.shared.lock().fetches.len()
    }

    /// Makes the next append fail, and with it the journal.
    pub fn fail_next_append(&self, fault: Fault) {
        self.shared.lock().fail_append = Some(fault);
    }

    /// Makes the next sync fail, and with it the journal.
    pub fn fail_next_sync(&self, fault: Fault) {
        self.shared.lock().fail_sync = Some(fault);
    }

    /// Makes the journal say that it has as much room; it goes on as before.
    pub fn set_room(&self, room: Room) {
        self.shared.lock().room = room;
    }

    /// Returns what a crash leaves: a new journal of the same kind with the durable records and the snapshots. This one is
    /// closed.
    pub fn crash(&self) -> Memory {
        self.crash_keeping(0)
    }

    /// Returns what a crash leaves if it comes late: as [`crash`](Memory::crash), and the oldest `unsynced` records that
    /// were not durable have survived as well.
    pub fn crash_keeping(&self, unsynced: usize) -> Memory {
        let mut state = self.shared.lock();
        state.closed = true;
        self.shared.changed.notify_all();
        let kept: Vec<_> = state.unsynced.iter().take(unsynced).copied().collect();
        let mut shards = HashMap::new();
        for (&id, shard) in &state.shards {
            let last = kept.iter().filter(|(of, _)| *of == id).map(|&(_, position)| position).max();
            let durable = last.unwrap_or(shard.durable);
            let (epoch, trimmed, snapshots) = (shard.epoch, shard.trimmed, shard.snapshots.clone());
            let records = shard.records.iter().take((durable.0 - trimmed.0) as usize).cloned().collect();
            let left = Shard { epoch, listener: None, records, trimmed, durable, saved: Position::START, snapshots };
            shards.insert(id, left);
        }
        let forgets_durable = state.forgets_durable;
        drop(state);
        Memory::start(self.shared.manual, State { shards, forgets_durable, ..State::default() })
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.changed.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // The state is changed in single steps that do not panic half-way, so a poisoned lock guards nothing broken.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The life of the thread of an automatic journal.
    fn run(&self) {
        loop {
            let mut state = self.lock();
            while !state.closed && state.nothing_to_do() {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            if state.closed {
                break;
            }
            drop(state);
            self.sync(usize::MAX);
            self.tell_failure();
            self.run_fetches();
        }
        self.run_fetches();
    }

    fn sync(&self, most: usize) -> bool {
        let mut told: Vec<(Arc<dyn Listener>, ShardId, Position)> = Vec::new();
        {
            let mut state = self.lock();
            if state.closed || state.failed.is_some() || state.unsynced.is_empty() {
                return false;
            }
            if let Some(fault) = state.fail_sync.take() {
                state.failed = Some(fault);
                drop(state);
                self.changed.notify_all();
                self.tell_failure();
                return false;
            }
            state.stats.syncs += 1;
            let group = most.min(state.unsynced.len());
            let group: Vec<_> = state.unsynced.drain(..group).collect();
            for (id, position) in group {
                let Some(shard) = state.shards.get_mut(&id) else { continue };
                shard.durable = position;
                let Some(listener) = &shard.listener else { continue };
                match told.iter_mut().find(|(_, of, _)| *of == id) {
                    Some((_, _, last)) => *last = position,
                    None => told.push((Arc::clone(listener), id, position)),
                }
            }
        }
        self.changed.notify_all();
        for (listener, _, position) in told {
            listener.durable(position);
        }
        true
    }

    fn tell_failure(&self) {
        let mut state = self.lock();
        let Some(fault) = state.failed.clone() else { return };
        if std::mem::replace(&mut state.failure_told, true) {
            return;
        }
        let listeners: Vec<_> = state.shards.values().filter_map(|shard| shard.listener.clone()).collect();
        drop(state);
        for listener in listeners {
            listener.failed(fault.clone());
        }
    }

    fn run_fetches(&self) -> usize {
        let mut ran = 0;
        loop {
            let mut state = self.lock();
            let Some(fetch) = state.fetches.pop_front() else { return ran };
            let answer = state.read(fetch.shard, &fetch.at);
            drop(state);
            (fetch.done)(answer);
            ran += 1;
        }
    }
}

impl State {
    fn nothing_to_do(&self) -> bool {
        let untold = self.failed.is_some() && !self.failure_told;
        let unsynced = self.failed.is_none() && !self.unsynced.is_empty();
        self.fetches.is_empty() && !untold && !unsynced
    }

    fn check(&self) -> Result<(), Fault> {
        match &self.failed {
            Some(fault) => Err(fault.clone()),
            None if self.closed => Err(Fault::Closed),
            None => Ok(()),
        }
    }

    fn read(&self, shard: ShardId, at: &[Address]) -> Result<Vec<Bytes>, Fault> {
        let nobody = Shard::default();
        let records = self.shards.get(&shard).unwrap_or(&nobody);
        at.iter().map(|&at| records.read(shard, at)).collect()
    }
}

impl Shard {
    fn last(&self) -> Position {
        Position(self.trimmed.0 + self.records.len() as u64)
    }

    fn record(&self, position: Position) -> Option<&Record> {
        let index = position.0.checked_sub(self.trimmed.0 + 1)?;
        self.records.get(usize::try_from(index).ok()?)?.as_ref()
    }

    /// Returns the lowest position from one on that is there, or the one that the next record will have.
    fn next_kept(&self, position: Position) -> Position {
        let from = position.max(self.trimmed.next());
        let kept = (from.0..=self.last().0).map(Position).find(|&position| self.record(position).is_some());
        kept.unwrap_or(self.last().next())
    }

    fn read(&self, shard: ShardId, at: Address) -> Result<Bytes, Fault> {
        let position = at.position;
        if position > Position::START && position <= self.last() && self.record(position).is_none() {
            return Err(Fault::Trimmed { shard, position, first: self.next_kept(position) });
        }
        self.record(at.position).and_then(|record| record.slice(at)).ok_or(Fault::OutOfRange { shard, at })
    }
}

impl Journal for Memory {
    /// Takes a shard over. Records of an older tenure that are not durable yet are dropped: they never become valid.
    fn acquire(&self, shard: ShardId, listener: Arc<dyn Listener>) -> Result<Tenure, Fault> {
        let mut state = self.shared.lock();
        state.check()?;
        state.unsynced.retain(|(id, _)| *id != shard);
        let shard = state.shards.entry(shard).or_default();
        shard.epoch += 1;
        shard.listener = Some(listener);
        while shard.last() > shard.durable {
            shard.records.pop_back();
        }
        Ok(Tenure { epoch: Epoch(shard.epoch), last: shard.durable })
    }

    fn append(&self, epoch: Epoch, record: Record) -> Result<(), Fault> {
        let mut state = self.shared.lock();
        state.check()?;
        let id = record.shard;
        let state = &mut *state;
        let Some(shard) = state.shards.get_mut(&id).filter(|shard| shard.listener.is_some()) else {
            return Err(Fault::NotAcquired { shard: id });
        };
        let current = Epoch(shard.epoch);
        if epoch != current {
            return Err(Fault::StaleEpoch { shard: id, epoch, current });
        }
        let expected = shard.last().next();
        if record.position != expected {
            return Err(Fault::Gap { shard: id, expected, got: record.position });
        }
        if let Some(fault) = state.fail_append.take() {
            state.failed = Some(fault.clone());
            self.shared.changed.notify_all();
            return Err(fault);
        }
        state.stats.records += 1;
        state.stats.bytes_appended += record.payload.len() as u64;
        state.unsynced.push_back((id, record.position));
        shard.records.push_back(Some(record));
        self.shared.changed.notify_all();
        Ok(())
    }

    fn durable(&self, shard: ShardId) -> Position {
        self.shared.lock().shards.get(&shard).map_or(Position::START, |shard| shard.durable)
    }

    fn cached(&self, shard: ShardId, at: Address) -> Option<Bytes> {
        let state = self.shared.lock();
        let shard = state.shards.get(&shard)?;
        if state.forgets_durable && at.position <= shard.durable {
            return None;
        }
        shard.record(at.position)?.slice(at)
    }

    fn fetch(&self, shard: ShardId, at: Vec<Address>, done: FetchDone) {
        let mut state = self.shared.lock();
        state.fetches.push_back(Fetch { shard, at, done });
        let closed = state.closed;
        drop(state);
        self.shared.changed.notify_all();
        if closed && !self.shared.manual {
            // The thread is gone, or on its way out.
            let shared = Arc::clone(&self.shared);
            thread::spawn(move || shared.run_fetches());
        }
    }

    fn replay(
        &self,
        shard: ShardId,
        from: Position,
        visit: &mut dyn FnMut(Record) -> Result<(), Fault>,
    ) -> Result<Position, Fault> {
        let state = self.shared.lock();
        let Some(records) = state.shards.get(&shard) else { return Ok(Position::START) };
        let from = from.max(Position(1));
        let last = records.last();
        if from > last.next() {
            return Err(Fault::Gap { shard, expected: last.next(), got: from });
        }
        let mut visited = Vec::new();
        for position in (from.0..=last.0).map(Position) {
            let record = records.record(position);
            let record =
                record.ok_or_else(|| Fault::Trimmed { shard, position, first: records.next_kept(position) })?;
            visited.push(record.clone());
        }
        drop(state);
        for record in visited {
            visit(record)?;
        }
        Ok(last)
    }

    fn trim(&self, shard: ShardId, below: Position) -> Result<(), Fault> {
        let mut state = self.shared.lock();
        state.check()?;
        let Some(records) = state.shards.get_mut(&shard) else { return Ok(()) };
        let most = records.durable.next();
        if below > most {
            return Err(Fault::Gap { shard, expected: most, got: below });
        }
        while records.trimmed.next() < below {
            records.records.pop_front();
            records.trimmed = records.trimmed.next();
        }
        Ok(())
    }

    /// Drops the records at once, so that an owner who still reads them is found out.
    fn release(&self, shard: ShardId, ranges: &[RangeInclusive<Position>]) -> Result<(), Fault> {
        let mut state = self.shared.lock();
        state.check()?;
        let records = state.shards.entry(shard).or_default();
        let saved = records.saved;
        if let Some(range) = ranges.iter().find(|range| !range.is_empty() && *range.end() > saved) {
            return Err(Fault::Gap { shard, expected: saved, got: *range.end() });
        }
        for range in ranges {
            let first = range.start().0.max(records.trimmed.next().0);
            for position in first..=range.end().0 {
                records.records[(position - records.trimmed.0 - 1) as usize] = None;
            }
        }
        Ok(())
    }

    fn save_snapshot(&self, shard: ShardId, at: Position, bytes: Bytes) -> Result<(), Fault> {
        let mut state = self.shared.lock();
        state.check()?;
        let records = state.shards.entry(shard).or_default();
        if at > records.durable {
            return Err(Fault::Gap { shard, expected: records.durable, got: at });
        }
        records.snapshots.retain(|(other, _)| *other != at);
        records.snapshots.push((at, bytes));
        records.snapshots.sort_by_key(|(at, _)| *at);
        let extra = records.snapshots.len().saturating_sub(2);
        records.snapshots.drain(..extra);
        records.saved = records.saved.max(at);
        Ok(())
    }

    fn load_snapshot(&self, shard: ShardId) -> Result<Option<(Position, Bytes)>, Fault> {
        let mut state = self.shared.lock();
        let Some(records) = state.shards.get_mut(&shard) else { return Ok(None) };
        let newest = records.snapshots.last().cloned();
        records.saved = newest.as_ref().map_or(records.saved, |(at, _)| records.saved.max(*at));
        Ok(newest)
    }

    fn room(&self) -> Room {
        self.shared.lock().room
    }

    fn stats(&self) -> Stats {
        let state = self.shared.lock();
        Stats { room: state.room, failed: state.failed.clone(), ..state.stats.clone() }
    }

    fn close(&self) -> Result<(), Fault> {
        if self.shared.manual {
            self.sync_all();
        }
        let mut state = self.shared.lock();
        while !state.closed && state.failed.is_none() && !state.unsynced.is_empty() {
            state = self.shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.closed = true;
        self.shared.changed.notify_all();
        state.failed.clone().map_or(Ok(()), Err)
    }
}
