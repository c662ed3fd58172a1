//! The contract of [`Journal`] as tests, the same for every implementation.
//!
//! An implementation says how its medium is opened and how it crashes ([`Medium`]), and calls [`check`] or the rules one
//! by one. Every rule panics with what was broken, and waits for nothing longer than ten seconds.

use std::sync::{Arc, Condvar, Mutex, PoisonError, mpsc};
use std::time::Duration;

use bytes::Bytes;

use crate::{Address, Epoch, Fault, Journal, Listener, Position, Record, ShardId};

/// The longest wait for something that must happen.
const PATIENCE: Duration = Duration::from_secs(10);
const SHARD: ShardId = ShardId(3);

/// Where a journal keeps its records.
pub trait Medium {
    /// Opens the journal: an empty one the first time, afterwards what is there.
    fn open(&mut self) -> Arc<dyn Journal>;

    /// Ends the journal as a crash would. What it had not announced may be lost.
    fn crash(&mut self, journal: Arc<dyn Journal>);

    /// Makes the next sync of the open journal fail.
    fn fail_next_sync(&mut self);
}

/// Checks every rule, each with a medium of its own.
pub fn check(medium: &mut dyn FnMut() -> Box<dyn Medium>) {
    for (_, rule) in RULES {
        rule(&mut *medium());
    }
}

/// A rule: a name that states it, and the function that checks it.
pub type Rule = (&'static str, fn(&mut dyn Medium));

/// All rules.
pub const RULES: &[Rule] = &[
    ("positions are dense and gaps are refused", positions_are_dense),
    ("nobody appends without having acquired", appending_needs_a_tenure),
    ("an older epoch is refused", an_older_epoch_is_refused),
    ("what was announced survives a crash, the rest only as a prefix", announced_records_survive),
    ("nothing of an older tenure appears above the fence", the_fence_holds),
    ("replay begins anywhere and reads what was appended", replay_begins_anywhere),
    ("trimming is by prefix", trimming_is_by_prefix),
    ("what is released may go, and all else stays", what_is_released_may_go_and_all_else_stays),
    ("positions go on after everything was trimmed", positions_go_on_after_a_trim),
    ("the newest snapshot wins and survives", the_newest_snapshot_wins),
    ("bytes come back exactly, cached or fetched", bytes_come_back_exactly),
    ("addresses that never were are refused", impossible_addresses_are_refused),
    ("shards are independent", shards_are_independent),
    ("records are made durable in groups", records_are_grouped),
    ("what was queued goes with whatever comes next", queued_records_go_with_what_follows),
    ("a failure is final", a_failure_is_final),
    ("closing makes everything durable", closing_keeps_everything),
];

/// Hears a journal, and lets a test wait for it.
#[derive(Default)]
struct Ears {
    heard: Mutex<(Position, Option<Fault>)>,
    changed: Condvar,
}

impl Listener for Ears {
    fn durable(&self, position: Position) {
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        assert!(position > heard.0, "announced {position} after {}", heard.0);
        assert!(heard.1.is_none(), "announced {position} after a failure");
        heard.0 = position;
        self.changed.notify_all();
    }

    fn failed(&self, fault: Fault) {
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        assert!(heard.1.is_none(), "failed twice");
        heard.1 = Some(fault);
        self.changed.notify_all();
    }
}

impl Ears {
    fn wait(&self, ready: impl Fn(&(Position, Option<Fault>)) -> bool) -> (Position, Option<Fault>) {
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.changed.wait_timeout_while(heard, PATIENCE, |heard| !ready(heard));
        let (heard, result) = waited.unwrap_or_else(PoisonError::into_inner);
        assert!(!result.timed_out(), "nothing happened for {PATIENCE:?}: heard {heard:?}");
        heard.clone()
    }

    fn wait_durable(&self, position: Position) {
        let heard = self.wait(|heard| heard.0 >= position || heard.1.is_some());
        assert_eq!(heard.1, None, "the journal failed");
    }

    fn durable(&self) -> Position {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).0
    }
}

