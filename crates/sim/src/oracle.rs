//! Judges a shard turn by turn: what it writes, whom it answers and when, and what it leaves waiting.
//!
//! A turn's record says which messages were handed out and moved; the shadow says whether that was permitted. Every
//! command that the turn decided has to fit one point of the turn's events: there it must have had just these effects,
//! and there its answer must be true. The answer is heard later, when the record is durable, and compared then.

mod heard;
mod rest;
mod served;
mod walk;
mod witness;

use std::collections::{BTreeMap, VecDeque};

use stanchion_engine::command::{Command, Receive, Reply};
use stanchion_engine::event::Event;
use stanchion_engine::ids::{QueueId, Span};
use stanchion_shard::{Shard, Ticket};
use stanchion_types::Timestamp;

use crate::coverage::{Coverage, Mark};
use crate::layout::Layout;
use crate::shadow::{Bounds, Handout, Shadow, Violation};

/// How long a page that could not be read may be left alone.
const READ_REST_SECONDS: u32 = 10;

/// What the journal up to some position should come to.
#[derive(Clone, Debug)]
struct Truth {
    shadow: Shadow,
    layout: Layout,
}

/// Where a command stands that has not been decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stand {
    New,
    Reading,
    /// It comes away empty-handed not before `from`, and not after `until`.
    Parked {
        from: Timestamp,
        until: Timestamp,
        arrival: u64,
    },
}

/// A command that has not been decided.
#[derive(Clone, Debug)]
struct Pending {
    command: Command,
    stand: Stand,
    /// Whether it had to read deduplication ids.
    looked_up: bool,
}

/// An answer that waits for the watermark.
#[derive(Clone, Debug)]
struct Awaited {
    position: u64,
    ticket: Ticket,
    /// Answers that would be true.
    permitted: Vec<Reply>,
    /// The receive, if it may have been handed something in the record at `position`.
    receive: Option<Receive>,
    /// What was asked.
    command: Command,
    /// Whether it had to read deduplication ids.
    looked_up: bool,
    /// The moment at which it was decided.
    decided_at: Timestamp,
    /// When what it handed out may become visible again.
    untils: Vec<Timestamp>,
}

/// A turn as the oracle gets to see it.
#[derive(Debug)]
pub struct Turn<'a> {
    /// The moment.
    pub now: Timestamp,
    /// The position, and the events that its record holds, if the turn wrote one.
    pub record: Option<(u64, &'a [(Event, Span)])>,
    /// Whether a page could not be read.
    pub failed_read: bool,
    /// Queues for which a page is being read.
    pub reading: &'a [QueueId],
}

/// The judge of one shard.
#[derive(Clone, Debug)]
pub struct Oracle {
    truth: Truth,
    /// The truth after each record that may still be lost, and the last that may not.
    history: VecDeque<(u64, Truth)>,
    tail: u64,
    /// Watermark of which the shard was told.
    durable: u64,
    pending: BTreeMap<Ticket, Pending>,
    gate: VecDeque<Awaited>,
    /// What records that are not durable handed out, and nobody has heard yet.
    handouts: BTreeMap<u64, Vec<Handout>>,
    /// Queues at which a page could not be read; receives may overlook it until the queue changes.
    unread: Vec<QueueId>,
    /// Until when what is due need not be tried again at a queue after a page could not be read.
    failed: BTreeMap<QueueId, Timestamp>,
    arrivals: u64,
    draining: bool,
    /// What was seen so far.
    pub coverage: Coverage,
}

impl Oracle {
    /// Makes a judge of an empty shard.
    pub fn new(bounds: Bounds) -> Self {
        let truth = Truth { shadow: Shadow::new(bounds), layout: Layout::default() };
        Oracle {
            history: VecDeque::from([(0, truth.clone())]),
            truth,
            tail: 0,
            durable: 0,
            pending: BTreeMap::new(),
            gate: VecDeque::new(),
            handouts: BTreeMap::new(),
            unread: Vec::new(),
            failed: BTreeMap::new(),
            arrivals: 0,
            draining: false,
            coverage: Coverage::default(),
        }
    }

