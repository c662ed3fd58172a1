//! Power cuts of a whole broker: the real journal and the real broker on a simulated disk that drops, keeps, tears and
//! reorders what was not synced, cut at any operation of the disk.
//!
//! Clients send, receive, delete and change whatever there is, and write down what they were answered. After each cut a
//! server starts on what is left, and what it has and gives is compared with their notes; then the same history goes on
//! with the next life. At times the disk is full. Settings are so small that snapshots, trims, pages and moved survivors are part of it.
//!
//! A seed is one history of clients and nearly one of the disk: the threads of the journal decide how records are
//! grouped. `STANCHION_POWER_CUTS` sets how many cuts there are, and `STANCHION_POWER_SEED` plays one seed.
//!
//! Start reading at `run`.

mod chance;
mod examine;
mod judge;
mod ledger;
mod load;
mod run;
mod seen;
mod server;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::thread;

use judge::{Rule, Violation};
use run::{Tally, run};
use stanchion_journal::local::Durability;

/// How many cuts there are unless somebody asks for more.
const CUTS: u64 = 160;
/// How many of them one history has.
const CUTS_OF_A_SEED: u64 = 20;

fn setting(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} must be a number, not {text:?}")))
}

fn explain(seed: u64, cuts: u64, violations: &[Violation]) -> String {
    let mut text = format!("replay with STANCHION_POWER_SEED={seed} STANCHION_POWER_CUTS={cuts}\n");
    for violation in violations.iter().take(10) {
        writeln!(text, "{violation}").expect("a string can be written to");
    }
    text
}

#[test]
fn no_power_cut_takes_what_was_acknowledged_or_brings_back_what_was_deleted() {
    let cuts = setting("STANCHION_POWER_CUTS").unwrap_or(CUTS);
    if let Some(seed) = setting("STANCHION_POWER_SEED") {
        let outcome = run(seed, cuts, Durability::Sync);
        return println!("{:#?}", outcome.unwrap_or_else(|violations| panic!("{}", explain(seed, cuts, &violations))));
    }
    let seeds = cuts.div_ceil(CUTS_OF_A_SEED);
    let work = |first: u64| {
        let mut sum = Tally::default();
        for seed in (first..=seeds).step_by(2) {
            match run(seed, CUTS_OF_A_SEED, Durability::Sync) {
                Ok(tally) => sum.add(&tally),
                Err(violations) => panic!("{}", explain(seed, CUTS_OF_A_SEED, &violations)),
            }
        }
        sum
    };
    let mut sum = Tally::default();
    thread::scope(|scope| {
        let threads = [1, 2].map(|first| scope.spawn(move || work(first)));
        threads.into_iter().for_each(|thread| sum.add(&thread.join().expect("every promise was kept")));
    });
    println!("{sum:#?}");
    let met = [
        sum.cut_off,
        sum.refused,
        sum.low + sum.used_up,
        sum.in_recovery,
        sum.killed,
        sum.closed,
        sum.happened,
        sum.undone,
        sum.from_snapshot,
        sum.on_pages,
        sum.trimmed,
        sum.moved,
    ];
    assert!(met.iter().all(|count| *count > 0), "something never happened: {sum:#?}");
    assert!(sum.received > sum.cuts && sum.recognized > 0, "too little was compared: {sum:#?}");
}

#[test]
fn a_journal_that_does_not_sync_is_found_out() {
    let wanted = BTreeSet::from([Rule::Kept, Rule::Gone, Rule::Hidden, Rule::Configured]);
    let mut found = BTreeSet::new();
    for seed in 1..=60 {
        if let Err(violations) = run(seed, CUTS_OF_A_SEED, Durability::Memory) {
            found.extend(violations.into_iter().map(|violation| violation.rule));
        }
        if found.is_superset(&wanted) {
            return;
        }
    }
    panic!("without syncs only these were broken: {found:?}");
}
