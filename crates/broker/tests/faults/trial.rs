//! One broken directory, tried in every way.

use std::collections::BTreeSet;
use std::sync::Arc;

use stanchion_broker::{Loss, Part, repair};
use stanchion_journal::inspect::{self, Archive};
use stanchion_journal::local::simulated::Simulated;
use stanchion_journal::{Journal, Local, ShardId, local};

use crate::fixture::{Drained, Fixture, World, runtime};

/// How a start on a broken directory went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Outcome {
    /// It was refused, with the name of a file.
    Refused,
    /// Some receives failed; all else was served.
    Failed,
    /// The last group of records was taken for a torn write, which it may have been.
    Torn,
    /// All was served.
    Served,
}

/// What a repair has brought.
pub(crate) struct Mended {
    pub(crate) drained: Drained,
    pub(crate) losses: Vec<Loss>,
}

/// Opens a broken directory and drains it. What the fixture has left must come or must fail, unless the damage is in the
/// last group before a crash, which nothing can tell from a write that was torn.
pub(crate) fn open(fixture: &Fixture, in_last_group: bool, what: &str) -> Outcome {
    let disk = fixture.disk();
    let report = inspect::check_on(&disk);
    let sound = report.as_ref().is_ok_and(|report| report.damages.is_empty());
    let torn = in_last_group || report.as_ref().is_ok_and(|report| report.torn_tail.is_some());
    let drained = runtime().block_on(async {
        match World::open(&disk) {
            Ok(world) => Ok(world.drain().await),
            Err(words) => Err(words),
        }
    });
    let drained = match drained {
        Ok(drained) => drained,
        Err(words) => {
            let named = [".segment", ".snapshot", "journal/state"].iter().any(|file| words.contains(file));
            assert!(named, "{what}: a refusal that names no file: {words}");
            assert!(!sound, "{what}: refused, but a check finds nothing: {words}");
            return Outcome::Refused;
        }
    };
    judge(fixture, &drained, what);
    let missing = fixture.left.keys().filter(|id| !drained.messages.contains_key(*id)).count();
    // What could not be read is still there, and somebody was told or got fewer messages than there are.
    let held = drained.held - fixture.in_flight.len().min(drained.held);
    assert!(torn || missing <= held, "{what}: {missing} messages are missing, {held} are still in the queues");
    if torn && drained.failures == 0 && missing > 0 {
        return Outcome::Torn;
    }
    if missing > 0 || drained.failures > 0 {
        assert!(!sound, "{what}: not all can be read, but a check finds nothing");
        return Outcome::Failed;
    }
    Outcome::Served
}

/// Nothing may come that was not sent, nor in another form.
fn judge(fixture: &Fixture, drained: &Drained, what: &str) {
    for (id, body) in &drained.messages {
        let sent = fixture.left.get(id).or(fixture.in_flight.get(id)).or(fixture.deleted.get(id));
        assert_eq!(Some(body), sent, "{what}: message {id} is not what was sent");
    }
    // Within a group the order of sending stays: bodies begin with their group and their number.
    for group in ["a", "b", "c"] {
        let order: Vec<_> = drained.order.get(crate::fixture::FIFO).into_iter().flatten().collect();
        let order: Vec<_> = order.into_iter().filter(|body| body.starts_with(group)).collect();
        assert!(order.is_sorted(), "{what}: group {group} is out of order: {order:?}");
    }
}

/// Repairs a broken directory; returns the new one, how many messages were saved, and what was not.
fn mended(fixture: &Fixture, what: &str) -> (Simulated, u64, Vec<Loss>) {
    let disk = fixture.disk();
    let mut archive = Archive::open_on(Arc::new(disk.clone())).unwrap_or_else(|fault| panic!("{what}: {fault}"));
    let report = inspect::check_on(&disk).unwrap_or_default();
    if let Some(torn) = &report.torn_tail {
        archive.cut_at(torn);
    }
    let new = Simulated::new();
    let options = local::Options { segment_bytes: 16 << 10, ..local::Options::default() };
    let journal = Local::open_on(Arc::new(new.clone()), options).expect("a new journal");
    let mut losses = Vec::new();
    let saved = repair(&mut archive, &report.damages, ShardId(0), &journal, &mut |_| {}, &mut |loss| losses.push(loss));
    let saved = saved.unwrap_or_else(|fault| panic!("{what}: {fault}"));
    journal.close().expect("closes");
    (new, saved.messages, losses)
}

/// Repairs a broken directory and returns the new one.
pub(crate) fn mend_files(fixture: &Fixture, what: &str) -> Simulated {
    mended(fixture, what).0
}

/// Repairs a broken directory, and makes sure that a start serves whatever the repair does not name as lost.
pub(crate) fn mend(fixture: &Fixture, what: &str) -> Mended {
    let (new, saved, losses) = mended(fixture, what);
    let report = inspect::check_on(&new).expect("a journal");
    assert!(report.damages.is_empty() && report.torn_tail.is_none(), "{what}: the repair left {:?}", report.damages);
    let drained = runtime().block_on(async {
        let world = World::open(&new).unwrap_or_else(|words| panic!("{what}: a start after the repair: {words}"));
        world.drain().await
    });
    assert_eq!(drained.failures, 0, "{what}: receives fail after the repair");
    assert_eq!(drained.messages.len() as u64, saved, "{what}: what was saved is what comes");
    judge(fixture, &drained, what);

    let named: BTreeSet<String> = losses
        .iter()
        .filter_map(|loss| match loss {
            Loss::Part(lost) => match lost.part {
                Part::Message(id) => Some(id.to_string()),
                Part::Page { .. } => None,
            },
            _ => None,
        })
        .collect();
    let listed: usize = losses.iter().map(on_lost_pages).sum();
    let unknown = |loss: &Loss| matches!(loss, Loss::Records { .. } | Loss::End { .. } | Loss::Nameless { .. });
    let unknown = losses.iter().any(unknown);
    let there = fixture.left.keys().chain(fixture.in_flight.keys());
    let missing = there.filter(|id| !drained.messages.contains_key(*id) && !named.contains(*id)).count();
    assert!(unknown || missing <= listed, "{what}: {missing} messages are missing, {losses:?}");
    let back = fixture.deleted.keys().filter(|id| drained.messages.contains_key(*id)).count();
    assert!(unknown || back == 0, "{what}: {back} deleted messages are back, {losses:?}");
    Mended { drained, losses }
}

fn on_lost_pages(loss: &Loss) -> usize {
    match loss {
        Loss::Part(lost) => match lost.part {
            Part::Page { messages } => messages as usize,
            Part::Message(_) => 0,
        },
        _ => 0,
    }
}
