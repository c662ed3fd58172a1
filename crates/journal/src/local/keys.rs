//! The data keys of a journal, and the file that keeps them.
//!
//! ```text
//! stanchion keys 1
//! id 5f0c3a9d1b7e2468
//! key 2f31c9d0 from 1 under first:<base64>
//! key 80a7731c from 4 under first:<base64>
//! checksum 1a2b3c4d
//! ```
//!
//! Text, so that a person can see which key of the keyring is needed; replaced as a whole. Without it nothing can be read,
//! so the text is in it twice, each time from a multiple of 4,096 on: a bad sector costs nothing.
//!
//! Each opening of the journal begins with a new data key, which is in the file, durably, before anything is sealed with
//! it. So whatever a crash leaves half-written, the place is written again under another key. A key has a random number,
//! so that a file of keys from another time is never taken for the right one. `from` is the segment that was written to
//! when the key was drawn; the next key's `from` is the last segment in which this one was used. A key goes when none of
//! these segments is needed any more and no snapshot names it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::IoSlice;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use stanchion_keyring::{DataKey, Keyring, Wrapped};

use super::disk::{Access, Disk};
use super::scan::Frames;
use crate::Fault;

pub(crate) const NAME: &str = "journal/keys";
const NEW: &str = "journal/keys.new";
const TITLE: &str = "stanchion keys 1\n";
/// What begins a copy of the text, in bytes.
const COPY: usize = 4096;
/// A file of this length would list half a million keys; ours has a few dozen, so a longer one is not ours.
const BYTES_MAX: u64 = 128 << 20;
/// The data keys of a journal.
pub(crate) struct Keys {
    journal: u64,
    path: PathBuf,
    by_number: RwLock<BTreeMap<u32, Arc<DataKey>>>,
    desk: Mutex<Desk>,
    /// How many snapshots have been sealed, or begun.
    snapshots: AtomicU64,
}

struct Desk {
    keyring: Option<Arc<Keyring>>,
    entries: Vec<Entry>,
    /// The key that what is written now is sealed with.
    current: Option<Current>,
}

/// A data key in use.
#[derive(Clone)]
pub(crate) struct Current {
    pub(crate) number: u32,
    pub(crate) key: Arc<DataKey>,
}

/// A line of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    number: u32,
    from: u64,
    wrapped: Wrapped,
}

/// What the file says.
#[derive(Debug, PartialEq, Eq)]
struct Listed {
    journal: u64,
    entries: Vec<Entry>,
}

impl Keys {
    /// Returns the keys of a journal that has none yet.
    pub(crate) fn none(disk: &dyn Disk, journal: u64) -> Keys {
        Keys {
            journal,
            path: disk.root().join(NAME),
            by_number: RwLock::default(),
            desk: Mutex::new(Desk { keyring: disk.keyring(), entries: Vec::new(), current: None }),
            snapshots: AtomicU64::new(0),
        }
    }

