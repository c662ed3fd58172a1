//! Which ready message is served next: one lane for each message group.
//!
//! A lane holds the ready messages of a group in order. On a FIFO queue a lane with a message in flight is locked.
//! On a standard queue nothing is locked, but the lanes of noisy groups are served last (fair queues); messages
//! without a group share one lane that is never noisy.
//!
//! ```text
//! open, by head:  3 lane b: 3 8 | 4 lane none: 4 5 7 | 9 lane c: 9
//! set apart:      lane a (locked, or noisy): 1 2 6
//! ```

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use stanchion_types::Timestamp;

use crate::ids::{GroupKey, MessageKey};
use crate::queue::fairness::{Busy, NOISE};

/// The name of a lane; `None` holds the messages without a group.
pub type LaneKey = Option<GroupKey>;

/// The lanes of a queue.
#[derive(Clone, Debug)]
pub struct Lanes {
    /// FIFO rules: lock a lane while a message of it is in flight.
    locking: bool,
    lanes: HashMap<LaneKey, Lane, FixedState>,
    /// Lanes that may be served in order of their first message.
    open: BTreeSet<(u64, LaneKey)>,
    /// Lanes of noisy groups.
    noisy: BTreeSet<LaneKey>,
    ready: usize,
    in_flight: usize,
    busy: Busy,
}

/// The ready messages of a group, and what the group has in flight.
#[derive(Clone, Debug, Default)]
struct Lane {
    ready: BTreeMap<u64, MessageKey>,
    in_flight: usize,
    /// The head under which the lane stands in `open`.
    listed: Option<u64>,
    noisy: bool,
    /// When its last message left flight.
    idle_since: Timestamp,
    busy: Busy,
}

impl Lanes {
    /// Makes no lanes yet; `locking` for a FIFO queue.
    pub fn new(locking: bool) -> Self {
        Lanes {
            locking,
            lanes: HashMap::with_hasher(FixedState::default()),
            open: BTreeSet::new(),
            noisy: BTreeSet::new(),
            ready: 0,
            in_flight: 0,
            busy: Busy::default(),
        }
    }

    /// Returns the number of ready messages.
    pub fn ready(&self) -> usize {
        self.ready
    }

    /// Returns the number of messages in flight.
    pub fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Adds a ready message.
    pub fn insert(&mut self, lane: LaneKey, order: u64, key: MessageKey) {
        let before = self.lanes.entry(lane).or_default().ready.insert(order, key);
        assert!(before.is_none(), "two messages at place {order}");
        self.ready += 1;
        self.refresh(lane);
    }

    /// Takes a ready message away.
    pub fn remove(&mut self, lane: LaneKey, order: u64) {
        let removed = self.lanes.get_mut(&lane).and_then(|lane| lane.ready.remove(&order));
        assert!(removed.is_some(), "no ready message at place {order}");
        self.ready -= 1;
        self.refresh(lane);
    }

    /// Notes that a message of a lane went in flight, and whether its group has become noisy by that.
    pub fn started(&mut self, lane: LaneKey, now: Timestamp) {
        self.restore_in_flight(lane, now);
        if !self.locking && lane.is_some() {
            let entry = self.lanes.get_mut(&lane).expect("the lane was just used");
            let loud = NOISE.by_messages(entry.in_flight, self.in_flight);
            if !entry.noisy && (loud || NOISE.by_time(&entry.busy, &self.busy, now)) {
                entry.noisy = true;
                self.noisy.insert(lane);
            }
        }
        self.calm(now);
        self.refresh(lane);
    }

    /// Counts a message in flight that was received at `received_at`; for a state that is being restored.
    pub fn restore_in_flight(&mut self, lane: LaneKey, received_at: Timestamp) {
        let entry = self.lanes.entry(lane).or_default();
        entry.in_flight += 1;
        entry.busy.started(received_at);
        self.in_flight += 1;
        self.busy.started(received_at);
        self.refresh(lane);
    }

    /// Notes that a message of a lane left flight that had been received at `received_at`.
    pub fn ended(&mut self, lane: LaneKey, received_at: Timestamp, now: Timestamp) {
        let entry = self.lanes.get_mut(&lane).expect("a lane with a message in flight exists");
        entry.in_flight -= 1;
        entry.idle_since = now;
        entry.busy.ended(received_at, now);
        self.in_flight -= 1;
        self.busy.ended(received_at, now);
        self.refresh(lane);
    }

    /// Lets groups be quiet again whose backlog is consumed or that had nothing in flight for long enough.
    fn calm(&mut self, now: Timestamp) {
        if self.noisy.is_empty() {
            return;
        }
        let quiet = |lane: &&LaneKey| {
            let lane = &self.lanes[*lane];
            lane.ready.is_empty() || lane.in_flight == 0 && now.millis_since(lane.idle_since) >= NOISE.rest_ms
        };
        let quiet: Vec<LaneKey> = self.noisy.iter().filter(quiet).copied().collect();
        for lane in quiet {
            self.noisy.remove(&lane);
            self.lanes.get_mut(&lane).expect("a noisy lane exists").noisy = false;
            self.refresh(lane);
        }
    }

