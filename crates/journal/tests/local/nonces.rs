//! No data key ever seals two different contents with one nonce, whatever is written, torn and written again.

use std::any::Any;
use std::collections::BTreeMap;
use std::io::{self, IoSlice};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use stanchion_journal::local::simulated::Simulated;
use stanchion_journal::local::{Access, Disk, DiskFile};
use stanchion_journal::{Journal, Local, Position};
use stanchion_keyring::Keyring;

use crate::harness::{SHARD, SMALL, acquire, record};

/// Key and nonce, and a checksum of what was sealed with them. The same plaintext gives the same ciphertext.
type Sealed = BTreeMap<(u32, u64, u32), u32>;

/// A disk that looks at everything that is written to it.
#[derive(Clone)]
struct Watched {
    disk: Simulated,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Default)]
struct Seen {
    sealed: Sealed,
    /// Places in segments that were written, under how many keys.
    places: BTreeMap<(u64, u32), Vec<u32>>,
}

struct WatchedFile {
    name: String,
    file: Arc<dyn DiskFile>,
    seen: Arc<Mutex<Seen>>,
}

impl Watched {
    fn watch(&self, name: &str, file: Arc<dyn DiskFile>) -> Arc<dyn DiskFile> {
        Arc::new(WatchedFile { name: name.to_owned(), file, seen: Arc::clone(&self.seen) })
    }
}

impl Disk for Watched {
    fn root(&self) -> &Path {
        self.disk.root()
    }
    fn keyring(&self) -> Option<Arc<Keyring>> {
        self.disk.keyring()
    }
    fn lock(&self, name: &str) -> io::Result<Box<dyn Any + Send + Sync>> {
        self.disk.lock(name)
    }
    fn make_directory(&self, name: &str) -> io::Result<()> {
        self.disk.make_directory(name)
    }
    fn list(&self, directory: &str) -> io::Result<Vec<String>> {
        self.disk.list(directory)
    }
    fn open(&self, name: &str, access: Access) -> io::Result<Arc<dyn DiskFile>> {
        Ok(self.watch(name, self.disk.open(name, access)?))
    }
    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        Ok(self.watch(name, self.disk.create(name)?))
    }
    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.disk.rename(from, to)
    }
    fn remove(&self, name: &str) -> io::Result<()> {
        self.disk.remove(name)
    }
    fn sync_directory(&self, directory: &str) -> io::Result<()> {
        self.disk.sync_directory(directory)
    }
}

impl DiskFile for WatchedFile {
    fn write_at(&self, slices: &mut [IoSlice<'_>], offset: u64) -> io::Result<()> {
        let bytes: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).collect();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if self.name.starts_with("journal/") {
            seen.frames(&bytes, offset);
        }
        drop(seen);
        self.file.write_at(slices, offset)
    }
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(buffer, offset)
    }
    fn sync(&self) -> io::Result<()> {
        self.file.sync()
    }
    fn length(&self) -> io::Result<u64> {
        self.file.length()
    }
    fn reserve(&self, length: u64) -> io::Result<bool> {
        self.file.reserve(length)
    }
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

impl Seen {
    fn note(&mut self, key: u32, space: u64, place: u32, content: &[u8]) {
        let sum = crc32c::crc32c(content);
        let before = self.sealed.insert((key, space, place), sum);
        assert!(before.is_none_or(|before| before == sum), "key {key:08x} has sealed two contents at {space}, {place}");
    }

    /// Notes the sealed blocks of the frames in a write, by the layout that `frame.rs` describes.
    fn frames(&mut self, bytes: &[u8], offset: u64) {
        let mut at = 0;
        while at + 72 <= bytes.len() {
            if bytes[at..at + 5] != *b"SJR1\x02" {
                at += 8;
                continue;
            }
            let (segment, length, key) =
                (u64_at(bytes, at + 16), u32_at(bytes, at + 52) as usize, u32_at(bytes, at + 64));
            let payload = at + 72 + 20 * length.div_ceil(4096);
            if key != 0 {
                for (block, content) in bytes[payload..payload + length].chunks(4096).enumerate() {
                    let place = (offset as usize + payload + block * 4096) as u32;
                    self.note(key, segment, place, content);
                    let keys = self.places.entry((segment, place)).or_default();
                    if !keys.contains(&key) {
                        keys.push(key);
                    }
                }
            }
            at = (payload + length).next_multiple_of(8);
        }
    }

    /// Notes the blocks of a snapshot, by the layout that `snapshot.rs` describes.
    fn snapshot(&mut self, bytes: &[u8]) {
        let (key, number) = (u32_at(bytes, 40), u64_at(bytes, 44) | 1 << 63);
        assert_ne!(key, 0, "snapshots are sealed");
        for (block, content) in bytes[60..].chunks((64 << 10) + 16).enumerate() {
            self.note(key, number, block as u32, content);
        }
    }
}

#[test]
fn no_nonce_is_used_twice_under_a_key_through_power_cuts_and_restarts() {
    let mut again = 0;
    for history in 0..30u64 {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let mut disk = Simulated::new();
        let mut number = 0;
        for round in 0..8u64 {
            let chance = history * 8 + round;
            disk.turn_off_after(20 + chance * 7 % 60);
            let watched = Watched { disk: disk.clone(), seen: Arc::clone(&seen) };
            if let Ok(journal) = Local::open_on(Arc::new(watched), SMALL) {
                let journal = Arc::new(journal);
                let (ears, epoch, mut last) = acquire(&journal, SHARD);
                for step in 0..12 {
                    last = last.next();
                    number += 1;
                    // Never the same content, so that the same ciphertext is no excuse.
                    let length = [40, 300, 3000, 5000][(chance as usize + step) % 4];
                    let payload = record(number, length).payload;
                    let record = stanchion_journal::Record { payload, ..record(last.0, 0) };
                    if journal.append(epoch, record).is_err() || ears.wait(last).is_err() {
                        break;
                    }
                    if step % 4 == 3 {
                        let state = Bytes::from(vec![number as u8; 100_000]);
                        let saved = journal.save_snapshot(SHARD, Position(last.0), state);
                        let name = format!("snapshots/00001-{:020}.snapshot", last.0);
                        if let Some(content) = disk.content(&name).filter(|_| saved.is_ok()) {
                            seen.lock().unwrap_or_else(PoisonError::into_inner).snapshot(&content);
                        }
                    }
                }
                drop(journal);
            }
            disk = disk.power_cut(chance);
        }
        let seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        again += seen.places.values().filter(|keys| keys.len() > 1).count();
    }
    assert!(again > 20, "places are written again, under other keys: {again}");
}
