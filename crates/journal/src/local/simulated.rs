//! A disk in memory that behaves as badly as a disk may.
//!
//! Writes are visible at once and durable after a sync of the file; names are durable after a sync of the directory.
//! A [power cut](Simulated::power_cut) drops, keeps or tears whatever was not, sector by sector, as chance has it. So
//! tests can show that nothing depends on a write that was never synced.
//!
//! It can be [full](Simulated::set_space) or keep to a [quota](Simulated::set_quota), [refuse](Simulated::refuse) whatever a test wants it to, and be so slow that an
//! operation [does not end](Simulated::stall) before the test says so.

use std::any::Any;
use std::collections::BTreeMap;
use std::io::{self, IoSlice};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use stanchion_keyring::Keyring;

use super::disk::{Access, Disk, DiskFile};

/// What a disk writes as a whole or not at all, in bytes.
const SECTOR: u64 = 512;
/// What a file's length is rounded up to when space is counted, in bytes.
const BLOCK: u64 = 4096;

/// What a disk can be asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    /// Open a file that exists.
    Open,
    /// Create a file.
    Create,
    /// Ask for space for a file.
    Reserve,
    /// Write to a file.
    Write,
    /// Make a file's content durable.
    Sync,
    /// Give a file another name.
    Rename,
    /// Remove a file.
    Remove,
    /// Make the names of a directory durable.
    SyncDirectory,
}

/// What the disk refuses, until it has refused it often enough.
struct Refusal {
    operation: Operation,
    /// Part of the names that it is about.
    part: String,
    kind: io::ErrorKind,
    times: u64,
    /// How much of a write is done before it fails, in bytes.
    done: usize,
}

/// A disk in memory. Clones are the same disk.
#[derive(Clone)]
pub struct Simulated {
    state: Arc<Mutex<State>>,
    /// A stall has ended.
    resumed: Arc<Condvar>,
    keyring: Option<Arc<Keyring>>,
}

/// While it lives, an operation does not end.
#[must_use]
pub struct Stall {
    disk: Simulated,
    number: u64,
}

impl Drop for Stall {
    fn drop(&mut self) {
        self.disk.lock().stalls.remove(&self.number);
        self.disk.resumed.notify_all();
    }
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
    refusals: Vec<Refusal>,
    /// What does not end, and part of the names that it is about.
    stalls: BTreeMap<u64, (Operation, String)>,
    /// How often each operation was asked for, refused or not.
    asked: BTreeMap<Operation, u64>,
    /// How much all files may have, in bytes.
    space: Option<u64>,
    /// The space is a quota.
    has_quota: bool,
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
    /// Returns an empty disk with a keyring of its own, always the same: what is written to it is sealed.
    pub fn new() -> Simulated {
        let keyring = Keyring::of("simulated", [7; stanchion_keyring::KEY_BYTES].into());
        Simulated { state: Arc::default(), resumed: Arc::default(), keyring: Some(Arc::new(keyring)) }
    }

    /// Returns the same disk with another keyring, or without one.
    #[must_use]
    pub fn with_keyring(&self, keyring: Option<Arc<Keyring>>) -> Simulated {
        Simulated { keyring, ..self.clone() }
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
        self.refuse(Operation::Write, "", kind, 1);
    }

    /// Makes the next sync of a file fail.
    pub fn fail_next_sync(&self, kind: io::ErrorKind) {
        self.refuse(Operation::Sync, "", kind, 1);
    }

    /// Refuses an operation on files whose names have a part, the next few times.
    pub fn refuse(&self, operation: Operation, part: &str, kind: io::ErrorKind, times: u64) {
        self.lock().refusals.push(Refusal { operation, part: part.to_owned(), kind, times, done: 0 });
    }

    /// Makes the next write to a file whose name has a part fail after some bytes.
    pub fn cut_next_write(&self, part: &str, kind: io::ErrorKind, done: usize) {
        let refusal = Refusal { operation: Operation::Write, part: part.to_owned(), kind, times: 1, done };
        self.lock().refusals.push(refusal);
    }

    /// Lets an operation on files whose names have a part begin and not end: [`Operation::Reserve`], [`Operation::Write`] or
    /// [`Operation::Sync`]. Nobody waits for the power to go off: whoever cuts it ends the stalls first.
    pub fn stall(&self, operation: Operation, part: &str) -> Stall {
        let mut state = self.lock();
        let number = state.next;
        state.next += 1;
        state.stalls.insert(number, (operation, part.to_owned()));
        drop(state);
        Stall { disk: self.clone(), number }
    }

    /// Returns the state when an operation on a file may go on.
    fn lock_for(&self, operation: Operation, id: u64) -> MutexGuard<'_, State> {
        let stalled = |state: &mut State| {
            let meant = |(other, part): &(Operation, String)| *other == operation && state.name(id).contains(part);
            state.stalls.values().any(meant)
        };
        self.resumed.wait_while(self.lock(), stalled).unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns how often something is still to be refused.
    pub fn refusals(&self) -> u64 {
        self.lock().refusals.iter().map(|refusal| refusal.times).sum()
    }

    /// Takes all refusals back.
    pub fn allow_all(&self) {
        self.lock().refusals.clear();
    }

    /// Returns how often an operation has been asked for, refused or not.
    pub fn asked(&self, operation: Operation) -> u64 {
        self.lock().asked.get(&operation).copied().unwrap_or(0)
    }

