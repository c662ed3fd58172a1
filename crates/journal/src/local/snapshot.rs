//! Snapshots: one file each, written beside and renamed.
//!
//! ```text
//!  0  magic      8   "STNCSNAP"
//!  8  version    4   2
//! 12  shard      4
//! 16  journal    8
//! 24  position   8
//! 32  length     8   of what follows the header
//! 40  key        4   number of the data key that sealed the body; 0 if it is not sealed
//! 44  number     8   of this snapshot among those sealed with the key
//! 52  body       4   CRC-32C of the body
//! 56  checksum   4   CRC-32C of bytes 0 to 55
//! 60  body
//! ```
//!
//! A sealed body is cut into blocks of 64 KiB, each encrypted by itself with AES-256-GCM and followed by its tag. The
//! nonce is made of the snapshot's number, with its highest bit set, which no segment's number has, and the block's; bytes
//! 0 to 51 are bound to every block.

use std::collections::BTreeSet;
use std::io::IoSlice;

use bytes::Bytes;
use stanchion_keyring::{NONCE_BYTES, TAG_BYTES};

use super::disk::{Access, Disk, DiskFile};
use super::frame::{u32_at, u64_at};
use super::keys::{Current, Keys};
use crate::{Fault, Position, ShardId};

const DIRECTORY: &str = "snapshots";
const HEADER: usize = 60;
/// Bytes of the header to which the blocks of a sealed body are bound.
const BOUND: usize = 52;
/// Bytes of a block of a sealed body, without its tag.
const BLOCK: usize = 64 * 1024;
/// How many blocks are sealed before they are written.
const BLOCKS_AT_ONCE: usize = 16;
const MAGIC: [u8; 8] = *b"STNCSNAP";
const VERSION: u32 = 2;
/// The newest one, and the one before it in case the newest is damaged.
const KEPT: usize = 2;

/// Returns the name of a snapshot's file.
pub(crate) fn name(shard: ShardId, at: Position) -> String {
    format!("{DIRECTORY}/{:05}-{:020}.snapshot", shard.0, at.0)
}

/// Returns shard and position of the snapshot that a file in the snapshots' directory is.
pub(crate) fn identity(file: &str) -> Option<(ShardId, Position)> {
    let (shard, position) = file.strip_suffix(".snapshot")?.split_once('-')?;
    Some((ShardId(shard.parse().ok()?), Position(position.parse().ok()?)))
}

/// Returns the positions of all snapshots of a shard, the newest first.
pub(crate) fn positions(disk: &dyn Disk, shard: ShardId) -> Result<Vec<Position>, Fault> {
    let files = disk.list(DIRECTORY).map_err(|error| Fault::io("list", disk.root().join(DIRECTORY), &error))?;
    let ours = files.iter().filter_map(|file| identity(file)).filter(|(of, _)| *of == shard);
    let mut positions: Vec<_> = ours.map(|(_, position)| position).collect();
    positions.sort_unstable_by(|a, b| b.cmp(a));
    Ok(positions)
}

/// Writes a snapshot, durably, and then removes all but the last two, unless somebody holds the files. If
/// that fails, the one before is as good as it was.
pub(crate) fn save(
    disk: &dyn Disk,
    keys: &Keys,
    shard: ShardId,
    at: Position,
    body: &[u8],
    is_held: &dyn Fn() -> bool,
) -> Result<(), Fault> {
    let new = format!("{DIRECTORY}/{:05}.new", shard.0);
    let name = name(shard, at);
    let path = disk.root().join(&new);
    if let Err(fault) = write(disk, &new, keys, shard, at, body) {
        // Half a snapshot is of no use, and others may need its space.
        let _ = disk.remove(&new);
        return Err(fault);
    }
    disk.rename(&new, &name).map_err(|error| Fault::io("rename", &path, &error))?;
    let directory = disk.root().join(DIRECTORY);
    disk.sync_directory(DIRECTORY).map_err(|error| Fault::io("sync", &directory, &error))?;
    if is_held() {
        return Ok(());
    }
    for old in positions(disk, shard)?.into_iter().skip(KEPT) {
        let name = self::name(shard, old);
        disk.remove(&name).map_err(|error| Fault::io("remove", disk.root().join(&name), &error))?;
    }
    disk.sync_directory(DIRECTORY).map_err(|error| Fault::io("sync", &directory, &error))
}

