//! What files add to the contract: damage, torn writes, and space that is used again.

mod cuts;
mod faults;
mod full_disk;
mod late;

use std::sync::{Arc, Condvar, Mutex, PoisonError, mpsc};
use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;
use stanchion_journal::inspect::{self, FrameKind};
use stanchion_journal::local::simulated::{Operation, Simulated, Stall};
use stanchion_journal::local::{Disk, Durability, Options};
use stanchion_journal::{Address, Epoch, Fault, Journal, Listener, Local, Position, Record, ShardId};

const SHARD: ShardId = ShardId(1);
const SMALL: Options =
    Options { segment_bytes: 16 << 10, cache_bytes: 0, durability: Durability::Sync, reserve_segments: 1 };
const PATIENCE: Duration = Duration::from_secs(10);

/// Waits for a journal.
#[derive(Default)]
struct Ears {
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
    fn wait(&self, position: Position) -> Result<(), Fault> {
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = |heard: &mut (Position, Option<Fault>)| heard.0 < position && heard.1.is_none();
        let (heard, result) =
            self.changed.wait_timeout_while(heard, PATIENCE, waiting).unwrap_or_else(PoisonError::into_inner);
        assert!(!result.timed_out(), "nothing happened: {heard:?}");
        if heard.0 >= position { Ok(()) } else { Err(heard.1.clone().unwrap_or(Fault::Closed)) }
    }

    fn durable(&self) -> Position {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).0
    }
}

fn open(disk: &Simulated, options: Options) -> Result<Arc<Local>, Fault> {
    Local::open_on(Arc::new(disk.clone()), options).map(Arc::new)
}

fn acquire(journal: &Arc<Local>, shard: ShardId) -> (Arc<Ears>, Epoch, Position) {
    let ears = Arc::new(Ears::default());
    let tenure = journal.acquire(shard, Arc::clone(&ears) as Arc<dyn Listener>).expect("can be acquired");
    (ears, tenure.epoch, tenure.last)
}

fn record(position: u64, length: usize) -> Record {
    let payload: Vec<u8> = (0..length).map(|index| (position as usize * 31 + index * 7) as u8).collect();
    Record { shard: SHARD, position: Position(position), clock_ms: position, count: 1, payload: Bytes::from(payload) }
}

/// Appends records one by one, each in a group of its own.
fn append(journal: &Arc<Local>, count: u64, length: usize) -> Position {
    let (ears, epoch, mut last) = acquire(journal, SHARD);
    for _ in 0..count {
        last = last.next();
        journal.append(epoch, record(last.0, length)).expect("is appended");
        ears.wait(last).expect("becomes durable");
    }
    last
}

/// Returns the records from a position on, compared with what was appended.
fn replayed(journal: &Arc<Local>, from: u64, length: usize) -> Position {
    let mut next = from;
    let last = journal.replay(SHARD, Position(from), &mut |found| {
        assert_eq!(found, record(next, length));
        next += 1;
        Ok(())
    });
    last.expect("replays")
}

fn fetch(journal: &Arc<Local>, at: Address) -> Result<Bytes, Fault> {
    let (sender, receiver) = mpsc::channel();
    journal.fetch(SHARD, vec![at], Box::new(move |answer| sender.send(answer).expect("somebody waits")));
    receiver.recv_timeout(PATIENCE).expect("calls back").map(|mut bytes| bytes.remove(0))
}

