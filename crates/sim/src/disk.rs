//! The real journal on a simulated disk as the store of a world, with power cuts at any moment.
//!
//! ```text
//! world -- records --> Local -- writes, syncs, names --> a disk that drops, tears and reorders what was not synced
//!    |                                                      | power cut
//!    '---- list of the same records <--- compared ----------' opened again
//! ```
//!
//! At times only the process ends, so that the next one reads what a later cut can still take. After each end the
//! journal is opened again, at times with another cut while it recovers. Then it has to give back
//! every record that it announced, byte for byte, of the others a prefix and nothing else, and the newest snapshot of
//! which it said that it was safe. The shard starts from that, and the judge goes on with what clients were told.
//!
//! The journal's threads decide how records are grouped, so a seed is one history of clients and nearly one of the
//! disk: it is driven in lockstep, one group at a time.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, PoisonError, mpsc};
use std::time::Duration;

use bytes::Bytes;
use stanchion_engine::ids::ContentAddress;
use stanchion_journal::local::Options;
use stanchion_journal::local::simulated::Simulated;
use stanchion_journal::{Address, Epoch, Fault, Journal as _, Listener, Local, Position, ShardId};
use stanchion_shard::Record;

use crate::chance::Chance;
use crate::journal::{Journal, Snapshot, Store};
use crate::shadow::Violation;

/// The longest wait for something that the journal has to do.
const PATIENCE: Duration = Duration::from_secs(30);
const SHARD: ShardId = ShardId(0);
/// Most operations of the disk between two cuts.
const OPERATIONS_MAX: u64 = 40;
/// How often the power is cut in one run, so that it comes to an end.
const CUTS_MAX: u64 = 60;
/// Lines of the story that a failure tells.
const STORY_LINES: usize = 40;

/// What the power cuts of a run came to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cuts {
    /// Power cuts.
    pub all: u64,
    /// Ends of the process alone: the system keeps what was written, until a later power cut.
    pub kills: u64,
    /// Cuts in the middle of a write, a sync or a change of names; the others came between.
    pub in_operation: u64,
    /// Cuts while the journal recovered from a cut.
    pub in_recovery: u64,
    /// Cuts after which records were lost that nobody had been told of.
    pub lost_suffix: u64,
    /// Cuts after which records were there that nobody had been told of.
    pub kept_more: u64,
    /// Cuts after which a snapshot was there that was not known to be safe.
    pub newer_snapshot: u64,
    /// Records that were compared byte for byte after cuts.
    pub compared: u64,
}

impl Cuts {
    /// Adds those of another run.
    pub fn add(&mut self, other: &Cuts) {
        self.all += other.all;
        self.kills += other.kills;
        self.in_operation += other.in_operation;
        self.in_recovery += other.in_recovery;
        self.lost_suffix += other.lost_suffix;
        self.kept_more += other.kept_more;
        self.newer_snapshot += other.newer_snapshot;
        self.compared += other.compared;
    }
}

/// Hears what becomes of the records.
#[derive(Debug, Default)]
struct Ears {
    heard: Mutex<(u64, bool)>,
    changed: Condvar,
}

impl Listener for Ears {
    fn durable(&self, position: Position) {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).0 = position.0;
        self.changed.notify_all();
    }

    fn failed(&self, _fault: Fault) {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).1 = true;
        self.changed.notify_all();
    }
}

impl Ears {
    /// Waits until everything up to a position is durable or the journal has failed; returns how far it came.
    fn wait(&self, position: u64) -> (u64, bool) {
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        let open = |heard: &mut (u64, bool)| heard.0 < position && !heard.1;
        let waited = self.changed.wait_timeout_while(heard, PATIENCE, open);
        let (heard, late) = waited.unwrap_or_else(PoisonError::into_inner);
        assert!(!late.timed_out(), "record {position} is neither durable nor lost after {PATIENCE:?}");
        *heard
    }

    fn failed(&self) -> bool {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).1
    }
}

