//! A shard in a world of its own: a clock that is a number, a journal that is a list, callers that are tickets.

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, VecDeque};
use std::hash::{Hash, Hasher};

use bytes::Bytes;
use stanchion_engine::command::{Command, Receipt, Reply};
use stanchion_engine::event::{Event, codec};
use stanchion_engine::ids::{ContentAddress, Entropy, QueueId, Span, TaskId};
use stanchion_engine::queue::Queue;
use stanchion_engine::usage::Space;
use stanchion_shard::{Asked, Damage, Input, Options, Output, ReadId, Record, Shard, Ticket};
use stanchion_types::attributes::QueueAttributes;
use stanchion_types::{QueueArn, Timestamp};

use crate::coverage::Mark;
use crate::journal::{Journal, Snapshot, Store};
use crate::oracle::{Oracle, Turn};
use crate::sabotage::Sabotage;
use crate::shadow::{Bounds, Violation};

/// Steps of the log that a failure shows.
const LOG_LINES: usize = 200;

/// When every world begins.
const BEGINNING: Timestamp = Timestamp::from_millis(1_700_000_000_000);

/// A read that the shard waits for.
#[derive(Clone, Debug)]
struct Read {
    id: ReadId,
    list: ContentAddress,
    queue: Option<QueueId>,
    bytes: Bytes,
}

/// Contents that the shard wants to move.
#[derive(Clone, Debug)]
struct Fetch {
    id: ReadId,
    pieces: Vec<Bytes>,
}

/// What a turn puts out: the record that it wrote, and who hears what.
type Collected = (Option<Record>, Vec<(Ticket, Reply)>);

/// What a client has learned from answers.
#[derive(Clone, Debug, Default)]
pub struct Knowledge {
    /// Receipts, each with its queue.
    pub receipts: Vec<(QueueId, Receipt)>,
    /// Move tasks.
    pub tasks: Vec<TaskId>,
}

/// What a driver keeps of each queue by what the shard tells it of changes.
type Copies = BTreeMap<QueueArn, (QueueId, QueueAttributes, BTreeMap<String, String>)>;

/// A shard with its journal, its callers and its judge.
#[derive(Clone, Debug)]
pub struct World<S = Journal> {
    options: Options,
    shard: Shard,
    journal: S,
    oracle: Oracle,
    /// What the clock on the wall says; it may be set back.
    wall: Timestamp,
    /// The latest that the shard has been told; what it goes by.
    now: Timestamp,
    reads: Vec<Read>,
    fetches: Vec<Fetch>,
    /// A snapshot that is not saved yet.
    snapshot: Option<Snapshot>,
    /// Whether the shard has not written all of it.
    taking: bool,
    /// How many bytes of the journal had ever been freed when the snapshot was taken.
    freed: u64,
    /// How much room there is, as far as the shard was ever told.
    space: Option<Space>,
    tickets: u64,
    asked: BTreeMap<Ticket, Command>,
    known: Knowledge,
    copies: Copies,
    hasher: DefaultHasher,
    log: Option<VecDeque<String>>,
    sabotage: Sabotage,
}

impl World {
    /// Makes a world with an empty shard. With `logged` it remembers what happened last.
    pub fn new(options: Options, logged: bool, sabotage: Sabotage) -> Self {
        World::on(Journal::default(), options, logged, sabotage)
    }
}

impl<S: Store> World<S> {
    /// Makes a world with an empty shard that writes to a store of one's own.
    pub fn on(journal: S, options: Options, logged: bool, sabotage: Sabotage) -> Self {
        World {
            shard: Shard::new(options.clone()),
            oracle: Oracle::new(bounds(&options)),
            options,
            journal,
            wall: BEGINNING,
            now: Timestamp::ZERO,
            reads: Vec::new(),
            fetches: Vec::new(),
            snapshot: None,
            taking: false,
            freed: 0,
            space: None,
            tickets: 0,
            asked: BTreeMap::new(),
            known: Knowledge::default(),
            copies: Copies::new(),
            hasher: DefaultHasher::new(),
            log: logged.then(VecDeque::new),
            sabotage,
        }
    }

    /// Returns the shard.
    pub fn shard(&self) -> &Shard {
        &self.shard
    }

    /// Returns the judge.
    pub fn oracle(&self) -> &Oracle {
        &self.oracle
    }

    /// Returns the journal.
    pub fn journal(&self) -> &S {
        &self.journal
    }