/// An owner of a shard.
struct Owner {
    journal: Arc<dyn Journal>,
    ears: Arc<Ears>,
    shard: ShardId,
    epoch: Epoch,
    last: Position,
}

impl Owner {
    fn acquire(journal: &Arc<dyn Journal>, shard: ShardId) -> Owner {
        let ears = Arc::new(Ears::default());
        let tenure = journal.acquire(shard, Arc::clone(&ears) as Arc<dyn Listener>).expect("the shard can be acquired");
        Owner { journal: Arc::clone(journal), ears, shard, epoch: tenure.epoch, last: tenure.last }
    }

    fn append(&mut self) -> Position {
        let position = self.last.next();
        let appended = self.journal.append(self.epoch, record(self.shard, position));
        appended.unwrap_or_else(|fault| panic!("record {position} was refused: {fault}"));
        self.last = position;
        position
    }

    fn queue(&mut self) -> Position {
        let position = self.last.next();
        let queued = self.journal.queue(self.epoch, record(self.shard, position));
        queued.unwrap_or_else(|fault| panic!("record {position} was refused: {fault}"));
        self.last = position;
        position
    }

    fn append_durably(&mut self, count: u64) {
        for _ in 0..count {
            self.append();
        }
        self.wait();
    }

    fn wait(&self) {
        if self.last > Position::START && self.last > self.journal.durable(self.shard) {
            self.ears.wait_durable(self.last);
        }
        assert!(self.journal.durable(self.shard) >= self.last, "the watermark is behind what was announced");
    }
}

/// The record at a position: its content follows from shard and position, with lengths from nothing to several blocks.
fn record(shard: ShardId, position: Position) -> Record {
    let length = match position.0 % 7 {
        0 => 0,
        1 => 1,
        2 => 100,
        3 => 4096,
        4 => 4097,
        5 => 1000 + (position.0 as usize % 64),
        _ => 20_000,
    };
    let seed = position.0.wrapping_mul(31).wrapping_add(u64::from(shard.0));
    let payload: Vec<u8> = (0..length).map(|index| (seed.wrapping_add(index as u64 * 7) % 251) as u8).collect();
    Record {
        shard,
        position,
        clock_ms: position.0.wrapping_add(1000),
        count: position.0 as u32 % 10,
        payload: Bytes::from(payload),
    }
}

/// Returns the position of the last record found, having compared all with what was appended.
fn replayed(journal: &Arc<dyn Journal>, shard: ShardId, from: Position) -> Position {
    let mut next = from.max(Position(1));
    let last = journal.replay(shard, from, &mut |found| {
        assert_eq!(found, record(shard, next), "record {next} is not what was appended");
        next = next.next();
        Ok(())
    });
    let last = last.unwrap_or_else(|fault| panic!("replay from {from} failed: {fault}"));
    assert_eq!(next, last.next(), "replay from {from} visited up to another record than it says");
    last
}

fn fetch(journal: &Arc<dyn Journal>, shard: ShardId, at: Vec<Address>) -> Result<Vec<Bytes>, Fault> {
    let (sender, receiver) = mpsc::channel();
    journal.fetch(shard, at, Box::new(move |answer| sender.send(answer).expect("somebody waits")));
    receiver.recv_timeout(PATIENCE).expect("a fetch calls back")
}

fn positions_are_dense(medium: &mut dyn Medium) {
    let journal = medium.open();
    let mut owner = Owner::acquire(&journal, SHARD);
    assert_eq!(owner.last, Position::START, "an empty journal begins before the first record");
    for wrong in [0, 2, 3, u64::MAX] {
        let refused = journal.append(owner.epoch, record(SHARD, Position(wrong)));
        assert_eq!(refused, Err(Fault::Gap { shard: SHARD, expected: Position(1), got: Position(wrong) }));
    }
    owner.append_durably(10);
    let refused = journal.append(owner.epoch, record(SHARD, Position(10)));
    assert_eq!(refused, Err(Fault::Gap { shard: SHARD, expected: Position(11), got: Position(10) }));
    owner.append_durably(1);
    assert_eq!(replayed(&journal, SHARD, Position(1)), Position(11));
}

