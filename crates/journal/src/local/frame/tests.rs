use proptest::prelude::*;

use super::*;

const HEADER: Header = Header {
    kind: Kind::Record,
    shard: 513,
    journal: 0x1122_3344_5566_7788,
    segment: 9,
    epoch: 1 << 40,
    position: 77,
    clock_ms: 1_700_000_000_000,
    count: 3,
    length: 0,
    chain: 0xdead_beef,
    synced: 4096,
    key: 0,
};

fn made(payload: &[u8]) -> (Header, Vec<u8>) {
    let header = Header { length: payload.len() as u32, ..HEADER };
    let mut bytes = Vec::new();
    encode(&header, payload, &mut bytes);
    bytes.extend_from_slice(payload);
    bytes.resize(frame_bytes(payload.len()), 0);
    (header, bytes)
}

/// Says whether bytes are the frame, whole.
fn is_whole(bytes: &[u8], header: &Header) -> bool {
    let length = header.length as usize;
    match parse(bytes) {
        Parsed::Valid(checked) => {
            let payload = payload_at(length)..payload_at(length) + length;
            checked.header == *header && intact(&bytes[FIXED..payload_at(length)], &bytes[payload])
        }
        _ => false,
    }
}

#[test]
fn what_is_encoded_is_parsed_back() {
    for length in [0, 1, 7, 8, 4095, 4096, 4097, 8192, 100_000] {
        let payload: Vec<u8> = (0..length).map(|index| index as u8).collect();
        let (header, bytes) = made(&payload);
        assert_eq!(bytes.len() % ALIGNMENT, 0);
        assert!(is_whole(&bytes, &header), "{length} bytes");
        assert!(matches!(parse(&bytes[..FIXED - 1]), Parsed::Short(FIXED)));
    }
}

#[test]
fn any_flipped_bit_is_seen() {
    let (header, bytes) = made(&[5; 5000]);
    let end = payload_at(5000) + 5000;
    for bit in 0..end * 8 {
        let mut bytes = bytes.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert!(!is_whole(&bytes, &header), "bit {bit}");
    }
}

/// A frame at offset 4096, sealed under a key of its own number.
fn sealed(payload: &[u8], number: u32) -> (Header, Vec<u8>, Arc<DataKey>) {
    let header = Header { length: payload.len() as u32, key: number, ..HEADER };
    let key = Arc::new(DataKey::new([number as u8; 32].into()));
    let mut bytes = Vec::new();
    encode_sealed(&header, 4096, payload, &key, &mut bytes);
    bytes.resize(frame_bytes(payload.len()), 0);
    (header, bytes, key)
}

/// Opens a frame as if it was found at an offset of a segment.
fn opened(bytes: &[u8], key: &Arc<DataKey>, segment: u64, at: u64) -> Option<Vec<u8>> {
    let Parsed::Valid(checked) = parse(bytes) else { return None };
    let header = Header { segment, ..checked.header };
    let length = header.length as usize;
    let (table, payload) = (&bytes[FIXED..payload_at(length)], &bytes[payload_at(length)..][..length]);
    if !intact(table, payload) {
        return None;
    }
    let mut plain = vec![0; length];
    Opener::new(Arc::clone(key), &header, at).open(0, table, payload, &mut plain).ok().map(|()| plain)
}

/// Gives a header the checksum that it would have had.
fn mend(bytes: &mut [u8], length: usize) {
    finish(&mut bytes[..payload_at(length)]);
}

#[test]
fn a_sealed_frame_shows_nothing_of_its_payload_and_opens_to_it() {
    for length in [0, 1, 4095, 4096, 4097, 100_000] {
        let payload: Vec<u8> = (0..length).map(|index| (index * 7) as u8).collect();
        let (header, bytes, key) = sealed(&payload, 5);
        assert!(is_whole(&bytes, &header), "{length} bytes are whole for one without the key");
        assert_eq!(opened(&bytes, &key, 9, 4096), Some(payload.clone()), "{length} bytes");
        let shows = |part: &[u8]| bytes.windows(part.len()).any(|window| window == part);
        assert!(payload.chunks_exact(16).all(|part| !shows(part)), "{length} bytes");
    }
}

