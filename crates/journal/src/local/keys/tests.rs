use std::collections::BTreeSet;

use super::*;
use crate::local::ranges::Ranges;
use crate::local::simulated::Simulated;
use crate::local::state::State;

const JOURNAL: u64 = 77;

fn keyring(name: &str, byte: u8) -> Option<Arc<Keyring>> {
    Some(Arc::new(Keyring::of(name, [byte; 32].into())))
}

fn load(disk: &Simulated) -> Result<Keys, Fault> {
    Keys::load(disk, JOURNAL)
}

/// Returns what a key seals a byte to, to compare keys.
fn mark(key: &DataKey) -> [u8; 16] {
    key.seal([0; 12], b"", &mut [0])
}

fn renewed(keys: &Keys, disk: &Simulated, from: u64) -> Current {
    keys.renew(disk, from, &|_, _, _| true).expect("renews").expect("there is a keyring")
}

#[test]
fn keys_are_durable_before_anybody_has_them_and_read_back() {
    let disk = Simulated::new();
    let keys = load(&disk).expect("there are none yet");
    assert!(keys.current().is_none());
    let (one, two) = (renewed(&keys, &disk, 1), renewed(&keys, &disk, 4));
    assert_ne!(mark(&one.key), mark(&two.key));
    for seed in 0..20 {
        let read = load(&disk.power_cut(seed)).expect("reads");
        for current in [&one, &two] {
            let key = read.get(current.number).expect("the key is there after any power cut");
            assert_eq!(mark(&key), mark(&current.key));
        }
    }
}

#[test]
fn without_the_keyring_or_with_a_wrong_one_nothing_opens_and_the_key_is_named() {
    let disk = Simulated::new();
    let current = renewed(&load(&disk).expect("none yet"), &disk, 1);
    let number = format!("{:08x}", current.number);
    for (keyring, words) in [
        (None, vec!["no keyring"]),
        (keyring("another", 7), vec![&*number, "\"simulated\"", "does not have"]),
        (keyring("simulated", 8), vec![&*number, "\"simulated\"", "does not open it"]),
    ] {
        let refused = load(&disk.with_keyring(keyring)).map(|_| ()).expect_err("refused");
        assert!(matches!(&refused, Fault::Sealed { file, .. } if file.ends_with(NAME)), "{refused}");
        let text = refused.to_string();
        assert!(words.iter().all(|word| text.contains(word)), "{text}");
    }
}

#[test]
fn one_copy_of_the_file_is_enough_and_damage_of_it_is_found() {
    let disk = Simulated::new();
    let current = renewed(&load(&disk).expect("none yet"), &disk, 1);
    let whole = disk.content(NAME).expect("the file");
    assert_eq!(whole.len(), 2 * COPY);
    assert_eq!(check(&disk), Ok(()));
    for at in (0..whole.len()).step_by(37) {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        disk.overwrite(NAME, bytes);
        assert!(matches!(check(&disk), Err(Fault::Corrupt { .. })), "byte {at}");
        let read = load(&disk).unwrap_or_else(|fault| panic!("byte {at}: {fault}"));
        assert_eq!(mark(&read.get(current.number).expect("there")), mark(&current.key), "byte {at}");
    }
    for length in (0..whole.len()).step_by(41) {
        disk.overwrite(NAME, whole[..length].to_vec());
        assert!(matches!(check(&disk), Err(Fault::Corrupt { .. })), "cut at {length}");
    }
    let mut bytes = whole.clone();
    (bytes[30], bytes[COPY + 30]) = (bytes[30] ^ 1, bytes[COPY + 30] ^ 1);
    disk.overwrite(NAME, bytes);
    assert!(matches!(load(&disk).map(|_| ()), Err(Fault::Corrupt { .. })), "both copies are damaged");
}

#[test]
fn keys_of_another_journal_are_refused() {
    let disk = Simulated::new();
    renewed(&load(&disk).expect("none yet"), &disk, 1);
    assert!(matches!(Keys::load(&disk, JOURNAL + 1).map(|_| ()), Err(Fault::Corrupt { .. })));
}

#[test]
fn another_primary_key_wraps_all_keys_and_the_old_one_is_not_needed_afterwards() {
    let disk = Simulated::new();
    let keys = load(&disk).expect("none yet");
    let currents = [renewed(&keys, &disk, 1), renewed(&keys, &disk, 2)];
    let (next, third) = (keyring("next", 1).expect("one"), keyring("next", 2).expect("one"));
    assert_eq!(keys.rewrap(&disk, Arc::clone(&next)), Ok(2));
    assert_eq!(keys.rewrap(&disk, Arc::clone(&next)), Ok(0));
    assert_eq!(keys.rewrap(&disk, Arc::clone(&third)), Ok(2), "another key of the same name");
    assert!(load(&disk).is_err(), "the old keyring opens nothing any more");
    let disk = disk.with_keyring(Some(third));
    let read = load(&disk).expect("the new one does");
    for current in &currents {
        assert_eq!(mark(&read.get(current.number).expect("there")), mark(&current.key));
    }
    let after = renewed(&keys, &disk, 3);
    assert!(load(&disk).expect("reads").get(after.number).is_some(), "new keys are wrapped under the new primary key");
}

#[test]
fn a_key_goes_when_neither_its_segments_nor_a_snapshot_need_it() {
    let disk = Simulated::new();
    let keys = load(&disk).expect("none yet");
    // Used in segments 1 to 4, 4 to 6, 6, and from 6 on.
    let numbers = [1, 4, 6, 6].map(|from| renewed(&keys, &disk, from).number);
    let mut asked = Vec::new();
    let spans = std::sync::Mutex::new(&mut asked);
    let left = keys.renew(&disk, 9, &|number, first, last| {
        spans.lock().expect("no panic").push((number, first, last));
        number == numbers[2]
    });
    let fifth = left.expect("renews").expect("a key").number;
    assert_eq!(asked, [(numbers[0], 1, 4), (numbers[1], 4, 6), (numbers[2], 6, 6), (numbers[3], 6, 9)]);
    let read = load(&disk).expect("reads");
    let there: Vec<bool> = numbers.iter().chain([&fifth]).map(|&number| read.get(number).is_some()).collect();
    assert_eq!(there, [false, false, true, false, true]);

    let mut gone = Ranges::default();
    gone.insert(5, 6);
    let state = State { journal: JOURNAL, opens: 1, first: 4, gone, clean: None };
    let none = BTreeSet::new();
    for (first, last, needed) in [(1, 3, false), (1, 4, true), (5, 6, false), (5, 7, true), (6, 6, false), (9, 9, true)]
    {
        assert_eq!(is_needed(&state, Some(&none), 3, first, last), needed, "{first} to {last}");
        assert!(is_needed(&state, Some(&BTreeSet::from([3])), 3, first, last), "a snapshot names it");
        assert!(is_needed(&state, None, 3, first, last), "a snapshot may name it");
    }
}
