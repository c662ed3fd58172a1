//! The turn of a shard: time first, then the input, then everybody whom that concerns.

mod moves;

use std::collections::VecDeque;
use std::ops::RangeInclusive;

use bytes::Bytes;
use stanchion_engine::command::{Command, Receive, Reply};
use stanchion_engine::event::Event;
use stanchion_engine::event::codec;
use stanchion_engine::ids::{ContentAddress, Entropy, QueueId};
use stanchion_engine::{
    At, Blocks, ChunkPart, ChunkWish, Decision, Due, Engine, PageWish, Picture, Purpose, Queue, Wish,
};
use stanchion_types::{Error, QueueArn, Timestamp};

use crate::gate::Gate;
use crate::plan::{Job, Reads};
use crate::sweep::Sweep;
use crate::waiters::Waiters;
use crate::{Input, Output, ReadId, Record, Ticket};

/// Bytes that a shard cannot read: of a snapshot or of a record.
pub use stanchion_engine::event::codec::Damage;

/// Most pages that leave memory at a time because all queues together have too many messages there, so that nobody
/// waits long for it.
const RELIEF_MAX: usize = 64;

/// How much memory is kept from turn to turn to write a record in.
const RECORD_KEPT: usize = 1 << 20;

/// Settings of a shard.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Settings of the engine.
    pub engine: stanchion_engine::Options,
    /// Chance for what time causes; another number at every start.
    pub seed: u128,
}

/// A shard.
#[derive(Clone, Debug)]
pub struct Shard {
    engine: Engine,
    /// The clock of the last turn; it never goes back.
    now: Timestamp,
    /// Last position handed out.
    tail: u64,
    gate: Gate,
    waiters: Waiters,
    reads: Reads,
    sweep: Sweep,
    outputs: VecDeque<Output>,
    turn: Turn,
    /// Chance for what time causes.
    seed: Entropy,
    draws: u64,
    draining: bool,
    /// Position of the snapshot under way.
    snapshot_at: u64,
}

/// What a turn has brought so far.
#[derive(Clone, Debug, Default)]
struct Turn {
    payload: Vec<u8>,
    count: u32,
    replies: Vec<(Ticket, Reply)>,
    reads: Vec<(ReadId, ContentAddress)>,
    fetches: Vec<(ReadId, Vec<ContentAddress>)>,
}

/// A snapshot whose bytes are still in pieces.
#[derive(Debug)]
pub struct Snapshot {
    position: u64,
    state: Picture,
}

impl Snapshot {
    /// Returns what [`Shard::snapshot`] would have written when this one was begun.
    pub fn into_bytes(self) -> Vec<u8> {
        self.state.into_bytes(self.position.to_le_bytes().to_vec())
    }
}

impl Shard {
    /// Makes a shard without history.
    pub fn new(options: Options) -> Shard {
        let engine = Engine::new(options.engine);
        Shard::with(engine, 0, options.seed)
    }

    /// Makes a shard from what [`Shard::snapshot`] wrote. Records after it are to be replayed.
    pub fn restore(options: Options, snapshot: &[u8]) -> Result<Shard, Damage> {
        let Some((position, state)) = snapshot.split_first_chunk::<8>() else {
            return Err(Damage { what: "position of snapshot", left: snapshot.len() });
        };
        let engine = Engine::restore(options.engine, state)?;
        Ok(Shard::with(engine, u64::from_le_bytes(*position), options.seed))
    }

    fn with(engine: Engine, tail: u64, seed: u128) -> Shard {
        Shard {
            now: engine.clock(),
            sweep: Sweep::new(&engine),
            engine,
            tail,
            gate: Gate::new(tail),
            waiters: Waiters::default(),
            reads: Reads::default(),
            outputs: VecDeque::new(),
            turn: Turn::default(),
            seed: Entropy(seed),
            draws: 0,
            draining: false,
            snapshot_at: 0,
        }
    }

    /// Lets a durable record of the past happen again. Records come in order, before the first input.
    pub fn replay(&mut self, record: &Record) -> Result<(), Damage> {
        assert_eq!(record.position, self.tail + 1, "records are replayed in order");
        let at = At { position: record.position, clock: record.clock };
        let engine = &mut self.engine;
        codec::decode(&record.payload, |event, span| {
            engine.apply(at, &event, span);
            Ok::<(), Damage>(())
        })?;
        self.engine.record_ended(record.position, record.payload.len());
        self.tail = record.position;
        self.now = self.now.max(record.clock);
        self.gate = Gate::new(self.tail);
        Ok(())
    }

    /// Writes the state, with the position up to which it includes the journal. It may be saved once that position
    /// is durable.
    pub fn snapshot(&self) -> (u64, Vec<u8>) {
        let mut bytes = self.tail.to_le_bytes().to_vec();
        bytes.extend_from_slice(&self.engine.snapshot());
        (self.tail, bytes)
    }

