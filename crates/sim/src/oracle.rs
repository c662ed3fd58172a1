//! Judges a shard turn by turn: what it writes, whom it answers and when, and what it leaves waiting.
//!
//! A turn's record says which messages were handed out and moved; the shadow says whether that was permitted. Every
//! command that the turn decided has to fit one point of the turn's events: there it must have had just these effects,
//! and there its answer must be true. The answer is heard later, when the record is durable, and compared then.

use std::collections::{BTreeMap, VecDeque};

use stanchion_engine::command::{Command, Receive, Reply};
use stanchion_engine::event::{Event, TaskEnd};
use stanchion_engine::ids::{QueueId, Span};
use stanchion_shard::{Shard, Ticket};
use stanchion_types::{Code, Error, Timestamp};

use crate::coverage::{Coverage, Mark};
use crate::journal::Store;
use crate::layout::Layout;
use crate::shadow::{Bounds, Explanation, Handout, Shadow, Violation};

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
    Parked { until: Timestamp, arrival: u64 },
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
        // What a change of attributes that waited for the same page as a receive after it has set by then.
        let changed_wait = |decided: &[(Ticket, Pending)], queue: QueueId| {
            let is_set = |(_, pending): &(Ticket, Pending)| matches!(pending.command, Command::SetQueueAttributes { queue: of, .. } if of == queue);
            let (_, events) = turn.record.filter(|_| decided.iter().any(is_set))?;
            events.iter().rev().find_map(|(event, _)| match event {
                Event::AttributesSet { queue: of, attributes } if *of == queue => Some(attributes.wait_seconds),
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
                let changed = changed_wait(&decided, receive.queue);
                let wait = receive.wait_seconds.or(changed);
                let wait = wait.unwrap_or_else(|| self.truth.shadow.wait_seconds(receive.queue));
                self.coverage.hit(Mark::ReceiveParked);
                pending.stand = Stand::Parked { until: now.plus_seconds(wait), arrival: self.arrivals };
            }
        }
        decided
    }

    /// Walks through the events of a turn; returns for each decided command the answers that would be true.
    fn walk(
        &mut self,
        decided: &[(Ticket, Pending)],
        receivers: &[QueueId],
        events: &[(Event, Span)],
        turn: &Turn<'_>,
        position: u64,
    ) -> Result<Vec<Vec<Reply>>, Violation> {
        let now = turn.now;
        let plain: Vec<Event> = events.iter().map(|(event, _)| event.clone()).collect();
        let mut answers: Vec<Vec<Reply>> = vec![Vec::new(); decided.len()];
        let mut done = vec![false; decided.len()];
        let mut at = 0;
        'point: loop {
            for (index, (_, pending)) in decided.iter().enumerate() {
                if let Command::Receive(receive) = &pending.command {
                    let fruitless = self.fruitless(receive, pending.stand, turn);
                    for reply in fruitless {
                        if !answers[index].contains(&reply) {
                            answers[index].push(reply);
                        }
                    }
                    continue;
                }
                if done[index] {
                    continue;
                }
                if let Explanation::Answer(replies) =
                    self.truth.shadow.explain(&pending.command, &[], &self.truth.layout, now)
                {
                    answers[index].extend(replies);
                }
            }
            for (index, (_, pending)) in decided.iter().enumerate() {
                if done[index] || matches!(pending.command, Command::Receive(_)) {
                    continue;
                }
                let explanation = self.truth.shadow.explain(&pending.command, &plain[at..], &self.truth.layout, now);
                let Explanation::Happened(taken, reply) = explanation else { continue };
                for (event, span) in &events[at..at + taken] {
                    if matches!(event, Event::Repaged { .. }) {
                        self.coverage.deleted_from_page();
                    }
                    self.truth.layout.follow(event, *span, position)?;
                    self.coverage.event(event);
                }
                self.coverage.command(&pending.command, &reply);
                at += taken;
                answers[index] = vec![reply];
                done[index] = true;
                continue 'point;
            }
            let Some((event, span)) = events.get(at) else { break };
            self.witness(event, receivers, now, position)?;
            self.truth.layout.follow(event, *span, position)?;
            self.coverage.event(event);
            at += 1;
        }
        for (index, (_, pending)) in decided.iter().enumerate() {
            // Who waits at a queue of which a page cannot be read is told so: an empty answer would be a lie.
            let parked_there = matches!(pending.stand, Stand::Parked { .. })
                && matches!(&pending.command, Command::Receive(receive) if self.unread.contains(&receive.queue));
            if turn.failed_read && (pending.stand == Stand::Reading || parked_there) {
                answers[index].push(Reply::Refused(Error::internal("")));
                self.coverage.hit(Mark::ReadFailed);
            }
        }
        Ok(answers)
    }

    /// Lists the answers without messages that a receive may get at this point.
    fn fruitless(&self, receive: &Receive, stand: Stand, turn: &Turn<'_>) -> Vec<Reply> {
        let now = turn.now;
        let shadow = &self.truth.shadow;
        if !shadow.has(receive.queue) {
            return vec![Reply::Refused(Error::no_such_queue())];
        }
        let mut permitted = Vec::new();
        let wait = receive.wait_seconds.unwrap_or_else(|| shadow.wait_seconds(receive.queue));
        if receive.attempt.is_some_and(|hash| shadow.repeatable(receive.queue, hash, now)) && wait == 0 {
            return permitted;
        }
        if shadow.is_full(receive.queue) && wait == 0 && !shadow.is_fifo(receive.queue) {
            permitted.push(Reply::Refused(Error::new(Code::OverLimit, "")));
            if stand == Stand::New && !self.draining {
                return permitted;
            }
        }
        let waited = match stand {
            Stand::Parked { until, .. } => until <= now,
            Stand::New | Stand::Reading => wait == 0,
        };
        // A parked receive is answered in time even if the page that it waits for is not there yet.
        // A shard that stops sends everybody away before it looks for anything new.
        let parked = matches!(stand, Stand::Parked { .. });
        let late_page = parked && (self.draining || turn.reading.contains(&receive.queue));
        let excused = shadow.may_be_empty(receive.queue) || late_page || self.unread.contains(&receive.queue);
        if (waited || self.draining) && excused {
            permitted.push(Reply::Received(Vec::new()));
        }
        permitted
    }

    /// Checks an event that is no command's doing but a receive's, a task's or time's.
    fn witness(
        &mut self,
        event: &Event,
        receivers: &[QueueId],
        now: Timestamp,
        position: u64,
    ) -> Result<(), Violation> {
        let Truth { shadow, layout } = &mut self.truth;
        match event {
            Event::Received { queue, keys, until, attempt } => {
                let handout = shadow.hand_out(*queue, keys, *until, *attempt, layout.pages(*queue) > 0, now)?;
                self.handouts.entry(position).or_default().push(handout);
            }
            Event::Repeated { queue, attempt, until } => {
                let handout = shadow.repeat(*queue, *attempt, *until, now)?;
                self.handouts.entry(position).or_default().push(handout);
            }
            Event::DeadLettered { queue, target, moves } => {
                if !receivers.contains(queue) {
                    return Err(format!("dead letters of {queue:?} move though nobody receives"));
                }
                shadow.dead_letter(*queue, *target, moves, now)?;
            }
            Event::TaskMoved { task, queue, target, moves } => {
                shadow.task_moves(*task, *queue, *target, moves, now)?;
            }
            Event::TaskEnded { task, end } if *end != TaskEnd::Cancelled => {
                let left = shadow.left_in_source(*task, layout);
                shadow.task_ends(*task, end, left, now)?;
            }
            Event::Expired { queue, keys } => {
                if let Some(key) = keys.iter().find(|key| shadow.is_alive(*queue, key.0)) {
                    return Err(format!("{key:?} expired before its time"));
                }
            }
            Event::Released { queue, messages } => {
                if let Some((key, _)) = messages.iter().find(|(key, _)| !shadow.is_visible(*queue, key.0)) {
                    return Err(format!("{key:?} appears before its time"));
                }
            }
            Event::Chilled { queue, messages, .. } => {
                // What arrives behind messages on a page of delayed ones waits for that page, whatever its own moment is.
                let waits = shadow.is_fifo(*queue) && layout.has_delayed(*queue);
                for message in messages {
                    shadow.check_listed(*queue, message, waits)?;
                }
            }
            Event::Thawed { queue, messages, .. } => {
                for message in messages.iter().filter(|message| shadow.is_alive(*queue, message.key.0)) {
                    shadow.check_listed(*queue, message, true)?;
                }
            }
            Event::Repaged { queue, page, messages } => {
                let gone = layout.missing(*queue, *page, messages);
                if let Some(key) = gone.iter().find(|key| shadow.is_alive(*queue, **key)) {
                    return Err(format!("message {key} is dropped from {page:?} without a cause"));
                }
            }
            Event::Filed { originals, .. } => {
                for original in originals {
                    shadow.check_filed(original)?;
                }
            }
            // What is wrong with it is seen when an id is looked up in it.
            Event::Refiled { .. } => {}
            Event::Forgotten { chunk } => {
                if layout.free_at(*chunk).is_none_or(|free_at| free_at > now) {
                    return Err(format!("{chunk:?} is forgotten before its time"));
                }
            }
            Event::Moved { queue, key, content } => {
                if layout.is_cold(*queue, key.0) {
                    self.coverage.hit(Mark::MovedOnPage);
                }
                shadow.check_moved(*queue, *key, content, layout)?;
            }
            other => return Err(format!("{other:?} has no cause")),
        }
        Ok(())
    }

    /// Checks that there are as many receives as handouts, for each queue.
    fn receives_explained(&self, decided: &[(Ticket, Pending)], position: u64) -> Result<(), Violation> {
        let Some(handouts) = self.handouts.get(&position) else { return Ok(()) };
        let takes = |pending: &Pending, queue: QueueId| matches!(&pending.command, Command::Receive(receive) if receive.queue == queue);
        for handout in handouts {
            let taken = handouts.iter().filter(|other| other.queue == handout.queue).count();
            let takers = decided.iter().filter(|(_, pending)| takes(pending, handout.queue)).count();
            let earlier = self.gate.iter().filter(|awaited| {
                awaited.position == position && awaited.receive.as_ref().is_some_and(|r| r.queue == handout.queue)
            });
            if taken > takers + earlier.count() {
                return Err(format!("{taken} receives from {:?} for {takers} callers", handout.queue));
            }
        }
        Ok(())
    }

    /// Checks that of the receives parked at a queue the one that came first was served first.
    fn nobody_overtaken(&self, decided: &[(Ticket, Pending)], now: Timestamp) -> Result<(), Violation> {
        for (ticket, pending) in decided {
            let (Command::Receive(receive), Stand::Parked { until, arrival }) = (&pending.command, pending.stand)
            else {
                continue;
            };
            let overtaken = self.pending.iter().find(|(_, other)| match (&other.command, other.stand) {
                (Command::Receive(left), Stand::Parked { arrival: earlier, .. }) => {
                    left.queue == receive.queue && earlier < arrival
                }
                _ => false,
            });
            if let Some((left, _)) = overtaken.filter(|_| until > now) {
                return Err(format!("{ticket:?} was served before {left:?}, which has waited longer"));
            }
        }
        Ok(())
    }

    /// Checks what the turn leaves behind.
    fn rest(&mut self, shard: &Shard, turn: &Turn<'_>) -> Result<(), Violation> {
        let now = turn.now;
        let Truth { shadow, layout } = &self.truth;
        if let Some(stale) = layout.stale() {
            return Err(format!("messages of {stale:?} were moved, and it does not know where"));
        }
        let (counted, needed) = (shard.engine().usage().by_bucket(), shard.engine().recount());
        if counted != needed {
            return Err(format!("of the journal {counted:?} are counted and {needed:?} are needed"));
        }
        for id in shadow.queue_ids() {
            let mut expected = shadow.counters(id);
            let (visible, delayed) = layout.leftovers(shadow, id);
            expected.visible += visible;
            expected.delayed += delayed;
            if visible + delayed > 0 {
                self.coverage.hit(Mark::LeftoverOnPage);
            }
            let counters = shard.engine().queue(id).map(|queue| queue.counters());
            let (least, most) = layout.overdue(shadow, id);
            let overdue = counters.map_or(0, |counters| counters.delayed).saturating_sub(expected.delayed);
            let overdue = overdue.clamp(least, most);
            expected.visible -= overdue;
            expected.delayed += overdue;
            if overdue > 0 {
                self.coverage.hit(Mark::OverdueOnPage);
            }
            if counters != Some(expected) {
                return Err(format!("{id:?} counts {counters:?} instead of {expected:?}"));
            }
        }
        if shard.engine().warm() >= shadow.bounds.warm_max {
            self.coverage.hit(Mark::MemoryFull);
        }
        if shard.engine().all_queues().count() != shadow.queue_ids().count() {
            return Err("there are queues that should be gone".to_owned());
        }
        for (ticket, pending) in &self.pending {
            let (Command::Receive(receive), Stand::Parked { until, .. }) = (&pending.command, pending.stand) else {
                continue;
            };
            if until <= now {
                return Err(format!("{ticket:?} should have been answered at {until}, it is {now}"));
            }
            if self.draining {
                return Err(format!("{ticket:?} is parked while the shard drains"));
            }
            let queue = receive.queue;
            if !shadow.has(queue) {
                return Err(format!("{ticket:?} is parked at {queue:?}, which is gone"));
            }
            if !shadow.may_be_empty(queue) && !turn.reading.contains(&queue) {
                return Err(format!("{ticket:?} is parked at {queue:?} though there is something to receive"));
            }
        }
        let due = shard.poll_timeout();
        if due.is_some_and(|at| at <= now) {
            return Err(format!("the shard wants a tick at {due:?} and has just had one at {now}"));
        }
        let deadlines = self.pending.values().filter_map(|pending| match pending.stand {
            Stand::Parked { until, .. } => Some(until),
            _ => None,
        });
        let expiry = shadow.expiry_before(due.unwrap_or(Timestamp::NEVER), |queue, key| !layout.is_cold(queue, key));
        // While a page of delayed messages is being read nobody has to wake up for what is on it or behind it.
        let failed = |queue: &QueueId| self.failed.get(queue).is_some_and(|until| now < *until);
        let on_time = |queue| !layout.has_delayed(queue) || !turn.reading.contains(&queue) && !failed(&queue);
        let next = deadlines.chain(shadow.next_appearance(on_time)).chain(expiry).min();
        if let Some(next) = next.filter(|next| due.is_none_or(|due| due > *next)) {
            return Err(format!("something happens at {next} and the shard sleeps until {due:?}"));
        }
        Ok(())
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

    /// Judges an answer that leaves the shard.
    pub fn heard(&mut self, ticket: Ticket, reply: &Reply, journal: &impl Store) -> Result<(), Violation> {
        // Answers decided at the same position may leave in any order.
        let first = self.gate.front().ok_or_else(|| format!("{ticket:?} hears {reply:?} and asked nothing"))?.position;
        let mut abreast = self.gate.iter().take_while(|awaited| awaited.position == first);
        let index = abreast.position(|awaited| awaited.ticket == ticket);
        let index = index.ok_or_else(|| format!("{ticket:?} hears {reply:?} out of turn"))?;
        let awaited = self.gate.remove(index).expect("the answer was just found");
        if awaited.position > journal.durable() {
            return Err(format!(
                "{ticket:?} hears of record {} while only {} are durable",
                awaited.position,
                journal.durable()
            ));
        }
        if let (Reply::Received(deliveries), Some(receive)) = (reply, &awaited.receive)
            && !deliveries.is_empty()
        {
            return self.received(&awaited, receive, reply, journal);
        }
        if awaited.permitted.iter().any(|permitted| alike(permitted, reply)) {
            self.coverage.reply(&awaited.command, reply);
            if awaited.looked_up {
                self.coverage.looked_up(reply);
            }
            return Ok(());
        }
        let Awaited { position, decided_at, permitted, .. } = awaited;
        Err(format!(
            "{ticket:?} hears {reply:?} instead of one of {permitted:?}, decided at {decided_at} and {position}"
        ))
    }

    fn received(
        &mut self,
        awaited: &Awaited,
        receive: &Receive,
        reply: &Reply,
        journal: &impl Store,
    ) -> Result<(), Violation> {
        let Reply::Received(deliveries) = reply else { unreachable!("the caller looked") };
        let handouts = self.handouts.entry(awaited.position).or_default();
        let told: Vec<_> = deliveries
            .iter()
            .map(|delivery| stanchion_engine::command::Delivery {
                content: stanchion_engine::ids::ContentAddress { position: 0, offset: 0, length: 0 },
                ..delivery.clone()
            })
            .collect();
        let fits = |handout: &Handout| {
            handout.queue == receive.queue
                && handout.deliveries == told
                && awaited.untils.contains(&handout.until)
                && (handout.repeated || told.len() <= receive.max_messages)
        };
        // The same attempt may have been received and repeated within a turn.
        let fitting = (0..handouts.len()).filter(|index| fits(&handouts[*index]));
        let Some(index) = fitting.min_by_key(|index| handouts[*index].repeated) else {
            return Err(format!("{:?} hears {reply:?}; handed out were {handouts:?}", awaited.ticket));
        };
        let handout = handouts.swap_remove(index);
        let keeps = handout.attempt.is_some() || handout.until <= awaited.decided_at;
        if receive.attempt.is_some() && (!keeps || handout.attempt.is_some_and(|hash| Some(hash) != receive.attempt)) {
            return Err(format!("the attempt of {:?} is not remembered", awaited.ticket));
        }
        for (delivery, content) in deliveries.iter().zip(&handout.contents) {
            if journal.read(delivery.content)? != *content {
                return Err(format!("message {} has the content of another", delivery.id));
            }
        }
        self.coverage.handout(&handout, awaited.decided_at);
        Ok(())
    }

    /// Checks that everybody has heard who may hear, after the shard was told of a watermark.
    pub fn durable(&mut self, position: u64) -> Result<(), Violation> {
        self.durable = self.durable.max(position);
        if let Some(late) = self.gate.front().filter(|awaited| awaited.position <= self.durable) {
            return Err(format!("{:?} has not heard of record {}", late.ticket, late.position));
        }
        while self.history.get(1).is_some_and(|(at, _)| *at <= self.durable) {
            self.history.pop_front();
        }
        let nobody = self.handouts.range(..=self.durable).find(|(_, handouts)| !handouts.is_empty());
        if let Some((at, handouts)) = nobody {
            return Err(format!("nobody heard of {handouts:?} in record {at}"));
        }
        self.handouts = self.handouts.split_off(&(self.durable + 1));
        Ok(())
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

/// Compares answers; of a refusal only its code counts.
fn alike(one: &Reply, two: &Reply) -> bool {
    match (one, two) {
        (Reply::Refused(one), Reply::Refused(two)) => one.code == two.code,
        (Reply::Imported(Err((at, one))), Reply::Imported(Err((index, two)))) => at == index && one.code == two.code,
        (Reply::Sent(one), Reply::Sent(two)) => {
            one.len() == two.len()
                && one.iter().zip(two).all(|pair| match pair {
                    (Err(one), Err(two)) => one.code == two.code,
                    (one, two) => one == two,
                })
        }
        (one, two) => one == two,
    }
}