    /// Lists the lane in `open`, or not, as its state demands; forgets it when it is empty.
    fn refresh(&mut self, key: LaneKey) {
        let lane = self.lanes.get_mut(&key).expect("the lane was just used");
        let apart = lane.noisy || self.locking && lane.in_flight > 0;
        let head = if apart { None } else { lane.ready.keys().next().copied() };
        if head != lane.listed {
            if let Some(listed) = lane.listed {
                self.open.remove(&(listed, key));
            }
            if let Some(head) = head {
                self.open.insert((head, key));
            }
            lane.listed = head;
        }
        if lane.ready.is_empty() && lane.in_flight == 0 && !lane.noisy {
            self.lanes.remove(&key);
        }
    }

    /// Lists ready messages in the order in which a receive hands them out.
    pub fn next(&self) -> Box<dyn Iterator<Item = MessageKey> + '_> {
        if self.locking {
            // As many as possible from one group before the next.
            return Box::new(self.open.iter().flat_map(|(_, lane)| self.lanes[lane].ready.values().copied()));
        }
        if self.noisy.is_empty() && self.open.len() == 1 {
            let (_, lane) = self.open.first().expect("there is one");
            return Box::new(self.lanes[lane].ready.values().copied());
        }
        let mut noisy: Vec<&LaneKey> = self.noisy.iter().collect();
        noisy.sort_by_key(|lane| self.lanes[*lane].in_flight);
        let noisy = noisy.into_iter().flat_map(|lane| self.lanes[lane].ready.values().copied());
        Box::new(Merge { lanes: self, unopened: self.open.iter(), heads: BinaryHeap::new() }.chain(noisy))
    }

    /// Lists ready messages that will be served last: at most `limit`, always the end of a lane that is not locked.
    pub fn last(&self, limit: usize) -> Vec<MessageKey> {
        let noisy = self.noisy.iter();
        let open = self.open.iter().rev().map(|(_, lane)| lane);
        let mut keys = Vec::with_capacity(limit);
        for lane in noisy.chain(open) {
            let room = limit - keys.len();
            keys.extend(self.lanes[lane].ready.values().rev().take(room));
            if keys.len() == limit {
                break;
            }
        }
        keys
    }

    /// Returns what fairness remembers of the queue as a whole.
    pub fn busy(&self) -> (u64, u64) {
        self.busy.kept()
    }

    /// Lists what fairness remembers of groups, in order; nothing on a FIFO queue.
    pub fn conduct(&self) -> Vec<(GroupKey, Conduct)> {
        if self.locking {
            return Vec::new();
        }
        let known = self.lanes.iter().filter(|(_, lane)| lane.noisy || lane.busy.kept().0 > 0);
        let mut conduct: Vec<_> = known
            .filter_map(|(key, lane)| {
                // While something is in flight, nobody asks since when nothing is.
                let idle_since = if lane.in_flight > 0 { Timestamp::ZERO } else { lane.idle_since };
                let (noisy, busy) = (lane.noisy, lane.busy.kept());
                Some(((*key)?, Conduct { noisy, idle_since, busy }))
            })
            .collect();
        conduct.sort_unstable_by_key(|(group, _)| *group);
        conduct
    }

    /// Puts back what fairness remembered of the queue as a whole.
    pub fn restore_busy(&mut self, busy: (u64, u64)) {
        self.busy.restore(busy);
    }

    /// Puts back what fairness remembered of a group.
    pub fn restore_conduct(&mut self, group: GroupKey, conduct: Conduct) {
        let lane = self.lanes.entry(Some(group)).or_default();
        (lane.noisy, lane.idle_since) = (conduct.noisy, conduct.idle_since);
        lane.busy.restore(conduct.busy);
        if conduct.noisy {
            self.noisy.insert(Some(group));
        }
        self.refresh(Some(group));
    }
}

/// What fairness remembers of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conduct {
    /// Whether it is noisy.
    pub noisy: bool,
    /// When its last message left flight.
    pub idle_since: Timestamp,
    /// Its finished processing time, as [`Busy::kept`] gives it.
    pub busy: (u64, u64),
}

/// The messages of all open lanes, merged by their place in the order.
struct Merge<'a> {
    lanes: &'a Lanes,
    /// Open lanes that the merge has not reached, by head.
    unopened: std::collections::btree_set::Iter<'a, (u64, LaneKey)>,
    /// For each lane that it has reached the next message.
    heads: BinaryHeap<Reverse<(u64, LaneKey)>>,
}

impl Iterator for Merge<'_> {
    type Item = MessageKey;

    fn next(&mut self) -> Option<MessageKey> {
        let unopened = self.unopened.clone().next();
        let reached = self.heads.peek().map(|Reverse(head)| *head);
        let (order, lane) = match (unopened, reached) {
            (Some(&next), Some(head)) if head < next => head,
            (Some(&next), _) => {
                self.unopened.next();
                self.heads.push(Reverse(next));
                next
            }
            (None, Some(head)) => head,
            (None, None) => return None,
        };
        self.heads.pop();
        let mut rest = self.lanes.lanes[&lane].ready.range(order..);
        let (_, key) = rest.next().expect("the head of a lane is in it");
        if let Some((&next, _)) = rest.next() {
            self.heads.push(Reverse((next, lane)));
        }
        Some(*key)
    }
}

#[cfg(test)]
mod tests;