    /// Returns what clients have learned.
    pub fn known(&self) -> &Knowledge {
        &self.known
    }

    /// Returns what the clock on the wall says.
    pub fn wall(&self) -> Timestamp {
        self.wall
    }

    /// Returns the moment that the shard goes by: the latest that the clock has shown.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Returns how many reads are under way.
    pub fn reads(&self) -> usize {
        self.reads.len() + self.fetches.len()
    }

    /// Returns a digest of everything that the shard has put out.
    pub fn digest(&self) -> u64 {
        self.hasher.finish()
    }

    /// Returns the last lines of the log.
    pub fn log(&self) -> Vec<String> {
        self.log.iter().flatten().cloned().collect()
    }

    fn note(&mut self, line: impl FnOnce() -> String) {
        let Some(log) = &mut self.log else { return };
        if log.len() == LOG_LINES {
            log.pop_front();
        }
        log.push_back(format!("{:>6} {}", self.wall.millis() % 1_000_000_000, line()));
    }

    /// Lets time pass; the shard does not know yet.
    pub fn pass(&mut self, millis: u64) {
        self.wall = self.wall.plus_millis(millis);
    }

    /// Sets the clock back. To the shard it stands still until it has caught up.
    pub fn set_back(&mut self, millis: u64) {
        self.wall = Timestamp::from_millis(self.wall.millis().saturating_sub(millis));
        self.oracle.coverage.hit(Mark::ClockSetBack);
    }

    /// Notes that the time that passes next is a jump of the clock.
    pub fn jumped(&mut self) {
        self.oracle.coverage.hit(Mark::ClockJumped);
    }

    /// Asks the shard something.
    pub fn ask(&mut self, command: Command, entropy: u128) -> Result<Ticket, Violation> {
        let asked = self.announce(command, entropy);
        let ticket = asked.ticket;
        self.turn(Input::Command(asked))?;
        Ok(ticket)
    }

    /// Asks the shard several things at one moment.
    pub fn ask_together(&mut self, commands: Vec<(Command, u128)>) -> Result<(), Violation> {
        self.oracle.coverage.hit(Mark::AskedTogether);
        let asked = commands.into_iter().map(|(command, entropy)| self.announce(command, entropy)).collect();
        self.turn(Input::Commands(asked))
    }

    fn announce(&mut self, command: Command, entropy: u128) -> Asked {
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        self.note(|| format!("{ticket:?} asks {command:?}"));
        self.oracle.asked(ticket, command.clone());
        self.oracle.coverage.operation(name_of(&command));
        self.asked.insert(ticket, command.clone());
        Asked { ticket, command: self.sabotage.command(command), entropy: Entropy(entropy) }
    }

    /// Lets the shard look at the clock.
    pub fn tick(&mut self) -> Result<(), Violation> {
        self.oracle.coverage.operation("(tick)");
        self.note(|| "tick".to_owned());
        if self.sabotage.skips_tick() {
            self.now = self.now.max(self.wall);
            return self.judge(None, false);
        }
        self.turn(Input::Tick)
    }

    /// Tells the shard how much room the journal has.
    pub fn room(&mut self, space: Space) -> Result<(), Violation> {
        self.oracle.coverage.operation("(room)");
        self.note(|| format!("room: {space:?}"));
        if space != Space::Plenty {
            self.oracle.coverage.hit(Mark::RoomScarce);
        }
        self.space = Some(space);
        self.turn(Input::Space(space))
    }

    /// Lets a caller go away.
    pub fn cancel(&mut self, ticket: Ticket) -> Result<(), Violation> {
        self.oracle.coverage.operation("(cancel)");
        self.note(|| format!("{ticket:?} goes away"));
        self.oracle.cancelled(ticket);
        self.turn(Input::Cancel(ticket))
    }

    /// Tells the shard that it is about to stop.
    pub fn drain(&mut self) -> Result<(), Violation> {
        self.oracle.coverage.operation("(drain)");
        self.note(|| "drain".to_owned());
        self.oracle.drained();
        self.oracle.coverage.hit(Mark::Drained);
        self.turn(Input::Drain)
    }

