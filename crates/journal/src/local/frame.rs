//! A frame: one record, or a note of the journal to itself, as bytes of a segment.
//!
//! ```text
//!  0  magic      4      "SJR1"
//!  4  version    1      2
//!  5  kind       1      1 record, 2 base, 3 seal
//!  6  shard      2
//!  8  journal    8      random, the same in all files of a journal
//! 16  segment    8      number of the segment
//! 24  epoch      8
//! 32  position   8
//! 40  clock_ms   8
//! 48  count      4
//! 52  length     4      of the payload
//! 56  chain      4      checksum of the header of the shard's previous record
//! 60  synced     4      the segment was durable up to this offset when the frame was made
//! 64  key        4      number of the data key that sealed the payload; 0 if it is not sealed
//! 68  checksum   4      CRC-32C of bytes 0 to 67 and of the table
//! 72  table      20 n   of each 4,096 bytes of payload: CRC-32C (4), tag (16; zeros if it is not sealed)
//!     payload
//!     zeros, up to a multiple of 8
//! ```
//!
//! All numbers are little-endian. The table lets a reader check the few kilobytes it wants out of a large record, and
//! the checksum of the header covers the table, and so, through it, everything.
//!
//! A sealed payload is encrypted with AES-256-GCM, each block by itself and in place. Its checksum is that of the
//! encrypted bytes, so whoever has no key can still tell whether they are what was written. The nonce is the place of the
//! block, segment and offset in it, and bytes 0 to 67 are bound to every block: a block opens only where it was written,
//! under the header that it was written with. A data key lives no longer than the journal is open, in which time no place
//! is written twice; so no nonce is used twice under a key.
//!
//! `journal` and `segment` tell a frame from what an earlier use of the same file left behind, and from bytes in a
//! message body that look like a frame: the random number is never shown to a client. `synced` is what recovery needs to
//! tell a torn tail from damage, see `recover`.

use std::ops::Range;
use std::sync::Arc;

use stanchion_keyring::{DataKey, NONCE_BYTES, TAG_BYTES};

#[cfg(test)]
mod tests;

/// The alignment of frames in a segment, in bytes.
pub(crate) const ALIGNMENT: usize = 8;
/// Bytes before the table.
pub(crate) const FIXED: usize = 72;
/// Bytes of the header that its checksum covers, and to which sealed blocks are bound.
const BOUND: usize = 68;
/// Bytes of the table for each block: its checksum and its tag.
pub(crate) const ENTRY: usize = 4 + TAG_BYTES;
/// Bytes of payload under one checksum. Measured: a smaller block would save a cold receive of 1 KiB less than a tenth of
/// a microsecond of decryption, and cost every send as much.
pub(crate) const BLOCK: usize = 4096;
/// The longest payload, in bytes. Far above what a group commit needs, and low enough for 32-bit offsets.
pub(crate) const PAYLOAD_MAX: usize = 1 << 30;

pub(crate) const MAGIC: [u8; 4] = *b"SJR1";
const VERSION: u8 = 2;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A record of a shard.
    Record,
    /// The first frame of a segment: where every shard stood.
    Base,
    /// The last frame of a segment: where every shard stands, and the index of the segment.
    Seal,
}

/// Everything in a frame but the payload and its table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) kind: Kind,
    pub(crate) shard: u16,
    pub(crate) journal: u64,
    pub(crate) segment: u64,
    pub(crate) epoch: u64,
    pub(crate) position: u64,
    pub(crate) clock_ms: u64,
    pub(crate) count: u32,
    pub(crate) length: u32,
    pub(crate) chain: u32,
    pub(crate) synced: u32,
    pub(crate) key: u32,
}

/// A header that passed its check.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Checked {
    pub(crate) header: Header,
    pub(crate) checksum: u32,
}

/// What some bytes are, read as a header and table.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Parsed {
    Valid(Checked),
    /// As many bytes are needed to tell.
    Short(usize),
    Invalid(&'static str),
}

/// Returns how many blocks a payload has.
pub(crate) const fn blocks(length: usize) -> usize {
    length.div_ceil(BLOCK)
}

