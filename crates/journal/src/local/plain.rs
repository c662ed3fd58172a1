//! The opened blocks of a sealed record that is being read.

use std::ops::Range;

use bytes::Bytes;

use super::frame::{self, BLOCK, ENTRY, Opener};

/// Blocks of one record, opened; those that follow each other, so that no block is opened twice for addresses in
/// ascending order.
pub(crate) struct Plain {
    opener: Opener,
    /// The first block that is open.
    first: usize,
    bytes: Vec<u8>,
}

impl Plain {
    pub(crate) fn new(opener: Opener) -> Plain {
        Plain { opener, first: 0, bytes: Vec::new() }
    }

    /// Returns a range of the payload. `table` is that of the frame, and `sealed` holds the blocks of the range as they are
    /// stored.
    ///
    /// # Errors
    /// The number of the block that is not as it was sealed.
    pub(crate) fn read(&mut self, table: &[u8], sealed: &[u8], range: Range<usize>) -> Result<Bytes, usize> {
        let blocks = frame::blocks_of(range.clone());
        let open = self.first + self.bytes.len().div_ceil(BLOCK);
        if blocks.start < self.first || blocks.start > open {
            self.first = blocks.start;
            self.bytes.clear();
        }
        let next = (self.first + self.bytes.len().div_ceil(BLOCK)).max(blocks.start);
        if next < blocks.end {
            let more = &sealed[(next - blocks.start) * BLOCK..];
            let start = self.bytes.len();
            self.bytes.resize(start + more.len(), 0);
            self.opener.open(next, &table[ENTRY * next..], more, &mut self.bytes[start..]).inspect_err(|_| {
                self.bytes.truncate(start);
            })?;
        }
        let from = self.first * BLOCK;
        Ok(Bytes::copy_from_slice(&self.bytes[range.start - from..range.end - from]))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;
    use stanchion_keyring::DataKey;

    use super::*;
    use crate::local::frame::{FIXED, Header, Kind, encode_sealed, payload_at};

    fn record(length: usize) -> (Plain, Vec<u8>, Vec<u8>, Vec<u8>) {
        let key = Arc::new(DataKey::new([3; 32].into()));
        let payload: Vec<u8> = (0..length).map(|index| (index % 251) as u8).collect();
        let header = Header {
            kind: Kind::Record,
            shard: 1,
            journal: 2,
            segment: 3,
            epoch: 4,
            position: 5,
            clock_ms: 6,
            count: 7,
            length: length as u32,
            chain: 8,
            synced: 9,
            key: 10,
        };
        let mut bytes = Vec::new();
        encode_sealed(&header, 4096, &payload, &key, &mut bytes);
        let stored = bytes.split_off(payload_at(length));
        let table = bytes.split_off(FIXED);
        (Plain::new(Opener::new(key, &header, 4096)), table, stored, payload)
    }

    proptest! {
        #[test]
        fn any_ranges_in_ascending_order_are_read(mut ranges in prop::collection::vec((0..40_000usize, 1..9000usize), 1..8)) {
            let (mut plain, table, stored, payload) = record(40_000);
            ranges.sort_unstable();
            for (start, length) in ranges {
                let range = start..(start + length).min(payload.len());
                let blocks = frame::blocks_of(range.clone());
                let sealed = &stored[blocks.start * BLOCK..(blocks.end * BLOCK).min(stored.len())];
                prop_assert_eq!(plain.read(&table, sealed, range.clone()).expect("opens"), &payload[range]);
            }
        }
    }

    #[test]
    fn a_block_that_was_changed_is_told_and_the_others_are_read() {
        let (mut plain, table, mut stored, payload) = record(10_000);
        stored[5000] ^= 1;
        assert_eq!(plain.read(&table, &stored, 0..10_000), Err(1));
        assert_eq!(plain.read(&table, &stored[..BLOCK], 10..20).expect("opens"), &payload[10..20]);
        assert_eq!(plain.read(&table, &stored[2 * BLOCK..], 9000..9100).expect("opens"), &payload[9000..9100]);
    }
}
