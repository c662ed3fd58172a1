//! Attributes and tags, each written and read by one client.

use super::{Report, Rule, Violation};
use crate::history::{Event, Outcome, What};
use std::collections::BTreeMap;

pub(super) fn check(events: &[Event], violations: &mut Vec<Violation>) {
    let mut known: BTreeMap<(&str, &str), Possible<'_>> = BTreeMap::new();
    for event in events {
        match &event.what {
            What::Set { queue, key, value, outcome } => {
                let possible = known.entry((queue, key)).or_default();
                match outcome {
                    Outcome::Acknowledged(()) => *possible = Possible::only(value),
                    Outcome::Unknown => possible.values.push(value),
                    Outcome::Refused(_) => {}
                }
            }
            What::Get { queue, key, outcome: Outcome::Acknowledged(found) } => {
                let possible = known.entry((queue, key)).or_default();
                if possible.settled && !possible.values.contains(&found.as_str()) {
                    let detail = format!("{found:?} in {queue} at {}, possible {:?}", event.returned, possible.values);
                    violations.report(Rule::AttributeForgotten, key, detail);
                }
                *possible = Possible::only(found);
            }
            _ => {}
        }
    }
}

/// What a read may find: the last value acknowledged or read, and those of
/// unknown outcome since.
#[derive(Default)]
struct Possible<'a> {
    /// Whether a value was acknowledged or read at all.
    settled: bool,
    values: Vec<&'a str>,
}

impl<'a> Possible<'a> {
    fn only(value: &'a str) -> Self {
        Self { settled: true, values: vec![value] }
    }
}