/// Returns segment, offset and length of each record on a disk, in order.
fn frames(disk: &Simulated) -> Vec<(u64, usize, usize)> {
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

fn name(segment: u64) -> String {
    format!("journal/{segment:012}.segment")
}

/// Changes a file of a disk.
fn damage(disk: &Simulated, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
    let mut content = disk.content(name).expect("the file is there");
    change(&mut content);
    disk.overwrite(name, content);
}

/// A disk that lost power while everything was synced, with as many records.
fn written(count: u64, length: usize) -> Simulated {
    let disk = Simulated::new();
    let journal = open(&disk, SMALL).expect("opens");
    append(&journal, count, length);
    journal.settle();
    disk.power_cut(1)
}

/// Opens, and says where the damage is that prevents it.
fn refusal(disk: &Simulated) -> (String, u64) {
    match open(disk, SMALL).map(|_| ()) {
        Err(Fault::Corrupt { file, offset, .. }) => (file.to_string_lossy().into_owned(), offset),
        other => panic!("opened or refused otherwise: {other:?}"),
    }
}

#[test]
fn a_tail_torn_at_any_byte_of_the_last_frame_is_cut_and_the_log_goes_on() {
    let whole = written(4, 100);
    let &(segment, offset, bytes) = frames(&whole).last().expect("records");
    // The last bytes are padding, and not part of the record.
    let padding = bytes - (72 + 100);
    for torn in 0..bytes - padding {
        let disk = whole.power_cut(2);
        // Whatever came after that byte never reached the disk. A zero byte there would be the same as what was written.
        damage(&disk, &name(segment), |content| {
            content[offset + torn] ^= 0x55;
            content[offset + torn + 1..].fill(0);
        });
        let report = inspect::check_on(&disk).expect("can be checked");
        assert_eq!(report.damages, [], "torn at {torn}");
        let journal = open(&disk, SMALL).unwrap_or_else(|fault| panic!("torn at {torn}: {fault}"));
        assert_eq!(replayed(&journal, 1, 100), Position(3), "torn at {torn}");
        assert_eq!(append(&journal, 2, 100), Position(5));
        journal.close().expect("closes");
        let journal = open(&disk, SMALL).expect("opens again");
        assert_eq!(replayed(&journal, 1, 100), Position(5), "torn at {torn}");
    }
}

#[test]
fn a_flipped_bit_in_the_middle_is_refused_with_file_and_offset() {
    let whole = written(5, 100);
    let (segment, offset, bytes) = frames(&whole)[2];
    let padding = bytes - (72 + 100);
    for at in 0..bytes - padding {
        let disk = whole.power_cut(2);
        damage(&disk, &name(segment), |content| content[offset + at] ^= 1 << (at % 8));
        let before = disk.content(&name(segment));
        let (file, place) = refusal(&disk);
        assert!(file.ends_with(&name(segment)), "{file}");
        assert_eq!(place, offset as u64, "flipped at {at}");
        assert_eq!(disk.content(&name(segment)), before, "a refused file is not touched");
        let found = inspect::check_on(&disk).expect("can be checked").damages;
        assert_eq!((found.len(), found[0].offset), (1, offset as u64), "check finds the same: {found:?}");
    }
}

#[test]
fn a_flipped_bit_in_a_sealed_segment_is_never_served() {
    let disk = Simulated::new();
    let journal = open(&disk, SMALL).expect("opens");
    append(&journal, 20, 3000);
    journal.close().expect("closes");
    let (segment, offset, _) = frames(&disk)[1];
    assert_eq!(segment, 1);
    damage(&disk, &name(segment), |content| content[offset + 500] ^= 1);
    let journal = open(&disk, SMALL).expect("sealed segments are not read at the start");
    let at = |position| Address { position: Position(position), offset: 0, length: 3000 };
    assert_eq!(fetch(&journal, at(1)), Ok(record(1, 3000).payload));
    assert_eq!(fetch(&journal, at(3)), Ok(record(3, 3000).payload));
    let refused = fetch(&journal, at(2));
    assert!(matches!(&refused, Err(Fault::Corrupt { file, .. }) if file.ends_with(name(1))), "{refused:?}");
    let replay = journal.replay(SHARD, Position(1), &mut |_| Ok(()));
    assert!(matches!(replay, Err(Fault::Corrupt { offset: place, .. }) if place == offset as u64), "{replay:?}");
    assert_eq!(replayed(&journal, 3, 3000), Position(20), "what is not damaged is read");
    let found = inspect::check_on(&disk).expect("can be checked").damages;
    assert!(found.iter().any(|damage| damage.file.ends_with(name(1)) && damage.offset == offset as u64), "{found:?}");
}

#[test]
fn only_the_damaged_block_of_a_large_record_is_lost() {
    let disk = written(1, 100_000);
    let (segment, offset, bytes) = frames(&disk)[0];
    let payload = offset + bytes - 100_000;
    damage(&disk, &name(segment), |content| content[payload + 50_000] ^= 1);
    // A later segment keeps the record from being the torn tail.
    let journal = open(&disk, SMALL);
    if let Ok(journal) = journal {
        assert_eq!(acquire(&journal, SHARD).2, Position(0), "the last group is taken for torn");
    }
    let disk = Simulated::new();
    let journal = open(&disk, SMALL).expect("opens");
    append(&journal, 2, 100_000);
    let (segment, offset, bytes) = frames(&disk)[0];
    let payload = offset + bytes - 100_000;
    damage(&disk, &name(segment), |content| content[payload + 50_000] ^= 1);
    let whole = record(1, 100_000).payload;
    for (from, length) in [(0, 48_000), (60_000, 40_000), (40_000, 5_000)] {
        let at = Address { position: Position(1), offset: from, length };
        assert_eq!(fetch(&journal, at), Ok(whole.slice(from as usize..(from + length) as usize)), "{at}");
    }
    let damaged = fetch(&journal, Address { position: Position(1), offset: 49_999, length: 2 });
    assert!(matches!(damaged, Err(Fault::Corrupt { .. })), "{damaged:?}");
}

#[test]
fn missing_and_shortened_segments_are_refused() {
    let whole = written(40, 3000);
    let segments = inspect::overview_on(&whole).expect("an overview").segments;
    assert!(segments.len() > 5, "{segments:?}");
    let used: Vec<u64> = {
        let mut used: Vec<u64> = frames(&whole).iter().map(|frame| frame.0).collect();
        used.dedup();
        used
    };
    for &number in &used {
        let disk = whole.power_cut(2);
        disk.remove(&name(number)).expect("removes");
        let refused = open(&disk, SMALL).map(|_| ()).err();
        let last = number == *used.last().expect("some");
        match refused {
            Some(Fault::Missing { file, .. }) => assert!(file.ends_with(name(number)), "{}", file.display()),
            other => assert!(last && other.is_none(), "without {number}: {other:?}"),
        }
    }
    for &number in &used {
        for length in [0, 100, 4096, 9000] {
            let disk = whole.power_cut(2);
            damage(&disk, &name(number), |content| content.truncate(length));
            let (file, _) = refusal(&disk);
            assert!(file.ends_with(&name(number)), "{file} when {number} was cut at {length}");
        }
    }
}

#[test]
fn after_a_clean_stop_a_missing_last_segment_is_refused() {
    let disk = Simulated::new();
    let journal = open(&disk, SMALL).expect("opens");
    append(&journal, 40, 3000);
    journal.close().expect("closes");
    let last = frames(&disk).last().expect("records").0;
    for number in [last, last + 1] {
        if disk.content(&name(number)).is_some() {
            disk.remove(&name(number)).expect("removes");
        }
    }
    assert!(matches!(open(&disk, SMALL).map(|_| ()), Err(Fault::Corrupt { .. } | Fault::Missing { .. })));
}

#[test]
fn a_lost_state_file_is_not_an_empty_journal() {
    let disk = written(20, 3000);
    disk.remove("journal/state").expect("removes");
    assert!(matches!(open(&disk, SMALL).map(|_| ()), Err(Fault::Missing { .. })));
    let disk = written(20, 3000);
    damage(&disk, "journal/state", |content| content[25] ^= 1);
    assert!(matches!(open(&disk, SMALL).map(|_| ()), Err(Fault::Corrupt { .. })));
}

#[test]
fn a_damaged_snapshot_falls_back_to_the_one_before() {
    let disk = Simulated::new();
    let journal = open(&disk, SMALL).expect("opens");
    append(&journal, 30, 2000);
    let states = [(10, vec![1u8; 900]), (20, vec![2u8; 900])];
    for (at, state) in &states {
        journal.save_snapshot(SHARD, Position(*at), Bytes::from(state.clone())).expect("saves");
    }
    journal.close().expect("closes");
    let newest = format!("snapshots/00001-{:020}.snapshot", 20);
    let length = disk.content(&newest).expect("the snapshot").len();
    for cut in 0..length {
        let disk = disk.power_cut(1);
        damage(&disk, &newest, |content| content.truncate(cut));
        let journal = open(&disk, SMALL).expect("opens");
        let loaded = journal.load_snapshot(SHARD).expect("falls back");
        assert_eq!(loaded, Some((Position(10), Bytes::from(states[0].1.clone()))), "cut at {cut}");
    }
    damage(&disk, &newest, |content| content[500] ^= 1);
    let journal = open(&disk.power_cut(1), SMALL).expect("opens");
    assert!(matches!(journal.load_snapshot(SHARD), Ok(Some((Position(10), _)))));
    journal.trim(SHARD, Position(21)).expect("trims");
    let refused = journal.load_snapshot(SHARD);
    assert!(
        matches!(&refused, Err(Fault::Corrupt { file, .. }) if file.ends_with(&newest)),
        "the log does not reach back to the older one: {refused:?}"
    );
    let disk = disk.power_cut(1);
    let older = format!("snapshots/00001-{:020}.snapshot", 10);
    damage(&disk, &older, |content| content[500] ^= 1);
    let journal = open(&disk, SMALL).expect("opens");
    assert!(matches!(journal.load_snapshot(SHARD), Err(Fault::Corrupt { .. })), "none is valid");
    assert_eq!(inspect::check_on(&disk).expect("can be checked").damages.len(), 2);
}

#[test]
fn a_directory_is_opened_once_at_a_time() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let first = Local::open(directory.path(), SMALL).expect("opens");
    let second = Local::open(directory.path(), SMALL).map(|_| ());
    assert_eq!(second, Err(Fault::Locked { file: directory.path().join("lock") }));
    first.close().expect("closes");
    let third = Local::open(directory.path(), SMALL).expect("opens after a close");
    drop(third);
    Local::open(directory.path(), SMALL).expect("opens after a drop");
    assert!(inspect::check(directory.path()).expect("can be checked").damages.is_empty());
}

