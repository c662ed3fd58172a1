//! A flipped bit in every region of every file.

use std::collections::BTreeMap;

use crate::fixture::Fixture;
use crate::trial::{self, Outcome};

/// Of a region of `length` bytes, so many places are tried, the first and the last among them.
fn places(at: u64, length: u64, count: u64) -> impl Iterator<Item = u64> {
    let step = (length / count).max(1);
    (0..length).filter(move |offset| offset % step == 0 || offset + 1 == length).map(move |offset| at + offset)
}

/// Lists places in the files, dense where every byte means something else, each with the name of its region.
fn regions(fixture: &Fixture) -> Vec<(String, u64, &'static str)> {
    let mut all = Vec::new();
    let mut add = |file: &str, at: u64, length: u64, count: u64, region| {
        all.extend(places(at, length, count).map(|place| (file.to_owned(), place, region)));
    };
    let used = fixture.segments();
    // One in the middle is like another.
    let tried = [0, used.len() / 2, used.len() - 2, used.len() - 1].map(|at| &used[at]);
    for (file, bytes) in &fixture.files {
        let length = bytes.len() as u64;
        if file == "journal/state" {
            add(file, 0, length, length, "state file");
        } else if file.ends_with(".snapshot") {
            add(file, 0, 48, 48, "snapshot header");
            add(file, 48, length - 48, 30, "snapshot body");
        } else if !used.contains(file) {
            add(file, 0, 44, 11, "page of a prepared segment");
            add(file, 4096, length - 4096, 4, "prepared space");
        } else if tried.contains(&file) {
            add(file, 0, 44, 44, "segment page");
            add(file, 44, 2004, 4, "unused part of a segment page");
            add(file, 2048, 12, 12, "pointer to the seal");
            let mut end = 4096;
            for (kind, at, head, payload, frame) in fixture.regions(file) {
                let (header, content) = match kind {
                    "base" => ("base header", "base payload"),
                    "seal" => ("seal header", "seal payload"),
                    _ => ("record header", "record payload"),
                };
                let many = if kind == "record" { 4 } else { 34 };
                add(file, at, head.min(68), many, header);
                add(file, at + 68, head - 68, 4, "checksum table");
                add(file, at + head, payload, many, content);
                add(file, at + head + payload, frame - head - payload, 8, "padding");
                end = at + frame;
            }
            add(file, end, length - end, 8, "space behind the end");
        }
    }
    all
}

/// Flips a bit in every region, opens and repairs, and returns how that went, by region.
fn flip_everywhere(fixture: &Fixture, clean: bool) -> BTreeMap<&'static str, BTreeMap<Outcome, usize>> {
    let mut outcomes = BTreeMap::<_, BTreeMap<_, usize>>::new();
    let last = fixture.segments().pop().expect("a segment");
    let last_record = fixture.regions(&last).last().map_or(0, |region| region.1);
    for (file, at, region) in regions(fixture) {
        let mut broken = fixture.clone();
        let bytes = broken.files.get_mut(&file).expect("a file of the fixture");
        bytes[at as usize] ^= 1 << (at % 8);
        let what = format!("{region}, {file} at {at}");
        let in_last_group = !clean && file == last && at >= last_record;
        let outcome = trial::open(&broken, in_last_group, &what);
        *outcomes.entry(region).or_default().entry(outcome).or_default() += 1;
        if matches!(outcome, Outcome::Refused | Outcome::Failed) {
            trial::mend(&broken, &what);
        }
    }
    for (region, outcomes) in &outcomes {
        println!("{region:30} {outcomes:?}");
    }
    outcomes
}

#[test]
fn a_flipped_bit_after_a_clean_stop_is_never_served_and_never_costs_a_message_in_silence() {
    let fixture = Fixture::write(true);
    assert!(fixture.segments().len() >= 3 && fixture.snapshots().len() == 2, "{:?}", fixture.files.keys());
    let outcomes = flip_everywhere(&fixture, true);
    for (region, outcomes) in &outcomes {
        assert!(!outcomes.contains_key(&Outcome::Torn), "{region}: nothing can be torn after a clean stop");
    }
    for region in ["segment page", "state file"] {
        assert_eq!(outcomes[region].keys().collect::<Vec<_>>(), [&Outcome::Refused], "{region}");
    }
    for region in ["padding", "unused part of a segment page", "space behind the end", "prepared space"] {
        assert_eq!(outcomes[region].keys().collect::<Vec<_>>(), [&Outcome::Served], "{region}");
    }
    assert!(outcomes["record payload"].contains_key(&Outcome::Failed));
}

#[test]
fn a_flipped_bit_after_a_crash_is_never_served_and_costs_at_most_the_last_group() {
    let fixture = Fixture::write(false);
    let outcomes = flip_everywhere(&fixture, false);
    assert!(outcomes["record header"].contains_key(&Outcome::Refused));
    let torn: usize = outcomes.values().filter_map(|outcomes| outcomes.get(&Outcome::Torn)).sum();
    assert!(torn > 0, "a flip in the last group looks like a torn write");
}