    /// Reads the file and opens every key in it. If there is no file, nothing of the journal can be sealed.
    pub(crate) fn load(disk: &dyn Disk, journal: u64) -> Result<Keys, Fault> {
        let keys = Keys::none(disk, journal);
        let Some((listed, whole)) = read(disk)? else { return Ok(keys) };
        if !whole {
            tracing::warn!(file = %keys.path.display(), "one of the two copies of the data keys is damaged");
        }
        if listed.journal != journal {
            return Err(Fault::corrupt(&keys.path, 0, "the data keys belong to another journal"));
        }
        let Some(keyring) = disk.keyring() else {
            return Err(keys.sealed("there is no keyring to open its data keys with"));
        };
        {
            let mut by_number = keys.by_number.write().unwrap_or_else(PoisonError::into_inner);
            for entry in &listed.entries {
                let number = entry.number;
                let key = keyring.unwrap(&entry.wrapped, &purpose(journal, number));
                let key = key.map_err(|error| keys.sealed(format!("data key {number:08x} cannot be had: {error}")))?;
                by_number.insert(number, Arc::new(key));
            }
        }
        keys.lock().entries = listed.entries;
        Ok(keys)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns a key by its number.
    pub(crate) fn get(&self, number: u32) -> Option<Arc<DataKey>> {
        self.by_number.read().unwrap_or_else(PoisonError::into_inner).get(&number).cloned()
    }

    /// Returns the key to seal with, if anything is sealed.
    pub(crate) fn current(&self) -> Option<Current> {
        self.lock().current.clone()
    }

    /// Returns a number that no other sealed snapshot of this opening has.
    pub(crate) fn next_snapshot(&self) -> u64 {
        self.snapshots.fetch_add(1, Ordering::Relaxed)
    }

    /// Returns the fault of a file that names a key which is not there.
    pub(crate) fn missing(&self, number: u32, file: &Path) -> Fault {
        self.sealed(format!("it does not have data key {number:08x}, with which {} is sealed", file.display()))
    }

    /// Returns the fault of a walk that stopped where it must not.
    pub(crate) fn stopped(&self, frames: &Frames, file: &Path, reason: &str) -> Fault {
        match frames.locked() {
            Some(number) => self.missing(number, file),
            None => Fault::corrupt(file, frames.offset(), reason),
        }
    }

    /// Returns the random number of the journal.
    pub(crate) fn journal(&self) -> u64 {
        self.journal
    }

    fn sealed(&self, reason: impl fmt::Display) -> Fault {
        Fault::Sealed { file: self.path.clone(), reason: reason.to_string() }
    }

    /// Draws a new key for what is written from a segment on, if there is a keyring, and forgets those that nobody needs.
    /// The file is durable when this returns.
    ///
    /// `is_needed` is asked for each older key, with the segments that it was used in.
    pub(crate) fn renew(
        &self,
        disk: &dyn Disk,
        from: u64,
        is_needed: &dyn Fn(u32, u64, u64) -> bool,
    ) -> Result<Option<Current>, Fault> {
        let mut desk = self.lock();
        let Some(keyring) = desk.keyring.clone() else { return Ok(None) };
        let failed = |error: std::io::Error| Fault::io("draw a data key for", &self.path, &error);
        let key = Arc::new(DataKey::draw().map_err(failed)?);
        let number = self.free_number().map_err(failed)?;
        let mut entries = desk.entries.clone();
        let until: Vec<u64> = entries.iter().skip(1).map(|entry| entry.from).chain([from]).collect();
        let mut until = until.into_iter();
        entries.retain(|entry| is_needed(entry.number, entry.from, until.next().unwrap_or(from)));
        for entry in &mut entries {
            self.wrap_anew(entry, &keyring)?;
        }
        let wrapped = keyring.wrap(&key, &purpose(self.journal, number)).map_err(failed)?;
        entries.push(Entry { number, from, wrapped });
        self.store(disk, &entries)?;
        {
            let mut by_number = self.by_number.write().unwrap_or_else(PoisonError::into_inner);
            by_number.insert(number, Arc::clone(&key));
            by_number.retain(|number, _| entries.iter().any(|entry| entry.number == *number));
        }
        let current = Current { number, key };
        *desk = Desk { keyring: Some(keyring), entries, current: Some(current.clone()) };
        Ok(Some(current))
    }

    /// Wraps all keys under the primary key of a keyring, durably; returns how many were under another one.
    pub(crate) fn rewrap(&self, disk: &dyn Disk, keyring: Arc<Keyring>) -> Result<usize, Fault> {
        let mut desk = self.lock();
        if desk.keyring.is_none() {
            return Err(self.sealed("the journal was opened without a keyring"));
        }
        let mut entries = desk.entries.clone();
        let mut count = 0;
        for entry in &mut entries {
            count += usize::from(self.wrap_anew(entry, &keyring)?);
        }
        self.store(disk, &entries)?;
        desk.entries = entries;
        desk.keyring = Some(keyring);
        Ok(count)
    }

    /// Wraps a key under the primary key of a keyring unless it is; says whether it was not.
    fn wrap_anew(&self, entry: &mut Entry, keyring: &Keyring) -> Result<bool, Fault> {
        // The same name does not make the same key.
        let purpose = purpose(self.journal, entry.number);
        if entry.wrapped.under() == keyring.primary() && keyring.unwrap(&entry.wrapped, &purpose).is_ok() {
            return Ok(false);
        }
        let key = self.get(entry.number).expect("a key that is listed has been opened");
        let wrapped = keyring.wrap(&key, &purpose);
        entry.wrapped = wrapped.map_err(|error| Fault::io("wrap a data key for", &self.path, &error))?;
        Ok(true)
    }

    /// Draws a number that no key has.
    fn free_number(&self) -> std::io::Result<u32> {
        loop {
            let mut bytes = [0; 4];
            getrandom::fill(&mut bytes).map_err(|error| std::io::Error::other(error.to_string()))?;
            let number = u32::from_le_bytes(bytes);
            if number != 0 && self.get(number).is_none() {
                return Ok(number);
            }
        }
    }

    fn store(&self, disk: &dyn Disk, entries: &[Entry]) -> Result<(), Fault> {
        let text = print(self.journal, entries);
        let new = disk.root().join(NEW);
        let file = disk.create(NEW).map_err(|error| Fault::io("create", &new, &error))?;
        file.write_at(&mut [IoSlice::new(&text)], 0).map_err(|error| Fault::io("write", &new, &error))?;
        file.sync().map_err(|error| Fault::io("sync", &new, &error))?;
        disk.rename(NEW, NAME).map_err(|error| Fault::io("rename", &new, &error))?;
        disk.sync_directory("journal").map_err(|error| Fault::io("sync", disk.root().join("journal"), &error))
    }
}

/// Says what is wrong with the file, if there is one: whether its copies are whole, and the same.
pub(crate) fn check(disk: &dyn Disk) -> Result<(), Fault> {
    match read(disk)? {
        Some((_, false)) => {
            let reason = "one of the two copies of the data keys is damaged; the next start writes both anew";
            Err(Fault::corrupt(disk.root().join(NAME), 0, reason))
        }
        _ => Ok(()),
    }
}

/// Says whether there is a file of data keys, so that something may be sealed.
pub(crate) fn exists(disk: &dyn Disk) -> Result<bool, Fault> {
    let files = disk.list("journal").map_err(|error| Fault::io("list", disk.root().join("journal"), &error))?;
    Ok(files.iter().any(|file| NAME.strip_prefix("journal/") == Some(file)))
}

/// Returns the bytes of the file, checked; `None` if there is none.
pub(crate) fn copy(disk: &dyn Disk) -> Result<Option<Vec<u8>>, Fault> {
    Ok(read(disk)?.map(|(listed, _)| print(listed.journal, &listed.entries)))
}

/// Reads the file; says what is in it, and whether both copies say so.
fn read(disk: &dyn Disk) -> Result<Option<(Listed, bool)>, Fault> {
    if !exists(disk)? {
        return Ok(None);
    }
    let path = disk.root().join(NAME);
    let failed = |error: std::io::Error| Fault::io("read", &path, &error);
    let file = disk.open(NAME, Access::Read).map_err(failed)?;
    let mut bytes = vec![0; file.length().map_err(failed)?.min(BYTES_MAX) as usize];
    let length = file.read_at(&mut bytes, 0).map_err(failed)?;
    bytes.truncate(length);
    let listed = bytes.chunks(COPY).scan(0, |at, chunk| {
        *at += chunk.len();
        Some(parse(&bytes[*at - chunk.len()..]))
    });
    let listed = listed.flatten().next().ok_or_else(|| {
        Fault::corrupt(&path, 0, "the data keys fail their check, in both copies: restore the file from a backup")
    })?;
    let whole = print(listed.journal, &listed.entries) == bytes;
    Ok(Some((listed, whole)))
}

fn print(journal: u64, entries: &[Entry]) -> Vec<u8> {
    let mut text = format!("{TITLE}id {journal:016x}\n");
    for Entry { number, from, wrapped } in entries {
        text += &format!("key {number:08x} from {from} under {wrapped}\n");
    }
    let checksum = crc32c::crc32c(text.as_bytes());
    let mut bytes = format!("{text}checksum {checksum:08x}\n").into_bytes();
    // Lines without anything: a person's tools still take it for text.
    bytes.resize(bytes.len().next_multiple_of(COPY), b'\n');
    bytes.repeat(2)
}

/// Reads the copy of the text that begins here.
fn parse(bytes: &[u8]) -> Option<Listed> {
    if !bytes.starts_with(TITLE.as_bytes()) {
        return None;
    }
    let end = bytes.windows(9).position(|window| window == b"checksum ")?;
    let (text, rest) = bytes.split_at(end);
    let checksum = std::str::from_utf8(rest.get(9..17)?).ok()?;
    if u32::from_str_radix(checksum, 16).ok()? != crc32c::crc32c(text) {
        return None;
    }
    let text = std::str::from_utf8(text).ok()?.strip_prefix(TITLE)?;
    let mut lines = text.lines();
    let journal = u64::from_str_radix(lines.next()?.strip_prefix("id ")?, 16).ok()?;
    let entry = |line: &str| {
        let (number, rest) = line.strip_prefix("key ")?.split_once(" from ")?;
        let (from, wrapped) = rest.split_once(" under ")?;
        let number = u32::from_str_radix(number, 16).ok()?;
        Some(Entry { number, from: from.parse().ok()?, wrapped: wrapped.parse().ok()? })
    };
    Some(Listed { journal, entries: lines.map(entry).collect::<Option<_>>()? })
}

/// What a wrapped key is bound to: it opens as this key of this journal only.
fn purpose(journal: u64, number: u32) -> Vec<u8> {
    let mut purpose = b"stanchion data key".to_vec();
    purpose.extend_from_slice(&journal.to_le_bytes());
    purpose.extend_from_slice(&number.to_le_bytes());
    purpose
}

/// Says whether a data key that was used in some segments, from a first to a last one, is still needed: by one of these
/// segments, or by a snapshot. `snapshots` are the keys that snapshots name, if that is known.
pub(crate) fn is_needed(
    state: &super::state::State,
    snapshots: Option<&BTreeSet<u32>>,
    number: u32,
    first: u64,
    last: u64,
) -> bool {
    let segment = state.after(first.max(state.first) - 1) <= last;
    segment || snapshots.is_none_or(|named| named.contains(&number))
}

#[cfg(test)]
mod tests;