fn write(disk: &dyn Disk, name: &str, keys: &Keys, shard: ShardId, at: Position, body: &[u8]) -> Result<(), Fault> {
    let path = disk.root().join(name);
    let file = disk.create(name).map_err(|error| Fault::io("create", &path, &error))?;
    let failed = |error: std::io::Error| Fault::io("write", &path, &error);
    let seal = keys.current().map(|current| (current, keys.next_snapshot()));
    let tags = if seal.is_some() { body.len().div_ceil(BLOCK) * TAG_BYTES } else { 0 };
    let mut header = Vec::with_capacity(HEADER);
    header.extend_from_slice(&MAGIC);
    header.extend_from_slice(&VERSION.to_le_bytes());
    header.extend_from_slice(&u32::from(shard.0).to_le_bytes());
    header.extend_from_slice(&keys.journal().to_le_bytes());
    header.extend_from_slice(&at.0.to_le_bytes());
    header.extend_from_slice(&((body.len() + tags) as u64).to_le_bytes());
    header.extend_from_slice(&seal.as_ref().map_or(0, |(current, _)| current.number).to_le_bytes());
    header.extend_from_slice(&seal.as_ref().map_or(0, |(_, number)| *number).to_le_bytes());
    let checksum = match seal {
        Some((current, number)) => write_sealed(&*file, &header, &current, number, body).map_err(failed)?,
        None => {
            file.write_at(&mut [IoSlice::new(body)], HEADER as u64).map_err(failed)?;
            crc32c::crc32c(body)
        }
    };
    header.extend_from_slice(&checksum.to_le_bytes());
    header.extend_from_slice(&crc32c::crc32c(&header).to_le_bytes());
    file.write_at(&mut [IoSlice::new(&header)], 0).map_err(failed)?;
    file.sync().map_err(|error| Fault::io("sync", &path, &error))
}

/// Writes a body, sealed, a megabyte at a time, and returns its checksum.
fn write_sealed(
    file: &dyn DiskFile,
    header: &[u8],
    current: &Current,
    number: u64,
    body: &[u8],
) -> std::io::Result<u32> {
    let (mut offset, mut checksum, mut block) = (HEADER as u64, 0, 0);
    let mut buffer = Vec::with_capacity(BLOCKS_AT_ONCE.min(body.len().div_ceil(BLOCK)) * (BLOCK + TAG_BYTES));
    for piece in body.chunks(BLOCKS_AT_ONCE * BLOCK) {
        buffer.clear();
        for plain in piece.chunks(BLOCK) {
            let start = buffer.len();
            buffer.extend_from_slice(plain);
            let tag = current.key.seal(nonce(number, block), &header[..BOUND], &mut buffer[start..]);
            buffer.extend_from_slice(&tag);
            block += 1;
        }
        checksum = crc32c::crc32c_append(checksum, &buffer);
        file.write_at(&mut [IoSlice::new(&buffer)], offset)?;
        offset += buffer.len() as u64;
    }
    Ok(checksum)
}

fn nonce(number: u64, block: u32) -> [u8; NONCE_BYTES] {
    let mut nonce = [0; NONCE_BYTES];
    nonce[..8].copy_from_slice(&(number | 1 << 63).to_le_bytes());
    nonce[8..].copy_from_slice(&block.to_le_bytes());
    nonce
}

/// Reads a snapshot, checks it and opens it.
pub(crate) fn read(disk: &dyn Disk, keys: &Keys, shard: ShardId, at: Position) -> Result<Bytes, Fault> {
    let mut bytes = load_checked(disk, Some(keys.journal()), shard, at)?;
    let number = u32_at(&bytes, 40);
    if number == 0 {
        return Ok(Bytes::from(bytes).slice(HEADER..));
    }
    let path = disk.root().join(name(shard, at));
    let key = keys.get(number).ok_or_else(|| keys.missing(number, &path))?;
    let (header, sealed) = bytes.split_at_mut(HEADER);
    let snapshot = u64_at(header, 44);
    // Each block goes where it is without the tags of those before it.
    let (mut from, mut to, mut block) = (0, 0, 0);
    while from < sealed.len() {
        let until = sealed.len().min(from + BLOCK + TAG_BYTES);
        let Some(length) = key.open_in_place(nonce(snapshot, block), &header[..BOUND], &mut sealed[from..until]) else {
            let reason = "the body of the snapshot is not what was sealed";
            return Err(Fault::corrupt(path, (HEADER + from) as u64, reason));
        };
        sealed.copy_within(from..from + length, to);
        (from, to, block) = (until, to + length, block + 1);
    }
    bytes.truncate(HEADER + to);
    Ok(Bytes::from(bytes).slice(HEADER..))
}

/// Checks a snapshot as it is stored, without opening it. `journal` is not checked if it is `None`.
pub(crate) fn check(disk: &dyn Disk, journal: Option<u64>, shard: ShardId, at: Position) -> Result<(), Fault> {
    load_checked(disk, journal, shard, at).map(|_| ())
}