#[test]
fn segments_used_again_do_not_resurrect_old_records() {
    let mut disk = Simulated::new();
    let mut last = Position::START;
    let mut reused = false;
    for round in 0..40 {
        let journal = open(&disk, SMALL).unwrap_or_else(|fault| panic!("round {round}: {fault}"));
        assert_eq!(acquire(&journal, SHARD).2, last, "round {round}");
        // Different lengths, so that old frames are cut at every place by new ones.
        last = append(&journal, 12, 900 + 40 * round as usize);
        journal.trim(SHARD, last.next()).expect("trims");
        journal.settle();
        let segments = inspect::overview_on(&disk).expect("an overview").segments;
        assert!(segments.len() <= 4, "trimmed segments are put away: {segments:?}");
        reused |= segments.iter().any(|segment| {
            let content = disk.content(&name(segment.number)).expect("is there");
            let own = segment.number.to_le_bytes();
            // Frames begin with their magic number, and have the number of the segment at 16.
            content.chunks(8).enumerate().any(|(at, word)| {
                word.starts_with(b"SJR1") && content.get(at * 8 + 16..at * 8 + 24).is_some_and(|number| number != own)
            })
        });
        disk = disk.power_cut(round);
    }
    assert!(reused, "no segment was ever used again, so this test shows nothing");
}

