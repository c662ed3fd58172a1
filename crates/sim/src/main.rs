//! Runs seeds: `stanchion-sim --seeds N --start S --steps K`, or for some minutes; `stanchion-sim exhaustive`.

mod arguments;

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use stanchion_sim::coverage::Coverage;
use stanchion_sim::disk::Cuts;
use stanchion_sim::exhaustive;
use stanchion_sim::run::{Failure, Outcome, run, run_with_power_cuts};
use stanchion_sim::sabotage::Sabotage;

use arguments::{Arguments, Mode};

/// Steps from which on a run is long enough to have to meet every situation.
const LONG: u64 = 1_000_000;
/// How often the progress is told.
const TELL: Duration = Duration::from_secs(5);

fn main() -> ExitCode {
    let arguments = match Arguments::parse(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(message) => {
            eprintln!("{message}\n\n{}", arguments::USAGE);
            return ExitCode::from(2);
        }
    };
    // A panic of the shard is a violation, told with its seed; without this it would be told twice.
    std::panic::set_hook(Box::new(|_| {}));
    let passed = match arguments.mode {
        Mode::Seeds | Mode::PowerCuts => seeds(&arguments),
        Mode::Exhaustive => every_sequence(&arguments),
    };
    if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What all runs came to.
#[derive(Default)]
struct Sum {
    seeds: u64,
    steps: u64,
    digest: u64,
    coverage: Coverage,
    cuts: Cuts,
    failures: Vec<Failure>,
    /// How long it took to the first failure, and how many seeds and steps.
    found: Option<(u64, u64, f64)>,
}

impl Sum {
    fn add(&mut self, outcome: Outcome, cuts: &Cuts, began: Instant) {
        self.seeds += 1;
        self.steps += outcome.steps;
        if outcome.failure.is_some() && self.found.is_none() {
            self.found = Some((self.seeds, self.steps, began.elapsed().as_secs_f64()));
        }
        self.digest = self.digest.wrapping_add(outcome.digest);
        self.coverage.add(&outcome.coverage);
        self.cuts.add(cuts);
        self.failures.extend(outcome.failure);
    }

    fn line(&self, began: Instant) -> String {
        let rate = self.steps as f64 / began.elapsed().as_secs_f64();
        let failures = self.failures.len();
        format!("{} seeds, {} steps, {rate:.0} steps a second, {failures} failed", self.seeds, self.steps)
    }
}

/// Runs seeds on all threads until they are through, or the time is; tells whether none failed.
fn seeds(arguments: &Arguments) -> bool {
    let &Arguments { mode, seeds, start, steps, jobs, seconds, failures, digest, .. } = arguments;
    let began = Instant::now();
    let is_late = || seconds.is_some_and(|seconds| began.elapsed() >= Duration::from_secs(seconds));
    let end = if seconds.is_some() { u64::MAX } else { start.saturating_add(seeds) };
    let (next, enough) = (AtomicU64::new(start), AtomicBool::new(false));
    let mut sum = Sum::default();
    thread::scope(|scope| {
        let (sender, outcomes) = mpsc::channel();
        for _ in 0..jobs {
            let sender = sender.clone();
            let (next, enough) = (&next, &enough);
            scope.spawn(move || {
                while !enough.load(Ordering::Relaxed) && !is_late() {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end {
                        return;
                    }
                    let outcome = match mode {
                        Mode::PowerCuts => run_with_power_cuts(seed, steps),
                        _ => (run(seed, steps, Sabotage::None), Cuts::default()),
                    };
                    if sender.send(outcome).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        let mut told = Instant::now();
        for (outcome, cuts) in outcomes {
            sum.add(outcome, &cuts, began);
            if sum.failures.len() >= failures {
                enough.store(true, Ordering::Relaxed);
            }
            if told.elapsed() > TELL {
                told = Instant::now();
                eprintln!("{}", sum.line(began));
            }
        }
    });
    if digest {
        println!("digest {:016x}", sum.digest);
    }
    let total: u64 = sum.coverage.operations().values().sum();
    println!("{total} operations:");
    for (name, count) in sum.coverage.operations() {
        println!("{name:>26} {count}");
    }
    println!("situations:\n{}", sum.coverage);
    if mode == Mode::PowerCuts {
        println!("{:#?}", sum.cuts);
    }
    println!("from seed {start}: {}", sum.line(began));
    if let Some(first) = sum.failures.first() {
        eprintln!("{first}");
        // In figures: seeds, steps and seconds until it was found, steps that it takes, and the rule.
        if let Some((seeds, steps, seconds)) = sum.found {
            let violation: String = first.violation.chars().take(120).collect();
            println!("found: {seeds} | {steps} | {seconds:.1} | {} | {violation}", first.needed.len());
        }
    }
    for failure in sum.failures.iter().skip(1) {
        eprintln!("seed {} broke a rule at step {}: {}", failure.seed, failure.step, failure.violation);
    }
    let missed = sum.coverage.missed();
    let blind = sum.steps >= LONG && !missed.is_empty();
    if blind {
        eprintln!("never met: {missed:?}");
    }
    sum.failures.is_empty() && !blind
}

/// Plays every sequence of operations of some length; tells whether all keep the rules.
fn every_sequence(arguments: &Arguments) -> bool {
    let length = arguments.length;
    let began = Instant::now();
    for kind in exhaustive::Kind::ALL {
        match exhaustive::play_all(kind, length, arguments.jobs) {
            Ok(count) => {
                println!(
                    "{kind:?}: {count} sequences of {length} operations, {:.1} s so far",
                    began.elapsed().as_secs_f64()
                );
            }
            Err((steps, violation)) => {
                eprintln!("{kind:?}: {steps:?} breaks a rule: {violation}");
                return false;
            }
        }
    }
    true
}
