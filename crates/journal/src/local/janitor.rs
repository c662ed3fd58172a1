//! Prepares segments before they are needed, and puts away those that are not needed any more.
//!
//! A prepared segment has its whole length written with zeros and synced: then a sync of the writer has no metadata to
//! write, which on most file systems makes it about twice as fast. A segment that has been trimmed has all that already,
//! so it is kept and used again. Both happen on a thread of their own, away from the writer.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::disk::{Access, Disk, DiskFile};
use super::segment;
use super::state::State;
use crate::Fault;

/// How much is zeroed at once, and how much between two syncs, in bytes: a sync of the writer waits for no more than that.
const ZEROS: usize = 256 * 1024;
const ZEROS_BETWEEN_SYNCS: u64 = 4 << 20;

/// Where a new segment is prepared.
pub(crate) const NEW: &str = "journal/segment.new";
/// Where a used segment waits for its next use.
pub(crate) const SPARE: &str = "journal/segment.spare";

/// The part of the janitor that others talk to.
pub(crate) struct Janitor {
    disk: Arc<dyn Disk>,
    journal: u64,
    segment_bytes: u64,
    desk: Mutex<Desk>,
    changed: Condvar,
    /// The content of the state file.
    pub(crate) state: Mutex<State>,
}

#[derive(Default)]
struct Desk {
    wanted: Option<u64>,
    prepared: Option<(u64, Arc<dyn DiskFile>)>,
    /// Segments to put away, each with its bytes.
    retired: VecDeque<Vec<(u64, u64)>>,
    /// The bytes of the spare segment, if there is one.
    spare: Option<u64>,
    /// How many holds there are: while there is one, nothing is put away.
    holds: usize,
    /// Segments are being put away at this moment.
    putting_away: bool,
    failed: Option<Fault>,
    stop: bool,
}

impl Desk {
    fn may_put_away(&self) -> bool {
        self.holds == 0 && !self.retired.is_empty()
    }
}

impl Janitor {
    pub(crate) fn new(disk: Arc<dyn Disk>, state: State, segment_bytes: u64, spare: Option<u64>) -> Janitor {
        let desk = Mutex::new(Desk { spare, ..Desk::default() });
        Janitor { disk, journal: state.journal, segment_bytes, desk, changed: Condvar::new(), state: Mutex::new(state) }
    }

