//! Random histories of appends, trims, releases, stalls, kills and power cuts.

use std::sync::{Arc, mpsc};

use bytes::Bytes;
use proptest::prelude::*;
use stanchion_journal::local::simulated::{Operation, Simulated, Stall};
use stanchion_journal::{Address, Epoch, Fault, Journal, Local, Position, Record, ShardId, inspect};

use crate::harness::{Ears, PATIENCE, SMALL, acquire, open};

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