/// An opened journal.
struct Open {
    local: Local,
    epoch: Epoch,
    ears: Arc<Ears>,
}

/// The real journal, a disk that can lose its power, and what should be on it.
pub struct Disk {
    disk: Simulated,
    open: Option<Open>,
    /// What was appended, and what is known to be safe.
    list: Journal,
    /// The last record that the journal was given.
    given: u64,
    /// A snapshot that was on its way when the power failed.
    unsure: Option<Snapshot>,
    chance: Chance,
    options: Options,
    off: bool,
    cuts: Cuts,
    /// What the disk and the journal went through last, for who has to find out why.
    story: VecDeque<String>,
}

impl Disk {
    /// Makes an empty disk and opens a journal on it.
    ///
    /// # Errors
    /// If the journal does not open.
    pub fn new(seed: u64) -> Result<Disk, Violation> {
        let mut chance = Chance::new(seed).branch(u64::MAX);
        let options =
            Options { segment_bytes: 16 * 1024, cache_bytes: *chance.pick(&[0, 500, 1 << 20]), ..Options::default() };
        let mut disk = Disk {
            disk: Simulated::new(),
            open: None,
            list: Journal::default(),
            given: 0,
            unsure: None,
            chance,
            options,
            off: false,
            cuts: Cuts::default(),
            story: VecDeque::new(),
        };
        disk.recover()?;
        Ok(disk)
    }

    /// Returns what the cuts came to.
    pub fn cuts(&self) -> Cuts {
        self.cuts
    }

    fn opened(&self) -> Result<&Open, Violation> {
        self.open.as_ref().ok_or_else(|| "the journal is closed".to_owned())
    }

    fn tell(&mut self, line: String) {
        if self.story.len() == STORY_LINES {
            self.story.pop_front();
        }
        self.story.push_back(line);
    }

    /// Cuts the power: what was not synced is dropped, kept or torn, sector by sector.
    fn lose_power(&mut self) {
        let left = self.disk.power_cut(self.chance.bits());
        self.open = None;
        self.disk = left;
        self.cuts.all += 1;
        self.tell(format!("power cut {}", self.cuts.all));
    }

    /// Opens the journal, compares it with what must be there, and returns its last position.
    fn recover(&mut self) -> Result<u64, Violation> {
        let (mut tries, mut failed) = (0, false);
        let open = loop {
            tries += 1;
            if tries < 4 && self.cuts.all > 0 && self.chance.percent(20) {
                self.disk.turn_off_after(self.chance.below(OPERATIONS_MAX));
            }
            match self.acquire() {
                Ok(open) => break open,
                // Only a cut excuses a journal that does not open.
                Err(_) if self.disk.is_off() => {
                    self.cuts.in_recovery += 1;
                    self.lose_power();
                }
                // A sync that fails ends a start as well; the next one tries its own.
                Err(fault @ Fault::Io { operation: "sync", .. }) if !failed => {
                    failed = true;
                    self.tell(format!("the start fails: {fault}"));
                }
                Err(fault) => return Err(format!("the journal does not open: {fault}")),
            }
        };
        let ears = Arc::clone(&open.0.ears);
        self.open = Some(open.0);
        let last = open.1;
        self.tell(format!(
            "opened at {last}; announced {}, given {}, appended {}",
            self.list.durable(),
            self.given,
            self.list.tail()
        ));
        let compared = self.compare(last);
        // The power may also have failed while we compared; then nothing was said about the records.
        match compared {
            Err(_) if self.disk.is_off() && ears.failed() => {
                self.cuts.in_recovery += 1;
                self.lose_power();
                return self.recover();
            }
            Err(violation) => return Err(violation),
            Ok(()) => {}
        }
        if self.cuts.all < CUTS_MAX {
            self.disk.turn_off_after(self.chance.below(OPERATIONS_MAX));
        } else {
            self.disk.stay_on();
        }
        if self.cuts.all < CUTS_MAX && self.chance.percent(20) {
            self.disk.fail_next_sync(std::io::ErrorKind::Other);
            self.tell("the next sync will fail".to_owned());
        }
        self.off = false;
        self.given = last;
        Ok(last)
    }