/// Appends records, releases all but the first and the last few, and returns where segments are gone.
fn with_holes(disk: &Simulated) -> Vec<std::ops::RangeInclusive<u64>> {
    let journal = open(disk, SMALL).expect("opens");
    let last = append(&journal, 60, 3000);
    journal.save_snapshot(SHARD, last, Bytes::from_static(b"sixty")).expect("saves");
    // What is prepared or set aside later on must not count as what was not given back.
    journal.settle();
    let before = journal.stats();
    journal.release(SHARD, &[Position(10)..=Position(25), Position(35)..=Position(50)]).expect("releases");
    journal.settle();
    let after = journal.stats();
    assert!(before.bytes_on_disk - after.bytes_on_disk >= 24 * 3000, "{before:?} {after:?}");
    let listed: u64 = disk.list("journal").expect("lists").len() as u64 - 1;
    assert_eq!(after.segments, listed, "files and figures agree");
    let bytes = |name: &String| disk.content(&format!("journal/{name}")).expect("is there").len() as u64;
    let bytes: u64 = disk.list("journal").expect("lists").iter().filter(|name| *name != "state").map(bytes).sum();
    assert_eq!(after.bytes_on_disk, bytes, "files and figures agree");
    assert_eq!(append(&journal, 1, 3000), Position(61));
    let overview = inspect::overview_on(disk).expect("an overview");
    assert_eq!((overview.first_segment, overview.gone.len()), (1, 2), "{overview:?}");
    overview.gone
}