    /// Begins a snapshot of the state as it is now, to be taken in steps; returns the position up to which it includes
    /// the journal. One that is under way is given up.
    pub fn begin_snapshot(&mut self) -> u64 {
        self.snapshot_at = self.tail;
        self.engine.begin_snapshot();
        self.tail
    }

    /// Goes on with the snapshot that was begun until about this many messages and pages are listed, and returns it
    /// when it is complete.
    pub fn continue_snapshot(&mut self, lines: usize) -> Option<Snapshot> {
        let state = self.engine.continue_snapshot(lines)?;
        Some(Snapshot { position: self.snapshot_at, state })
    }

    /// Returns the first position that any message or deduplication id may still need; with a snapshot saved, records
    /// below it and covered by the snapshot can be trimmed.
    pub fn low_water(&self) -> u64 {
        self.engine.usage().low_water()
    }

    /// Lists the runs of positions after [`Shard::low_water`] that no message needs; with a snapshot saved, those that it
    /// covers can be released.
    pub fn gaps(&self) -> Vec<RangeInclusive<u64>> {
        self.engine.usage().gaps()
    }

    /// Returns the last position handed out.
    pub fn tail(&self) -> u64 {
        self.tail
    }

    /// Returns the position up to which this shard knows its journal to be durable.
    pub fn durable(&self) -> u64 {
        self.gate.durable()
    }

    /// Finds a queue by its ARN.
    pub fn find(&self, arn: &QueueArn) -> Option<&Queue> {
        self.engine.find(arn)
    }

    /// Returns the engine, to look at.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Forgets all receives that are parked, and returns whose they were. They are not answered, and nothing else happens:
    /// none of them gets a message that has come meanwhile.
    pub fn turn_away(&mut self) -> Vec<Ticket> {
        self.waiters.take_all()
    }

