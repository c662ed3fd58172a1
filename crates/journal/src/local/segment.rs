//! A segment: a file that begins with a page about itself, followed by frames.
//!
//! ```text
//! 0     magic      8   "STNCHSEG"
//! 8     version    4   1
//! 12    zeros      4
//! 16    journal    8
//! 24    number     8
//! 32    length     8   of the file when it was prepared: a shorter one has been cut
//! 40    checksum   4   CRC-32C of bytes 0 to 39
//! 2048  seal       8   where the seal frame begins; zeros while the segment is in use
//! 2056  checksum   4   CRC-32C of bytes 16 to 31 and 2048 to 2055
//! 4096  frames
//! ```
//!
//! The page is durable before the file gets its name, so a segment without a valid page is damaged, whatever happened.
//! The pointer to the seal frame is written after a sync of everything before it. It only saves time: without it the whole
//! segment is read.

use super::frame::{u32_at, u64_at};

/// Where frames begin.
pub(crate) const FRAMES: u64 = 4096;
/// Where the pointer to the seal frame is: a sector of its own, so that writing it cannot tear the rest of the page.
pub(crate) const SEAL_AT: u64 = 2048;

const MAGIC: [u8; 8] = *b"STNCHSEG";
const VERSION: u32 = 1;

/// Returns the name of a segment's file.
pub(crate) fn name(number: u64) -> String {
    format!("journal/{number:012}.segment")
}

/// Returns the number of the segment that a file in the journal's directory is.
pub(crate) fn number(file: &str) -> Option<u64> {
    let digits = file.strip_suffix(".segment")?;
    (digits.len() == 12).then(|| digits.parse().ok())?
}

/// Returns the page at the start of a segment.
pub(crate) fn page(journal: u64, number: u64, length: u64) -> Vec<u8> {
    let mut page = vec![0; FRAMES as usize];
    page[0..8].copy_from_slice(&MAGIC);
    page[8..12].copy_from_slice(&VERSION.to_le_bytes());
    page[16..24].copy_from_slice(&journal.to_le_bytes());
    page[24..32].copy_from_slice(&number.to_le_bytes());
    page[32..40].copy_from_slice(&length.to_le_bytes());
    let checksum = crc32c::crc32c(&page[..40]);
    page[40..44].copy_from_slice(&checksum.to_le_bytes());
    page
}

/// Checks the page of a segment, and returns why it is not the page of this one.
pub(crate) fn check_page(page: &[u8], journal: u64, number: u64, length: u64) -> Result<(), &'static str> {
    if page.len() < FRAMES as usize || page[0..8] != MAGIC || u32_at(page, 40) != crc32c::crc32c(&page[..40]) {
        return Err("the page at the start of the segment fails its check");
    }
    if u32_at(page, 8) != VERSION {
        return Err("the segment has an unknown version");
    }
    if u64_at(page, 16) != journal {
        return Err("the segment belongs to another journal");
    }
    if u64_at(page, 24) != number {
        return Err("the segment has another number than its name");
    }
    if u64_at(page, 32) > length {
        return Err("the segment has been cut short");
    }
    Ok(())
}

/// Returns the bytes that point to the seal frame.
pub(crate) fn seal_pointer(journal: u64, number: u64, at: u64) -> [u8; 12] {
    let mut pointer = [0; 12];
    pointer[..8].copy_from_slice(&at.to_le_bytes());
    pointer[8..].copy_from_slice(&pointer_checksum(journal, number, at).to_le_bytes());
    pointer
}

/// Returns where the seal frame begins, if the page says so.
pub(crate) fn sealed_at(page: &[u8], journal: u64, number: u64) -> Option<u64> {
    let at = u64_at(page, SEAL_AT as usize);
    (at >= FRAMES && u32_at(page, SEAL_AT as usize + 8) == pointer_checksum(journal, number, at)).then_some(at)
}

fn pointer_checksum(journal: u64, number: u64, at: u64) -> u32 {
    let checksum = crc32c::crc32c(&journal.to_le_bytes());
    let checksum = crc32c::crc32c_append(checksum, &number.to_le_bytes());
    crc32c::crc32c_append(checksum, &at.to_le_bytes())
}