/// Returns where the payload begins in a frame.
pub(crate) const fn payload_at(length: usize) -> usize {
    FIXED + ENTRY * blocks(length)
}

/// Returns the bytes of a whole frame with a payload of `length` bytes.
pub(crate) const fn frame_bytes(length: usize) -> usize {
    (payload_at(length) + length).next_multiple_of(ALIGNMENT)
}

/// Appends header and table of a frame that is not sealed, without the payload and what follows it, and returns the
/// header's checksum.
pub(crate) fn encode(header: &Header, payload: &[u8], out: &mut Vec<u8>) -> u32 {
    let start = out.len();
    out.extend_from_slice(&header.print());
    for block in payload.chunks(BLOCK) {
        out.extend_from_slice(&crc32c::crc32c(block).to_le_bytes());
        out.extend_from_slice(&[0; TAG_BYTES]);
    }
    finish(&mut out[start..])
}

/// Appends header, table and sealed payload of a frame that begins at an offset of its segment, without what follows the
/// payload, and returns the header's checksum.
pub(crate) fn encode_sealed(header: &Header, at: u64, payload: &[u8], key: &DataKey, out: &mut Vec<u8>) -> u32 {
    assert_ne!(header.key, 0, "the header of a sealed frame names its key");
    let (start, table) = (out.len(), payload_at(payload.len()));
    let fixed = header.print();
    out.extend_from_slice(&fixed);
    out.resize(start + table, 0);
    out.extend_from_slice(payload);
    let (head, payload) = out[start..].split_at_mut(table);
    for (index, (entry, block)) in head[FIXED..].chunks_exact_mut(ENTRY).zip(payload.chunks_mut(BLOCK)).enumerate() {
        let place = at + (table + index * BLOCK) as u64;
        let tag = key.seal(nonce(header.segment, place), &fixed[..BOUND], block);
        entry[..4].copy_from_slice(&crc32c::crc32c(block).to_le_bytes());
        entry[4..].copy_from_slice(&tag);
    }
    finish(head)
}

/// Puts the checksum into a header that is followed by its table, and returns it.
fn finish(head: &mut [u8]) -> u32 {
    let checksum = crc32c::crc32c_append(crc32c::crc32c(&head[..BOUND]), &head[FIXED..]);
    head[BOUND..FIXED].copy_from_slice(&checksum.to_le_bytes());
    checksum
}

/// Returns the nonce of what is sealed at a place: no two places of a journal have the same.
fn nonce(segment: u64, place: u64) -> [u8; NONCE_BYTES] {
    let place = u32::try_from(place).expect("a segment is shorter than 4 GiB");
    let mut nonce = [0; NONCE_BYTES];
    nonce[..8].copy_from_slice(&segment.to_le_bytes());
    nonce[8..].copy_from_slice(&place.to_le_bytes());
    nonce
}

impl Header {
    /// Returns the bytes before the table, the checksum still missing.
    fn print(&self) -> [u8; FIXED] {
        let mut fixed = [0u8; FIXED];
        fixed[0..4].copy_from_slice(&MAGIC);
        fixed[4] = VERSION;
        fixed[5] = match self.kind {
            Kind::Record => 1,
            Kind::Base => 2,
            Kind::Seal => 3,
        };
        fixed[6..8].copy_from_slice(&self.shard.to_le_bytes());
        fixed[8..16].copy_from_slice(&self.journal.to_le_bytes());
        fixed[16..24].copy_from_slice(&self.segment.to_le_bytes());
        fixed[24..32].copy_from_slice(&self.epoch.to_le_bytes());
        fixed[32..40].copy_from_slice(&self.position.to_le_bytes());
        fixed[40..48].copy_from_slice(&self.clock_ms.to_le_bytes());
        fixed[48..52].copy_from_slice(&self.count.to_le_bytes());
        fixed[52..56].copy_from_slice(&self.length.to_le_bytes());
        fixed[56..60].copy_from_slice(&self.chain.to_le_bytes());
        fixed[60..64].copy_from_slice(&self.synced.to_le_bytes());
        fixed[64..68].copy_from_slice(&self.key.to_le_bytes());
        fixed
    }
}

