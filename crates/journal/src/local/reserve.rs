//! Space that is kept for the day the disk is full.
//!
//! A queue server must be able to receive and delete on a full disk: that is how space comes back. Receives and deletes
//! are records too, a snapshot has to be written before segments may go, and even the file that lists what is gone needs
//! a block. So a few files of the length of a segment are allocated while there is space. When the disk refuses another
//! segment, one of them becomes that segment by being renamed, which needs no space; when it refuses something small, one
//! of them is removed to make place for it. From the first refusal until all of them are there again the journal says
//! that there is little [room](crate::Room), and its owner takes nothing more in.

use std::collections::BTreeMap;
use std::io::{self, IoSlice};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::disk::{Access, Disk, DiskFile};
use crate::{Fault, Room};

/// Where a piece is allocated.
pub(crate) const NEW: &str = "journal/reserve.new";
/// What the names of the pieces begin with, in the journal's directory.
const PREFIX: &str = "reserve.";
/// How much is zeroed at once if the file system cannot allocate without writing, in bytes.
const ZEROS: usize = 256 * 1024;

/// The pieces that are kept.
pub(crate) struct Reserve {
    disk: Arc<dyn Disk>,
    /// How many pieces there should be.
    pieces_wanted: u32,
    piece_bytes: u64,
    held: Mutex<Held>,
    /// The room that follows from what is held, to be read without the lock.
    room: AtomicU8,
}

#[derive(Default)]
struct Held {
    /// The bytes of each piece that is there.
    pieces: BTreeMap<u32, u64>,
    /// The disk has refused something since the reserve was last complete.
    short: bool,
}

impl Reserve {
    /// Takes over what an earlier opening has left, and removes what is not wanted.
    pub(crate) fn open(disk: Arc<dyn Disk>, pieces_wanted: u32, piece_bytes: u64) -> Result<Reserve, Fault> {
        let failed = |operation, name: &str, error: io::Error| Fault::io(operation, disk.root().join(name), &error);
        let mut held = Held::default();
        for file in disk.list("journal").map_err(|error| failed("list", "journal", error))? {
            let Some(piece) = file.strip_prefix(PREFIX) else { continue };
            let name = format!("journal/{file}");
            let length = disk.open(&name, Access::Read).and_then(|file| file.length());
            let length = length.map_err(|error| failed("measure", &name, error))?;
            match piece.parse() {
                Ok(piece) if piece < pieces_wanted && length >= piece_bytes => _ = held.pieces.insert(piece, length),
                _ => disk.remove(&name).map_err(|error| failed("remove", &name, error))?,
            }
        }
        let room = AtomicU8::new(Room::Plenty as u8);
        Ok(Reserve { disk, pieces_wanted, piece_bytes, held: Mutex::new(held), room })
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says how much room there is.
    pub(crate) fn room(&self) -> Room {
        match self.room.load(Ordering::Relaxed) {
            low if low == Room::Low as u8 => Room::Low,
            full if full == Room::Full as u8 => Room::Full,
            _ => Room::Plenty,
        }
    }

    /// Returns how many pieces there are, and their bytes.
    pub(crate) fn size(&self) -> (u64, u64) {
        let held = self.lock();
        (held.pieces.len() as u64, held.pieces.values().sum())
    }

    /// Says whether all pieces are there.
    pub(crate) fn is_complete(&self) -> bool {
        self.lock().pieces.len() as u64 >= u64::from(self.pieces_wanted)
    }

    /// Notes that the disk has refused something for want of space.
    pub(crate) fn note_refusal(&self) {
        self.change(|held| held.short = true);
    }

    /// Notes that everything that was wanted of the disk could be had.
    pub(crate) fn note_plenty(&self) {
        if self.is_complete() {
            self.change(|held| held.short = false);
        }
    }

    /// Allocates one more piece.
    pub(crate) fn add(&self) -> Result<(), Fault> {
        let path = self.disk.root().join(NEW);
        let failed = |error: io::Error| Fault::io("prepare", &path, &error);
        let allocated = self.disk.create(NEW).and_then(|file| allocate(&*file, self.piece_bytes)).map_err(failed);
        if allocated.is_err() {
            // What could be had of it is better left to others.
            let _ = self.disk.remove(NEW);
            return allocated;
        }
        self.accept(NEW, self.piece_bytes)
    }

    /// Takes a file in as a piece: one that has just been allocated, or a segment that nobody needs.
    pub(crate) fn accept(&self, from: &str, bytes: u64) -> Result<(), Fault> {
        let free = {
            let held = self.lock();
            (0..self.pieces_wanted).find(|piece| !held.pieces.contains_key(piece))
        };
        let free = free.expect("a piece is added when one is missing");
        let name = name(free);
        let failed = |operation, error: io::Error| Fault::io(operation, self.disk.root().join(&name), &error);
        self.disk.rename(from, &name).map_err(|error| failed("rename", error))?;
        self.disk.sync_directory("journal").map_err(|error| failed("sync", error))?;
        self.change(|held| _ = held.pieces.insert(free, bytes));
        Ok(())
    }

    /// Gives a piece away, for a segment that the disk has no space for; the caller renames it.
    pub(crate) fn take(&self) -> Option<String> {
        let mut taken = None;
        self.change(|held| {
            held.short = true;
            taken = held.pieces.pop_last();
        });
        taken.map(|(piece, _)| name(piece))
    }

    /// Removes a piece, so that something else can be written; says whether there was one above `keep`.
    pub(crate) fn spend(&self, keep: usize) -> bool {
        let mut spent = None;
        self.change(|held| {
            held.short = true;
            if held.pieces.len() > keep {
                spent = held.pieces.pop_last();
            }
        });
        let Some((piece, _)) = spent else { return false };
        // If that fails nothing is gained, which the next attempt to write will tell.
        let _ = self.disk.remove(&name(piece)).and_then(|()| self.disk.sync_directory("journal"));
        true
    }

    /// Changes what is held, and says so in the log if the room changes with it.
    fn change(&self, change: impl FnOnce(&mut Held)) {
        let mut held = self.lock();
        let before = held.room();
        change(&mut held);
        let (room, pieces) = (held.room(), held.pieces.len());
        self.room.store(room as u8, Ordering::Relaxed);
        drop(held);
        if room == before {
            return;
        }
        match room {
            Room::Plenty => tracing::info!("there is space on the disk again, and the journal's reserve is complete"),
            Room::Low => tracing::warn!(pieces, "the disk is full: from here on the journal lives on its reserve"),
            Room::Full => tracing::error!("the disk is full, and the journal's reserve is used up"),
        }
    }
}

impl Held {
    fn room(&self) -> Room {
        match (self.short, self.pieces.is_empty()) {
            (false, _) => Room::Plenty,
            (true, false) => Room::Low,
            (true, true) => Room::Full,
        }
    }
}

fn name(piece: u32) -> String {
    format!("journal/{PREFIX}{piece}")
}

/// Makes a new file so long that writing to it later needs no more space, durably.
fn allocate(file: &dyn DiskFile, bytes: u64) -> io::Result<()> {
    if !file.reserve(bytes)? {
        let zeros = vec![0u8; ZEROS.min(bytes as usize)];
        let mut at = 0;
        while at < bytes {
            let count = (bytes - at).min(zeros.len() as u64) as usize;
            file.write_at(&mut [IoSlice::new(&zeros[..count])], at)?;
            at += count as u64;
        }
    }
    file.sync()
}