    /// Makes more of the journal durable, at most to `position`, and tells the shard.
    pub fn sync(&mut self, position: u64) -> Result<(), Violation> {
        let position = position.min(self.journal.tail());
        if position <= self.journal.durable() {
            return Ok(());
        }
        let position = if self.sabotage.skips_sync() { position } else { self.journal.sync(position) };
        self.oracle.coverage.operation("(sync)");
        self.note(|| format!("durable {position}"));
        self.now = self.now.max(self.wall);
        self.shard.handle(self.wall, Input::Durable(position));
        let (record, replies) = self.collect()?;
        if record.is_some() {
            return Err("a watermark makes the shard write".to_owned());
        }
        self.hear(replies)?;
        self.oracle.durable(position)?;
        if self.snapshot.as_ref().is_some_and(|snapshot| snapshot.position <= self.journal.durable()) {
            self.write_snapshot(usize::MAX)?;
            let snapshot = self.snapshot.take().expect("there is a snapshot");
            let before = self.journal.trimmed();
            if !snapshot.gaps.is_empty() {
                self.oracle.coverage.hit(Mark::Released);
            }
            self.journal.save(snapshot)?;
            if self.journal.trimmed() > before {
                self.oracle.coverage.hit(Mark::Trimmed);
            }
            if let Some(space) = self.space {
                if space != Space::Plenty {
                    self.oracle.coverage.hit(Mark::RoomReturned);
                }
                self.turn(Input::Returned(self.freed))?;
            }
        }
        Ok(())
    }

    /// Answers a read, or lets it fail.
    pub fn answer(&mut self, index: usize, fails: bool) -> Result<(), Violation> {
        if index >= self.reads.len() {
            return self.answer_fetch(index - self.reads.len(), fails);
        }
        let Read { id, queue, bytes, .. } = self.reads.swap_remove(index);
        self.oracle.coverage.operation("(read)");
        self.note(|| format!("{id:?} {}", if fails { "fails" } else { "is done" }));
        self.now = self.now.max(self.wall);
        if let Some(queue) = queue.filter(|_| fails) {
            self.oracle.unread(queue, self.now);
        }
        self.turn_with(Input::Loaded { read: id, bytes: (!fails).then_some(bytes) }, fails)
    }

    fn answer_fetch(&mut self, index: usize, fails: bool) -> Result<(), Violation> {
        let Fetch { id, pieces } = self.fetches.swap_remove(index);
        self.oracle.coverage.operation("(fetch)");
        self.note(|| format!("{id:?} {}", if fails { "fails" } else { "is done" }));
        if fails {
            self.oracle.coverage.hit(Mark::MoveFailed);
        }
        self.turn(Input::Fetched { read: id, pieces: (!fails).then_some(pieces) })
    }

    /// Takes a snapshot, to be saved when its position is durable.
    pub fn snapshot(&mut self) -> Result<(), Violation> {
        self.oracle.coverage.operation("(snapshot)");
        self.note(|| "snapshot".to_owned());
        let (position, bytes) = self.shard.snapshot();
        let again = Shard::restore(self.options.clone(), &bytes).map_err(|damage| damage.to_string())?;
        if again.snapshot() != (position, bytes.clone()) {
            return Err("a restored snapshot is written differently".to_owned());
        }
        let (low_water, gaps) = (self.shard.low_water(), self.shard.gaps());
        self.snapshot = Some(Snapshot { position, low_water, gaps, bytes });
        self.freed = self.shard.engine().usage().freed();
        self.shard.begin_snapshot();
        self.taking = true;
        Ok(())
    }

    /// Lets the shard go on with its snapshot, which must come out as the state was when it began.
    fn write_snapshot(&mut self, lines: usize) -> Result<(), Violation> {
        if !self.taking {
            return Ok(());
        }
        let Some(written) = self.shard.continue_snapshot(lines) else { return Ok(()) };
        self.taking = false;
        if self.snapshot.as_ref().is_none_or(|snapshot| snapshot.bytes != written.into_bytes()) {
            return Err("a snapshot in steps is not the state at its beginning".to_owned());
        }
        Ok(())
    }

