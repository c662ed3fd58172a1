use std::sync::mpsc;

use super::*;

const SHARD: ShardId = ShardId(2);

/// Notes what it hears, and takes a lock that the test holds while it appends, as a shard would.
#[derive(Default)]
struct Notes {
    shard: Mutex<()>,
    heard: Mutex<Vec<Result<Position, Fault>>>,
}

impl Listener for Notes {
    fn durable(&self, position: Position) {
        let _shard = self.shard.lock().expect("nobody panics");
        self.heard.lock().expect("nobody panics").push(Ok(position));
    }

    fn failed(&self, fault: Fault) {
        let _shard = self.shard.lock().expect("nobody panics");
        self.heard.lock().expect("nobody panics").push(Err(fault));
    }
}

impl Notes {
    fn take(&self) -> Vec<Result<Position, Fault>> {
        std::mem::take(&mut self.heard.lock().expect("nobody panics"))
    }
}

fn record(position: u64) -> Record {
    let payload = Bytes::from(position.to_string());
    Record { shard: SHARD, position: Position(position), clock_ms: position, count: 1, payload }
}

fn acquired(memory: &Memory) -> (Arc<Notes>, Tenure) {
    let notes = Arc::new(Notes::default());
    let tenure = memory.acquire(SHARD, Arc::clone(&notes) as Arc<dyn Listener>).expect("acquires");
    (notes, tenure)
}

fn three(memory: &Memory) -> Arc<Notes> {
    let (notes, tenure) = acquired(memory);
    let _shard = notes.shard.lock().expect("nobody panics");
    for position in 1..=3 {
        memory.append(tenure.epoch, record(position)).expect("appends");
    }
    drop(_shard);
    notes
}

fn injected() -> Fault {
    Fault::corrupt("memory", 0, "injected")
}

#[test]
fn by_hand_nothing_is_durable_until_it_is_synced() {
    let memory = Memory::manual();
    let notes = three(&memory);
    assert_eq!((memory.durable(SHARD), notes.take()), (Position(0), vec![]));
    assert!(memory.sync_next());
    assert_eq!((memory.durable(SHARD), notes.take()), (Position(1), vec![Ok(Position(1))]));
    assert!(memory.sync_all());
    assert_eq!((memory.durable(SHARD), notes.take()), (Position(3), vec![Ok(Position(3))]), "one call for a group");
    assert!(!memory.sync_next() && !memory.sync_all());
}

#[test]
fn whoever_reads_what_it_has_released_is_found_out() {
    let memory = Memory::automatic();
    let _notes = three(&memory);
    memory.close().expect("makes everything durable");
    let memory = memory.crash();
    let early = memory.release(SHARD, &[Position(2)..=Position(2)]);
    assert_eq!(early, Err(Fault::Gap { shard: SHARD, expected: Position(0), got: Position(2) }), "no snapshot yet");
    memory.save_snapshot(SHARD, Position(2), Bytes::new()).expect("saves");
    let early = memory.release(SHARD, &[Position(2)..=Position(3)]);
    assert_eq!(early, Err(Fault::Gap { shard: SHARD, expected: Position(2), got: Position(3) }));
    memory.release(SHARD, &[Position(2)..=Position(2)]).expect("releases");
    for memory in [&memory, &memory.crash()] {
        let gone = Fault::Trimmed { shard: SHARD, position: Position(2), first: Position(3) };
        for (position, answer) in [(1, Ok(())), (2, Err(gone.clone())), (3, Ok(()))] {
            let (sender, receiver) = mpsc::channel();
            let at = Address { position: Position(position), offset: 0, length: 1 };
            memory.fetch(SHARD, vec![at], Box::new(move |answer| sender.send(answer).expect("somebody waits")));
            assert_eq!(receiver.recv().expect("calls back").map(|_| ()), answer, "record {position}");
        }
        assert_eq!(memory.replay(SHARD, Position(1), &mut |_| Ok(())), Err(gone));
        assert_eq!(memory.replay(SHARD, Position(3), &mut |_| Ok(())), Ok(Position(3)));
    }
}

#[test]
fn a_crash_keeps_what_is_durable_and_as_much_more_as_asked_for() {
    for (synced, more, left) in [(0, 0, 0), (1, 0, 1), (1, 1, 2), (1, 9, 3), (3, 0, 3)] {
        let memory = Memory::manual();
        let notes = three(&memory);
        for _ in 0..synced {
            memory.sync_next();
        }
        notes.take();
        let after = memory.crash_keeping(more);
        assert_eq!(memory.append(Epoch(1), record(4)), Err(Fault::Closed), "the crashed one is over");
        memory.sync_all();
        assert_eq!(notes.take(), vec![], "it announces nothing either");
        let (_, tenure) = acquired(&after);
        assert_eq!(tenure.last, Position(left), "synced {synced}, kept {more}");
        assert!(tenure.epoch > Epoch(1));
        let mut found = Vec::new();
        let visit = &mut |record: Record| {
            found.push(record.position.0);
            Ok(())
        };
        assert_eq!(after.replay(SHARD, Position(1), visit), Ok(Position(left)));
        assert_eq!(found, (1..=left).collect::<Vec<_>>());
    }
}

#[test]
fn a_failed_append_is_told_to_everybody_at_the_next_turn() {
    let memory = Memory::manual();
    let notes = three(&memory);
    memory.fail_next_append(injected());
    assert_eq!(memory.append(Epoch(1), record(4)), Err(injected()));
    assert_eq!(notes.take(), vec![], "not on the thread that appends under its lock");
    assert!(!memory.sync_all(), "nothing is synced after a failure");
    memory.deliver();
    memory.deliver();
    assert_eq!(notes.take(), vec![Err(injected())]);
}

#[test]
fn a_failed_sync_is_told_and_final() {
    let memory = Memory::manual();
    let notes = three(&memory);
    memory.fail_next_sync(injected());
    assert!(!memory.sync_next());
    assert!(!memory.sync_next());
    assert_eq!(notes.take(), vec![Err(injected())]);
    assert_eq!(memory.durable(SHARD), Position(0));
}

#[test]
fn by_hand_a_fetch_waits_for_its_turn() {
    let memory = Memory::manual().without_cache();
    three(&memory);
    let at = |position| Address { position: Position(position), offset: 0, length: 1 };
    memory.sync_next();
    assert_eq!(memory.cached(SHARD, at(1)), None, "what is durable has to be fetched");
    assert_eq!(memory.cached(SHARD, at(2)), Some(Bytes::from_static(b"2")), "what is not is in memory");
    let (sender, receiver) = mpsc::channel();
    memory.fetch(SHARD, vec![at(2), at(1)], Box::new(move |answer| sender.send(answer).expect("somebody waits")));
    assert!(receiver.try_recv().is_err());
    assert_eq!(memory.deliver(), 1);
    assert_eq!(receiver.recv(), Ok(Ok(vec![Bytes::from_static(b"2"), Bytes::from_static(b"1")])));
}
