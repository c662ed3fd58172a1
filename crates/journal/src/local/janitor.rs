//! Prepares segments before they are needed, and puts away those that are not needed any more.
//!
//! A prepared segment has its whole length written with zeros and synced: then a sync of the writer has no metadata to
//! write, which on most file systems makes it about twice as fast. A segment that has been trimmed has all that already,
//! so it is kept and used again. Both happen on a thread of their own, away from the writer.
//!
//! Zeros only save time, so nobody waits for them: when the writer is [late](Janitor::hurry), a segment is handed over with
//! as many zeros as it has. All of its space has been asked for before the first of them.
//!
//! What fails is tried again, as long as the writer has something to write to: nothing that anybody was told of depends on
//! it. When the disk is full, the [reserve](Reserve) steps in.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::disk::{Access, Disk, DiskFile};
use super::reserve::Reserve;
use super::segment;
use super::state::State;
use crate::Fault;

#[cfg(test)]
mod tests;

/// How much is zeroed at once, and how much between two syncs, in bytes: a sync of the writer waits for no more than that.
const ZEROS: u64 = 256 * 1024;
const ZEROS_BETWEEN_SYNCS: u64 = 4 << 20;

/// Where a new segment is prepared.
pub(crate) const NEW: &str = "journal/segment.new";
/// Where a used segment waits for its next use.
pub(crate) const SPARE: &str = "journal/segment.spare";

/// After how long a failed attempt is made again, at first and at most.
const RETRY: Duration = Duration::from_millis(100);
const RETRY_MAX: Duration = Duration::from_secs(1);

/// The part of the janitor that others talk to.
pub(crate) struct Janitor {
    disk: Arc<dyn Disk>,
    journal: u64,
    segment_bytes: u64,
    desk: Mutex<Desk>,
    changed: Condvar,
    /// The content of the state file.
    pub(crate) state: Mutex<State>,
    /// What is kept for a full disk.
    pub(crate) reserve: Reserve,
}

#[derive(Default)]
struct Desk {
    wanted: Option<u64>,
    /// The writer will soon need the segment that is wanted, or has no use for zeros: it gets it without those that it does
    /// not have yet.
    late: bool,
    /// The writer has nothing left to write to and waits for the segment that is wanted.
    needed: bool,
    /// The disk has refused the segment that is needed, and there are others to put away before the last attempt.
    refused: bool,
    prepared: Option<(u64, Arc<dyn DiskFile>)>,
    /// Segments to put away, each with its bytes.
    retired: VecDeque<Vec<(u64, u64)>>,
    /// The bytes of the spare segment, if there is one.
    spare: Option<u64>,
    /// How many holds there are: while there is one, nothing is put away.
    holds: usize,
    /// Segments are being put away at this moment.
    putting_away: bool,
    /// After a failed attempt: how long to leave the disk alone, and until when.
    pause: Option<(Duration, Instant)>,
    failed: Option<Fault>,
    stop: bool,
}

/// What becomes of the space in a new segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Zeros {
    /// It is written with zeros, as far as there is time.
    Written,
    /// It is only asked for.
    Spared,
}

/// What there is to do.
enum Task {
    Prepare(u64),
    PutAway(Vec<(u64, u64)>),
    /// One more piece for the reserve.
    Replenish,
    Nothing,
}

/// Why a segment could not be prepared.
enum Trouble {
    /// Nothing depends on what failed: another attempt is as good as the first.
    Again(Fault),
    /// What failed was a sync of the directory. A second one would say nothing about the first.
    Final(Fault),
}

impl Trouble {
    fn into_fault(self) -> Fault {
        match self {
            Trouble::Again(fault) | Trouble::Final(fault) => fault,
        }
    }
}

impl Desk {
    fn may_put_away(&self) -> bool {
        self.holds == 0 && !self.retired.is_empty()
    }

