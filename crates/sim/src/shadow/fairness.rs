//! Fair queues: which groups of a standard queue are noisy, as far as one can tell from outside.
//!
//! A group becomes noisy when one of its messages is received and it then has at least thirty messages and over a tenth
//! of the queue's in flight, or took at least thirty seconds and over a tenth of the recent processing time, halved each
//! minute. It is quiet again at the next receive after its backlog is consumed, or after five minutes with nothing in
//! flight. Of what is visible quiet groups are served first, then noisy ones, those with the fewest in flight first.
//!
//! What a shard knows of a backlog is what it has in memory, and of processing times what it has not forgotten. So there
//! is a third answer, that one cannot tell: then nothing is demanded. It is given whenever messages of the queue are on
//! pages or wait for room, and where it takes finished processing to make a group noisy. Hence the demands are weaker
//! than the rule, and never wrong.

use std::collections::BTreeMap;

use stanchion_engine::ids::{GroupKey, MessageKey};
use stanchion_types::Timestamp;

use super::{Message, Queue, State, Violation};

/// Messages in flight from which a group may be noisy.
const MESSAGES_MIN: usize = 30;
/// Processing time from which a group may be noisy, in milliseconds.
const PROCESSING_MIN_MS: f64 = 30_000.0;
/// One part in how many is too much for one group.
const SHARES: usize = 10;
/// A group that had nothing in flight for so long is quiet, in milliseconds.
const REST_MS: u64 = 300_000;
/// Whole milliseconds are halved in the shard and the rest is dropped: never more than this much together.
const ROUNDING_MS: f64 = 2.0;
/// After so many minutes nothing is left of any processing time.
const MINUTES_MAX: u64 = 60;

/// What a standard queue remembers of its groups.
#[derive(Clone, Debug, Default)]
pub(crate) struct Conduct {
    /// Groups that are, or may be, noisy; all others are quiet.
    loud: BTreeMap<GroupKey, Loudness>,
    /// What is being processed: by key its group, and since when.
    running: BTreeMap<u64, (Option<GroupKey>, Timestamp)>,
    finished: Vec<Finished>,
    /// When the last message of a group left flight.
    idle_since: BTreeMap<GroupKey, Timestamp>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Loudness {
    Noisy,
    Unknown,
}

/// What fairness had to do with a receive.
#[derive(Clone, Copy, Debug, Default)]
pub struct Fairness {
    /// Whether a message of a noisy group was handed out.
    pub noisy: bool,
    /// Whether an older message of a noisier group was not.
    pub passed_over: bool,
}

/// Processing that has ended.
#[derive(Clone, Copy, Debug)]
struct Finished {
    group: Option<GroupKey>,
    millis: u64,
    /// Of the end.
    minute: u64,
}

impl Conduct {
    fn in_flight(&self, group: GroupKey) -> usize {
        self.running.values().filter(|(of, _)| *of == Some(group)).count()
    }

    /// Returns for how many milliseconds that is in flight which `counts`.
    fn running(&self, now: Timestamp, counts: impl Fn(Option<GroupKey>) -> bool) -> f64 {
        let running = self.running.values().filter(|(group, _)| counts(*group));
        running.map(|(_, began)| now.millis_since(*began)).sum::<u64>() as f64
    }

    /// Returns the recent processing time in milliseconds of all that `counts`, without any rounding.
    fn processing(&self, now: Timestamp, counts: impl Fn(Option<GroupKey>) -> bool) -> f64 {
        let finished = self.finished.iter().filter(|finished| counts(finished.group));
        let halved =
            finished.map(|finished| finished.millis as f64 / 2f64.powi((minute(now) - finished.minute) as i32));
        self.running(now, &counts) + halved.sum::<f64>()
    }

    /// Tells whether processing time makes a group noisy, if one can tell: what it has finished may be forgotten, what
    /// it has in flight is not.
    fn is_busy(&self, group: GroupKey, now: Timestamp) -> Option<bool> {
        let too_much = |own: f64, all: f64| own >= PROCESSING_MIN_MS && own * SHARES as f64 > all;
        let (own, all) = (self.processing(now, |of| of == Some(group)), self.processing(now, |_| true));
        if too_much(self.running(now, |of| of == Some(group)), all) {
            return Some(true);
        }
        if too_much(own, all - ROUNDING_MS) { None } else { Some(false) }
    }