fn appending_needs_a_tenure(medium: &mut dyn Medium) {
    let journal = medium.open();
    let refused = journal.append(Epoch(1), record(SHARD, Position(1)));
    assert_eq!(refused, Err(Fault::NotAcquired { shard: SHARD }));
    Owner::acquire(&journal, SHARD).append_durably(1);
    journal.close().expect("closes");
    drop(journal);
    let journal = medium.open();
    let refused = journal.append(Epoch(1), record(SHARD, Position(2)));
    assert!(matches!(refused, Err(Fault::NotAcquired { .. } | Fault::StaleEpoch { .. })), "{refused:?}");
}

fn an_older_epoch_is_refused(medium: &mut dyn Medium) {
    let journal = medium.open();
    let mut old = Owner::acquire(&journal, SHARD);
    old.append_durably(3);
    let mut new = Owner::acquire(&journal, SHARD);
    assert!(new.epoch > old.epoch, "{} is not newer than {}", new.epoch, old.epoch);
    let refused = journal.append(old.epoch, record(SHARD, Position(4)));
    assert_eq!(refused, Err(Fault::StaleEpoch { shard: SHARD, epoch: old.epoch, current: new.epoch }));
    new.append_durably(1);
    assert_eq!(old.ears.durable(), Position(3), "the older owner heard of the newer one's record");
    journal.close().expect("closes");
    let before = new.epoch;
    drop((old, new, journal));
    let journal = medium.open();
    assert!(Owner::acquire(&journal, SHARD).epoch > before, "epochs go on after a restart");
}

fn announced_records_survive(medium: &mut dyn Medium) {
    let mut announced = Position::START;
    for round in 0..8 {
        let journal = medium.open();
        let mut owner = Owner::acquire(&journal, SHARD);
        assert!(owner.last >= announced, "round {round}: {announced} was announced, {} is left", owner.last);
        assert_eq!(replayed(&journal, SHARD, Position(1)), owner.last, "round {round}");
        owner.append_durably(20);
        announced = owner.last;
        for _ in 0..round * 5 {
            owner.append();
        }
        announced = announced.max(owner.ears.durable());
        drop(owner);
        medium.crash(journal);
    }
}

fn the_fence_holds(medium: &mut dyn Medium) {
    let journal = medium.open();
    let mut old = Owner::acquire(&journal, SHARD);
    for _ in 0..50 {
        old.append();
    }
    let mut new = Owner::acquire(&journal, SHARD);
    let fence = new.last;
    assert!(fence <= old.last);
    assert_eq!(replayed(&journal, SHARD, Position(1)), fence, "replay ends at the fence");
    // A record of the new tenure differs from what the old one may have put at the same position.
    let position = fence.next();
    let mine = Record { clock_ms: 7, payload: Bytes::from_static(b"mine"), ..record(SHARD, position) };
    journal.append(new.epoch, mine.clone()).expect("the newest tenure appends");
    new.last = position;
    new.wait();
    drop((old, new));
    medium.crash(journal);
    let journal = medium.open();
    let mut found = Vec::new();
    journal
        .replay(SHARD, position, &mut |record| {
            found.push(record);
            Ok(())
        })
        .expect("replays");
    assert_eq!(found, vec![mine], "above the fence is only what the new tenure appended");
}

fn replay_begins_anywhere(medium: &mut dyn Medium) {
    let journal = medium.open();
    Owner::acquire(&journal, SHARD).append_durably(40);
    Owner::acquire(&journal, ShardId(9)).append_durably(40);
    journal.close().expect("closes");
    drop(journal);
    let journal = medium.open();
    let owner = Owner::acquire(&journal, SHARD);
    assert_eq!(owner.last, Position(40));
    for from in 0..=41 {
        assert_eq!(replayed(&journal, SHARD, Position(from)), Position(40));
    }
    let past = journal.replay(SHARD, Position(42), &mut |_| Ok(()));
    assert!(matches!(past, Err(Fault::Gap { .. })), "{past:?}");
    let stop = Fault::Unreadable { shard: SHARD, position: Position(5), reason: "enough".to_owned() };
    let stopped = journal.replay(SHARD, Position(5), &mut |_| Err(stop.clone()));
    assert_eq!(stopped, Err(stop), "the visitor's fault ends the replay");
    assert_eq!(replayed(&journal, ShardId(77), Position(1)), Position::START, "a shard nobody used is empty");
}