/// Reads the file of a snapshot and checks it.
fn load_checked(disk: &dyn Disk, journal: Option<u64>, shard: ShardId, at: Position) -> Result<Vec<u8>, Fault> {
    let name = name(shard, at);
    let path = disk.root().join(&name);
    let failed = |error: std::io::Error| Fault::io("read", &path, &error);
    let file = disk.open(&name, Access::Read).map_err(failed)?;
    let length = file.length().map_err(failed)?;
    let mut bytes = vec![0; length as usize];
    let read = file.read_at(&mut bytes, 0).map_err(failed)?;
    bytes.truncate(read);
    if read < HEADER || bytes[0..8] != MAGIC || u32_at(&bytes, 56) != crc32c::crc32c(&bytes[..56]) {
        return Err(Fault::corrupt(path, 0, "the header of the snapshot fails its check"));
    }
    if u32_at(&bytes, 8) != VERSION {
        return Err(Fault::corrupt(path, 8, "the snapshot has an unknown version"));
    }
    if journal.is_some_and(|journal| journal != u64_at(&bytes, 16)) {
        return Err(Fault::corrupt(path, 16, "the snapshot belongs to another journal"));
    }
    if u32_at(&bytes, 12) != u32::from(shard.0) || u64_at(&bytes, 24) != at.0 {
        return Err(Fault::corrupt(path, 12, "the snapshot is of another shard or position than its name"));
    }
    if u64_at(&bytes, 32) != (read - HEADER) as u64 {
        return Err(Fault::corrupt(path, read as u64, "the snapshot has been cut short"));
    }
    if u32_at(&bytes, 52) != crc32c::crc32c(&bytes[HEADER..]) {
        return Err(Fault::corrupt(path, HEADER as u64, "the body of the snapshot fails its checksum"));
    }
    Ok(bytes)
}

/// Returns the numbers of the data keys that snapshots are sealed with.
pub(crate) fn keys(disk: &dyn Disk) -> Result<BTreeSet<u32>, Fault> {
    all(disk)?.into_iter().map(|(shard, at)| Ok(u32_at(&header(disk, shard, at)?, 40))).collect()
}

/// Refuses keys that lack one with which a snapshot is sealed: they are from another time than the journal.
pub(crate) fn check_keys(disk: &dyn Disk, keys: &Keys) -> Result<(), Fault> {
    for (shard, at) in all(disk)? {
        // What is wrong with a snapshot is said when one is loaded.
        let Ok(header) = header(disk, shard, at) else { continue };
        let number = u32_at(&header, 40);
        if number != 0 && keys.get(number).is_none() {
            return Err(keys.missing(number, &disk.root().join(name(shard, at))));
        }
    }
    Ok(())
}

fn all(disk: &dyn Disk) -> Result<Vec<(ShardId, Position)>, Fault> {
    let files = disk.list(DIRECTORY).map_err(|error| Fault::io("list", disk.root().join(DIRECTORY), &error))?;
    Ok(files.iter().filter_map(|file| identity(file)).collect())
}

/// Reads the header of a snapshot, and checks only that it is one.
fn header(disk: &dyn Disk, shard: ShardId, at: Position) -> Result<[u8; HEADER], Fault> {
    let name = name(shard, at);
    let path = disk.root().join(&name);
    let failed = |error: std::io::Error| Fault::io("read", &path, &error);
    let mut header = [0; HEADER];
    disk.open(&name, Access::Read).and_then(|file| file.read_at(&mut header, 0)).map_err(failed)?;
    if header[0..8] != MAGIC || u32_at(&header, 56) != crc32c::crc32c(&header[..56]) {
        return Err(Fault::corrupt(path, 0, "the header of the snapshot fails its check"));
    }
    Ok(header)
}

/// Returns the journal to which a snapshot belongs.
pub(crate) fn journal_of(disk: &dyn Disk, shard: ShardId, at: Position) -> Result<u64, Fault> {
    check(disk, None, shard, at)?;
    Ok(u64_at(&header(disk, shard, at)?, 16))
}

/// Returns the newest valid snapshot of a shard.
///
/// `is_whole` says whether the log still has everything from a position on, and `last` is its highest position: an older
/// snapshot is of use only if the log goes on from there, and one past the end of the log shows that the log has lost
/// records.
pub(crate) fn load(
    disk: &dyn Disk,
    keys: &Keys,
    shard: ShardId,
    is_whole: &dyn Fn(Position) -> bool,
    last: Position,
) -> Result<Option<(Position, Bytes)>, Fault> {
    let mut damage = None;
    for at in positions(disk, shard)? {
        match read(disk, keys, shard, at) {
            Ok(_) if at > last => {
                let reason = format!("the log of shard {shard} ends at {last}, before the snapshot at {at}");
                return Err(Fault::corrupt(disk.root().join("journal"), 0, reason));
            }
            Ok(bytes) if damage.is_none() || is_whole(at.next()) => return Ok(Some((at, bytes))),
            Ok(_) => break,
            Err(fault @ Fault::Corrupt { .. }) => {
                tracing::error!(%fault, "a snapshot is damaged");
                damage.get_or_insert(fault);
            }
            Err(fault) => return Err(fault),
        }
    }
    damage.map_or(Ok(None), Err)
}
