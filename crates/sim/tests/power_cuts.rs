//! The shard on the real journal, on a disk that loses its power thousands of times.

use std::thread;

use stanchion_sim::disk::Cuts;
use stanchion_sim::run::run_with_power_cuts;

#[test]
fn no_power_cut_loses_what_was_acknowledged_or_brings_back_what_was_deleted() {
    let work = |first: u64| {
        let mut sum = Cuts::default();
        for seed in (first..).step_by(2) {
            let (outcome, cuts) = run_with_power_cuts(seed, 300);
            if let Some(failure) = outcome.failure {
                panic!("{failure}");
            }
            sum.add(&cuts);
            if sum.all >= 1_500 {
                break;
            }
        }
        sum
    };
    let mut sum = Cuts::default();
    thread::scope(|scope| {
        let threads = [1, 2].map(|first| scope.spawn(move || work(first)));
        threads.into_iter().for_each(|thread| sum.add(&thread.join().expect("every rule was kept")));
    });
    println!("{sum:#?}");
    let met = [
        sum.kills,
        sum.in_operation,
        sum.in_recovery,
        sum.lost_suffix,
        sum.kept_more,
        sum.newer_snapshot,
        sum.compared,
    ];
    assert!(met.iter().all(|count| *count > 0), "some kind of cut never happened: {sum:#?}");
}