fn trimming_is_by_prefix(medium: &mut dyn Medium) {
    let journal = medium.open();
    let mut owner = Owner::acquire(&journal, SHARD);
    let mut other = Owner::acquire(&journal, ShardId(4));
    for _ in 0..30 {
        owner.append_durably(1);
        other.append_durably(1);
    }
    journal.trim(SHARD, Position(21)).expect("trims");
    journal.trim(SHARD, Position(11)).expect("a lower trim changes nothing");
    let below = journal.replay(SHARD, Position(20), &mut |_| Ok(()));
    assert_eq!(below, Err(Fault::Trimmed { shard: SHARD, position: Position(20), first: Position(21) }));
    assert_eq!(replayed(&journal, SHARD, Position(21)), Position(30));
    let gone = fetch(&journal, SHARD, vec![Address { position: Position(1), offset: 0, length: 0 }]);
    assert!(matches!(gone, Ok(_) | Err(Fault::Trimmed { .. })), "{gone:?}");
    assert_eq!(replayed(&journal, ShardId(4), Position(1)), Position(30), "another shard keeps its records");
    let past = journal.trim(SHARD, Position(32));
    assert_eq!(past, Err(Fault::Gap { shard: SHARD, expected: Position(31), got: Position(32) }));
    drop((owner, other));
    medium.crash(journal);
    let journal = medium.open();
    let mut owner = Owner::acquire(&journal, SHARD);
    assert_eq!(owner.last, Position(30));
    assert_eq!(replayed(&journal, SHARD, Position(21)), Position(30), "what was not trimmed is there after a restart");
    owner.append_durably(1);
}

fn what_is_released_may_go_and_all_else_stays(medium: &mut dyn Medium) {
    let journal = medium.open();
    let mut owner = Owner::acquire(&journal, SHARD);
    let mut other = Owner::acquire(&journal, ShardId(4));
    for _ in 0..70 {
        owner.append_durably(1);
        other.append_durably(1);
    }
    let range = |first, last| Position(first)..=Position(last);
    journal.save_snapshot(SHARD, Position(60), Bytes::from_static(b"state at 60")).expect("saves");
    if journal.release(SHARD, &[range(11, 61)]).is_ok() {
        let kept = fetch(&journal, SHARD, (11..=61).map(whole).collect());
        assert!(kept.is_ok(), "a medium that ignores a release keeps everything: {kept:?}");
    }
    let released = [range(11, 30), range(34, 34), range(33, 32), range(41, 60)];
    journal.release(SHARD, &released).expect("releases");
    journal.release(SHARD, &released).expect("releases again");
    journal.release(ShardId(4), &[]).expect("releases nothing");
    let is_released = |position: u64| released.iter().any(|range| range.contains(&Position(position)));
    let verify = |journal: &Arc<dyn Journal>| {
        for position in 1..=70 {
            let found = fetch(journal, SHARD, vec![whole(position)]);
            let expected = record(SHARD, Position(position)).payload;
            match found {
                Ok(bytes) => assert!(bytes == [expected], "record {position}"),
                Err(Fault::Trimmed { shard: SHARD, position: Position(gone), first }) => {
                    assert!(gone == position && is_released(position), "record {position} is gone");
                    assert!(first > Position(position) && first <= Position(61), "{first} after {position}");
                }
                Err(fault) => panic!("record {position}: {fault}"),
            }
        }
        assert_eq!(replayed(journal, SHARD, Position(61)), Position(70), "what the snapshot does not cover");
        match journal.replay(SHARD, Position(1), &mut |_| Ok(())) {
            Ok(last) => assert_eq!(last, Position(70)),
            Err(Fault::Trimmed { position, .. }) => assert!(is_released(position.0), "{position} is gone"),
            Err(fault) => panic!("{fault}"),
        }
        assert_eq!(replayed(journal, ShardId(4), Position(1)), Position(70), "another shard keeps its records");
        assert_eq!(journal.load_snapshot(SHARD), Ok(Some((Position(60), Bytes::from_static(b"state at 60")))));
    };
    verify(&journal);
    drop((owner, other));
    medium.crash(journal);
    let journal = medium.open();
    let mut owner = Owner::acquire(&journal, SHARD);
    let mut other = Owner::acquire(&journal, ShardId(4));
    assert_eq!((owner.last, other.last), (Position(70), Position(70)));
    verify(&journal);
    // The other shard lets go as well, so whole pieces are free now.
    journal.save_snapshot(ShardId(4), Position(70), Bytes::new()).expect("saves");
    journal.release(ShardId(4), &[range(1, 70)]).expect("releases");
    journal.release(SHARD, &released).expect("releases again after a restart");
    owner.append_durably(1);
    other.append_durably(1);
    assert_eq!(replayed(&journal, SHARD, Position(61)), Position(71));
    drop((owner, other));
    medium.crash(journal);
    let journal = medium.open();
    assert_eq!(Owner::acquire(&journal, SHARD).last, Position(71));
    assert_eq!(Owner::acquire(&journal, ShardId(4)).last, Position(71));
    assert_eq!(replayed(&journal, SHARD, Position(61)), Position(71));
    assert_eq!(replayed(&journal, ShardId(4), Position(71)), Position(71));
    for position in (1..=10).chain(31..=33).chain(35..=40).chain(61..=71) {
        let found = fetch(&journal, SHARD, vec![whole(position)]);
        assert_eq!(found, Ok(vec![record(SHARD, Position(position)).payload]), "record {position} was never released");
    }
}

