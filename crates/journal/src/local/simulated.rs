//! A disk in memory that behaves as badly as a disk may.
//!
//! Writes are visible at once and durable after a sync of the file; names are durable after a sync of the directory.
//! A [power cut](Simulated::power_cut) drops, keeps or tears whatever was not, sector by sector, as chance has it. So
//! tests can show that nothing depends on a write that was never synced.

use std::any::Any;
use std::collections::BTreeMap;
use std::io::{self, IoSlice};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::disk::{Access, Disk, DiskFile};

/// What a disk writes as a whole or not at all, in bytes.
const SECTOR: u64 = 512;

/// A disk in memory. Clones are the same disk.
#[derive(Clone)]
pub struct Simulated {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    files: BTreeMap<u64, Content>,
    next: u64,
    names: BTreeMap<String, u64>,
    synced_names: BTreeMap<String, u64>,
    /// Changes of names since the last sync of their directory, in order.
    changes: Vec<Change>,
    /// Operations that change something, so far.
    operations: u64,
    /// Everything fails from this operation on.
    off_at: Option<u64>,
    /// The next write or sync fails.
    fail_write: Option<io::ErrorKind>,
    fail_sync: Option<io::ErrorKind>,
    locked: Arc<AtomicBool>,
}

#[derive(Clone, Default)]
struct Content {
    now: Vec<u8>,
    synced: Vec<u8>,
    /// Writes since the last sync, in order.
    writes: Vec<(u64, Vec<u8>)>,
}

#[derive(Clone)]
enum Change {
    Named(String, u64),
    Unnamed(String),
    /// Both or neither: a rename within a directory is atomic.
    Renamed(String, String, u64),
}

struct SimulatedFile {
    disk: Simulated,
    id: u64,
}

struct Unlock(Arc<AtomicBool>);

