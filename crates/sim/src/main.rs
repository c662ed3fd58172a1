//! Runs seeds: `stanchion-sim --seeds N --start S --steps K`.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use stanchion_sim::coverage::Coverage;
use stanchion_sim::run::run;
use stanchion_sim::sabotage::Sabotage;

/// Steps from which on a run is long enough to have to meet every situation.
const LONG: u64 = 1_000_000;

fn main() -> ExitCode {
    let mut settings = [("--seeds", 1000), ("--start", 1), ("--steps", 600)];
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let value = arguments.next().and_then(|text| text.parse().ok());
        let setting = settings.iter_mut().find(|(known, _)| *known == name);
        let (Some(setting), Some(value)) = (setting, value) else {
            eprintln!("usage: stanchion-sim [--seeds N] [--start SEED] [--steps STEPS]");
            return ExitCode::from(2);
        };
        setting.1 = value;
    }
    let [(_, seeds), (_, start), (_, steps)] = settings;
    let (began, mut told) = (Instant::now(), Instant::now());
    let (mut coverage, mut taken) = (Coverage::default(), 0);
    for seed in start..start + seeds {
        let outcome = run(seed, steps, Sabotage::None);
        coverage.add(&outcome.coverage);
        taken += outcome.steps;
        if let Some(failure) = outcome.failure {
            eprintln!("{failure}");
            return ExitCode::FAILURE;
        }
        if told.elapsed() > Duration::from_secs(5) {
            told = Instant::now();
            let rate = taken as f64 / began.elapsed().as_secs_f64();
            eprintln!("{} seeds, {taken} steps, {rate:.0} steps a second", seed - start + 1);
        }
    }
    let rate = taken as f64 / began.elapsed().as_secs_f64();
    println!("{coverage}\n{seeds} seeds, {taken} steps, {rate:.0} steps a second");
    let missed = coverage.missed();
    if taken >= LONG && !missed.is_empty() {
        eprintln!("never met: {missed:?}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