/// Returns the address of a whole record.
fn whole(position: u64) -> Address {
    let position = Position(position);
    Address { position, offset: 0, length: record(SHARD, position).payload.len() as u32 }
}

fn positions_go_on_after_a_trim(medium: &mut dyn Medium) {
    let mut last = Position::START;
    for _ in 0..4 {
        let journal = medium.open();
        let mut owner = Owner::acquire(&journal, SHARD);
        assert_eq!(owner.last, last, "positions start over");
        owner.append_durably(100);
        last = owner.last;
        journal.trim(SHARD, last.next()).expect("everything may go");
        assert_eq!(journal.replay(SHARD, last.next(), &mut |_| panic!("nothing is left")), Ok(last));
        drop(owner);
        medium.crash(journal);
    }
}

fn the_newest_snapshot_wins(medium: &mut dyn Medium) {
    let journal = medium.open();
    assert_eq!(journal.load_snapshot(SHARD), Ok(None), "there is none at first");
    let mut owner = Owner::acquire(&journal, SHARD);
    owner.append_durably(30);
    let early = journal.save_snapshot(SHARD, Position(31), Bytes::from_static(b"too early"));
    assert_eq!(early, Err(Fault::Gap { shard: SHARD, expected: Position(30), got: Position(31) }));
    for at in [10, 20, 30] {
        journal.save_snapshot(SHARD, Position(at), Bytes::from(format!("state at {at}"))).expect("saves");
        let loaded = journal.load_snapshot(SHARD);
        assert_eq!(loaded, Ok(Some((Position(at), Bytes::from(format!("state at {at}"))))));
    }
    assert_eq!(journal.load_snapshot(ShardId(4)), Ok(None), "another shard has none");
    drop(owner);
    medium.crash(journal);
    let journal = medium.open();
    let mut owner = Owner::acquire(&journal, SHARD);
    assert_eq!(journal.load_snapshot(SHARD), Ok(Some((Position(30), Bytes::from_static(b"state at 30")))));
    assert_eq!(replayed(&journal, SHARD, Position(31)), Position(30), "replay goes on after the snapshot");
    owner.append_durably(1);
    journal.save_snapshot(SHARD, Position(31), Bytes::new()).expect("an empty state is a state");
    assert_eq!(journal.load_snapshot(SHARD), Ok(Some((Position(31), Bytes::new()))));
}