    /// Makes the disk so large, in bytes; it may be smaller than what is on it.
    pub fn set_space(&self, bytes: u64) {
        self.lock().space = Some(bytes);
    }

    /// As [`set_space`](Simulated::set_space), but from now on what is too much is refused as a quota refuses it: with
    /// [`io::ErrorKind::QuotaExceeded`], and not with [`io::ErrorKind::StorageFull`].
    pub fn set_quota(&self, bytes: u64) {
        let mut state = self.lock();
        state.space = Some(bytes);
        state.has_quota = true;
    }

    /// Returns how much of the disk is in use, in bytes.
    pub fn used(&self) -> u64 {
        self.lock().used()
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
        let (space, has_quota) = (state.space, state.has_quota);
        let state = State { files, next, synced_names: names.clone(), names, space, has_quota, ..State::default() };
        Simulated { state: Arc::new(Mutex::new(state)), resumed: Arc::default(), keyring: self.keyring.clone() }
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

    /// Counts an operation, and refuses it if it is to be refused; a write may get some bytes done before that.
    fn ask(&mut self, operation: Operation, name: &str) -> Result<(), (io::Error, usize)> {
        *self.asked.entry(operation).or_default() += 1;
        let meant = |refusal: &Refusal| refusal.operation == operation && name.contains(&refusal.part);
        let Some(at) = self.refusals.iter().position(meant) else { return Ok(()) };
        let refusal = &mut self.refusals[at];
        refusal.times -= 1;
        let answer = (refusal.kind.into(), refusal.done);
        if refusal.times == 0 {
            self.refusals.remove(at);
        }
        Err(answer)
    }

    fn ask_for(&mut self, operation: Operation, name: &str) -> io::Result<()> {
        self.ask(operation, name).map_err(|(error, _)| error)
    }

    /// Returns the name of a file; nothing if it has been removed.
    fn name(&self, id: u64) -> String {
        self.names.iter().find(|(_, of)| **of == id).map(|(name, _)| name.clone()).unwrap_or_default()
    }

    fn used(&self) -> u64 {
        let named = self.names.values().filter_map(|id| self.files.get(id));
        named.map(|content| (content.now.len() as u64).next_multiple_of(BLOCK)).sum()
    }

    /// Returns how long a file may become.
    fn length_max(&self, id: u64) -> u64 {
        let Some(space) = self.space else { return u64::MAX };
        let length = self.files.get(&id).map_or(0, |content| content.now.len() as u64);
        length.next_multiple_of(BLOCK) + space.saturating_sub(self.used()) / BLOCK * BLOCK
    }

    /// Returns the answer to what does not fit.
    fn too_much(&self) -> io::Error {
        let kind = if self.has_quota { io::ErrorKind::QuotaExceeded } else { io::ErrorKind::StorageFull };
        kind.into()
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

    fn keyring(&self) -> Option<Arc<Keyring>> {
        self.keyring.clone()
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
        let mut state = self.lock();
        state.ask_for(Operation::Open, name)?;
        let id = state.find(name)?;
        drop(state);
        Ok(Arc::new(SimulatedFile { disk: self.clone(), id }))
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.lock();
        state.operate()?;
        state.ask_for(Operation::Create, name)?;
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
        state.ask_for(Operation::Rename, to)?;
        let id = state.find(from)?;
        state.change(Change::Renamed(from.to_owned(), to.to_owned(), id));
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.lock();
        state.operate()?;
        state.ask_for(Operation::Remove, name)?;
        state.find(name)?;
        state.change(Change::Unnamed(name.to_owned()));
        Ok(())
    }

    fn sync_directory(&self, directory: &str) -> io::Result<()> {
        let mut state = self.lock();
        state.operate()?;
        state.ask_for(Operation::SyncDirectory, directory)?;
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
        let mut state = self.disk.lock_for(Operation::Write, self.id);
        state.operate()?;
        let name = state.name(self.id);
        let mut bytes: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).collect();
        let mut answer = Ok(());
        if let Err((error, done)) = state.ask(Operation::Write, &name) {
            bytes.truncate(done);
            answer = Err(error);
        }
        let most = state.length_max(self.id).saturating_sub(offset);
        if bytes.len() as u64 > most {
            // What still fits is written.
            bytes.truncate(most as usize);
            answer = Err(state.too_much());
        }
        let content = state.content(self.id)?;
        if !bytes.is_empty() {
            put(&mut content.now, offset, &bytes);
            content.writes.push((offset, bytes));
        }
        answer
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
        let mut state = self.disk.lock_for(Operation::Sync, self.id);
        state.operate()?;
        let name = state.name(self.id);
        state.ask_for(Operation::Sync, &name)?;
        let content = state.content(self.id)?;
        for (at, bytes) in std::mem::take(&mut content.writes) {
            put(&mut content.synced, at, &bytes);
        }
        // Space that was asked for has become part of the file as well.
        let length = content.now.len().max(content.synced.len());
        content.synced.resize(length, 0);
        Ok(())
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.disk.lock().content(self.id)?.now.len() as u64)
    }

    fn reserve(&self, length: u64) -> io::Result<bool> {
        let mut state = self.disk.lock_for(Operation::Reserve, self.id);
        state.operate()?;
        let name = state.name(self.id);
        state.ask_for(Operation::Reserve, &name)?;
        let most = state.length_max(self.id);
        if length > most {
            return Err(state.too_much());
        }
        let content = state.content(self.id)?;
        if (content.now.len() as u64) < length {
            content.now.resize(length as usize, 0);
        }
        Ok(true)
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
