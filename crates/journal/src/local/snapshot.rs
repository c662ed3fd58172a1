//! Snapshots: one file each, written beside and renamed.
//!
//! ```text
//!  0  magic      8   "STNCSNAP"
//!  8  version    4   1
//! 12  shard      4
//! 16  journal    8
//! 24  position   8
//! 32  length     8
//! 40  body       4   CRC-32C of the body
//! 44  checksum   4   CRC-32C of bytes 0 to 43
//! 48  body
//! ```

use std::io::IoSlice;

use bytes::Bytes;

use super::disk::{Access, Disk};
use super::frame::{u32_at, u64_at};
use crate::{Fault, Position, ShardId};

const DIRECTORY: &str = "snapshots";
const HEADER: usize = 48;
const MAGIC: [u8; 8] = *b"STNCSNAP";
const VERSION: u32 = 1;
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
    journal: u64,
    shard: ShardId,
    at: Position,
    body: &[u8],
    is_held: &dyn Fn() -> bool,
) -> Result<(), Fault> {
    let mut header = Vec::with_capacity(HEADER);
    header.extend_from_slice(&MAGIC);
    header.extend_from_slice(&VERSION.to_le_bytes());
    header.extend_from_slice(&u32::from(shard.0).to_le_bytes());
    header.extend_from_slice(&journal.to_le_bytes());
    header.extend_from_slice(&at.0.to_le_bytes());
    header.extend_from_slice(&(body.len() as u64).to_le_bytes());
    header.extend_from_slice(&crc32c::crc32c(body).to_le_bytes());
    header.extend_from_slice(&crc32c::crc32c(&header).to_le_bytes());
    let new = format!("{DIRECTORY}/{:05}.new", shard.0);
    let name = name(shard, at);
    let path = disk.root().join(&new);
    if let Err(fault) = write(disk, &new, &mut [IoSlice::new(&header), IoSlice::new(body)]) {
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

fn write(disk: &dyn Disk, name: &str, slices: &mut [IoSlice<'_>]) -> Result<(), Fault> {
    let path = disk.root().join(name);
    let file = disk.create(name).map_err(|error| Fault::io("create", &path, &error))?;
    file.write_at(slices, 0).map_err(|error| Fault::io("write", &path, &error))?;
    file.sync().map_err(|error| Fault::io("sync", &path, &error))
}

/// Reads a snapshot and checks it. `journal` is not checked if it is `None`.
pub(crate) fn read(disk: &dyn Disk, journal: Option<u64>, shard: ShardId, at: Position) -> Result<Bytes, Fault> {
    let name = name(shard, at);
    let path = disk.root().join(&name);
    let failed = |error: std::io::Error| Fault::io("read", &path, &error);
    let file = disk.open(&name, Access::Read).map_err(failed)?;
    let length = file.length().map_err(failed)?;
    let mut bytes = vec![0; length as usize];
    let read = file.read_at(&mut bytes, 0).map_err(failed)?;
    bytes.truncate(read);
    if read < HEADER || bytes[0..8] != MAGIC || u32_at(&bytes, 44) != crc32c::crc32c(&bytes[..44]) {
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
    if u32_at(&bytes, 40) != crc32c::crc32c(&bytes[HEADER..]) {
        return Err(Fault::corrupt(path, HEADER as u64, "the body of the snapshot fails its checksum"));
    }
    Ok(Bytes::from(bytes).slice(HEADER..))
}

/// Returns the journal to which a snapshot belongs.
pub(crate) fn journal_of(disk: &dyn Disk, shard: ShardId, at: Position) -> Result<u64, Fault> {
    read(disk, None, shard, at)?;
    let name = name(shard, at);
    let failed = |error: std::io::Error| Fault::io("read", disk.root().join(&name), &error);
    let mut header = [0; HEADER];
    disk.open(&name, Access::Read).and_then(|file| file.read_at(&mut header, 0)).map_err(failed)?;
    Ok(u64_at(&header, 16))
}

/// Returns the newest valid snapshot of a shard.
///
/// `is_whole` says whether the log still has everything from a position on, and `last` is its highest position: an older
/// snapshot is of use only if the log goes on from there, and one past the end of the log shows that the log has lost
/// records.
pub(crate) fn load(
    disk: &dyn Disk,
    journal: u64,
    shard: ShardId,
    is_whole: &dyn Fn(Position) -> bool,
    last: Position,
) -> Result<Option<(Position, Bytes)>, Fault> {
    let mut damage = None;
    for at in positions(disk, shard)? {
        match read(disk, Some(journal), shard, at) {
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
