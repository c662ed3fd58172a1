//! The judge sees plausible bugs: each is put in, and has to be found soon.

use stanchion_sim::run::run;
use stanchion_sim::sabotage::Sabotage;

/// Runs seeds with a bug until it is found; returns the steps that took.
fn steps_to_find(sabotage: Sabotage) -> u64 {
    let mut steps = 0;
    for seed in 1..=40 {
        let outcome = run(seed, 300, sabotage);
        match outcome.failure {
            Some(failure) => return steps + failure.step,
            None => steps += outcome.steps,
        }
    }
    panic!("{sabotage:?} was not found in {steps} steps");
}

#[test]
fn every_bug_that_is_put_in_is_found() {
    for sabotage in Sabotage::ALL {
        println!("{sabotage:?} was found after {} steps", steps_to_find(sabotage));
    }
}

#[test]
#[should_panic(expected = "records are replayed in order")]
fn a_record_is_not_replayed_twice() {
    use stanchion_shard::{Options, Record, Shard};
    use stanchion_types::Timestamp;
    let payload = vec![stanchion_engine::event::codec::VERSION].into();
    let record = Record { position: 1, clock: Timestamp::ZERO, count: 0, payload };
    let mut shard = Shard::new(Options::default());
    shard.replay(&record).expect("a record of no events is read");
    let _ = shard.replay(&record);
}
