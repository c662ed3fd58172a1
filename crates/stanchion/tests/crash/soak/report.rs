//! What a soak brought, as tables that can be pasted into a document, and whether anything grows.

use super::look::Look;
use std::fmt::{Display, Write as _};

/// How much more the last third of the rounds may take than the first: a part of it, and a constant. Allocators and
/// whole files round up, and the server lets some space die before it gives any back.
const GROWTH_PERCENT: u64 = 10;
const GROWTH_RESIDENT: u64 = 12 << 20;
const GROWTH_DISK: u64 = 128 << 20;
/// Of fewer rounds nothing is said.
const ROUNDS_MIN: usize = 3;

/// What a round brought.
#[derive(Default)]
pub(super) struct Round {
    pub(super) restarting: bool,
    /// Whether the run was old enough for its state to have all that it will ever have.
    pub(super) settled: bool,
    pub(super) kills: u64,
    pub(super) stops: u64,
    pub(super) calls: Calls,
    pub(super) violations: u64,
    /// The most that was seen under load.
    pub(super) top: Look,
    /// With every queue empty.
    pub(super) rest: Look,
    /// What keeps bytes of the journal then, in words.
    pub(super) needed: String,
}

/// What clients did in a round.
#[derive(Clone, Copy, Default)]
pub(super) struct Calls {
    /// Everything that the checker was told, questions and refusals too.
    pub(super) noted: u64,
    pub(super) sent: u64,
    pub(super) received: u64,
    pub(super) deleted: u64,
    /// Sends, receives and deletions without an answer.
    pub(super) unknown: u64,
}

/// What stands above the rounds.
pub(super) const HEAD: &str = "\
| round | kills | clean stops | sent | received | resident MiB: load, rest | disk MiB: load, rest \
| at rest: segments, kept, snapshots, other | needed: messages + deduplication ids |
| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |";

impl Round {
    pub(super) fn row(&self, number: usize) -> String {
        let Round { kills, stops, calls, top, rest, needed, .. } = self;
        let disk = [rest.disk.segments, rest.disk.kept, rest.disk.snapshots, rest.disk.other].map(mib);
        format!(
            "| {number} | {kills} | {stops} | {} | {} | {}, {} | {}, {} | {} | {needed} |",
            calls.sent,
            calls.received,
            mib(top.resident),
            mib(rest.resident),
            mib(top.disk.sum()),
            mib(rest.disk.sum()),
            disk.join(", "),
        )
    }
}

fn mib(bytes: u64) -> String {
    format!("{:.1}", bytes as f64 / f64::from(1 << 20))
}

/// This function counts what happened in all rounds.
pub(super) fn totals(rounds: &[Round]) -> String {
    let sum = |figure: fn(&Round) -> u64| rounds.iter().map(figure).sum::<u64>();
    let with = rounds.iter().filter(|round| round.restarting).count();
    let lines: [(&str, &dyn Display); 10] = [
        ("rounds with restarts", &with),
        ("rounds of one process", &(rounds.len() - with)),
        ("kills (`kill -9`)", &sum(|round| round.kills)),
        ("clean stops", &sum(|round| round.stops)),
        ("messages sent", &sum(|round| round.calls.sent)),
        ("messages received", &sum(|round| round.calls.received)),
        ("messages deleted", &sum(|round| round.calls.deleted)),
        ("sends, receives and deletions whose answer was lost", &sum(|round| round.calls.unknown)),
        ("events that the checker judged", &sum(|round| round.calls.noted)),
        ("promises that it found broken", &sum(|round| round.violations)),
    ];
    let rows: String = lines.iter().map(|(name, number)| format!("| {name} | {number} |\n")).collect();
    format!("\n| | |\n| --- | ---: |\n{rows}")
}

/// What is read from a round.
type Figure = fn(&Round) -> u64;

/// How the last third of the rounds compares with the first.
pub(super) struct Verdict {
    /// A table.
    pub(super) text: String,
    /// Whether something has grown beyond its bound.
    pub(super) grows: bool,
}

/// This function judges growth in each half of the run.
pub(super) fn judge_growth(rounds: &[Round]) -> Verdict {
    let mut verdict = Verdict {
        text: "
| MiB | rounds judged | first third | last third | at most | change a round | verdict |
| --- | ---: | ---: | ---: | ---: | ---: | --- |
"
        .to_owned(),
        grows: false,
    };
    let figures: [(&str, u64, Figure); 4] = [
        ("resident under load", GROWTH_RESIDENT, |round| round.top.resident),
        ("resident at rest", GROWTH_RESIDENT, |round| round.rest.resident),
        ("disk under load", GROWTH_DISK, |round| round.top.disk.sum()),
        ("disk at rest", GROWTH_DISK, |round| round.rest.disk.sum()),
    ];
    for (half, restarting) in [("with restarts", true), ("one process", false)] {
        // The first round of a half fills caches and makes files.
        let half_rounds = rounds.iter().filter(|round| round.restarting == restarting).skip(1);
        let judged: Vec<&Round> = half_rounds.filter(|round| round.settled).collect();
        for (name, constant, figure) in figures {
            let values: Vec<u64> = judged.iter().map(|round| figure(round)).collect();
            let count = values.len();
            if count < ROUNDS_MIN {
                writeln!(verdict.text, "| {half}, {name} | {count} | | | | | none: too few rounds |")
                    .expect("writing to memory");
                continue;
            }
            let (first, last) = thirds(&values);
            let bound = first + first * GROWTH_PERCENT / 100 + constant;
            let word = if last <= bound { "flat" } else { "GROWS" };
            verdict.grows |= last > bound;
            let [first, last, bound] = [first, last, bound].map(mib);
            let change = slope(&values) / f64::from(1 << 20);
            writeln!(verdict.text, "| {half}, {name} | {count} | {first} | {last} | {bound} | {change:+.2} | {word} |")
                .expect("writing to memory");
        }
    }
    verdict
}

/// The means of the first and the last third, at least of one value each.
fn thirds(values: &[u64]) -> (u64, u64) {
    let third = (values.len() / 3).max(1);
    let mean = |values: &[u64]| values.iter().sum::<u64>() / values.len() as u64;
    (mean(&values[..third]), mean(&values[values.len() - third..]))
}

/// By how much the values change from one to the next: the slope of the line that lies closest to them.
fn slope(values: &[u64]) -> f64 {
    let mean = |sum: f64| sum / values.len() as f64;
    let middle = mean((0..values.len()).map(|at| at as f64).sum());
    let level = mean(values.iter().map(|value| *value as f64).sum());
    let points = values.iter().enumerate().map(|(at, value)| (at as f64 - middle, *value as f64 - level));
    let (along, squares) = points.fold((0.0, 0.0), |(along, squares), (x, y)| (along + x * y, squares + x * x));
    if squares == 0.0 { 0.0 } else { along / squares }
}

#[cfg(test)]
mod tests;
