use proptest::prelude::*;
use zeroize::Zeroizing;

use super::{Keyring, UnwrapError};
use crate::{DataKey, KEY_BYTES, Wrapped};

fn ring(name: &str, byte: u8) -> Keyring {
    Keyring::of(name, Zeroizing::new([byte; KEY_BYTES]))
}

#[test]
fn a_data_key_comes_back_from_its_wrapping_and_only_for_its_purpose() {
    let (ring, key) = (ring("a", 1), DataKey::new(Zeroizing::new([9; KEY_BYTES])));
    let wrapped = ring.wrap(&key, b"purpose").expect("wraps");
    assert_eq!(wrapped.to_string().parse(), Ok(wrapped.clone()));
    assert_eq!(ring.unwrap(&wrapped, b"purpose").expect("opens").secret(), key.secret());
    assert_eq!(ring.unwrap(&wrapped, b"another").err(), Some(UnwrapError::Wrong("a".into())));
    let again = ring.wrap(&key, b"purpose").expect("wraps");
    assert_ne!(again, wrapped, "every wrapping has its own nonce");
    for bit in 0..8 * wrapped.bytes.len() {
        let mut changed = wrapped.clone();
        changed.bytes[bit / 8] ^= 1 << (bit % 8);
        assert!(ring.unwrap(&changed, b"purpose").is_err(), "bit {bit}");
    }
}

#[test]
fn a_lost_key_and_a_wrong_one_are_named() {
    let key = DataKey::draw().expect("drawn");
    let wrapped = ring("first", 1).wrap(&key, b"").expect("wraps");
    assert_eq!(ring("second", 1).unwrap(&wrapped, b"").err(), Some(UnwrapError::Unknown("first".into())));
    assert_eq!(ring("first", 2).unwrap(&wrapped, b"").err(), Some(UnwrapError::Wrong("first".into())));
}

#[test]
fn what_is_printed_is_read_back() {
    let drawn = Keyring::draw("key-1.b_c").expect("drawn");
    let read: Keyring = drawn.print().parse().expect("a keyring");
    assert_eq!(read.print(), drawn.print());
    let key = DataKey::draw().expect("drawn");
    let wrapped = drawn.wrap(&key, b"").expect("wraps");
    assert_eq!(read.unwrap(&wrapped, b"").expect("opens").secret(), key.secret());
}

#[test]
fn a_new_primary_key_wraps_and_the_old_one_still_opens() {
    let old: Keyring = "primary = \"old\"\n[keys]\nold = \"MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=\"\n"
        .parse()
        .expect("a keyring");
    let both: Keyring = "primary = \"new\"\n[keys]\nold = \"MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=\"\n\
                         new = \"YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXphYmNkZWY=\"\n"
        .parse()
        .expect("a keyring");
    let key = DataKey::draw().expect("drawn");
    let wrapped = old.wrap(&key, b"").expect("wraps");
    let opened = both.unwrap(&wrapped, b"").expect("opens");
    assert_eq!(both.wrap(&opened, b"").expect("wraps").under(), "new");
}

#[test]
fn a_key_that_is_added_becomes_the_primary_one() {
    let mut ring = ring("first", 1);
    let key = DataKey::draw().expect("drawn");
    let before = ring.wrap(&key, b"").expect("wraps");
    ring.add("second").expect("drawn");
    assert_eq!((ring.primary(), ring.names().collect::<Vec<_>>()), ("second", vec!["first", "second"]));
    let after = ring.wrap(&key, b"").expect("wraps");
    assert_eq!((before.under(), after.under()), ("first", "second"));
    for wrapped in [before, after] {
        assert_eq!(ring.unwrap(&wrapped, b"").expect("opens").secret(), key.secret());
    }
}

#[test]
fn a_bad_keyring_is_refused_without_showing_a_key() {
    const SECRET: &str = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";
    for (text, why) in [
        ("", "line 1 "),
        ("primary = \"a\"\n", "line 1 "),
        ("primary = \"b\"\n[keys]\na = \"SECRET\"\n", "\"b\" is not among"),
        ("primary = \"a\"\n[keys]\na = \"SECRE\"\n", "key \"a\" must be"),
        ("primary = \"a\"\n[keys]\na = \"AAAA\"\n", "key \"a\" must be"),
        ("primary = \"a\"\n[keys]\na = SECRET\n", "line 3 "),
        ("primary = \"a\"\nx = \"SECRET\"\n[keys]\na = \"SECRET\"\n", "line 2 "),
        ("primary = \"a b\"\n[keys]\n\"a b\" = \"SECRET\"\n", "no name of a key"),
    ] {
        let text = text.replace("SECRET", SECRET);
        let error = text.parse::<Keyring>().expect_err(&text).to_string();
        assert!(error.contains(why), "{text}: {error}");
        assert!(!error.contains(&SECRET[..6]), "{error}");
    }
    assert!(!format!("{:?}", ring("a", b'0')).contains("MDAw"));
}

proptest! {
    #[test]
    fn no_text_makes_the_parsers_panic(text in ".{0,200}") {
        let _ = text.parse::<Keyring>();
        let _ = format!("primary = \"a\"\n[keys]\na = \"{text}\"").parse::<Keyring>();
        let _ = text.parse::<Wrapped>();
    }
}