    /// Returns what should be there.
    pub fn shadow(&self) -> &Shadow {
        &self.truth.shadow
    }

    /// Returns where it should be.
    pub fn layout(&self) -> &Layout {
        &self.truth.layout
    }

    /// Lists the tickets of parked receives.
    pub fn parked(&self) -> impl Iterator<Item = Ticket> + '_ {
        let parked = self.pending.iter().filter(|(_, pending)| matches!(pending.stand, Stand::Parked { .. }));
        parked.map(|(ticket, _)| *ticket)
    }

    /// Notes a command that the shard is about to be given.
    pub fn asked(&mut self, ticket: Ticket, command: Command) {
        self.pending.insert(ticket, Pending { command, stand: Stand::New, looked_up: false });
    }

    /// Notes that a caller goes away.
    pub fn cancelled(&mut self, ticket: Ticket) {
        if self.pending.get(&ticket).is_some_and(|pending| matches!(pending.command, Command::Receive(_))) {
            self.pending.remove(&ticket);
            self.coverage.hit(Mark::ReceiveCancelled);
        }
    }

    /// Notes that the shard is about to stop.
    pub fn drained(&mut self) {
        self.draining = true;
    }

    /// Judges a turn that is over.
    pub fn turn(&mut self, shard: &Shard, turn: &Turn<'_>) -> Result<(), Violation> {
        let now = turn.now;
        self.truth.shadow.advance(now);
        let decided = self.decided(shard, turn);
        let queue_of = |pending: &Pending| match &pending.command {
            Command::Receive(receive) => Some(receive.queue),
            _ => None,
        };
        let receivers: Vec<QueueId> =
            decided.iter().map(|(_, pending)| pending).chain(self.pending.values()).filter_map(queue_of).collect();
        let (position, events) = turn.record.unwrap_or((self.tail, &[]));
        if turn.record.is_some() && position != self.tail + 1 {
            return Err(format!("record {position} follows record {}", self.tail));
        }
        // A receive that had to wait for a page may be decided in one turn with what changes its queue's timeout.
        let defaults = |queue: QueueId| -> Vec<u32> {
            let set = events.iter().filter_map(|(event, _)| match event {
                Event::AttributesSet { queue: other, attributes } if *other == queue => {
                    Some(attributes.visibility_seconds)
                }
                _ => None,
            });
            std::iter::once(self.truth.shadow.visibility_seconds(queue)).chain(set).collect()
        };
        let defaults: Vec<Vec<u32>> =
            decided.iter().map(|(_, pending)| queue_of(pending).map(defaults).unwrap_or_default()).collect();
        let answers = self.walk(&decided, &receivers, events, turn, position)?;
        self.truth.shadow.settle(&self.truth.layout, now);
        if turn.record.is_some() {
            self.tail = position;
            self.history.push_back((position, self.truth.clone()));
        }
        self.receives_explained(&decided, position)?;
        self.nobody_overtaken(&decided, now)?;
        let mut gate: Vec<Awaited> = Vec::new();
        for (((ticket, pending), permitted), defaults) in decided.into_iter().zip(answers).zip(defaults) {
            let Pending { command, looked_up, .. } = pending;
            let receive = match &command {
                Command::Receive(receive) => Some(receive.clone()),
                _ => None,
            };
            let own = receive.as_ref().and_then(|receive| receive.visibility_seconds);
            let visibilities = own.map_or(defaults, |seconds| vec![seconds]);
            if permitted.is_empty() && receive.is_none() {
                return Err(format!("{ticket:?} was decided and nothing explains how"));
            }
            gate.push(Awaited {
                position,
                ticket,
                permitted,
                receive,
                command,
                looked_up,
                decided_at: now,
                untils: visibilities.into_iter().map(|seconds| now.plus_seconds(seconds)).collect(),
            });
        }
        self.gate.extend(gate);
        self.rest(shard, turn)
    }

    /// Finds the commands that this turn has decided, and where the others stand now.
    fn decided(&mut self, shard: &Shard, turn: &Turn<'_>) -> Vec<(Ticket, Pending)> {
        let now = turn.now;
        // What decides how long a receive waits may be written by the turn that parks it, before it or after it.
        let written_waits = |queue: QueueId| {
            let events = turn.record.map_or(&[][..], |(_, events)| events);
            events.iter().filter_map(move |(event, _)| match event {
                Event::AttributesSet { queue: of, attributes } | Event::QueueCreated { queue: of, attributes, .. }
                    if *of == queue =>
                {
                    Some(attributes.wait_seconds)
                }
                _ => None,
            })
        };
        let mut decided = Vec::new();
        // Receives that a turn parks together, because they waited for one page, may stand in line in any order.
        self.arrivals += 1;
        let tickets: Vec<Ticket> = self.pending.keys().copied().collect();
        for ticket in tickets {
            let pending = self.pending.get_mut(&ticket).expect("the ticket was just listed");
            if shard.is_reading_for(ticket) {
                self.coverage.hit(Mark::CommandWaitedForPage);
                pending.stand = Stand::Reading;
                pending.looked_up |= shard.is_looking_up_for(ticket);
            } else if !shard.is_parked(ticket) {
                let pending = self.pending.remove(&ticket).expect("the ticket was just listed");
                decided.push((ticket, pending));
            } else if let (Command::Receive(receive), Stand::New | Stand::Reading) = (&pending.command, pending.stand) {
                let known = self.truth.shadow.wait_seconds(receive.queue);
                let default = std::iter::once(known).chain(written_waits(receive.queue));
                let waits: Vec<u32> = match receive.wait_seconds {
                    Some(seconds) => vec![seconds],
                    // Who does not wait is not parked.
                    None => default.filter(|seconds| *seconds > 0).collect(),
                };
                let (shortest, longest) = (waits.iter().min(), waits.iter().max());
                self.coverage.hit(Mark::ReceiveParked);
                pending.stand = Stand::Parked {
                    from: now.plus_seconds(shortest.copied().unwrap_or(0)),
                    until: now.plus_seconds(longest.copied().unwrap_or(0)),
                    arrival: self.arrivals,
                };
            }
        }
        // Of two commands that the same event could come from, it comes from the one that was decided first. What wrote
        // nothing is not held back, and its order does not matter.
        let order: BTreeMap<Ticket, usize> = shard.undelivered().zip(0..).collect();
        decided.sort_by_key(|(ticket, _)| order.get(ticket).copied());
        decided
    }

    /// Notes that a page of a queue could not be read. Receives may overlook its messages until the queue changes.
    pub fn unread(&mut self, queue: QueueId, now: Timestamp) {
        self.unread.push(queue);
        self.failed.insert(queue, now.plus_seconds(READ_REST_SECONDS));
    }

    /// Notes that the pages of a queue can be read again.
    pub fn readable(&mut self, queue: QueueId) {
        self.unread.retain(|other| *other != queue);
    }

    /// Forgets what a crash has lost: everything after a position.
    pub fn crashed(&mut self, position: u64, bounds: Bounds) {
        if self.tail > position {
            self.coverage.hit(Mark::CrashLostSuffix);
        } else {
            self.coverage.hit(Mark::CrashLostNothing);
        }
        self.history.retain(|(at, _)| *at <= position);
        self.truth = self.history.back().expect("what is durable is kept").1.clone();
        self.truth.shadow.bounds = bounds;
        let at = self.history.back().expect("what is durable is kept").0;
        assert_eq!(at, position, "every record that may survive is in the history");
        self.history = VecDeque::from([(position, self.truth.clone())]);
        (self.tail, self.durable) = (position, position);
        self.pending.clear();
        self.gate.clear();
        self.handouts.clear();
        self.unread.clear();
        self.failed.clear();
        self.draining = false;
    }

    /// Tells whether no message is left, no task runs and nobody waits.
    pub fn is_at_rest(&self) -> bool {
        let Truth { shadow, layout } = &self.truth;
        let empty = |id| shadow.counters(id) == Default::default() && layout.pages(id) == 0;
        self.waiting() == 0 && !shadow.is_moving() && shadow.queue_ids().all(empty)
    }

    /// Tells how many callers wait for anything.
    pub fn waiting(&self) -> usize {
        self.pending.len() + self.gate.len()
    }
}