#[test]
fn released_segments_go_from_the_middle_and_the_rest_survives_power_cuts() {
    let disk = Simulated::new();
    let gone = with_holes(&disk);
    for seed in 0..8 {
        let disk = disk.power_cut(seed);
        let journal = open(&disk, SMALL).unwrap_or_else(|fault| panic!("seed {seed}: {fault}"));
        assert_eq!(inspect::overview_on(&disk).expect("an overview").gone, gone);
        assert_eq!(inspect::check_on(&disk).expect("can be checked").damages, []);
        assert_eq!(journal.load_snapshot(SHARD), Ok(Some((Position(60), Bytes::from_static(b"sixty")))));
        let at = |position| Address { position: Position(position), offset: 0, length: 3000 };
        let there = |position: u64| fetch(&journal, at(position)) == Ok(record(position, 3000).payload);
        let kept: Vec<u64> = (1..=61).filter(|&position| there(position)).collect();
        assert!((1..10).chain(26..35).chain(51..=61).all(|position| kept.contains(&position)), "{kept:?}");
        assert!(kept.len() < 61, "{kept:?}");
        let first_gone = (1..=61).find(|position| !kept.contains(position)).expect("some are gone");
        let next = kept.iter().copied().find(|&position| position > first_gone).expect("not all are gone");
        let trimmed = Fault::Trimmed { shard: SHARD, position: Position(first_gone), first: Position(next) };
        assert_eq!(fetch(&journal, at(first_gone)), Err(trimmed.clone()));
        assert_eq!(journal.replay(SHARD, Position(1), &mut |_| Ok(())), Err(trimmed), "no replay jumps over a hole");
        assert_eq!(replayed(&journal, 51, 3000), Position(61));
        // A trim up to a hole joins it.
        journal.trim(SHARD, Position(first_gone)).expect("trims");
        journal.settle();
        let overview = inspect::overview_on(&disk).expect("an overview");
        assert_eq!((overview.first_segment, overview.gone.len()), (gone[0].end() + 1, 1), "{overview:?}");
    }
}

#[test]
fn only_the_holes_that_the_state_lists_are_accepted() {
    let whole = Simulated::new();
    let gone = with_holes(&whole);
    let whole = whole.power_cut(1);
    let there = inspect::overview_on(&whole).expect("an overview").segments;
    let used: Vec<u64> = {
        let mut used: Vec<u64> = frames(&whole).iter().map(|frame| frame.0).collect();
        used.dedup();
        used
    };
    for &number in &used[..used.len() - 1] {
        let disk = whole.power_cut(2);
        disk.remove(&name(number)).expect("removes");
        let refused = open(&disk, SMALL).map(|_| ()).err();
        assert!(
            matches!(&refused, Some(Fault::Missing { file, .. }) if file.ends_with(name(number))),
            "without {number}: {refused:?}"
        );
        let damages = inspect::check_on(&disk).expect("can be checked").damages;
        assert!(damages.iter().any(|damage| damage.file.ends_with(name(number))), "without {number}: {damages:?}");
    }
    // Everything after the last hole is lost.
    let disk = whole.power_cut(2);
    let after = gone.last().expect("holes").end() + 1;
    for segment in there.iter().filter(|segment| segment.number >= after) {
        disk.remove(&name(segment.number)).expect("removes");
    }
    let refused = open(&disk, SMALL).map(|_| ()).err();
    assert!(matches!(&refused, Some(Fault::Missing { file, .. }) if file.ends_with(name(after))), "{refused:?}");
    let damages = inspect::check_on(&disk).expect("can be checked").damages;
    assert!(damages.iter().any(|damage| damage.file.ends_with(name(after))), "{damages:?}");
    // What a crash between the state and the removal leaves is removed at the next start, and never read.
    let disk = whole.power_cut(2);
    disk.create(&name(*gone[0].start())).expect("creates");
    assert_eq!(inspect::check_on(&disk).expect("can be checked").damages, []);
    open(&disk, SMALL).expect("opens").settle();
    assert_eq!(disk.content(&name(*gone[0].start())), None);
}

#[test]
fn what_no_snapshot_covers_cannot_be_released() {
    let disk = Simulated::new();
    let journal = open(&disk, SMALL).expect("opens");
    append(&journal, 30, 3000);
    let release = |journal: &Arc<Local>, last| journal.release(SHARD, &[Position(5)..=Position(last)]);
    let refused = |saved, last| Err(Fault::Gap { shard: SHARD, expected: Position(saved), got: Position(last) });
    assert_eq!(release(&journal, 20), refused(0, 20));
    journal.save_snapshot(SHARD, Position(19), Bytes::new()).expect("saves");
    assert_eq!(release(&journal, 20), refused(19, 20));
    let disk = disk.power_cut(3);
    let journal = open(&disk, SMALL).expect("opens");
    assert_eq!(release(&journal, 19), refused(0, 19), "nobody has looked whether the snapshot is good");
    journal.load_snapshot(SHARD).expect("loads");
    assert_eq!(release(&journal, 19), Ok(()));
    assert_eq!(replayed(&journal, 20, 3000), Position(30));
}

