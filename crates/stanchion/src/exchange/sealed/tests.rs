use super::*;

/// Seals a text, and returns the bytes and where each chunk begins.
fn sealed(keyring: &Keyring, text: &[u8]) -> (Vec<u8>, Vec<usize>) {
    let mut bytes = Vec::new();
    let mut sealer = Sealer::begin(&mut bytes, keyring).expect("begins");
    sealer.write_all(text).expect("written");
    sealer.finish().expect("finished");
    let line = bytes[TITLE.len()..].iter().position(|byte| *byte == b'\n').expect("a line with the key");
    let mut starts = vec![TITLE.len() + line + 1];
    while starts[starts.len() - 1] < bytes.len() {
        let at = starts[starts.len() - 1];
        let word = u32::from_le_bytes(bytes[at..at + 4].try_into().expect("a length"));
        starts.push(at + 4 + (word & !LAST) as usize + TAG_BYTES);
    }
    (bytes, starts)
}

/// Opens an export; returns the text before the end, or before what is wrong.
fn opened(keyring: &Keyring, bytes: &[u8]) -> (Vec<u8>, Result<(), String>) {
    let mut text = Vec::new();
    let outcome = Opener::begin(bytes, keyring).and_then(|mut opener| opener.read_to_end(&mut text));
    (text, outcome.map(|_| ()).map_err(|error| error.to_string()))
}

fn keyring() -> Keyring {
    Keyring::draw("k").expect("drawn")
}

fn text(length: usize) -> Vec<u8> {
    (0..length).map(|index| (index % 251) as u8).collect()
}

#[test]
fn a_text_of_any_length_comes_back_and_is_not_to_be_seen() {
    let keyring = keyring();
    for length in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK, 3 * CHUNK + 7] {
        let text = text(length);
        let (bytes, starts) = sealed(&keyring, &text);
        assert_eq!(starts.len() - 1, length.div_ceil(CHUNK).max(1), "{length} bytes");
        assert_eq!(opened(&keyring, &bytes), (text.clone(), Ok(())), "{length} bytes");
        let shown = &text[..length.min(32)];
        assert!(shown.len() < 32 || !bytes.windows(32).any(|window| window == shown), "{length} bytes");
        assert!(is_sealed(&mut &bytes[..]).expect("reads"));
    }
    for plain in [&b""[..], b"{}", b"\n"] {
        assert!(!is_sealed(&mut &plain[..]).expect("reads"));
    }
}

#[test]
fn another_keyring_does_not_open_it_and_the_key_is_named() {
    let (bytes, _) = sealed(&keyring(), b"text");
    let (_, outcome) = opened(&keyring(), &bytes);
    assert!(outcome.expect_err("another key").contains("\"k\""));
    let (_, outcome) = opened(&Keyring::draw("other").expect("drawn"), &bytes);
    assert!(outcome.expect_err("no such key").contains("\"k\""));
}

#[test]
fn an_export_that_was_cut_gives_what_was_verified_and_then_an_error() {
    let keyring = keyring();
    let text = text(2 * CHUNK + 100);
    let (bytes, starts) = sealed(&keyring, &text);
    for cut in [
        0,
        5,
        TITLE.len(),
        starts[0] - 1,
        starts[0],
        starts[0] + 3,
        starts[1],
        starts[1] + 9,
        starts[2],
        bytes.len() - 1,
    ] {
        let (read, outcome) = opened(&keyring, &bytes[..cut]);
        outcome.expect_err("it was cut");
        let whole = starts[1..].iter().filter(|start| **start <= cut).count();
        assert_eq!(read, text[..whole * CHUNK], "cut after {cut} bytes");
    }
}

#[test]
fn chunks_that_were_exchanged_repeated_or_left_out_are_refused() {
    let keyring = keyring();
    let text = text(3 * CHUNK + 100);
    let (bytes, starts) = sealed(&keyring, &text);
    let chunk = |index: usize| &bytes[starts[index]..starts[index + 1]];
    for (order, verified) in [
        (&[1, 0, 2, 3][..], 0),
        (&[0, 2, 1, 3], 1),
        (&[0, 0, 1, 2, 3], 1),
        (&[0, 1, 3], 2),
        (&[0, 1, 2, 3, 3], 3),
        (&[3], 0),
    ] {
        let mut changed = bytes[..starts[0]].to_vec();
        order.iter().for_each(|index| changed.extend_from_slice(chunk(*index)));
        let (read, outcome) = opened(&keyring, &changed);
        outcome.expect_err("the order was changed");
        assert_eq!(read, text[..verified * CHUNK], "{order:?}");
    }
    // A chunk of another export under the same keyring.
    let (other, others) = sealed(&keyring, &text);
    let mixed = [&bytes[..starts[1]], &other[others[1]..]].concat();
    assert!(opened(&keyring, &mixed).1.is_err());
}

#[test]
fn no_bit_of_a_chunk_can_be_changed() {
    let keyring = keyring();
    let (bytes, starts) = sealed(&keyring, b"text");
    for bit in 8 * starts[0]..8 * bytes.len() {
        let mut changed = bytes.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        let (read, outcome) = opened(&keyring, &changed);
        assert!(outcome.is_err() && read.is_empty(), "bit {bit}");
    }
}