    /// Crashes, keeps a part of what was not durable, and starts again.
    pub fn crash(&mut self, kept: u64, from_snapshot: bool, seed: u128) -> Result<(), Violation> {
        let tail = self.journal.tail();
        let kept = self.journal.cut(kept.clamp(self.journal.durable(), tail))?;
        self.oracle.coverage.operation("(crash)");
        self.note(|| format!("crash, records after {kept} are lost"));
        let live = (kept == tail).then(|| self.shard.engine().snapshot());
        self.sabotage.crash(&mut self.journal);
        self.oracle.crashed(kept, bounds(&self.options));
        (self.reads, self.snapshot, self.taking) = (Vec::new(), None, false);
        self.fetches.clear();
        self.asked.clear();
        self.options.seed = seed;
        let fresh = match self.journal.saved() {
            Some(saved) => self.restart(Some(saved)),
            None => self.restart(None),
        };
        let fresh = fresh.map_err(|damage| damage.to_string())?;
        self.shard = fresh;
        self.copies = all_copies(&self.shard);
        self.space = self.space.map(|_| Space::Plenty);
        // A clock that was set back counts from the last record on.
        self.now = self.shard.engine().clock();
        if self.journal.is_whole() {
            let replayed = self.restart(None).map_err(|damage| damage.to_string())?;
            if replayed.snapshot() != self.shard.snapshot() {
                return Err("replay from a snapshot and from nothing come to different states".to_owned());
            }
            if !from_snapshot {
                self.shard = replayed;
                self.oracle.coverage.hit(Mark::RestoredFromNothing);
            }
        } else {
            self.oracle.coverage.hit(Mark::RestoredFromSnapshot);
        }
        if live.is_some_and(|live| live != self.shard.engine().snapshot()) {
            return Err("replay comes to another state than the one that was live".to_owned());
        }
        self.turn(Input::Tick)
    }

    fn restart(&self, saved: Option<&Snapshot>) -> Result<Shard, Damage> {
        let (mut shard, next) = match saved {
            Some(saved) => (Shard::restore(self.options.clone(), &saved.bytes)?, saved.position + 1),
            None => (Shard::new(self.options.clone()), 1),
        };
        for record in self.journal.from(next) {
            shard.replay(record)?;
        }
        Ok(shard)
    }

    fn turn(&mut self, input: Input) -> Result<(), Violation> {
        self.turn_with(input, false)
    }

    fn turn_with(&mut self, input: Input, failed_read: bool) -> Result<(), Violation> {
        self.now = self.now.max(self.wall);
        self.shard.handle(self.sabotage.clock(self.wall), input);
        let (record, replies) = self.collect()?;
        self.judge(record, failed_read)?;
        self.write_snapshot(1)?;
        self.hear(replies)
    }

    /// Takes what the shard puts out; its record is appended at once.
    fn collect(&mut self) -> Result<Collected, Violation> {
        let (mut written, mut replies) = (None, Vec::new());
        while let Some(output) = self.shard.poll_output() {
            self.digest_output(&output);
            match output {
                Output::Append(record) => {
                    if written.is_some() {
                        return Err("a turn writes two records".to_owned());
                    }
                    self.journal.append(record.clone())?;
                    written = Some(record);
                }
                Output::Read(id, list) => {
                    let bytes = self.journal.read(list)?;
                    if self.oracle.layout().are_marks(list) {
                        self.oracle.coverage.hit(Mark::IdsMarksRead);
                    }
                    let queue = self.oracle.layout().listed_at(list).map(|(queue, _)| queue);
                    self.reads.push(Read { id, list, queue, bytes });
                    self.note(|| format!("{id:?} of {list:?}"));
                }
                Output::Fetch(id, contents) => {
                    let pieces = contents.iter().map(|at| self.journal.read(*at)).collect::<Result<_, _>>()?;
                    self.fetches.push(Fetch { id, pieces });
                    self.note(|| format!("{id:?} of {contents:?}"));
                }
                Output::Changed(arn) => match self.shard.find(&arn) {
                    Some(queue) => _ = self.copies.insert(arn, copy(queue)),
                    None => _ = self.copies.remove(&arn),
                },
                Output::Reply(ticket, reply) => {
                    if let Some(reply) = self.sabotage.reply(reply) {
                        replies.push((ticket, reply));
                    }
                }
            }
        }
        if self.copies != all_copies(&self.shard) {
            return Err("a queue has changed and nobody was told".to_owned());
        }
        Ok((written, replies))
    }

    fn digest_output(&mut self, output: &Output) {
        match output {
            Output::Append(record) => {
                (record.position, record.clock, record.count).hash(&mut self.hasher);
                record.payload.hash(&mut self.hasher);
            }
            other => format!("{other:?}").hash(&mut self.hasher),
        }
    }

