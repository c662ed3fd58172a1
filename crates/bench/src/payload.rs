//! Bodies that know who they are.
//!
//! A body is a header of fixed width and padding, all in characters that need
//! no escaping in JSON, XML or a form:
//!
//! ```text
//! run (16 hex) - producer (8) - sequence (16) - group (8) - crc (8) - padding
//! ```
//!
//! The checksum covers everything else, so that one altered, cut or mixed-up
//! byte shows.

use std::io::Write;

/// Bytes in front of the padding.
pub(crate) const HEADER_BYTES: usize = 16 + 1 + 8 + 1 + 16 + 1 + 8 + 1 + 8 + 1;
const CHECKSUM_AT: usize = HEADER_BYTES - 9;

/// The number of a message: which run, which connection, the how-manieth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Number {
    pub(crate) run: u64,
    pub(crate) producer: u32,
    pub(crate) sequence: u64,
    pub(crate) group: u32,
}

/// This function replaces the content of `body` by the numbered body of `size`
/// bytes (at least [`HEADER_BYTES`]).
pub(crate) fn write(body: &mut Vec<u8>, number: Number, size: usize) {
    assert!(size >= HEADER_BYTES, "a body of {size} bytes has no room for its number");
    body.resize(size, b'x');
    let mut header = &mut body[..CHECKSUM_AT];
    write!(header, "{:016x}-{:08x}-{:016x}-{:08x}-", number.run, number.producer, number.sequence, number.group)
        .expect("the header has a fixed width");
    body[HEADER_BYTES - 1] = b'-';
    let checksum = checksum(body);
    write!(&mut body[CHECKSUM_AT..HEADER_BYTES - 1], "{checksum:08x}").expect("the checksum has a fixed width");
}

/// This function reads a body's number back, or `None` when the body is not
/// exactly what [`write`] made.
pub(crate) fn read(body: &[u8]) -> Option<Number> {
    let header = std::str::from_utf8(body.get(..HEADER_BYTES)?).ok()?;
    let mut fields = header.split('-');
    let run = u64::from_str_radix(fields.next()?, 16).ok()?;
    let producer = u32::from_str_radix(fields.next()?, 16).ok()?;
    let sequence = u64::from_str_radix(fields.next()?, 16).ok()?;
    let group = u32::from_str_radix(fields.next()?, 16).ok()?;
    let expected = u32::from_str_radix(fields.next()?, 16).ok()?;
    (checksum(body) == expected).then_some(Number { run, producer, sequence, group })
}

fn checksum(body: &[u8]) -> u32 {
    let head = crc32c::crc32c(&body[..CHECKSUM_AT]);
    crc32c::crc32c_append(head, &body[HEADER_BYTES - 1..])
}

#[cfg(test)]
mod tests {
    use super::{HEADER_BYTES, Number, read, write};

    const NUMBER: Number = Number { run: u64::MAX, producer: 7, sequence: 1 << 40, group: u32::MAX };

    #[test]
    fn a_body_gives_its_number_back_at_every_size() {
        for size in [HEADER_BYTES, HEADER_BYTES + 1, 1024, 100_000] {
            let mut body = Vec::new();
            write(&mut body, NUMBER, size);
            assert_eq!(body.len(), size);
            assert_eq!(read(&body), Some(NUMBER));
        }
    }

    #[test]
    fn every_altered_byte_shows() {
        let mut body = Vec::new();
        write(&mut body, NUMBER, HEADER_BYTES + 20);
        for at in 0..body.len() {
            let mut altered = body.clone();
            altered[at] ^= 1;
            assert_eq!(read(&altered), None, "byte {at}");
        }
    }

    #[test]
    fn a_cut_or_longer_body_shows() {
        let mut body = Vec::new();
        write(&mut body, NUMBER, HEADER_BYTES + 20);
        for length in 0..body.len() {
            assert_eq!(read(&body[..length]), None, "cut to {length}");
        }
        body.push(b'x');
        assert_eq!(read(&body), None);
    }
}