    fn next(&self, reserve: &Reserve) -> Task {
        let rests = self.pause.is_some_and(|(_, until)| Instant::now() < until);
        let retired = self.retired.front().filter(|_| !rests && self.may_put_away());
        // A segment is prepared first, because the writer may need it soon. But if the disk has refused it, what is put
        // away may be just what it needs.
        let urgent = self.refused || self.pause.is_some();
        match (retired, self.wanted) {
            (Some(retired), _) if urgent => Task::PutAway(retired.clone()),
            (_, Some(number)) if self.needed || !rests => Task::Prepare(number),
            (Some(retired), _) => Task::PutAway(retired.clone()),
            _ if !rests && !reserve.is_complete() => Task::Replenish,
            _ => Task::Nothing,
        }
    }

    /// Says whether anything is left to do, now or after a rest.
    fn is_behind(&self, reserve: &Reserve) -> bool {
        self.wanted.is_some() || self.may_put_away() || !reserve.is_complete()
    }

    /// Leaves the disk alone for a while, longer each time.
    fn rest(&mut self) {
        let pause = self.pause.map_or(RETRY, |(pause, _)| (pause * 2).min(RETRY_MAX));
        self.pause = Some((pause, Instant::now() + pause));
    }
}

impl Janitor {
    pub(crate) fn new(
        disk: Arc<dyn Disk>,
        state: State,
        segment_bytes: u64,
        spare: Option<u64>,
        reserve: Reserve,
    ) -> Janitor {
        let (journal, state) = (state.journal, Mutex::new(state));
        let desk = Mutex::new(Desk { spare, ..Desk::default() });
        Janitor { disk, journal, segment_bytes, desk, changed: Condvar::new(), state, reserve }
    }

