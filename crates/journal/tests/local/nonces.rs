//! No data key ever seals two different contents with one nonce, whatever is written, torn and written again.

use std::collections::BTreeMap;
use std::io::{self, IoSlice};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use stanchion_journal::local::DiskFile;
use stanchion_journal::local::between::{Between, Interposed};
use stanchion_journal::local::simulated::Simulated;
use stanchion_journal::{Journal, Local, Position};

use crate::harness::{SHARD, SMALL, acquire, record};

/// Key and nonce, and a checksum of what was sealed with them. The same plaintext gives the same ciphertext.
type Sealed = BTreeMap<(u32, u64, u32), u32>;

/// Looks at everything that is written.
#[derive(Default)]
struct Watch {
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    sealed: Sealed,
    /// Places in segments that were written, under how many keys.
    places: BTreeMap<(u64, u32), Vec<u32>>,
}

impl Watch {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Between for Watch {
    fn write_at(&self, name: &str, file: &dyn DiskFile, slices: &mut [IoSlice<'_>], offset: u64) -> io::Result<()> {
        if name.starts_with("journal/") {
            let bytes: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).collect();
            self.seen().frames(&bytes, offset);
        }
        file.write_at(slices, offset)
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
        let watch = Arc::new(Watch::default());
        let mut disk = Simulated::new();
        let mut number = 0;
        for round in 0..8u64 {
            let chance = history * 8 + round;
            disk.turn_off_after(20 + chance * 7 % 60);
            let watched = Interposed::new(disk.clone(), Arc::clone(&watch));
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
                            watch.seen().snapshot(&content);
                        }
                    }
                }
                drop(journal);
            }
            disk = disk.power_cut(chance);
        }
        again += watch.seen().places.values().filter(|keys| keys.len() > 1).count();
    }
    assert!(again > 20, "places are written again, under other keys: {again}");
}