    fn acquire(&self) -> Result<(Open, u64), Fault> {
        let local = Local::open_on(Arc::new(self.disk.clone()), self.options)?;
        let ears = Arc::new(Ears::default());
        let tenure = local.acquire(SHARD, Arc::clone(&ears) as Arc<dyn Listener>)?;
        Ok((Open { local, epoch: tenure.epoch, ears }, tenure.last.0))
    }

    /// Compares what the journal gives back with what it was given and with what it announced.
    fn compare(&mut self, last: u64) -> Result<(), Violation> {
        let (durable, given) = (self.list.durable(), self.given);
        // What was released may be there or not; a restart needs nothing before its snapshot.
        let trimmed = match self.list.saved() {
            Some(saved) if !self.list.is_whole() => saved.position,
            _ => self.list.trimmed(),
        };
        if last < durable {
            return Err(format!("{durable} records were announced as durable and {last} are there after a cut"));
        }
        if last > given {
            return Err(format!("{given} records were appended and {last} are there after a cut"));
        }
        let Open { local, .. } = self.opened()?;
        let mut compared = 0;
        let mut wrong = None;
        let expected = self.list.from(trimmed + 1);
        let visited = local.replay(SHARD, Position(trimmed + 1), &mut |record| {
            let twin = expected.get(compared);
            let same = twin.is_some_and(|twin| {
                twin.position == record.position.0
                    && twin.clock.millis() == record.clock_ms
                    && twin.count == record.count
                    && twin.payload == record.payload
            });
            if !same && wrong.is_none() {
                wrong = Some(format!("record {} is another after a cut: {record:?} was {twin:?}", record.position));
            }
            compared += 1;
            Ok(())
        });
        visited.map_err(|fault| format!("the records are not there after a cut: {fault}"))?;
        if let Some(wrong) = wrong {
            return Err(wrong);
        }
        if compared as u64 != last - trimmed {
            return Err(format!("{compared} records are read after a cut instead of {}", last - trimmed));
        }
        let loaded = local.load_snapshot(SHARD).map_err(|fault| format!("no snapshot after a cut: {fault}"))?;
        let is = |snapshot: &Snapshot| {
            loaded.as_ref().is_some_and(|(at, bytes)| at.0 == snapshot.position && bytes[..] == snapshot.bytes[..])
        };
        let newer = self.unsure.as_ref().is_some_and(is);
        let known = match self.list.saved() {
            None => loaded.is_none(),
            Some(saved) => is(saved),
        };
        if !newer && !known {
            let at = loaded.map(|(at, _)| at);
            let saved = self.list.saved().map(|saved| saved.position);
            return Err(format!("the snapshot after a cut is of {at:?}, the last that was safe was of {saved:?}"));
        }
        self.cuts.compared += compared as u64;
        self.cuts.kept_more += u64::from(last > durable);
        self.cuts.lost_suffix += u64::from(last < given);
        if let Some(snapshot) = self.unsure.take().filter(|_| newer && !known) {
            self.cuts.newer_snapshot += 1;
            self.list.keep(snapshot);
        }
        Ok(())
    }

    /// Gives the journal some more records.
    fn give(&mut self, position: u64) -> Result<(), Fault> {
        let Some(open) = &self.open else { return Ok(()) };
        for record in self.list.from(self.given + 1) {
            if record.position > position {
                break;
            }
            let record = stanchion_journal::Record {
                shard: SHARD,
                position: Position(record.position),
                clock_ms: record.clock.millis(),
                count: record.count,
                payload: record.payload.clone(),
            };
            self.given = record.position.0;
            open.local.append(open.epoch, record)?;
        }
        Ok(())
    }
}

impl Store for Disk {
    fn tail(&self) -> u64 {
        self.list.tail()
    }