fn addresses(last: u64) -> Vec<Address> {
    let mut at = Vec::new();
    for position in 1..=last {
        let position = Position(position);
        let length = record(SHARD, position).payload.len() as u32;
        for (offset, end) in
            [(0, length), (0, 0), (length, length), (length / 3, length / 2), (length.saturating_sub(1), length)]
        {
            at.push(Address { position, offset, length: end - offset });
        }
    }
    // An order that is neither that of the log nor its reverse.
    at.sort_by_key(|at| (at.position.0 * 37 % 101, at.offset));
    at
}

fn expected(at: Address) -> Bytes {
    let payload = record(SHARD, at.position).payload;
    payload.slice(at.offset as usize..(at.offset + at.length) as usize)
}

fn bytes_come_back_exactly(medium: &mut dyn Medium) {
    let journal = medium.open();
    let mut owner = Owner::acquire(&journal, SHARD);
    let mut other = Owner::acquire(&journal, ShardId(8));
    for _ in 0..70 {
        let position = owner.append();
        other.append();
        let length = record(SHARD, position).payload.len() as u32;
        let at = Address { position, offset: 0, length };
        // It may be written and out of the cache already, but if there is an answer it is right.
        assert!(journal.cached(SHARD, at).is_none_or(|bytes| bytes == expected(at)), "cached {at}");
    }
    for (when, reopen) in [("while open", false), ("after a restart", true)] {
        if reopen {
            journal.close().expect("closes");
        }
        let journal = if reopen { medium.open() } else { Arc::clone(&journal) };
        let at = addresses(70);
        let fetched = fetch(&journal, SHARD, at.clone()).expect("fetches");
        assert_eq!(fetched.len(), at.len());
        for (&at, bytes) in at.iter().zip(&fetched) {
            assert!(*bytes == expected(at), "{when}: fetched {at}");
            assert!(journal.cached(SHARD, at).is_none_or(|bytes| bytes == expected(at)), "{when}: cached {at}");
            assert_eq!(fetch(&journal, SHARD, vec![at]), Ok(vec![expected(at)]), "{when}: fetched alone {at}");
        }
        assert_eq!(fetch(&journal, SHARD, Vec::new()), Ok(Vec::new()));
    }
}

fn impossible_addresses_are_refused(medium: &mut dyn Medium) {
    let journal = medium.open();
    Owner::acquire(&journal, SHARD).append_durably(9);
    let length = record(SHARD, Position(2)).payload.len() as u32;
    for (position, offset, bytes) in
        [(0, 0, 0), (10, 0, 0), (u64::MAX, 0, 1), (2, 0, length + 1), (2, length + 1, 0), (2, u32::MAX, u32::MAX)]
    {
        let at = Address { position: Position(position), offset, length: bytes };
        assert_eq!(journal.cached(SHARD, at), None, "{at}");
        assert_eq!(fetch(&journal, SHARD, vec![at]), Err(Fault::OutOfRange { shard: SHARD, at }), "{at}");
        let other = fetch(&journal, ShardId(99), vec![at]);
        assert_eq!(other, Err(Fault::OutOfRange { shard: ShardId(99), at }), "{at} of a shard nobody used");
    }
}

fn shards_are_independent(medium: &mut dyn Medium) {
    let journal = medium.open();
    std::thread::scope(|scope| {
        for shard in 0..4 {
            let journal = &journal;
            scope.spawn(move || {
                let mut owner = Owner::acquire(journal, ShardId(shard));
                for _ in 0..20 {
                    owner.append_durably(u64::from(shard) + 1);
                }
            });
        }
    });
    medium.crash(journal);
    let journal = medium.open();
    for shard in 0..4 {
        let owner = Owner::acquire(&journal, ShardId(shard));
        assert_eq!(owner.last, Position(20 * (u64::from(shard) + 1)));
        assert_eq!(replayed(&journal, ShardId(shard), Position(1)), owner.last);
    }
}