    fn lock(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands in a segment that was prepared before.
    pub(crate) fn offer(&self, number: u64, file: Arc<dyn DiskFile>) {
        self.lock().prepared = Some((number, file));
    }

    /// Asks for a segment to be prepared.
    pub(crate) fn want(&self, number: u64, zeros: Zeros) {
        let mut desk = self.lock();
        if desk.prepared.as_ref().is_none_or(|(prepared, _)| *prepared != number) {
            desk.wanted = Some(number);
            desk.late = zeros == Zeros::Spared;
            self.changed.notify_all();
        }
    }

    /// Says that the writer has nothing to write to until it has the segment that it wanted.
    pub(crate) fn need(&self) {
        let mut desk = self.lock();
        if desk.prepared.is_none() {
            desk.late = true;
            desk.needed = true;
            self.changed.notify_all();
        }
    }

    /// Waits for a segment that has been asked for. There is nothing else to write to, so a failure to prepare it is the
    /// caller's.
    pub(crate) fn take(&self, number: u64) -> Result<Arc<dyn DiskFile>, Fault> {
        let mut desk = self.lock();
        loop {
            if let Some((prepared, file)) = desk.prepared.take() {
                assert_eq!(prepared, number, "segments are prepared in the order of their use");
                desk.needed = false;
                return Ok(file);
            }
            if let Some(fault) = &desk.failed {
                return Err(fault.clone());
            }
            if desk.stop {
                return Err(Fault::Closed);
            }
            desk = self.changed.wait(desk).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Hands over segments that nobody needs any more, each with its bytes.
    pub(crate) fn retire(&self, segments: Vec<(u64, u64)>) {
        if !segments.is_empty() {
            self.lock().retired.push_back(segments);
            self.changed.notify_all();
        }
    }

    /// Puts nothing away until as many calls of [`release`](Janitor::release). What is to be put away already goes first,
    /// unless the disk refuses it for now: whoever holds the files would copy it in vain.
    pub(crate) fn hold(&self) {
        let mut desk = self.lock();
        while desk.may_put_away() && desk.pause.is_none() && desk.failed.is_none() && !desk.stop {
            desk = self.changed.wait(desk).unwrap_or_else(PoisonError::into_inner);
        }
        desk.holds += 1;
        while desk.putting_away {
            desk = self.changed.wait(desk).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Ends a hold.
    pub(crate) fn release(&self) {
        let mut desk = self.lock();
        desk.holds = desk.holds.checked_sub(1).expect("every hold ends once");
        self.changed.notify_all();
    }

    /// Says whether somebody holds the files.
    pub(crate) fn is_held(&self) -> bool {
        self.lock().holds > 0
    }

    /// Asks for the segment that is wanted as it is, with or without zeros.
    pub(crate) fn hurry(&self) {
        self.lock().late = true;
    }

    fn is_late(&self) -> bool {
        self.lock().late
    }

    /// Says whether a segment that somebody is late for is still to be prepared, and not waiting for what is put away.
    fn is_awaited(&self) -> bool {
        let desk = self.lock();
        desk.late && desk.wanted.is_some() && !desk.refused && desk.pause.is_none()
    }

    /// Says whether a segment can be taken without waiting.
    pub(crate) fn is_ready(&self) -> bool {
        let desk = self.lock();
        desk.prepared.is_some() || desk.failed.is_some()
    }

    /// Gives up.
    pub(crate) fn fail(&self, fault: Fault) {
        self.lock().failed.get_or_insert(fault);
        self.changed.notify_all();
    }

    /// Waits until there is nothing to do, or it cannot be done for now, be it that a hold forbids it.
    pub(crate) fn settle(&self) {
        let mut desk = self.lock();
        while !desk.stop && desk.failed.is_none() && desk.pause.is_none() && desk.is_behind(&self.reserve) {
            desk = self.changed.wait(desk).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Returns how many files are prepared, kept for their next use or for a full disk, or not yet put away, and their
    /// bytes.
    pub(crate) fn size(&self) -> (u64, u64) {
        let desk = self.lock();
        // A file that cannot be measured now cannot be used either, which its user will say.
        let prepared = desk.prepared.as_ref().map(|(_, file)| file.length().unwrap_or(0));
        let retired = desk.retired.iter().flatten().map(|&(_, bytes)| bytes);
        let sizes = retired.chain(prepared).chain(desk.spare);
        sizes.fold(self.reserve.size(), |(files, sum), bytes| (files + 1, sum + bytes))
    }

    /// Makes the thread leave after what it is doing.
    pub(crate) fn stop(&self) {
        self.lock().stop = true;
        self.changed.notify_all();
    }

    /// Says whether the writer waits for a segment.
    pub(crate) fn is_needed(&self) -> bool {
        self.lock().needed
    }

    /// The life of the thread. `before_retiring` is called before any segment is put away, may wait, and says whether it
    /// may be put away now.
    pub(crate) fn run(&self, before_retiring: &dyn Fn() -> Result<bool, Fault>) {
        let mut desk = self.lock();
        loop {
            if desk.stop || desk.failed.is_some() {
                return;
            }
            match desk.next(&self.reserve) {
                Task::Prepare(number) => {
                    let needed = desk.needed;
                    drop(desk);
                    let prepared = self.try_prepare(number, self.segment_bytes);
                    desk = self.lock();
                    self.note_prepared(&mut desk, number, needed, prepared);
                }
                Task::PutAway(segments) => {
                    desk.putting_away = true;
                    drop(desk);
                    let put_away = before_retiring().and_then(|now| now.then(|| self.put_away(&segments)).transpose());
                    desk = self.lock();
                    desk.putting_away = false;
                    match put_away {
                        Ok(Some(count)) => {
                            if let Some(segments) = desk.retired.front_mut() {
                                segments.drain(..count);
                            }
                            desk.retired.pop_front_if(|segments| segments.is_empty());
                            desk.pause = None;
                        }
                        Ok(None) => desk.rest(),
                        Err(fault) if fault.is_full_disk() => desk.rest(),
                        Err(fault) => {
                            // Nothing is lost: the files stay, and the next start removes them.
                            desk.retired.pop_front();
                            tracing::warn!(%fault, "cannot put trimmed segments away");
                        }
                    }
                }
                Task::Replenish => {
                    drop(desk);
                    let added = self.replenish();
                    desk = self.lock();
                    match added {
                        Ok(()) => desk.pause = None,
                        Err(fault) => {
                            if fault.is_full_disk() {
                                self.reserve.note_refusal();
                            } else if desk.pause.is_none() {
                                tracing::warn!(%fault, "cannot set space aside for a full disk, and try again");
                            }
                            desk.rest();
                        }
                    }
                }
                Task::Nothing => {
                    if desk.wanted.is_none() && !desk.may_put_away() {
                        self.reserve.note_plenty();
                    }
                    let until = desk.pause.map(|(_, until)| until.saturating_duration_since(Instant::now()));
                    desk = match until.filter(|_| desk.is_behind(&self.reserve)) {
                        Some(left) => self.changed.wait_timeout(desk, left).unwrap_or_else(PoisonError::into_inner).0,
                        None => self.changed.wait(desk).unwrap_or_else(PoisonError::into_inner),
                    };
                    continue;
                }
            }
            self.changed.notify_all();
        }
    }

    /// Adds a piece to the reserve. If the disk has no space for one, the spare segment is as good.
    fn replenish(&self) -> Result<(), Fault> {
        let added = self.reserve.add();
        if !added.as_ref().is_err_and(Fault::is_full_disk) {
            return added;
        }
        let Some(bytes) = self.lock().spare.take() else { return added };
        self.reserve.note_refusal();
        self.reserve.accept(SPARE, bytes)
    }

    fn note_prepared(&self, desk: &mut Desk, number: u64, needed: bool, prepared: Result<Arc<dyn DiskFile>, Trouble>) {
        match prepared {
            Ok(file) => {
                desk.wanted = None;
                desk.refused = false;
                desk.pause = None;
                desk.prepared = Some((number, file));
            }
            Err(Trouble::Again(fault)) if !needed => {
                if desk.pause.is_none() {
                    tracing::warn!(%fault, number, "cannot prepare a segment, and try again");
                }
                desk.rest();
            }
            Err(Trouble::Again(_)) if desk.may_put_away() && !desk.refused && desk.pause.is_none() => {
                desk.refused = true;
            }
            Err(trouble) => {
                let fault = trouble.into_fault();
                tracing::error!(%fault, number, "cannot prepare a segment, and there is no other to write to");
                desk.failed = Some(fault);
            }
        }
    }

    /// Makes a segment ready for use, durably: page, space and name.
    pub(crate) fn prepare(&self, number: u64, bytes: u64) -> Result<Arc<dyn DiskFile>, Fault> {
        self.try_prepare(number, bytes).map_err(Trouble::into_fault)
    }

    fn try_prepare(&self, number: u64, bytes: u64) -> Result<Arc<dyn DiskFile>, Trouble> {
        let spare = self.lock().spare.take();
        if spare.is_some() {
            return self.rename_in(SPARE, number);
        }
        let created = self.create(bytes);
        match created {
            Ok(()) => self.rename_in(NEW, number),
            Err(fault) => {
                // What could be had of it is better left to others.
                let _ = self.disk.remove(NEW);
                if !fault.is_full_disk() {
                    return Err(Trouble::Again(fault));
                }
                self.reserve.note_refusal();
                match self.reserve.take() {
                    Some(piece) => self.rename_in(&piece, number),
                    None => Err(Trouble::Again(fault)),
                }
            }
        }
    }

    fn create(&self, bytes: u64) -> Result<(), Fault> {
        let path = self.disk.root().join(NEW);
        let file = self.disk.create(NEW).map_err(|error| Fault::io("create", &path, &error))?;
        fill(&*file, bytes, &|| self.is_late()).map_err(|error| Fault::io("prepare", &path, &error))
    }

    /// Makes a file with space in it a segment.
    fn rename_in(&self, from: &str, number: u64) -> Result<Arc<dyn DiskFile>, Trouble> {
        let disk = &*self.disk;
        let (name, old) = (segment::name(number), disk.root().join(from));
        let failed = |operation, error| Trouble::Again(Fault::io(operation, &old, &error));
        let file = disk.open(from, Access::Write).map_err(|error| failed("open", error))?;
        let length = file.length().map_err(|error| failed("measure", error))?;
        let page = segment::page(self.journal, number, length);
        file.write_at(&mut [IoSlice::new(&page)], 0).map_err(|error| failed("write", error))?;
        file.sync().map_err(|error| failed("sync", error))?;
        disk.rename(from, &name).map_err(|error| failed("rename", error))?;
        let synced = disk.sync_directory("journal");
        synced.map_err(|error| Trouble::Final(Fault::io("sync", disk.root().join("journal"), &error)))?;
        Ok(file)
    }

    /// Writes the state file; if there is no space left for it, something kept makes place.
    pub(crate) fn store(&self, state: &State) -> Result<(), Fault> {
        loop {
            match state.store(&*self.disk) {
                Err(fault) if fault.is_full_disk() && self.make_place(0) => {}
                stored => return stored,
            }
        }
    }

    /// Gives up something that is kept, so that something small can be written on a full disk; says whether there was
    /// anything. As many pieces of the reserve as `keep` stay.
    pub(crate) fn make_place(&self, keep: usize) -> bool {
        let spare = {
            let mut desk = self.lock();
            // What becomes free is for the caller, and not for a new piece.
            desk.rest();
            desk.spare.take()
        };
        let made = match spare {
            Some(_) => {
                self.reserve.note_refusal();
                self.disk.remove(SPARE).and_then(|()| self.disk.sync_directory("journal")).is_ok()
            }
            None => self.reserve.spend(keep),
        };
        // Whoever fills the reserve up may sleep, or be about to, because it was full, and nothing else need happen that
        // wakes it.
        drop(self.lock());
        self.changed.notify_all();
        made
    }

    /// Puts segments away, or the first of them if the writer becomes late meanwhile; returns how many.
    fn put_away(&self, segments: &[(u64, u64)]) -> Result<usize, Fault> {
        let disk = &*self.disk;
        {
            // From here on nobody expects these segments.
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            for &(number, _) in segments {
                state.forget(number);
            }
            self.store(&state)?;
        }
        let mut count = 0;
        for &(number, _) in segments {
            if count > 0 && self.is_awaited() {
                break;
            }
            count += 1;
            let name = segment::name(number);
            let path = disk.root().join(&name);
            let file = match disk.open(&name, Access::Read) {
                Ok(file) => file,
                // An attempt that failed later on has put this one away.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(error) => return Err(Fault::io("open", &path, &error)),
            };
            let length = file.length().map_err(|error| Fault::io("measure", &path, &error))?;
            // The first segment is smaller, and one that held a huge record larger, than is worth keeping.
            let fits = (self.segment_bytes..=self.segment_bytes.saturating_mul(2)).contains(&length);
            if fits && self.lock().spare.is_none() {
                disk.rename(&name, SPARE).map_err(|error| Fault::io("rename", &path, &error))?;
                disk.sync_directory("journal")
                    .map_err(|error| Fault::io("sync", disk.root().join("journal"), &error))?;
                self.lock().spare = Some(length);
            } else if fits && !self.reserve.is_complete() {
                self.reserve.accept(&name, length)?;
            } else {
                disk.remove(&name).map_err(|error| Fault::io("remove", &path, &error))?;
            }
        }
        disk.sync_directory("journal").map_err(|error| Fault::io("sync", disk.root().join("journal"), &error))?;
        Ok(count)
    }
}

/// Asks for the whole length of a file and writes zeros over it, and syncs now and then so that others need not wait long
/// for theirs.
///
/// Stops when somebody is late, if the file has its space. What has not been written then reads as zeros too: that is what
/// file systems promise about space that was asked for, also after a power cut, and what holds for the pieces of the
/// [reserve](Reserve).
fn fill(file: &dyn DiskFile, bytes: u64, is_late: &dyn Fn() -> bool) -> std::io::Result<()> {
    let has_space = file.reserve(bytes)?;
    let mut at = 0;
    while at < bytes && !(has_space && is_late()) {
        let count = (bytes - at).min(ZEROS);
        file.zero(at, count as usize)?;
        at += count;
        if at % ZEROS_BETWEEN_SYNCS == 0 {
            file.sync()?;
        }
    }
    Ok(())
}
