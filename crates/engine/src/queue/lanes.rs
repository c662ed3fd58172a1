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
//!
//! A lane of a FIFO queue may have pages of its own, so that a group with many messages does not fill the window and
//! hide the others. The first place on its pages is its *gate*: what stands behind that in memory has to wait until
//! the page has returned.
//!
//! ```text
//! lane d:  10 11 12 | page: 20 .. 80 | page: 85 .. 99 | 101 107
//!          served    ^ gate                             waits
//! ```

mod line;

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use stanchion_types::Timestamp;

use crate::ids::{GroupKey, MessageKey, PageId};
use crate::queue::fairness::{Busy, NOISE};
use crate::room::Room;
use line::Line;

/// How many lanes are looked at for one that can give something up.
const LOOKED_AT_MAX: usize = 16;

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
    /// Lanes that can be served and whose next messages are on a page, in order of that page.
    hungry: BTreeSet<(u64, LaneKey)>,
    /// Lanes of a FIFO queue that have too many messages in memory, or enough for a page while they are locked; by
    /// powers of two.
    long: BTreeSet<(u32, LaneKey)>,
    lengths: Lengths,
    ready: usize,
    servable: usize,
    in_flight: usize,
    busy: Busy,
}

/// What counts as short and as long on a FIFO queue.
#[derive(Clone, Copy, Debug)]
pub struct Lengths {
    /// A lane with pages wants the next one when it has fewer messages in memory than this.
    pub low: usize,
    /// A lane with as many messages in memory as this has too many.
    pub high: usize,
}

/// The ready messages of a group, and what the group has in flight.
#[derive(Clone, Debug, Default)]
struct Lane {
    ready: Line,
    /// The pages of the lane.
    behind: Option<Box<Behind>>,
    /// What fairness remembers; nothing on a FIFO queue.
    past: Option<Box<Past>>,
    /// The head under which the lane stands in `open`.
    listed: Option<u64>,
    in_flight: u32,
    /// How many of its messages count among those that can be served.
    servable: u32,
    /// The class under which the lane stands in `long`; 0 if it does not.
    class: u32,
}

/// The pages of a lane, and what stands behind them.
#[derive(Clone, Debug, Default)]
struct Behind {
    /// The pages by their first place.
    pages: BTreeSet<(u64, PageId)>,
    /// How many messages in memory have to wait for a page.
    gated: usize,
    /// The page under which the lane stands in `hungry`.
    listed: Option<u64>,
}

/// What fairness remembers of a lane.
#[derive(Clone, Copy, Debug, Default)]
struct Past {
    noisy: bool,
    /// When its last message left flight.
    idle_since: Timestamp,
    busy: Busy,
}

impl Lane {
    fn is_noisy(&self) -> bool {
        self.past.as_ref().is_some_and(|past| past.noisy)
    }

    /// Returns the first place on its pages.
    fn gate(&self) -> u64 {
        let behind = self.behind.as_ref().and_then(|behind| behind.pages.first());
        behind.map_or(u64::MAX, |(first, _)| *first)
    }

    /// Returns how many messages in memory are not behind a page.
    fn ungated(&self) -> usize {
        self.ready.len() - self.behind.as_ref().map_or(0, |behind| behind.gated)
    }

    /// Lists the messages in order up to the gate.
    fn queued(&self, from: u64) -> impl Iterator<Item = (u64, MessageKey)> + '_ {
        let gate = self.gate();
        self.ready.from(from).take_while(move |(order, _)| *order < gate)
    }

    /// Counts anew what stands behind the gate, after the pages have changed.
    fn recount(&mut self) {
        let gated = self.ready.from(self.gate()).count();
        if let Some(behind) = &mut self.behind {
            behind.gated = gated;
        }
    }
}