fn records_are_grouped(medium: &mut dyn Medium) {
    let journal = medium.open();
    let before = journal.stats();
    Owner::acquire(&journal, SHARD).append_durably(2000);
    let after = journal.stats();
    assert_eq!(after.records - before.records, 2000);
    let syncs = after.syncs - before.syncs;
    // A file that is full costs two of its own, for its end and for the beginning of the next, whatever the groups are.
    let files = after.segments.saturating_sub(before.segments);
    let bound = 1000 + 2 * files;
    assert!(
        syncs > 0 && syncs < bound,
        "2000 records that nobody waited for took {syncs} syncs, and {files} files were filled"
    );
    let bytes: u64 = (1..=2000).map(|position| record(SHARD, Position(position)).payload.len() as u64).sum();
    assert_eq!(after.bytes_appended - before.bytes_appended, bytes);
}

fn queued_records_go_with_what_follows(medium: &mut dyn Medium) {
    let journal = medium.open();
    let mut owner = Owner::acquire(&journal, SHARD);
    owner.queue();
    owner.queue();
    journal.commit();
    owner.wait();
    owner.queue();
    journal.commit_and_wait();
    owner.wait();
    journal.commit_and_wait();
    owner.queue();
    owner.append();
    owner.wait();
    owner.queue();
    Owner::acquire(&journal, ShardId(4)).append_durably(1);
    owner.wait();
    owner.queue();
    journal.close().expect("closes");
    drop(owner);
    medium.crash(journal);
    let journal = medium.open();
    assert_eq!(Owner::acquire(&journal, SHARD).last, Position(7));
    assert_eq!(replayed(&journal, SHARD, Position(1)), Position(7));
}

fn a_failure_is_final(medium: &mut dyn Medium) {
    let journal = medium.open();
    let mut owner = Owner::acquire(&journal, SHARD);
    let idle = Owner::acquire(&journal, ShardId(4));
    owner.append_durably(10);
    medium.fail_next_sync();
    owner.append();
    let (durable, fault) = owner.ears.wait(|heard| heard.1.is_some());
    assert_eq!(durable, Position(10), "a record whose sync failed was announced");
    let fault = fault.expect("waited for it");
    idle.ears.wait(|heard| heard.1.is_some());
    assert_eq!(journal.append(owner.epoch, record(SHARD, Position(12))), Err(fault.clone()));
    let other = journal.append(idle.epoch, record(ShardId(4), Position(1)));
    assert_eq!(other, Err(fault.clone()), "the failure is everybody's");
    assert_eq!(journal.save_snapshot(SHARD, Position(1), Bytes::new()), Err(fault.clone()));
    assert_eq!(journal.stats().failed, Some(fault.clone()));
    assert_eq!(journal.durable(SHARD), Position(10));
    assert_eq!(journal.close(), Err(fault), "closing cannot make it durable either");
    drop((owner, idle));
    medium.crash(journal);
    let journal = medium.open();
    let mut owner = Owner::acquire(&journal, SHARD);
    assert!(owner.last >= Position(10), "announced records are there: {}", owner.last);
    assert_eq!(replayed(&journal, SHARD, Position(1)), owner.last);
    owner.append_durably(1);
}

fn closing_keeps_everything(medium: &mut dyn Medium) {
    let journal = medium.open();
    let mut owner = Owner::acquire(&journal, SHARD);
    for _ in 0..100 {
        owner.append();
    }
    journal.close().expect("closes");
    assert_eq!(journal.close(), Ok(()), "closing twice is harmless");
    assert_eq!(journal.append(owner.epoch, record(SHARD, Position(101))), Err(Fault::Closed));
    let nobody: Arc<dyn Listener> = Arc::new(Ears::default());
    assert_eq!(journal.acquire(SHARD, nobody), Err(Fault::Closed));
    drop(owner);
    medium.crash(journal);
    let journal = medium.open();
    assert_eq!(Owner::acquire(&journal, SHARD).last, Position(100));
    assert_eq!(replayed(&journal, SHARD, Position(1)), Position(100));
}