#[test]
fn any_flipped_bit_of_a_sealed_frame_is_seen_without_the_key() {
    let (header, bytes, _) = sealed(&[5; 5000], 5);
    for bit in 0..(payload_at(5000) + 5000) * 8 {
        let mut bytes = bytes.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert!(!is_whole(&bytes, &header), "bit {bit}");
    }
}

#[test]
fn a_change_that_mends_all_checksums_is_seen_with_the_key() {
    let (_, bytes, key) = sealed(&[5; 5000], 5);
    // The count of records and what it is bound to besides: but not the magic, version, kind and length, which are parsed.
    let bound = (6..52).chain(56..BOUND);
    let tags = (0..2).flat_map(|block| FIXED + block * ENTRY + 4..FIXED + (block + 1) * ENTRY);
    for at in bound.chain(tags) {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        mend(&mut changed, 5000);
        assert!(matches!(parse(&changed), Parsed::Valid(_)), "byte {at} is mended");
        let segment = u64_at(&changed, 16);
        assert_eq!(opened(&changed, &key, segment, 4096), None, "byte {at}");
    }
    for at in [payload_at(5000), payload_at(5000) + 4999] {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        for block in 0..2 {
            let content = payload_at(5000) + block * BLOCK;
            let sum = crc32c::crc32c(&changed[content..(content + BLOCK).min(payload_at(5000) + 5000)]);
            changed[FIXED + block * ENTRY..][..4].copy_from_slice(&sum.to_le_bytes());
        }
        mend(&mut changed, 5000);
        assert_eq!(opened(&changed, &key, 9, 4096), None, "byte {at} of the payload");
    }
}

#[test]
fn frames_and_blocks_that_have_changed_places_do_not_open() {
    let (_, bytes, key) = sealed(&[5; 2 * BLOCK], 5);
    assert!(opened(&bytes, &key, 9, 4096).is_some());
    assert_eq!(opened(&bytes, &key, 9, 8192), None, "the frame is elsewhere in its segment");
    assert_eq!(opened(&bytes, &key, 10, 4096), None, "the frame is in another segment");
    let (_, other, _) = sealed(&[5; 2 * BLOCK], 6);
    assert_eq!(opened(&other, &key, 9, 4096), None, "the frame is sealed with another key");
    let length = 2 * BLOCK;
    let mut swapped = bytes[..payload_at(length)].to_vec();
    swapped[FIXED..FIXED + ENTRY].copy_from_slice(&bytes[FIXED + ENTRY..FIXED + 2 * ENTRY]);
    swapped[FIXED + ENTRY..FIXED + 2 * ENTRY].copy_from_slice(&bytes[FIXED..FIXED + ENTRY]);
    swapped.extend_from_slice(&bytes[payload_at(length) + BLOCK..payload_at(length) + 2 * BLOCK]);
    swapped.extend_from_slice(&bytes[payload_at(length)..payload_at(length) + BLOCK]);
    mend(&mut swapped, length);
    assert!(matches!(parse(&swapped), Parsed::Valid(_)), "all checksums are right");
    assert_eq!(opened(&swapped, &key, 9, 4096), None, "its blocks are swapped");
}

#[test]
fn the_blocks_of_a_range_are_those_it_touches() {
    for (range, expected) in [
        (0..0, 0..0),
        (0..1, 0..1),
        (4095..4096, 0..1),
        (4096..4097, 1..2),
        (4095..4097, 0..2),
        (10..10_000, 0..3),
        (5000..5000, 0..0),
    ] {
        assert_eq!(blocks_of(range.clone()), expected, "{range:?}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_parsed_without_a_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..300), magic in any::<bool>()) {
        if magic && bytes.len() >= 8 {
            bytes[..6].copy_from_slice(b"SJR1\x02\x01");
        }
        // A checksum of 32 bits does not come right by accident in a few hundred tries.
        prop_assert!(!matches!(parse(&bytes), Parsed::Valid(_)));
    }
}