#[test]
fn a_snapshot_before_a_hole_is_no_fallback() {
    let disk = Simulated::new();
    let journal = open(&disk, SMALL).expect("opens");
    append(&journal, 60, 3000);
    for at in [5, 40] {
        journal.save_snapshot(SHARD, Position(at), Bytes::from(vec![7; 900])).expect("saves");
    }
    let newest = format!("snapshots/00001-{:020}.snapshot", 40);
    let damaged = disk.power_cut(1);
    let journal = open(&damaged, SMALL).expect("opens");
    journal.load_snapshot(SHARD).expect("loads");
    journal.release(SHARD, &[Position(10)..=Position(30)]).expect("releases");
    journal.settle();
    damage(&damaged, &newest, |content| content[500] ^= 1);
    let refused = journal.load_snapshot(SHARD);
    assert!(matches!(&refused, Err(Fault::Corrupt { file, .. }) if file.ends_with(&newest)), "{refused:?}");
}

#[test]
fn a_failed_write_is_as_final_as_a_failed_sync() {
    let disk = Simulated::new();
    let journal = open(&disk, SMALL).expect("opens");
    let (ears, epoch, _) = acquire(&journal, SHARD);
    journal.settle();
    disk.fail_next_write(std::io::ErrorKind::StorageFull);
    journal.append(epoch, record(1, 10)).expect("is queued");
    let fault = ears.wait(Position(1)).expect_err("fails");
    assert!(matches!(&fault, Fault::Io { operation: "write", kind: std::io::ErrorKind::StorageFull, .. }), "{fault}");
    let operations = disk.operations();
    assert_eq!(journal.append(epoch, record(2, 10)), Err(fault.clone()));
    assert_eq!(journal.close(), Err(fault));
    assert_eq!(disk.operations(), operations, "nothing is written or synced after a failure");
}

#[test]
fn synced_in_intervals_an_idle_journal_still_gets_its_sync() {
    let disk = Simulated::new();
    let durability = Durability::Interval(Duration::from_millis(1));
    let journal = open(&disk, Options { durability, ..SMALL }).expect("opens");
    let before = journal.stats().syncs;
    append(&journal, 1, 10);
    let started = std::time::Instant::now();
    while journal.stats().syncs == before {
        assert!(started.elapsed() < PATIENCE, "never synced");
        std::thread::yield_now();
    }
    let journal = open(&disk.power_cut(0), SMALL).expect("opens");
    assert_eq!(replayed(&journal, 1, 10), Position(1), "it survives a power cut after its interval");
}

#[test]
fn a_snapshot_makes_the_records_before_it_durable_whatever_was_asked_for() {
    let disk = Simulated::new();
    let journal = open(&disk, Options { durability: Durability::Memory, ..SMALL }).expect("opens");
    append(&journal, 5, 10);
    journal.save_snapshot(SHARD, Position(5), Bytes::from_static(b"five")).expect("saves");
    for seed in 0..8 {
        let journal = open(&disk.power_cut(seed), SMALL).expect("opens");
        assert_eq!(replayed(&journal, 1, 10), Position(5));
        assert_eq!(journal.load_snapshot(SHARD), Ok(Some((Position(5), Bytes::from_static(b"five")))));
    }
}

#[test]
fn nothing_is_put_away_before_what_replaces_it_is_durable() {
    let disk = Simulated::new();
    let journal = open(&disk, Options { durability: Durability::Memory, ..SMALL }).expect("opens");
    let last = append(&journal, 40, 3000);
    journal.trim(SHARD, last).expect("trims");
    journal.settle();
    assert!(inspect::overview_on(&disk).expect("an overview").first_segment > 1, "segments were put away");
    for seed in 0..8 {
        let journal = open(&disk.power_cut(seed), SMALL).expect("opens");
        assert_eq!(replayed(&journal, last.0, 3000), last, "the survivor of a trim is lost");
    }
}

