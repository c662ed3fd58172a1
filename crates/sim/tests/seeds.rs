//! Seeds that are always the same, and some that nobody has seen.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use stanchion_sim::coverage::Coverage;
use stanchion_sim::exhaustive::play_all;
use stanchion_sim::run::{Outcome, run};
use stanchion_sim::sabotage::Sabotage;

/// Runs a seed that must not fail.
fn check(seed: u64, steps: u64) -> Outcome {
    let outcome = run(seed, steps, Sabotage::None);
    if let Some(failure) = &outcome.failure {
        panic!("{failure}");
    }
    outcome
}

#[test]
fn known_seeds_break_no_rule_and_meet_what_matters() {
    let mut coverage = Coverage::default();
    for seed in 1..=40 {
        coverage.add(&check(seed, 300).coverage);
    }
    use stanchion_sim::coverage::Mark::*;
    let needed = [PageThawed, DeadLettered, SentDuplicate, AttemptRepeated, CrashLostSuffix, Expired, ReceiveParked];
    for mark in needed {
        assert!(coverage.count(mark) > 0, "never met {mark:?}:\n{coverage}");
    }
}

#[test]
fn seeds_that_broke_a_rule_once_do_not_any_more() {
    for seed in [101_631, 200_091, 200_792] {
        check(seed, 600);
    }
}

#[test]
fn fresh_seeds_break_no_rule() {
    let start = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970").as_secs() * 1000;
    println!("seeds from {start}");
    let began = Instant::now();
    for seed in start.. {
        check(seed, 300);
        if began.elapsed() > Duration::from_secs(10) {
            return;
        }
    }
}

#[test]
fn one_seed_is_one_history() {
    for seed in 1000..1010 {
        assert_eq!(check(seed, 300).digest, check(seed, 300).digest, "seed {seed}");
    }
    assert_ne!(check(1000, 300).digest, check(1001, 300).digest);
}

#[test]
fn every_sequence_of_five_operations_keeps_the_rules_of_a_standard_queue() {
    assert!(play_all(false, 5).expect("every sequence keeps the rules") > 19_000);
}

#[test]
fn every_sequence_of_five_operations_keeps_the_rules_of_a_fifo_queue() {
    assert!(play_all(true, 5).expect("every sequence keeps the rules") > 19_000);
}