    /// Returns when a group is served: the less the sooner; nothing if one cannot tell.
    fn rank(&self, group: Option<GroupKey>) -> Option<usize> {
        let Some(group) = group else { return Some(0) };
        match self.loud.get(&group) {
            None => Some(0),
            Some(Loudness::Noisy) => Some(1 + self.in_flight(group)),
            Some(Loudness::Unknown) => None,
        }
    }
}

impl Queue {
    /// Lists what is not being processed any more.
    fn ended(&self) -> impl Iterator<Item = u64> + '_ {
        let is_running = |key: u64, began: Timestamp| {
            let message = self.message(key);
            message.is_some_and(|m| matches!(m.state, State::InFlight(_)) && m.last_received_at == began)
        };
        let running = self.conduct.running.iter();
        running.filter(move |(key, (_, began))| !is_running(**key, *began)).map(|(key, _)| *key)
    }

    /// Tells whether anything is not being processed any more.
    pub(super) fn has_ended(&self) -> bool {
        self.ended().next().is_some()
    }

    /// Notes what is not being processed any more.
    pub(super) fn note_ends(&mut self, now: Timestamp) {
        let ended: Vec<u64> = self.ended().collect();
        for key in ended {
            let (group, began) = self.conduct.running.remove(&key).expect("it was just found");
            let millis = now.millis_since(began);
            self.conduct.finished.push(Finished { group, millis, minute: minute(now) });
            if let Some(group) = group {
                self.conduct.idle_since.insert(group, now);
            }
        }
        self.conduct.finished.retain(|finished| minute(now) - finished.minute <= MINUTES_MAX);
    }

    /// Checks that of all visible messages, which the shard has in memory, those were taken that are served first, and
    /// in that order.
    pub(super) fn check_fairness(&self, keys: &[MessageKey]) -> Result<Fairness, Violation> {
        let rank = |key: u64| self.message(key).and_then(|message| self.conduct.rank(message.group));
        let mut highest = None;
        for key in keys {
            let Some(rank) = rank(key.0) else { continue };
            if let Some((before, higher)) = highest.filter(|(_, higher)| *higher > rank) {
                return Err(format!("{key:?} is served after {before:?} of a noisier group: {rank} and {higher}"));
            }
            highest = Some((key, rank));
        }
        let Some((last, highest)) = highest else { return Ok(Fairness::default()) };
        let left = self.messages.iter().filter(|message| message.state == State::Visible);
        let left = || left.clone().filter(|message| !keys.contains(&MessageKey(message.key)));
        let rank_of = |message: &Message| self.conduct.rank(message.group);
        if let Some(message) = left().find(|message| rank_of(message).is_some_and(|rank| rank < highest)) {
            return Err(format!("{last:?} of a noisy group is served before message {}", message.key));
        }
        let passed_over = |message: &Message| rank_of(message) > Some(highest) && message.key < last.0;
        Ok(Fairness { noisy: highest > 0, passed_over: left().any(passed_over) })
    }

    /// Notes that a message has just gone in flight; `whole` says whether the shard has all visible ones in memory.
    pub(super) fn note_start(&mut self, key: u64, whole: bool, now: Timestamp) {
        let group = self.message(key).expect("the message was just received").group;
        self.conduct.running.insert(key, (group, now));
        if let Some(group) = group {
            let (own, all) = (self.conduct.in_flight(group), self.conduct.running.len());
            let crowds = own >= MESSAGES_MIN && own * SHARES > all;
            match if crowds { Some(true) } else { self.conduct.is_busy(group, now) } {
                Some(true) => drop(self.conduct.loud.insert(group, Loudness::Noisy)),
                Some(false) => {}
                None => drop(self.conduct.loud.entry(group).or_insert(Loudness::Unknown)),
            }
        }
        self.calm(whole, now);
    }

    /// Lets groups be quiet again.
    fn calm(&mut self, whole: bool, now: Timestamp) {
        let Queue { conduct: Conduct { loud, running, idle_since, .. }, messages, .. } = self;
        loud.retain(|group, loudness| {
            if !whole {
                *loudness = Loudness::Unknown;
                return true;
            }
            let waits = messages.iter().any(|m| m.group == Some(*group) && m.state == State::Visible);
            let works = running.values().any(|(of, _)| *of == Some(*group));
            let rested = idle_since.get(group).is_some_and(|since| now.millis_since(*since) >= REST_MS);
            waits && (works || !rested)
        });
    }
}

fn minute(now: Timestamp) -> u64 {
    now.millis() / 60_000
}