/// One step of a random history.
#[derive(Clone, Debug)]
enum Step {
    /// Append this many records of this length to a shard.
    Append {
        shard: u16,
        count: u64,
        length: usize,
    },
    /// Wait until everything of a shard is durable.
    Wait {
        shard: u16,
    },
    /// Save a snapshot at the durable position, and trim below it.
    Trim {
        shard: u16,
    },
    /// Save a snapshot at the durable position, and release some records below it.
    Release {
        shard: u16,
        from: u64,
        count: u64,
    },
    /// The power goes off after as many more operations of the disk.
    TurnOff {
        operations: u64,
    },
    /// No new segment gets its space until somebody waits for something.
    Stall,
    /// The process is killed, and what the system has in its cache stays.
    Kill,
    /// The power is cut now.
    Crash {
        seed: u64,
    },
    Close,
}

fn step() -> impl Strategy<Value = Step> {
    let shard = 0u16..3;
    prop_oneof![
        6 => (shard.clone(), 1u64..12, 0usize..6000).prop_map(|(shard, count, length)| Step::Append { shard, count, length }),
        3 => shard.clone().prop_map(|shard| Step::Wait { shard }),
        2 => shard.clone().prop_map(|shard| Step::Trim { shard }),
        3 => (shard, 0u64..60, 1u64..60).prop_map(|(shard, from, count)| Step::Release { shard, from, count }),
        2 => (0u64..12).prop_map(|operations| Step::TurnOff { operations }),
        2 => any::<u64>().prop_map(|seed| Step::Crash { seed }),
        3 => Just(Step::Stall),
        2 => Just(Step::Kill),
        1 => Just(Step::Close),
    ]
}

/// What a shard must hold.
#[derive(Default)]
struct Expected {
    appended: Vec<Record>,
    announced: u64,
    trimmed: u64,
    /// Records that need not be there, and may be.
    released: std::collections::BTreeSet<u64>,
    snapshot: Option<u64>,
}

struct World {
    disk: Simulated,
    journal: Option<Arc<Local>>,
    owners: Vec<(Arc<Ears>, Epoch)>,
    shards: Vec<Expected>,
    tenure: u64,
    stall: Option<Stall>,
}

impl World {
    fn start() -> World {
        let disk = Simulated::new();
        let journal = Some(open(&disk, SMALL).expect("opens"));
        let shards: Vec<Expected> = (0..3).map(|_| Expected::default()).collect();
        let mut world = World { disk, journal, owners: Vec::new(), shards, tenure: 0, stall: None };
        world.verify();
        world
    }

    fn journal(&self) -> &Arc<Local> {
        self.journal.as_ref().expect("a journal is open")
    }

    fn reopen(&mut self, seed: Option<u64>) {
        self.stall = None;
        for (shard, (ears, _)) in self.shards.iter_mut().zip(&self.owners) {
            shard.announced = shard.announced.max(ears.durable().0);
        }
        if let Some(seed) = seed {
            self.disk = self.disk.power_cut(seed);
        }
        // Threads leave and the lock is free.
        self.journal = None;
        let mut opened = open(&self.disk, SMALL);
        if let Err(Fault::Io { .. }) = opened {
            // The power went off while the journal was being opened.
            self.disk = self.disk.power_cut(self.tenure);
            opened = open(&self.disk, SMALL);
        }
        self.journal = Some(opened.unwrap_or_else(|fault| panic!("cannot open: {fault}")));
        self.verify();
    }