    fn lock(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands in a segment that was prepared before.
    pub(crate) fn offer(&self, number: u64, file: Arc<dyn DiskFile>) {
        self.lock().prepared = Some((number, file));
    }

    /// Asks for a segment to be prepared.
    pub(crate) fn want(&self, number: u64) {
        let mut desk = self.lock();
        if desk.prepared.as_ref().is_none_or(|(prepared, _)| *prepared != number) {
            desk.wanted = Some(number);
            self.changed.notify_all();
        }
    }

    /// Waits for a segment that has been asked for.
    pub(crate) fn take(&self, number: u64) -> Result<Arc<dyn DiskFile>, Fault> {
        let mut desk = self.lock();
        loop {
            if let Some((prepared, file)) = desk.prepared.take() {
                assert_eq!(prepared, number, "segments are prepared in the order of their use");
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

    /// Puts nothing away until as many calls of [`release`](Janitor::release); waits for what is under way.
    pub(crate) fn hold(&self) {
        let mut desk = self.lock();
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

    /// Waits until there is nothing to do, or nothing that a hold permits.
    pub(crate) fn settle(&self) {
        let mut desk = self.lock();
        while !desk.stop && desk.failed.is_none() && (desk.wanted.is_some() || desk.may_put_away()) {
            desk = self.changed.wait(desk).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Returns how many files are prepared, kept for their next use or not yet put away, and their bytes.
    pub(crate) fn size(&self) -> (u64, u64) {
        let desk = self.lock();
        // A file that cannot be measured now cannot be used either, which its user will say.
        let prepared = desk.prepared.as_ref().map(|(_, file)| file.length().unwrap_or(0));
        let retired = desk.retired.iter().flatten().map(|&(_, bytes)| bytes);
        let sizes = retired.chain(prepared).chain(desk.spare);
        sizes.fold((0, 0), |(files, sum), bytes| (files + 1, sum + bytes))
    }

    /// Makes the thread leave after what it is doing.
    pub(crate) fn stop(&self) {
        self.lock().stop = true;
        self.changed.notify_all();
    }

    /// The life of the thread. `before_retiring` is called before any segment is put away, and may wait.
    pub(crate) fn run(&self, before_retiring: &dyn Fn() -> Result<(), Fault>) {
        let mut desk = self.lock();
        loop {
            if desk.stop || desk.failed.is_some() {
                return;
            }
            if let Some(number) = desk.wanted {
                drop(desk);
                let prepared = self.prepare(number, self.segment_bytes);
                desk = self.lock();
                desk.wanted = None;
                match prepared {
                    Ok(file) => desk.prepared = Some((number, file)),
                    Err(fault) => {
                        tracing::error!(%fault, number, "cannot prepare a segment");
                        desk.failed = Some(fault);
                    }
                }
                self.changed.notify_all();
            } else if let Some(segments) = desk.retired.front().filter(|_| desk.may_put_away()).cloned() {
                desk.putting_away = true;
                drop(desk);
                let put_away = before_retiring().and_then(|()| self.put_away(&segments));
                desk = self.lock();
                desk.putting_away = false;
                desk.retired.pop_front();
                if let Err(fault) = put_away {
                    // Nothing is lost: the files stay, and the next start removes them.
                    tracing::warn!(%fault, "cannot put trimmed segments away");
                }
                self.changed.notify_all();
            } else {
                desk = self.changed.wait(desk).unwrap_or_else(PoisonError::into_inner);
            }
        }
    }

    /// Makes a segment ready for use, durably: page, space and name.
    pub(crate) fn prepare(&self, number: u64, bytes: u64) -> Result<Arc<dyn DiskFile>, Fault> {
        let disk = &*self.disk;
        let name = segment::name(number);
        let path = disk.root().join(&name);
        let spare = std::mem::take(&mut self.lock().spare);
        let (from, file) = if spare.is_some() {
            (
                SPARE,
                disk.open(SPARE, Access::Write).map_err(|error| Fault::io("open", disk.root().join(SPARE), &error))?,
            )
        } else {
            let file = disk.create(NEW).map_err(|error| Fault::io("create", disk.root().join(NEW), &error))?;
            fill(&*file, bytes).map_err(|error| Fault::io("prepare", &path, &error))?;
            (NEW, file)
        };
        let length = file.length().map_err(|error| Fault::io("measure", &path, &error))?;
        let page = segment::page(self.journal, number, length);
        file.write_at(&mut [IoSlice::new(&page)], 0).map_err(|error| Fault::io("write", &path, &error))?;
        file.sync().map_err(|error| Fault::io("sync", &path, &error))?;
        disk.rename(from, &name).map_err(|error| Fault::io("rename", &path, &error))?;
        disk.sync_directory("journal").map_err(|error| Fault::io("sync", disk.root().join("journal"), &error))?;
        Ok(file)
    }

    fn put_away(&self, segments: &[(u64, u64)]) -> Result<(), Fault> {
        let disk = &*self.disk;
        {
            // From here on nobody expects these segments.
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            for &(number, _) in segments {
                state.forget(number);
            }
            state.store(disk)?;
        }
        for &(number, _) in segments {
            let name = segment::name(number);
            let path = disk.root().join(&name);
            let file = disk.open(&name, Access::Read).map_err(|error| Fault::io("open", &path, &error))?;
            let length = file.length().map_err(|error| Fault::io("measure", &path, &error))?;
            // The first segment is smaller, and one that held a huge record larger, than is worth keeping.
            let fits = (self.segment_bytes..=self.segment_bytes.saturating_mul(2)).contains(&length);
            if fits && self.lock().spare.is_none() {
                disk.rename(&name, SPARE).map_err(|error| Fault::io("rename", &path, &error))?;
                disk.sync_directory("journal")
                    .map_err(|error| Fault::io("sync", disk.root().join("journal"), &error))?;
                self.lock().spare = Some(length);
            } else {
                disk.remove(&name).map_err(|error| Fault::io("remove", &path, &error))?;
            }
        }
        disk.sync_directory("journal").map_err(|error| Fault::io("sync", disk.root().join("journal"), &error))
    }
}

/// Writes zeros over the whole length of a file, and syncs now and then so that others need not wait long for theirs.
fn fill(file: &dyn DiskFile, bytes: u64) -> std::io::Result<()> {
    file.reserve(bytes)?;
    let zeros = vec![0u8; ZEROS.min(bytes as usize)];
    let mut at = 0;
    while at < bytes {
        let count = (bytes - at).min(zeros.len() as u64) as usize;
        file.write_at(&mut [IoSlice::new(&zeros[..count])], at)?;
        at += count as u64;
        if at % ZEROS_BETWEEN_SYNCS == 0 {
            file.sync()?;
        }
    }
    Ok(())
}
