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
            bytes[..6].copy_from_slice(b"SJR1\x01\x01");
        }
        // A checksum of 32 bits does not come right by accident in a few hundred tries.
        prop_assert!(!matches!(parse(&bytes), Parsed::Valid(_)));
    }
}