    /// Acquires all shards and compares what is there with what must be.
    fn verify(&mut self) {
        self.tenure += 1;
        let journal = Arc::clone(self.journal());
        self.disk.stay_on();
        self.owners.clear();
        for (id, expected) in self.shards.iter_mut().enumerate() {
            let id = ShardId(id as u16);
            let (ears, epoch, last) = acquire(&journal, id);
            assert!(last.0 >= expected.announced, "shard {id}: {} was announced, {last} is left", expected.announced);
            assert!(last.0 <= expected.appended.len() as u64, "shard {id}: {last} was never appended");
            expected.appended.truncate(last.0 as usize);
            let from = expected.released.last().copied().unwrap_or(0).max(expected.trimmed);
            let mut next = from as usize;
            let replayed = journal.replay(id, Position(from + 1), &mut |record| {
                assert_eq!(Some(&record), expected.appended.get(next), "shard {id}");
                next += 1;
                Ok(())
            });
            assert_eq!(replayed, Ok(last), "shard {id}");
            assert_eq!(next as u64, last.0, "shard {id}");
            let snapshot = journal.load_snapshot(id).expect("loads");
            let at = snapshot.map(|(at, bytes)| {
                assert_eq!(bytes, Bytes::from(format!("{id} at {at}")));
                at.0
            });
            assert!(at >= expected.snapshot, "shard {id}: the snapshot at {:?} is gone: {at:?}", expected.snapshot);
            expected.snapshot = at;
            expected.announced = last.0;
            self.owners.push((ears, epoch));
        }
        for (id, expected) in self.shards.iter().enumerate() {
            for record in expected.appended.iter().skip(expected.trimmed as usize).step_by(5) {
                let at = Address { position: record.position, offset: 0, length: record.payload.len() as u32 };
                let (sender, receiver) = mpsc::channel();
                let done = Box::new(move |answer| sender.send(answer).expect("somebody waits"));
                journal.fetch(ShardId(id as u16), vec![at], done);
                let answer = receiver.recv_timeout(PATIENCE).expect("calls back");
                let gone =
                    matches!(answer, Err(Fault::Trimmed { .. })) && expected.released.contains(&record.position.0);
                assert!(gone || answer == Ok(vec![record.payload.clone()]), "{at}: {answer:?}");
            }
        }
        journal.settle();
        let report = inspect::check_on(&self.disk).expect("can be checked");
        assert_eq!(report.damages, []);
    }

    fn take(&mut self, step: &Step) {
        match *step {
            Step::Append { shard, count, length } => {
                let journal = Arc::clone(self.journal());
                let expected = &mut self.shards[usize::from(shard)];
                for _ in 0..count {
                    let position = expected.appended.len() as u64 + 1;
                    // Records of different tenures differ, so that one in the place of the other is seen.
                    let payload: Vec<u8> =
                        (0..length).map(|index| (self.tenure * 7 + position * 31 + index as u64) as u8).collect();
                    let record = Record {
                        shard: ShardId(shard),
                        position: Position(position),
                        clock_ms: self.tenure,
                        count: 1,
                        payload: Bytes::from(payload),
                    };
                    // The power may be off; then the journal has failed.
                    if journal.append(self.owners[usize::from(shard)].1, record.clone()).is_ok() {
                        expected.appended.push(record);
                    }
                }
            }
            Step::Stall => self.stall = Some(self.disk.stall(Operation::Reserve, "segment.new")),
            Step::Wait { shard } => {
                self.stall = None;
                let last = Position(self.shards[usize::from(shard)].appended.len() as u64);
                if last > self.journal().durable(ShardId(shard)) {
                    // A failure is fine: it stays one until the next crash.
                    let _ = self.owners[usize::from(shard)].0.wait(last);
                }
            }
            Step::Trim { shard } => {
                let id = ShardId(shard);
                let at = self.journal().durable(id);
                let state = Bytes::from(format!("{id} at {at}"));
                if self.journal().save_snapshot(id, at, state).is_ok() {
                    self.shards[usize::from(shard)].snapshot = Some(at.0);
                    if self.journal().trim(id, at.next()).is_ok() {
                        self.shards[usize::from(shard)].trimmed = at.0;
                    }
                }
            }
            Step::Release { shard, from, count } => {
                let id = ShardId(shard);
                let at = self.journal().durable(id);
                let state = Bytes::from(format!("{id} at {at}"));
                if self.journal().save_snapshot(id, at, state).is_ok() {
                    self.shards[usize::from(shard)].snapshot = Some(at.0);
                    let range = from.max(1)..=(from + count).min(at.0);
                    if self.journal().release(id, &[Position(*range.start())..=Position(*range.end())]).is_ok() {
                        self.shards[usize::from(shard)].released.extend(range);
                    }
                }
            }
            Step::TurnOff { operations } => self.disk.turn_off_after(operations),
            Step::Crash { seed } => self.reopen(Some(seed)),
            Step::Kill => self.reopen(None),
            Step::Close => {
                self.stall = None;
                // If the power is off, it fails, and only a crash helps.
                let closed = self.journal().close().is_ok();
                self.reopen(if closed { None } else { Some(self.tenure) });
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, max_shrink_iters: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_history_of_power_cuts_loses_what_was_announced(steps in prop::collection::vec(step(), 1..50)) {
        let mut world = World::start();
        for step in &steps {
            world.take(step);
        }
        world.reopen(Some(9));
    }
}