    fn judge(&mut self, record: Option<Record>, failed_read: bool) -> Result<(), Violation> {
        let mut events: Vec<(Event, Span)> = Vec::new();
        if let Some(record) = &record {
            let count = codec::decode(&record.payload, |event, span| {
                events.push((event, span));
                Ok::<(), Damage>(())
            });
            let count = count.map_err(|damage| damage.to_string())?;
            if count != record.count || record.clock != self.now {
                return Err(format!("record {} says {} events at {}", record.position, record.count, record.clock));
            }
            for (event, _) in &events {
                self.note(|| format!("    {event:?}"));
            }
            let is_move = |(event, _): &(Event, Span)| matches!(event, Event::Moved { .. });
            if self.space.is_some_and(|space| space != Space::Plenty) && events.iter().any(is_move) {
                self.oracle.coverage.hit(Mark::MovedForRoom);
            }
            self.sabotage.events(&mut events);
            let changed = events.iter().flat_map(|(event, _)| event.queues()).flatten();
            // Events of the turn in which a read failed came before that.
            for queue in changed.filter(|_| !failed_read) {
                self.oracle.readable(queue);
            }
        }
        // A page may be read in the turn in which it is written.
        let position = record.as_ref().map(|record| record.position);
        let written = |list: ContentAddress| {
            events.iter().find_map(|(event, span)| match event {
                Event::Chilled { queue, .. } | Event::Repaged { queue, .. } => {
                    position.is_some_and(|position| span.at(position) == list).then_some(*queue)
                }
                _ => None,
            })
        };
        for read in self.reads.iter_mut().filter(|read| read.queue.is_none()) {
            read.queue = written(read.list);
        }
        let reading: Vec<QueueId> = self.reads.iter().filter_map(|read| read.queue).collect();
        let record = record.map(|record| (record.position, events.as_slice()));
        self.oracle.turn(&self.shard, &Turn { now: self.now, record, failed_read, reading: &reading })
    }

    fn hear(&mut self, replies: Vec<(Ticket, Reply)>) -> Result<(), Violation> {
        for (ticket, reply) in replies {
            self.note(|| format!("    {ticket:?} hears {reply:?}"));
            self.oracle.heard(ticket, &reply, &self.journal)?;
            let asked = self.asked.remove(&ticket);
            match (&asked, reply) {
                (Some(Command::Receive(receive)), Reply::Received(deliveries)) => {
                    let receipts = deliveries.into_iter().map(|delivery| (receive.queue, delivery.receipt));
                    self.known.receipts.extend(receipts);
                    let excess = self.known.receipts.len().saturating_sub(40);
                    self.known.receipts.drain(..excess);
                }
                (_, Reply::TaskStarted(task)) => self.known.tasks.push(task),
                _ => {}
            }
        }
        Ok(())
    }

    /// Removes a receipt from what clients know, after it was used for good.
    pub fn forget_receipts(&mut self) {
        self.known.receipts.clear();
    }
}

fn bounds(options: &Options) -> Bounds {
    Bounds {
        in_flight_max: options.engine.in_flight_max,
        warm_max: options.engine.warm_max,
        window_standard: options.engine.window_standard,
        rest_seconds: options.engine.rest_seconds,
    }
}

/// Returns what a command is called.
fn name_of(command: &Command) -> &'static str {
    match command {
        Command::CreateQueue { .. } => "CreateQueue",
        Command::DeleteQueue { .. } => "DeleteQueue",
        Command::SetQueueAttributes { .. } => "SetQueueAttributes",
        Command::ChangeTags { .. } => "ChangeTags",
        Command::DescribeQueue { .. } => "DescribeQueue",
        Command::ListQueues { .. } => "ListQueues",
        Command::ListSources { .. } => "ListSources",
        Command::Purge { .. } => "Purge",
        Command::Send { .. } => "Send",
        Command::Receive(_) => "Receive",
        Command::Delete { .. } => "Delete",
        Command::ChangeVisibility { .. } => "ChangeVisibility",
        Command::GiveBack { .. } => "GiveBack",
        Command::StartMoveTask { .. } => "StartMoveTask",
        Command::CancelMoveTask { .. } => "CancelMoveTask",
        Command::ListMoveTasks { .. } => "ListMoveTasks",
        Command::Import { .. } => "Import",
    }
}

fn copy(queue: &Queue) -> (QueueId, QueueAttributes, BTreeMap<String, String>) {
    (queue.id(), queue.attributes().clone(), queue.tags().clone())
}

fn all_copies(shard: &Shard) -> Copies {
    shard.engine().all_queues().map(|queue| (queue.arn().clone(), copy(queue))).collect()
}