    /// Lists the callers whose replies wait for what they tell of to be durable, in the order in which they were decided.
    pub fn undelivered(&self) -> impl Iterator<Item = Ticket> + '_ {
        self.gate.tickets()
    }

    /// Tells whether the receive of this ticket is parked.
    pub fn is_parked(&self, ticket: Ticket) -> bool {
        self.waiters.holds(ticket)
    }

    /// Tells whether the command of this ticket waits for something that is being read.
    pub fn is_reading_for(&self, ticket: Ticket) -> bool {
        self.reads.hold(ticket)
    }

    /// Tells whether the command of this ticket waits for deduplication ids that are being read because one of its own
    /// may be among them.
    pub fn is_looking_up_for(&self, ticket: Ticket) -> bool {
        self.reads.hold_for_block(ticket)
    }

    /// Takes the next thing to do.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Returns when [`Input::Tick`] is due, if ever.
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        let next = self.engine.next_deadline().min(self.waiters.next_deadline()).min(self.sweep.next_deadline());
        (next != Timestamp::NEVER).then_some(next)
    }

    /// Handles an input at a moment; a clock that went back counts as standing still.
    pub fn handle(&mut self, now: Timestamp, input: Input) {
        self.now = self.now.max(now);
        if let Input::Durable(position) = input {
            assert!(position <= self.tail, "durable {position} is past the tail {}", self.tail);
            self.sweep.synced(&self.engine, position, self.now);
            return self.gate.open(position, &mut self.outputs);
        }
        self.advance();
        match input {
            Input::Command(asked) => {
                self.sweep.asked(self.now);
                self.decide(Job::new(asked));
            }
            Input::Commands(asked) => {
                self.sweep.asked(self.now);
                for asked in asked {
                    // A dead letter that came with the command before may have grown too old.
                    self.advance();
                    self.decide(Job::new(asked));
                }
            }
            Input::Loaded { read, bytes } => self.loaded(read, bytes),
            Input::Fetched { read, pieces } => self.fetched(read, pieces),
            Input::Space(space) => self.sweep.set_space(space, self.now),
            Input::Returned(freed) => {
                assert!(freed <= self.engine.usage().freed(), "what was given back had been freed");
                self.sweep.note_returned(freed, self.now);
            }
            Input::Cancel(ticket) => {
                self.waiters.remove(ticket);
                self.reads.cancel_receive(ticket);
            }
            Input::Drain => {
                self.draining = true;
                self.dismiss(Timestamp::NEVER);
            }
            Input::Tick | Input::Durable(_) => {}
        }
        self.settle();
        self.dismiss(self.now);
        self.sweep();
        self.end_turn();
    }

    /// Lets everything happen that time has caused.
    fn advance(&mut self) {
        loop {
            self.draws += 1;
            let entropy = Entropy(self.seed.draw(self.draws));
            match self.engine.due(self.now, entropy) {
                Due::Nothing => return,
                Due::Events(events) => self.apply(&events),
                Due::Load(wish) => {
                    self.engine.page_requested(wish.queue, wish.page);
                    self.read(Wish::Page(wish), None);
                }
            }
        }
    }

    /// Decides a command, as often as it takes.
    fn decide(&mut self, job: Job) {
        loop {
            match self.engine.decide(&job.command, self.now, job.entropy, &job.blocks) {
                Decision::Commit { events, reply } => {
                    self.apply(&events);
                    // Dead letters were all there was so far.
                    if is_empty_receive(&reply) && !events.is_empty() {
                        continue;
                    }
                    return self.turn.replies.push((job.ticket, reply));
                }
                Decision::Reject(error) => return self.turn.replies.push((job.ticket, Reply::Refused(error))),
                Decision::Load(wish) => return self.read(wish, Some(job)),
                Decision::Nothing => {
                    let Command::Receive(receive) = job.command else { unreachable!("only a receive finds nothing") };
                    return self.park(job.ticket, receive);
                }
            }
        }
    }

    /// Lets a receive wait, or answers it if it does not want to.
    fn park(&mut self, ticket: Ticket, receive: Receive) {
        let queue = self.engine.queue(receive.queue).expect("the queue was just looked at");
        let wait = receive.wait_seconds.unwrap_or(queue.attributes().wait_seconds);
        if wait == 0 || self.draining {
            return self.turn.replies.push((ticket, Reply::Received(Vec::new())));
        }
        self.waiters.park(ticket, receive, self.now.plus_seconds(wait));
    }

    /// Keeps memory within bounds and serves those who wait, until nothing changes any more.
    fn settle(&mut self) {
        loop {
            self.advance();
            while let Some(event) = self.engine.originals_overflow() {
                self.apply(&[event]);
            }
            let changed = self.engine.take_changed();
            if changed.is_empty() {
                break;
            }
            for queue in &changed {
                while let Some(event) = self.engine.overflow(*queue) {
                    self.apply(&[event]);
                }
            }
            for _ in 0..RELIEF_MAX {
                let Some(event) = self.engine.relief() else { break };
                self.apply(&[event]);
            }
            for queue in changed {
                self.serve(queue);
                let wishes: Vec<PageWish> = self.engine.prefetch(queue).collect();
                wishes.into_iter().for_each(|wish| self.read(Wish::Page(wish), None));
            }
        }
        if let Some(wish) = self.engine.wanted_marks(self.now) {
            self.read(Wish::Chunk(wish), None);
        }
        if self.reads.is_empty() {
            self.engine.forget_pages();
        }
    }

    /// Serves the receives that wait at a queue, the longest first, until one finds nothing.
    fn serve(&mut self, queue: QueueId) {
        loop {
            // A dead letter that one of them moved here may have grown too old.
            self.advance();
            let Some((ticket, receive)) = self.waiters.first(queue) else { return };
            let command = Command::Receive(receive.clone());
            let reply = match self.engine.decide(&command, self.now, self.seed, &Blocks::default()) {
                Decision::Commit { events, reply } => {
                    self.apply(&events);
                    if is_empty_receive(&reply) {
                        continue;
                    }
                    reply
                }
                Decision::Reject(error) => Reply::Refused(error),
                Decision::Load(wish) => return self.read(wish, None),
                Decision::Nothing => return,
            };
            self.waiters.remove(ticket);
            self.turn.replies.push((ticket, reply));
        }
    }

    /// Answers the receives whose time is over.
    fn dismiss(&mut self, now: Timestamp) {
        while let Some(ticket) = self.waiters.take_expired(now) {
            self.turn.replies.push((ticket, Reply::Received(Vec::new())));
        }
    }

    fn read(&mut self, wish: Wish, job: Option<Job>) {
        if let Some(id) = self.reads.add(wish, job) {
            self.turn.reads.push((id, wish.address()));
        }
    }

    fn loaded(&mut self, id: ReadId, bytes: Option<Bytes>) {
        let Some(read) = self.reads.take(id) else { return };
        match read.wish {
            Wish::Page(wish) => self.page_loaded(wish, read.jobs, bytes),
            Wish::Chunk(wish) => self.chunk_loaded(wish, read.jobs, bytes),
        }
    }

    fn chunk_loaded(&mut self, wish: ChunkWish, jobs: Vec<Job>, bytes: Option<Bytes>) {
        let bytes = bytes.filter(|bytes| self.engine.chunk_loaded(wish, bytes));
        // A chunk that was dropped meanwhile may be gone from the disk, and nobody needs it any more.
        if bytes.is_none() && self.engine.chunk_failed(wish, self.now) {
            return self.refuse(jobs.into_iter().map(|job| job.ticket));
        }
        for mut job in jobs {
            if let Some(bytes) = bytes.as_ref().filter(|_| wish.part == ChunkPart::Block) {
                job.blocks.add(wish.at, bytes.clone());
            }
            self.advance();
            self.decide(job);
        }
    }

    /// Tells callers that something that their commands need cannot be read.
    fn refuse(&mut self, callers: impl IntoIterator<Item = Ticket>) {
        let error = Error::internal("A part of the queue could not be read.");
        self.turn.replies.extend(callers.into_iter().map(|ticket| (ticket, Reply::Refused(error.clone()))));
    }

    fn page_loaded(&mut self, wish: PageWish, jobs: Vec<Job>, bytes: Option<Bytes>) {
        let PageWish { queue, page, list, purpose } = wish;
        let messages = bytes.and_then(|bytes| codec::decode_page(&bytes).ok());
        let Some(messages) = messages else {
            if self.engine.list_of(queue, page) != Some(list) {
                // The page was written anew in the meantime, and what it was is forgotten.
                return jobs.into_iter().for_each(|job| {
                    self.advance();
                    self.decide(job);
                });
            }
            self.engine.page_failed(queue, page, self.now);
            let is_awaited = purpose == Purpose::Thaw && self.engine.is_awaited(queue, page, self.now);
            let mut callers: Vec<Ticket> = jobs.iter().map(|job| job.ticket).collect();
            if is_awaited {
                // Who can be served without the page is. To the others an empty answer would say that there is no
                // message.
                self.serve(queue);
                while let Some((ticket, _)) = self.waiters.first(queue) {
                    self.waiters.remove(ticket);
                    callers.push(ticket);
                }
            }
            return self.refuse(callers);
        };
        self.engine.page_loaded(queue, page, list, messages);
        if purpose == Purpose::Thaw
            && let Some(event) = self.engine.thaw(queue, page)
        {
            self.apply(&[event]);
        }
        for job in jobs {
            // What came from the page, or with a dead letter of the job before, may have grown too old.
            self.advance();
            self.decide(job);
        }
    }

    fn apply(&mut self, events: &[Event]) {
        for event in events {
            self.happen(event);
        }
        self.engine.catch_up();
    }

    /// Lets an event happen, and returns where its content is.
    fn apply_one(&mut self, event: &Event) -> ContentAddress {
        let content = self.happen(event);
        self.engine.catch_up();
        content
    }

    /// Lets one of several events happen; the engine has to catch up then.
    fn happen(&mut self, event: &Event) -> ContentAddress {
        let at = At { position: self.tail + 1, clock: self.now };
        if self.turn.payload.is_empty() {
            self.turn.payload.push(codec::VERSION);
        }
        let span = codec::encode(event, &mut self.turn.payload);
        if let Some(arn) = self.changed(event) {
            self.outputs.push_back(Output::Changed(arn));
        }
        self.engine.happen(at, event, span);
        self.turn.count += 1;
        span.at(at.position)
    }

    /// Names the queue of which an event changes what others may keep a copy of.
    fn changed(&self, event: &Event) -> Option<QueueArn> {
        match event {
            Event::QueueCreated { arn, .. } => Some(arn.clone()),
            Event::QueueDeleted { queue } | Event::AttributesSet { queue, .. } | Event::TagsChanged { queue, .. } => {
                self.engine.queue(*queue).map(|queue| queue.arn().clone())
            }
            _ => None,
        }
    }

    /// Hands the turn's events to the journal and its replies to the gate.
    fn end_turn(&mut self) {
        // What the turn has brought is taken out of it, and its lists are kept for the next one.
        let Turn { payload, count, replies, reads, fetches } = &mut self.turn;
        let count = std::mem::take(count);
        if count > 0 {
            self.tail += 1;
            self.engine.record_ended(self.tail, payload.len());
            // The journal keeps recent records in memory: as long as they are, and not as long as they grew.
            let written = Bytes::copy_from_slice(payload);
            self.outputs.push_back(Output::Append(Record {
                position: self.tail,
                clock: self.now,
                count,
                payload: written,
            }));
            payload.clear();
            payload.shrink_to(RECORD_KEPT);
        }
        // A page may have been written in this very turn, so reads come after the record.
        for (id, list) in reads.drain(..) {
            self.outputs.push_back(Output::Read(id, list));
        }
        for (id, contents) in fetches.drain(..) {
            self.outputs.push_back(Output::Fetch(id, contents));
        }
        for (ticket, reply) in replies.drain(..) {
            self.gate.hold(self.tail, ticket, reply, &mut self.outputs);
        }
    }
}

fn is_empty_receive(reply: &Reply) -> bool {
    matches!(reply, Reply::Received(deliveries) if deliveries.is_empty())
}

#[cfg(test)]
mod tests;