impl Lanes {
    /// Makes no lanes yet; `locking` for a FIFO queue.
    pub fn new(locking: bool, lengths: Lengths) -> Self {
        Lanes {
            locking,
            lanes: HashMap::with_hasher(FixedState::default()),
            open: BTreeSet::new(),
            noisy: BTreeSet::new(),
            hungry: BTreeSet::new(),
            long: BTreeSet::new(),
            lengths,
            ready: 0,
            servable: 0,
            in_flight: 0,
            busy: Busy::default(),
        }
    }

    /// Returns the number of ready messages.
    pub fn ready(&self) -> usize {
        self.ready
    }

    /// Returns the number of ready messages that could be handed out now.
    pub fn servable(&self) -> usize {
        self.servable
    }

    /// Returns the number of messages in flight.
    pub fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Adds a ready message.
    pub fn insert(&mut self, lane: LaneKey, order: u64, key: MessageKey) {
        self.extend(lane, [(order, key)]);
    }

    /// Adds ready messages of one lane, each with its place in the order.
    pub fn extend(&mut self, lane: LaneKey, messages: impl IntoIterator<Item = (u64, MessageKey)>) {
        let entry = self.lanes.entry(lane).or_default();
        let gate = entry.gate();
        for (order, key) in messages {
            assert!(entry.ready.insert(order, key), "two messages at place {order}");
            self.ready += 1;
            if let Some(behind) = entry.behind.as_mut().filter(|_| order > gate) {
                behind.gated += 1;
            }
        }
        self.refresh(lane);
    }

    /// Takes a ready message away.
    pub fn remove(&mut self, lane: LaneKey, order: u64) {
        let entry = self.lanes.get_mut(&lane);
        let entry = entry.and_then(|entry| entry.ready.remove(order).then_some(entry));
        let entry = entry.unwrap_or_else(|| panic!("no ready message at place {order}"));
        let gate = entry.gate();
        if let Some(behind) = entry.behind.as_mut().filter(|_| order > gate) {
            behind.gated = behind.gated.checked_sub(1).expect("what goes was counted");
        }
        self.ready -= 1;
        self.refresh(lane);
    }

    /// Notes that a page of a lane was written whose first message has this place.
    pub fn put_page(&mut self, lane: LaneKey, first: u64, page: PageId) {
        let entry = self.lanes.entry(lane).or_default();
        entry.behind.get_or_insert_default().pages.insert((first, page));
        entry.recount();
        self.refresh(lane);
    }

    /// Notes that a page of a lane is gone.
    pub fn remove_page(&mut self, lane: LaneKey, first: u64, page: PageId) {
        let entry = self.lanes.get_mut(&lane).expect("a lane with pages exists");
        let behind = entry.behind.as_mut().expect("a lane with pages knows them");
        assert!(behind.pages.remove(&(first, page)), "{page:?} is no page of its lane");
        entry.recount();
        self.refresh(lane);
        if let Some(entry) = self.lanes.get_mut(&lane)
            && entry.behind.as_ref().is_some_and(|behind| behind.pages.is_empty())
        {
            entry.behind = None;
            self.refresh(lane);
        }
    }

    /// Returns the page that a lane wants most of those that could be served now.
    pub fn hungry(&self) -> Option<PageId> {
        self.first_page(self.hungry.first()?.1)
    }

    /// Returns the first page of a lane.
    pub fn first_page(&self, lane: LaneKey) -> Option<PageId> {
        self.lanes.get(&lane)?.behind.as_ref()?.pages.first().map(|(_, page)| *page)
    }