    fn durable(&self) -> u64 {
        self.list.durable()
    }

    fn trimmed(&self) -> u64 {
        self.list.trimmed()
    }

    fn is_whole(&self) -> bool {
        self.list.is_whole()
    }

    fn saved(&self) -> Option<&Snapshot> {
        self.list.saved()
    }

    fn append(&mut self, record: Record) -> Result<(), Violation> {
        self.list.append(record)
    }

    fn sync(&mut self, position: u64) -> u64 {
        // Sometimes one group, sometimes one after the other.
        let together = self.chance.percent(50);
        let mut reached = self.list.durable();
        while reached < position && !self.off {
            let next = if together { position } else { reached + 1 };
            if self.give(next).is_err() {
                self.off = true;
            }
            let Some(open) = &self.open else { break };
            let (durable, failed) = open.ears.wait(next);
            reached = reached.max(durable.min(position));
            self.off |= failed;
            let line = format!("sync to {next}: durable {durable}, failed {failed}");
            if !failed {
                open.local.settle();
            }
            self.tell(line);
        }
        self.list.sync(reached)
    }

    fn save(&mut self, snapshot: Snapshot) -> Result<(), Violation> {
        if self.off {
            return Ok(());
        }
        let open = self.opened()?;
        let saved = open.local.save_snapshot(SHARD, Position(snapshot.position), Bytes::from(snapshot.bytes.clone()));
        if saved.is_err() {
            self.off = true;
            self.unsure = Some(snapshot);
            return Ok(());
        }
        let below = snapshot.low_water.min(snapshot.position + 1);
        let trimmed = open.local.trim(SHARD, Position(below));
        let known = snapshot.gaps.iter().filter(|gap| *gap.end() <= snapshot.position);
        let gaps: Vec<_> = known.map(|gap| Position(*gap.start())..=Position(*gap.end())).collect();
        let released = open.local.release(SHARD, &gaps);
        open.local.settle();
        self.off |= trimmed.is_err() || released.is_err() || open.ears.failed();
        self.list.save(snapshot)
    }

    fn cut(&mut self, _position: u64) -> Result<u64, Violation> {
        // A journal whose sync has failed ends with its process more often than with the power.
        if !self.disk.is_off() && self.chance.percent(if self.off { 80 } else { 30 }) {
            self.open = None;
            self.cuts.kills += 1;
            self.tell("the process ends".to_owned());
        } else {
            self.cuts.in_operation += u64::from(self.off);
            self.lose_power();
        }
        let last = self.recover().map_err(|violation| {
            let story: Vec<&str> = self.story.iter().map(String::as_str).collect();
            format!("{violation}\n{}", story.join("\n"))
        })?;
        self.list.cut(last)
    }

    fn from(&self, position: u64) -> &[Record] {
        self.list.from(position)
    }

    fn read(&self, at: ContentAddress) -> Result<Bytes, Violation> {
        let expected = self.list.read(at)?;
        let Some(open) = self.open.as_ref().filter(|_| at.position <= self.given && !self.off) else {
            return Ok(expected);
        };
        let address = Address { position: Position(at.position), offset: at.offset, length: at.length };
        if let Some(cached) = open.local.cached(SHARD, address) {
            return Ok(cached);
        }
        let (sender, fetched) = mpsc::channel();
        open.local.fetch(SHARD, vec![address], Box::new(move |result| drop(sender.send(result))));
        match fetched.recv_timeout(PATIENCE) {
            Ok(Ok(bytes)) => bytes.into_iter().next().ok_or_else(|| format!("{at:?} is read as nothing")),
            Ok(Err(fault)) => Err(format!("{at:?} cannot be read: {fault}")),
            Err(_) => Err(format!("{at:?} is not read in {PATIENCE:?}")),
        }
    }

    fn is_off(&self) -> bool {
        self.off || self.open.as_ref().is_none_or(|open| open.ears.failed())
    }
}