/// What opens the blocks of one sealed frame.
pub(crate) struct Opener {
    key: Arc<DataKey>,
    bound: [u8; FIXED],
    segment: u64,
    /// Where the payload begins in the segment.
    payload: u64,
}

impl Opener {
    /// Returns what opens the frame with this header at an offset of its segment.
    pub(crate) fn new(key: Arc<DataKey>, header: &Header, at: u64) -> Opener {
        let payload = at + payload_at(header.length as usize) as u64;
        Opener { key, bound: header.print(), segment: header.segment, payload }
    }

    /// Opens blocks, the first of which has some number, into `out`, which must be as long. `table` holds their entries.
    /// Returns the number of the first that is not as it was sealed.
    pub(crate) fn open(&self, first: usize, table: &[u8], sealed: &[u8], out: &mut [u8]) -> Result<(), usize> {
        let blocks = sealed.chunks(BLOCK).zip(out.chunks_mut(BLOCK)).zip(table.chunks_exact(ENTRY));
        for (number, ((sealed, out), entry)) in (first..).zip(blocks) {
            let nonce = nonce(self.segment, self.payload + (number * BLOCK) as u64);
            if !self.key.open(nonce, &self.bound[..BOUND], sealed, &entry[4..], out) {
                return Err(number);
            }
        }
        Ok(())
    }
}

/// Reads header and table from the start of some bytes and checks them. The payload is not looked at.
pub(crate) fn parse(bytes: &[u8]) -> Parsed {
    let Some(fixed) = bytes.first_chunk::<FIXED>() else { return Parsed::Short(FIXED) };
    if fixed[0..4] != MAGIC {
        return Parsed::Invalid("no frame begins here");
    }
    if fixed[4] != VERSION {
        return Parsed::Invalid("the frame has an unknown version");
    }
    let kind = match fixed[5] {
        1 => Kind::Record,
        2 => Kind::Base,
        3 => Kind::Seal,
        _ => return Parsed::Invalid("the frame has an unknown kind"),
    };
    let length = u32_at(fixed, 52);
    if length as usize > PAYLOAD_MAX {
        return Parsed::Invalid("the frame has an impossible length");
    }
    let Some(table) = bytes.get(FIXED..payload_at(length as usize)) else {
        return Parsed::Short(payload_at(length as usize));
    };
    let checksum = u32_at(fixed, BOUND);
    if crc32c::crc32c_append(crc32c::crc32c(&fixed[..BOUND]), table) != checksum {
        return Parsed::Invalid("the header of the frame fails its checksum");
    }
    let header = Header {
        kind,
        shard: u16::from_le_bytes([fixed[6], fixed[7]]),
        journal: u64_at(fixed, 8),
        segment: u64_at(fixed, 16),
        epoch: u64_at(fixed, 24),
        position: u64_at(fixed, 32),
        clock_ms: u64_at(fixed, 40),
        count: u32_at(fixed, 48),
        length,
        chain: u32_at(fixed, 56),
        synced: u32_at(fixed, 60),
        key: u32_at(fixed, 64),
    };
    Parsed::Valid(Checked { header, checksum })
}

/// Says whether some blocks of a payload pass their checks.
///
/// `table` holds the entries of these blocks and `bytes` their content: whole blocks, but for the last of the payload.
pub(crate) fn intact(table: &[u8], bytes: &[u8]) -> bool {
    let entries = table.chunks_exact(ENTRY);
    let passes = |(entry, block): (&[u8], &[u8])| entry[..4] == crc32c::crc32c(block).to_le_bytes();
    entries.len() == blocks(bytes.len()) && entries.zip(bytes.chunks(BLOCK)).all(passes)
}

/// Returns which blocks hold a range of the payload.
pub(crate) fn blocks_of(range: Range<usize>) -> Range<usize> {
    if range.is_empty() { 0..0 } else { range.start / BLOCK..blocks(range.end) }
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut value = [0; 4];
    value.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(value)
}

pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut value = [0; 8];
    value.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(value)
}