    /// Notes that a message of a lane went in flight, and whether its group has become noisy by that.
    pub fn started(&mut self, lane: LaneKey, now: Timestamp) {
        self.restore_in_flight(lane, now);
        if !self.locking && lane.is_some() {
            let entry = self.lanes.get_mut(&lane).expect("the lane was just used");
            let past = entry.past.as_mut().expect("the lane was just busy");
            let loud = NOISE.by_messages(entry.in_flight as usize, self.in_flight);
            if !past.noisy && (loud || NOISE.by_time(&past.busy, &self.busy, now)) {
                past.noisy = true;
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
        self.in_flight += 1;
        if !self.locking {
            entry.past.get_or_insert_default().busy.started(received_at);
            self.busy.started(received_at);
        }
        self.refresh(lane);
    }

    /// Notes that a message of a lane left flight that had been received at `received_at`.
    pub fn ended(&mut self, lane: LaneKey, received_at: Timestamp, now: Timestamp) {
        let entry = self.lanes.get_mut(&lane).expect("a lane with a message in flight exists");
        entry.in_flight -= 1;
        self.in_flight -= 1;
        if let Some(past) = &mut entry.past {
            past.idle_since = now;
            past.busy.ended(received_at, now);
            self.busy.ended(received_at, now);
        }
        self.refresh(lane);
    }

    /// Lets groups be quiet again whose backlog is consumed or that had nothing in flight for long enough.
    fn calm(&mut self, now: Timestamp) {
        if self.noisy.is_empty() {
            return;
        }
        let is_quiet = |lane: &Lane| {
            let idle_since = lane.past.as_ref().map_or(Timestamp::ZERO, |past| past.idle_since);
            lane.ready.is_empty() || lane.in_flight == 0 && now.millis_since(idle_since) >= NOISE.rest_ms
        };
        let quiet: Vec<LaneKey> = self.noisy.iter().filter(|lane| is_quiet(&self.lanes[*lane])).copied().collect();
        for key in quiet {
            self.noisy.remove(&key);
            let lane = self.lanes.get_mut(&key).expect("a noisy lane exists");
            lane.past.as_mut().expect("a noisy lane has a past").noisy = false;
            self.refresh(key);
        }
    }

    /// Lists the lane wherever its state demands it, and nowhere else; forgets it when it is empty.
    fn refresh(&mut self, key: LaneKey) {
        let lane = self.lanes.get_mut(&key).expect("the lane was just used");
        let is_locked = self.locking && lane.in_flight > 0;
        let ungated = lane.ungated();
        let head = lane.ready.first().filter(|_| !is_locked && !lane.is_noisy() && ungated > 0);
        relist(&mut self.open, &mut lane.listed, head, key);
        let servable = if is_locked { 0 } else { ungated };
        self.servable = self.servable + servable - lane.servable as usize;
        lane.servable = servable as u32;
        if self.locking {
            let length = lane.ready.len();
            let is_long = length >= self.lengths.high || is_locked && length >= 2 * self.lengths.low;
            let class = if is_long { length.ilog2() } else { 0 };
            if class != lane.class {
                self.long.remove(&(lane.class, key));
                if class > 0 {
                    self.long.insert((class, key));
                }
                lane.class = class;
            }
            let gate = lane.gate();
            if let Some(behind) = &mut lane.behind {
                let wants = !is_locked && ungated < self.lengths.low && !behind.pages.is_empty();
                relist(&mut self.hungry, &mut behind.listed, wants.then_some(gate), key);
            }
        }
        if lane.ready.is_empty() && lane.in_flight == 0 && lane.behind.is_none() && !lane.is_noisy() {
            self.lanes.remove(&key);
            self.lanes.fit();
        }
    }

    /// Lists the last messages in memory of the longest of the lanes that have too many, or enough for a page while they
    /// are locked: at most `limit`, and at least its half stays. Nothing if none is `least` long.
    pub fn back_of_longest(&self, least: usize, limit: usize) -> Vec<MessageKey> {
        let longest = self.long.last().map(|(_, lane)| &self.lanes[lane].ready);
        longest.filter(|line| line.len() >= least).map(|line| back(line, limit)).unwrap_or_default()
    }

    /// Lists the last messages in memory of one of the lanes that will be served last, if it has pages and enough for
    /// another: at most `limit`, and at least its half stays.
    pub fn back_of_paged(&self, limit: usize) -> Vec<MessageKey> {
        let lanes = self.open.iter().rev().take(LOOKED_AT_MAX).map(|(_, lane)| &self.lanes[lane]);
        let mut paged = lanes.filter(|lane| lane.behind.is_some() && lane.ready.len() >= 2 * self.lengths.low);
        paged.next().map(|lane| back(&lane.ready, limit)).unwrap_or_default()
    }

    /// Lists ready messages in the order in which a receive hands them out.
    pub fn next(&self) -> Box<dyn Iterator<Item = MessageKey> + '_> {
        if self.locking {
            // As many as possible from one group before the next.
            return Box::new(self.open.iter().flat_map(|(_, lane)| self.lanes[lane].queued(0).map(|(_, key)| key)));
        }
        if self.noisy.is_empty() && self.open.len() == 1 {
            let (_, lane) = self.open.first().expect("there is one");
            return Box::new(self.lanes[lane].queued(0).map(|(_, key)| key));
        }
        let mut noisy: Vec<&LaneKey> = self.noisy.iter().collect();
        noisy.sort_by_key(|lane| self.lanes[*lane].in_flight);
        let noisy = noisy.into_iter().flat_map(|lane| self.lanes[lane].queued(0).map(|(_, key)| key));
        Box::new(Merge { lanes: self, unopened: self.open.iter(), heads: BinaryHeap::new() }.chain(noisy))
    }

    /// Lists ready messages that will be served last: at most `limit`, always the end of a lane that is not locked and
    /// has no pages.
    pub fn last(&self, limit: usize) -> Vec<MessageKey> {
        let noisy = self.noisy.iter();
        let open = self.open.iter().rev().map(|(_, lane)| lane);
        let mut keys = Vec::with_capacity(limit);
        for lane in noisy.chain(open).map(|lane| &self.lanes[lane]).filter(|lane| lane.behind.is_none()) {
            let room = limit - keys.len();
            keys.extend(lane.ready.backwards().take(room).map(|(_, key)| key));
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
        let known = self.lanes.iter().filter_map(|(key, lane)| Some(((*key)?, lane, lane.past.as_ref()?)));
        let known = known.filter(|(_, _, past)| past.noisy || past.busy.kept().0 > 0);
        let conduct = known.map(|(group, lane, past)| {
            // While something is in flight, nobody asks since when nothing is.
            let idle_since = if lane.in_flight > 0 { Timestamp::ZERO } else { past.idle_since };
            (group, Conduct { noisy: past.noisy, idle_since, busy: past.busy.kept() })
        });
        let mut conduct: Vec<_> = conduct.collect();
        conduct.sort_unstable_by_key(|(group, _)| *group);
        conduct
    }

    /// Puts back what fairness remembered of the queue as a whole.
    pub fn restore_busy(&mut self, busy: (u64, u64)) {
        self.busy.restore(busy);
    }

    /// Puts back what fairness remembered of a group.
    pub fn restore_conduct(&mut self, group: GroupKey, conduct: Conduct) {
        let past = self.lanes.entry(Some(group)).or_default().past.get_or_insert_default();
        (past.noisy, past.idle_since) = (conduct.noisy, conduct.idle_since);
        past.busy.restore(conduct.busy);
        if conduct.noisy {
            self.noisy.insert(Some(group));
        }
        self.refresh(Some(group));
    }
}

fn back(line: &Line, limit: usize) -> Vec<MessageKey> {
    line.backwards().take(limit.min(line.len() / 2)).map(|(_, key)| key).collect()
}

/// Moves an entry of a list from the place under which it is listed to where it belongs, if it does.
fn relist(list: &mut BTreeSet<(u64, LaneKey)>, listed: &mut Option<u64>, place: Option<u64>, lane: LaneKey) {
    if place == *listed {
        return;
    }
    if let Some(listed) = *listed {
        list.remove(&(listed, lane));
    }
    if let Some(place) = place {
        list.insert((place, lane));
    }
    *listed = place;
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
        let mut rest = self.lanes.lanes[&lane].queued(order);
        let (_, key) = rest.next().expect("the head of a lane is in it");
        if let Some((next, _)) = rest.next() {
            self.heads.push(Reverse((next, lane)));
        }
        Some(key)
    }
}

#[cfg(test)]
mod tests;