impl Drop for Unlock {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

impl Default for Simulated {
    fn default() -> Simulated {
        Simulated::new()
    }
}

impl Simulated {
    /// Returns an empty disk.
    pub fn new() -> Simulated {
        Simulated { state: Arc::default() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes everything fail after as many more operations that change something.
    pub fn turn_off_after(&self, operations: u64) {
        let mut state = self.lock();
        state.off_at = Some(state.operations.saturating_add(operations));
    }

    /// Takes [`turn_off_after`](Simulated::turn_off_after) back, unless the power is off already.
    pub fn stay_on(&self) {
        let mut state = self.lock();
        if state.off_at.is_some_and(|off_at| state.operations < off_at) {
            state.off_at = None;
        }
    }

    /// Tells whether the power is off: operations have failed, or would.
    pub fn is_off(&self) -> bool {
        let state = self.lock();
        state.off_at.is_some_and(|off_at| state.operations >= off_at)
    }

    /// Makes the next write fail.
    pub fn fail_next_write(&self, kind: io::ErrorKind) {
        self.lock().fail_write = Some(kind);
    }

    /// Makes the next sync of a file fail.
    pub fn fail_next_sync(&self, kind: io::ErrorKind) {
        self.lock().fail_sync = Some(kind);
    }

    /// Returns how many operations have changed something.
    pub fn operations(&self) -> u64 {
        self.lock().operations
    }

    /// Returns what is left after a power cut, as a new disk; this one is off from now on. The same seed leaves the same.
    pub fn power_cut(&self, seed: u64) -> Simulated {
        let mut state = self.lock();
        state.off_at = Some(0);
        let mut chance = Chance(seed);
        // Names are changed in the order in which it was asked for, as journaling file systems do.
        let kept = chance.below(state.changes.len() as u64 + 1) as usize;
        let mut names = state.synced_names.clone();
        for change in &state.changes[..kept] {
            change.apply(&mut names);
        }
        let mut files = BTreeMap::new();
        for &id in names.values() {
            let Some(content) = state.files.get(&id) else { continue };
            let mut left = content.synced.clone();
            // Sometimes nothing survives, sometimes everything, mostly some sectors.
            let mood = chance.below(4);
            for (at, bytes) in &content.writes {
                for (at, sector) in sectors(*at, bytes) {
                    if mood == 1 || (mood > 1 && chance.below(2) == 1) {
                        put(&mut left, at, sector);
                    }
                }
            }
            files.insert(id, Content { now: left.clone(), synced: left, writes: Vec::new() });
        }
        let next = state.next;
        let state = State { files, next, synced_names: names.clone(), names, ..State::default() };
        Simulated { state: Arc::new(Mutex::new(state)) }
    }

    /// Returns the content of a file, to damage it with [`overwrite`](Simulated::overwrite).
    pub fn content(&self, name: &str) -> Option<Vec<u8>> {
        let state = self.lock();
        state.files.get(state.names.get(name)?).map(|content| content.now.clone())
    }

    /// Replaces the content of a file, durably, as a fault of the medium would.
    pub fn overwrite(&self, name: &str, bytes: Vec<u8>) {
        let mut state = self.lock();
        if let Some(&id) = state.names.get(name) {
            state.files.insert(id, Content { now: bytes.clone(), synced: bytes, writes: Vec::new() });
        }
    }
}

impl State {
    fn operate(&mut self) -> io::Result<()> {
        if self.off_at.is_some_and(|off_at| self.operations >= off_at) {
            return Err(io::Error::other("the power is off"));
        }
        self.operations += 1;
        Ok(())
    }

    fn change(&mut self, change: Change) {
        change.apply(&mut self.names);
        self.changes.push(change);
    }

    fn find(&self, name: &str) -> io::Result<u64> {
        self.names.get(name).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn content(&mut self, id: u64) -> io::Result<&mut Content> {
        self.files.get_mut(&id).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl Change {
    fn apply(&self, names: &mut BTreeMap<String, u64>) {
        match self {
            Change::Named(name, id) => {
                names.insert(name.clone(), *id);
            }
            Change::Unnamed(name) => {
                names.remove(name);
            }
            Change::Renamed(from, to, id) => {
                names.remove(from);
                names.insert(to.clone(), *id);
            }
        }
    }

    fn directory(&self) -> &str {
        let (Change::Named(name, _) | Change::Unnamed(name) | Change::Renamed(_, name, _)) = self;
        name.rsplit_once('/').map_or("", |(directory, _)| directory)
    }
}

/// Cuts a write at the borders of sectors.
fn sectors(mut at: u64, mut bytes: &[u8]) -> Vec<(u64, &[u8])> {
    let mut sectors = Vec::new();
    while !bytes.is_empty() {
        let count = ((SECTOR - at % SECTOR) as usize).min(bytes.len());
        let (sector, rest) = bytes.split_at(count);
        sectors.push((at, sector));
        at += count as u64;
        bytes = rest;
    }
    sectors
}

fn put(file: &mut Vec<u8>, at: u64, bytes: &[u8]) {
    let at = at as usize;
    if file.len() < at + bytes.len() {
        file.resize(at + bytes.len(), 0);
    }
    file[at..at + bytes.len()].copy_from_slice(bytes);
}

impl Disk for Simulated {
    fn root(&self) -> &Path {
        Path::new("simulated")
    }

    fn lock(&self, _name: &str) -> io::Result<Box<dyn Any + Send + Sync>> {
        let locked = Arc::clone(&self.lock().locked);
        if locked.swap(true, Ordering::Acquire) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(Box::new(Unlock(locked)))
    }

    fn make_directory(&self, _name: &str) -> io::Result<()> {
        Ok(())
    }

    fn list(&self, directory: &str) -> io::Result<Vec<String>> {
        let state = self.lock();
        let inside = |name: &String| Some(name.strip_prefix(directory)?.strip_prefix('/')?.to_owned());
        Ok(state.names.keys().filter_map(inside).collect())
    }

    fn open(&self, name: &str, _access: Access) -> io::Result<Arc<dyn DiskFile>> {
        let id = self.lock().find(name)?;
        Ok(Arc::new(SimulatedFile { disk: self.clone(), id }))
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.lock();
        state.operate()?;
        let id = state.next;
        state.next += 1;
        state.files.insert(id, Content::default());
        state.change(Change::Named(name.to_owned(), id));
        drop(state);
        Ok(Arc::new(SimulatedFile { disk: self.clone(), id }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.lock();
        state.operate()?;
        let id = state.find(from)?;
        state.change(Change::Renamed(from.to_owned(), to.to_owned(), id));
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.lock();
        state.operate()?;
        state.find(name)?;
        state.change(Change::Unnamed(name.to_owned()));
        Ok(())
    }

    fn sync_directory(&self, directory: &str) -> io::Result<()> {
        let mut state = self.lock();
        state.operate()?;
        let changes = std::mem::take(&mut state.changes);
        let (synced, rest): (Vec<_>, Vec<_>) = changes.into_iter().partition(|change| change.directory() == directory);
        for change in synced {
            change.apply(&mut state.synced_names);
        }
        state.changes = rest;
        Ok(())
    }
}

impl DiskFile for SimulatedFile {
    fn write_at(&self, slices: &mut [IoSlice<'_>], offset: u64) -> io::Result<()> {
        let mut state = self.disk.lock();
        state.operate()?;
        if let Some(kind) = state.fail_write.take() {
            return Err(kind.into());
        }
        let content = state.content(self.id)?;
        let bytes: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).collect();
        put(&mut content.now, offset, &bytes);
        content.writes.push((offset, bytes));
        Ok(())
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut state = self.disk.lock();
        let content = &state.content(self.id)?.now;
        let rest = content.get(offset as usize..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.disk.lock();
        state.operate()?;
        if let Some(kind) = state.fail_sync.take() {
            return Err(kind.into());
        }
        let content = state.content(self.id)?;
        for (at, bytes) in std::mem::take(&mut content.writes) {
            put(&mut content.synced, at, &bytes);
        }
        Ok(())
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.disk.lock().content(self.id)?.now.len() as u64)
    }

    fn reserve(&self, length: u64) -> io::Result<()> {
        let mut state = self.disk.lock();
        let content = state.content(self.id)?;
        if (content.now.len() as u64) < length {
            content.now.resize(length as usize, 0);
        }
        Ok(())
    }
}

/// Numbers from a seed (SplitMix64).
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }
}
