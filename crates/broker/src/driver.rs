//! The loop around one shard: inputs in, outputs out.
//!
//! There is no mailbox: a caller's own task takes the lock, gives the shard its command and hands the outputs on.
//! One task for each shard, the pump, does what no caller is there for: it reports durable records and finished
//! reads, and ticks when a deadline of the shard has come. The journal's thread only leaves a note and wakes the
//! pump once for each group of records, so a sync that makes a hundred replies durable costs one wake-up of
//! another thread; the hundred callers are woken from inside the runtime. It is the pump as well that lets the journal
//! write, when no task is ready that could add to the group. It writes itself where the disk is quick and the runtime has
//! other threads; then nobody is woken but the callers. Before that it takes what callers have left: sends and deletions
//! are the exception, as they are cheaper together ([`gathered`]).
//!
//! ```text
//!   caller --- lock, handle(Command) ---> shard ---> Append ---> journal
//!    ^   |                                 ^  |                     |
//!    | a send, a deletion                  |  Reply              durable
//!    |   +----> gathered ---> pump --------+  |                     |
//!    +------- released by a turn <------------+---- pump <----------+
//! ```

mod bodies;
mod directory;
mod gathered;
mod notes;
mod readers;

use std::future::Future;
use std::mem;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, SystemTime};

use hashbrown::HashMap;
use stanchion_engine::command::{Command, Reply};
use stanchion_journal::{Epoch, Journal, Position, Record, Room, ShardId};
use stanchion_shard::{Asked, Input, Output, Shard, Ticket};
use stanchion_types::message::Md5;
use stanchion_types::request::Action;
use stanchion_types::{Error, QueueArn, Timestamp};
use tokio::runtime::Handle;
use tokio::sync::{Notify, OwnedSemaphorePermit, oneshot, watch};

use crate::clock::Clock;
use crate::entropy::EntropyPool;
use crate::failure::Failure;
use crate::room;

pub(crate) use bodies::address;
use directory::Directory;
pub(crate) use directory::{Listing, computes_ids};
use gathered::Gathered;
pub(crate) use notes::Notes;
use readers::Readers;
pub(crate) use readers::Reading;

/// How many times the size of the last snapshot the journal grows, or loses, before the next one.
const SNAPSHOT_SHARE: u64 = 4;

/// What part of what is alive may have died besides before it is worth a large snapshot to get its space back.
const TRIM_SHARE: u64 = 8;

/// How many bytes of the journal may die between two snapshots while the disk is full.
const SHORT_TRIM_BYTES: u64 = 1 << 20;

/// A group of so many bytes is written although callers are ready to add to it: what a sync costs does not count beside
/// them, and the disk could already have them.
const GROUP_BYTES: usize = 512 << 10;

/// One shard with its journal, and everyone who waits for it.
pub(crate) struct Driver {
    id: ShardId,
    journal: Arc<dyn Journal>,
    core: Mutex<Core>,
    /// What is looked up about queues without the lock.
    directory: Directory,
    /// What the shard does not know of yet.
    gathered: Mutex<Gathered>,
    notes: Arc<Notes>,
    /// Told about every durable record, for those who wait for a position.
    progress: Notify,
    /// Told when the journal has grown enough since the last snapshot.
    pub(crate) snapshot_due: Notify,
    /// Held by whoever takes a snapshot.
    pub(crate) snapshots: tokio::sync::Mutex<()>,
    failed: watch::Sender<Option<Failure>>,
}

/// What the lock guards.
struct Core {
    shard: Shard,
    epoch: Epoch,
    clock: Clock,
    entropy: EntropyPool,
    last_ticket: u64,
    waiting: HashMap<Ticket, Waiter>,
    /// When the pump wakes by itself; never later than the shard's next deadline.
    alarm: Timestamp,
    durable: u64,
    /// Position of the last record that was given to the journal.
    queued: u64,
    /// Up to where the journal was asked to write. Until that is durable more gathers for the next group.
    committed: u64,
    /// Bytes of the records that it was not asked to write.
    uncommitted_bytes: usize,
    bytes_since_snapshot: u64,
    /// How much the journal grows between two snapshots at least.
    snapshot_bytes: u64,
    /// How much it grows before the next one.
    snapshot_after: u64,
    /// How many bytes of it may die between two snapshots at least.
    trim_bytes: u64,
    /// How many may die before the next one.
    trim_after: u64,
    /// How many had died at the last one.
    freed: u64,
    /// Those who read contents that they were told of.
    readers: Readers,
    /// How much room the journal had at the last turn.
    room: Room,
    failure: Option<Failure>,
}

impl Core {
    /// Says whether there are records that the journal was not asked to write. It may have written them all the same.
    fn has_uncommitted(&self) -> bool {
        self.queued > self.committed.max(self.durable)
    }

    fn next_ticket(&mut self) -> Ticket {
        self.last_ticket += 1;
        Ticket(self.last_ticket)
    }

    /// Notes a caller, and returns its ticket.
    fn expect(&mut self, waiter: Waiter) -> Ticket {
        let ticket = self.next_ticket();
        self.waiting.insert(ticket, waiter);
        ticket
    }

    /// Lets in whoever gets a reply that tells where contents are.
    fn reading(&self, reply: &Reply) -> Option<Reading> {
        let tells = matches!(reply, Reply::Received(deliveries) if !deliveries.is_empty());
        tells.then(|| self.readers.join())
    }

    /// Lets a reply out, if somebody is there for it.
    fn answer(&mut self, ticket: Ticket, reply: Reply, released: &mut Released) {
        let reading = self.reading(&reply);
        if released.present == Some(ticket) {
            released.answer = Some(Answer { reply, reading, digests: Vec::new() });
        } else if let Some(waiter) = self.waiting.remove(&ticket) {
            released.others.push((waiter, reply, reading));
        }
    }

    /// Says whether a group is on its way to the disk.
    fn is_writing(&self) -> bool {
        self.committed > self.durable
    }

    /// Notes that the journal is asked to write what it has.
    fn note_commit(&mut self) {
        self.committed = self.queued;
        self.uncommitted_bytes = 0;
    }
}

/// A caller that waits for its reply.
struct Waiter {
    answer: oneshot::Sender<Answered>,
    /// Digests of the bodies that it sends.
    digests: Vec<Md5>,
    /// Room for the bytes of its request, given back with the reply.
    _room: Option<OwnedSemaphorePermit>,
}

/// Replies that leave once the lock is free.
#[derive(Default)]
struct Released {
    /// The caller whose own turn it is: it takes its answer with it, and is nobody who waits yet.
    present: Option<Ticket>,
    /// What that caller takes, unless it has to wait.
    answer: Option<Answer>,
    others: Vec<(Waiter, Reply, Option<Reading>)>,
}

/// What became of a command at once.
enum Submitted {
    Answered(Answer),
    Waits(Awaited),
}

/// What a driver starts from: a shard that has replayed its journal.
pub(crate) struct Start {
    pub(crate) id: ShardId,
    pub(crate) journal: Arc<dyn Journal>,
    pub(crate) notes: Arc<Notes>,
    pub(crate) shard: Shard,
    pub(crate) epoch: Epoch,
    pub(crate) wall_clock: fn() -> SystemTime,
    /// The clock of the last record.
    pub(crate) clock: Timestamp,
    pub(crate) snapshot_bytes: u64,
    pub(crate) trim_bytes: u64,
    /// Bytes of the journal that had died when the last snapshot was taken.
    pub(crate) freed: u64,
    pub(crate) failed: watch::Sender<Option<Failure>>,
}

impl Driver {
    /// Makes a driver; [`Driver::pump`] must run for anything to happen.
    pub(crate) fn new(start: Start) -> Self {
        let (durable, directory) = (start.shard.tail(), Directory::of(&start.shard));
        let snapshot_due = Notify::new();
        if start.shard.engine().usage().freed() - start.freed >= start.trim_bytes {
            snapshot_due.notify_one();
        }
        Driver {
            id: start.id,
            journal: start.journal,
            core: Mutex::new(Core {
                shard: start.shard,
                epoch: start.epoch,
                clock: Clock::new(start.wall_clock, start.clock),
                entropy: EntropyPool::new(),
                last_ticket: 0,
                waiting: HashMap::new(),
                // Whatever came due while the server was down is dealt with at once.
                alarm: Timestamp::ZERO,
                durable,
                queued: durable,
                committed: durable,
                uncommitted_bytes: 0,
                bytes_since_snapshot: 0,
                snapshot_bytes: start.snapshot_bytes,
                snapshot_after: start.snapshot_bytes,
                trim_bytes: start.trim_bytes,
                trim_after: start.trim_bytes,
                freed: start.freed,
                readers: Readers::default(),
                room: Room::Plenty,
                failure: None,
            }),
            directory,
            gathered: Mutex::default(),
            notes: start.notes,
            progress: Notify::new(),
            snapshot_due,
            snapshots: tokio::sync::Mutex::new(()),
            failed: start.failed,
        }
    }

    /// Returns the shard's id.
    pub(crate) fn id(&self) -> ShardId {
        self.id
    }

    /// Returns the journal.
    pub(crate) fn journal(&self) -> &Arc<dyn Journal> {
        &self.journal
    }

    /// Finds a queue by name. The shard is not asked, and does not wait.
    pub(crate) fn find(&self, arn: &QueueArn) -> Option<Arc<Listing>> {
        self.directory.find(arn)
    }

    /// Asks the shard and waits for the reply.
    ///
    /// Once asked, a command takes effect whether or not the caller stays; `room` is given back with the reply.
    ///
    /// # Errors
    /// The refusal of the shard, or that the journal has failed.
    pub(crate) async fn ask(&self, command: Command, room: Option<OwnedSemaphorePermit>) -> Result<Reply, Error> {
        let answer = match self.submit(command, room)? {
            (_, Submitted::Answered(answer)) => Ok(Ok(answer)),
            (_, Submitted::Waits(answer)) => answer.await,
        };
        self.unwrap(answer).map(|answer| answer.reply)
    }

    /// Asks the shard for messages. A caller that goes away takes its wish back, so that no message is handed to
    /// somebody who is not there. With messages comes what keeps their contents where they are.
    ///
    /// # Errors
    /// The refusal of the shard, or that the journal has failed.
    pub(crate) async fn receive(&self, command: Command) -> Result<(Reply, Option<Reading>), Error> {
        let answer = match self.submit(command, None)? {
            (_, Submitted::Answered(answer)) => Ok(Ok(answer)),
            (ticket, Submitted::Waits(answer)) => {
                let mut parked = Parked { driver: self, ticket, answered: false };
                let answer = answer.await;
                parked.answered = true;
                answer
            }
        };
        self.unwrap(answer).map(|Answer { reply, reading, .. }| (reply, reading))
    }

    /// Asks the shard for something whose answer nobody reads.
    pub(crate) fn ask_unheard(&self, command: Command) {
        // A shard that has failed does nothing more, and that is known elsewhere.
        let _ = self.submit(command, None);
    }

    fn unwrap(&self, answer: Result<Answered, oneshot::error::RecvError>) -> Result<Answer, Error> {
        match answer {
            Ok(Ok(Answer { reply: Reply::Refused(error), .. })) => Err(error),
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(failure)) => Err(failure.internal()),
            Err(_) => Err(self.failure_or("a reply was lost").internal()),
        }
    }

    fn submit(&self, command: Command, room: Option<OwnedSemaphorePermit>) -> Result<(Ticket, Submitted), Error> {
        let mut core = self.lock();
        if let Some(failure) = &core.failure {
            return Err(failure.unavailable());
        }
        let ticket = core.next_ticket();
        let entropy = core.entropy.draw();
        let mut released = Released { present: Some(ticket), ..Released::default() };
        self.handle(&mut core, &mut released, |_, _| [Input::Command(Asked { ticket, command, entropy })]);
        let submitted = match released.answer.take() {
            Some(answer) => Submitted::Answered(answer),
            None => {
                let (sender, answer) = oneshot::channel();
                core.waiting.insert(ticket, Waiter { answer: sender, digests: Vec::new(), _room: room });
                Submitted::Waits(answer)
            }
        };
        drop(core);
        release(released);
        Ok((ticket, submitted))
    }

    fn cancel(&self, ticket: Ticket) {
        let mut core = self.lock();
        core.waiting.remove(&ticket);
        let released = self.turn(core, |_, _| [Input::Cancel(ticket)]);
        release(released);
    }

    /// Gives the shard something that no caller waits for.
    pub(crate) fn tell(&self, input: Input) {
        let core = self.lock();
        let released = self.turn(core, |_, _| [input]);
        release(released);
    }

    /// One turn of nobody who is there for a reply.
    fn turn<I: IntoIterator<Item = Input>>(
        &self,
        mut core: MutexGuard<'_, Core>,
        inputs: impl FnOnce(&mut Core, Timestamp) -> I,
    ) -> Released {
        let mut released = Released::default();
        self.handle(&mut core, &mut released, inputs);
        released
    }

    /// One turn: reads the clock once, gives the shard its inputs, and does what it wants done.
    fn handle<I: IntoIterator<Item = Input>>(
        &self,
        core: &mut Core,
        released: &mut Released,
        inputs: impl FnOnce(&mut Core, Timestamp) -> I,
    ) {
        let _wake = WakeOnPanic(&self.notes);
        if core.failure.is_some() {
            return;
        }
        let now = core.clock.now();
        let room = self.journal.room();
        if room == Room::Full {
            Driver::turn_away(core, released);
        }
        if room != core.room {
            core.room = room;
            core.shard.handle(now, Input::Space(room::space(room)));
            self.settle(core, now, released);
        }
        for input in inputs(core, now) {
            core.shard.handle(now, input);
            self.settle(core, now, released);
        }
        let deadline = core.shard.poll_timeout().unwrap_or(Timestamp::NEVER);
        if deadline < core.alarm {
            core.alarm = deadline;
            self.notes.wake.notify_one();
        }
    }

    /// Refuses the receives that wait for messages, as those that come are refused: to serve them is to write, and what
    /// is left of the disk is for deletions.
    fn turn_away(core: &mut Core, released: &mut Released) {
        let Err(refusal) = room::check(Room::Full, Action::ReceiveMessage) else { return };
        for ticket in core.shard.turn_away() {
            core.answer(ticket, Reply::Refused(refusal.clone()), released);
        }
    }

    fn settle(&self, core: &mut Core, now: Timestamp, released: &mut Released) {
        while let Some(output) = core.shard.poll_output() {
            match output {
                Output::Append(record) => {
                    let bytes = record.payload.len();
                    core.bytes_since_snapshot += bytes as u64;
                    self.look_for_space(core);
                    let record = Record {
                        shard: self.id,
                        position: Position(record.position),
                        clock_ms: record.clock.millis(),
                        count: record.count,
                        payload: record.payload,
                    };
                    let first = !core.has_uncommitted();
                    core.queued = record.position.0;
                    core.uncommitted_bytes = if first { bytes } else { core.uncommitted_bytes + bytes };
                    if let Err(fault) = self.journal.queue(core.epoch, record) {
                        // The shard has counted the record in. Without it nothing that follows can be stored.
                        core.failure = Some(Failure::report("append to the journal", fault));
                        return self.notes.wake.notify_one();
                    }
                    if core.is_writing() {
                        // Goes on when that is durable.
                    } else if core.uncommitted_bytes >= GROUP_BYTES {
                        self.commit(core);
                    } else if first {
                        self.notes.wake.notify_one();
                    }
                }
                Output::Reply(ticket, reply) => core.answer(ticket, reply, released),
                Output::Changed(arn) => {
                    let queue = core.shard.find(&arn);
                    self.directory.note(arn, queue);
                }
                Output::Read(read, content) => match self.journal.at_hand(self.id, &[address(content)]).pop().flatten()
                {
                    Some(bytes) => core.shard.handle(now, Input::Loaded { read, bytes: Some(bytes) }),
                    None => self.load(read, content),
                },
                Output::Fetch(read, contents) => self.load_all(read, &contents),
            }
        }
    }

    /// Looks for space that a snapshot would give back, as every record does: on a full disk there may be none. And lets
    /// the shard look for survivors that are in the way.
    pub(crate) fn seek_space(&self) {
        self.look_for_space(&mut self.lock());
        self.tell(Input::Tick);
    }

    /// Asks for a snapshot if the journal has grown enough since the last one, or enough of it has died.
    fn look_for_space(&self, core: &mut Core) {
        let freed = core.shard.engine().usage().freed();
        let grown = core.bytes_since_snapshot >= core.snapshot_after;
        if grown || freed - core.freed >= self.trim_after(core) {
            core.bytes_since_snapshot = 0;
            core.freed = freed;
            self.snapshot_due.notify_one();
        }
    }

    /// Returns how many bytes of the journal may die before the next snapshot, which lets it forget them.
    fn trim_after(&self, core: &Core) -> u64 {
        if self.journal.room() == Room::Plenty { core.trim_after } else { core.trim_after.min(SHORT_TRIM_BYTES) }
    }

    /// Runs the shard's own task until the journal fails.
    pub(crate) async fn pump(self: Arc<Self>) {
        let _watch = Watch(&self);
        // With a single thread, everybody else would wait for the disk as well.
        let has_other_threads = Handle::current().metrics().num_workers() > 1;
        loop {
            let sleep = self.until_alarm();
            tokio::select! {
                () = self.notes.wake.notified() => {}
                () = sleep => {}
            }
            let inbox = self.notes.take();
            if let Some(fault) = inbox.fault {
                self.fail(Failure::report("journal", fault));
                return;
            }
            let released = self.turn(self.lock(), |core, now| {
                let mut inputs = Vec::new();
                if inbox.durable > core.durable {
                    core.durable = inbox.durable;
                    inputs.push(Input::Durable(inbox.durable));
                }
                inputs.extend(inbox.loaded.into_iter().map(|(read, bytes)| Input::Loaded { read, bytes }));
                inputs.extend(inbox.fetched.into_iter().map(|(read, pieces)| Input::Fetched { read, pieces }));
                if now >= core.alarm {
                    // The turn sets the next alarm when it has dealt with this one.
                    core.alarm = Timestamp::NEVER;
                    inputs.push(Input::Tick);
                }
                inputs
            });
            release(released);
            self.progress.notify_waiters();
            let (failure, is_due, is_large) = {
                let core = self.lock();
                let is_writing = core.is_writing();
                let mut gathered = self.gathered();
                gathered.await_write(is_writing);
                let is_due = (core.has_uncommitted() || !gathered.is_empty()) && !is_writing;
                (core.failure.clone(), is_due, core.uncommitted_bytes >= GROUP_BYTES)
            };
            if let Some(failure) = failure {
                return self.fail(failure);
            }
            if is_due {
                // Whoever is ready to run may still come along: callers that were just released, and requests that
                // have arrived. One sync then serves them all.
                if !is_large {
                    tokio::task::yield_now().await;
                }
                self.take_gathered();
                if has_other_threads { self.commit_and_wait() } else { self.commit(&mut self.lock()) }
            }
        }
    }

    /// Lets the journal write what it has, unless it is at it.
    fn commit(&self, core: &mut Core) {
        if self.begins_commit(core) {
            self.journal.commit();
        }
    }

    /// Does the same, and may wait until it is on the disk: so the lock is free meanwhile.
    fn commit_and_wait(&self) {
        let mut core = self.lock();
        let begins = self.begins_commit(&mut core);
        drop(core);
        if begins {
            self.journal.commit_and_wait();
        }
    }

    /// Notes that the journal is asked to write what it has, if there is anything and it is not at it; says whether.
    fn begins_commit(&self, core: &mut Core) -> bool {
        let begins = core.has_uncommitted() && !core.is_writing();
        if begins {
            core.note_commit();
            self.gathered().await_write(true);
        }
        begins
    }

    fn until_alarm(&self) -> impl Future<Output = ()> + use<> {
        let wait = {
            let mut core = self.lock();
            let alarm = core.alarm;
            (alarm != Timestamp::NEVER).then(|| alarm.millis_since(core.clock.now()))
        };
        async move {
            match wait {
                Some(millis) => tokio::time::sleep(Duration::from_millis(millis)).await,
                None => std::future::pending().await,
            }
        }
    }

    /// Stops the shard for good: everyone who waits is told, and everyone who comes.
    pub(crate) fn fail(&self, failure: Failure) {
        let waiting = {
            let mut core = self.lock();
            core.failure.get_or_insert(failure.clone());
            mem::take(&mut core.waiting)
        };
        self.refuse_gathered(&failure);
        for waiter in waiting.into_values() {
            // A caller that left meanwhile needs no answer.
            let _ = waiter.answer.send(Err(failure.clone()));
        }
        self.progress.notify_waiters();
        self.failed.send_if_modified(|failed| {
            failed.is_none() && {
                *failed = Some(failure);
                true
            }
        });
    }

    /// Waits until a position is durable.
    ///
    /// # Errors
    /// The failure that keeps it from becoming durable.
    pub(crate) async fn wait_durable(&self, position: u64) -> Result<(), Failure> {
        loop {
            let mut progress = pin!(self.progress.notified());
            progress.as_mut().enable();
            {
                let core = self.lock();
                if core.durable >= position {
                    return Ok(());
                }
                if let Some(failure) = &core.failure {
                    return Err(failure.clone());
                }
            }
            progress.await;
        }
    }

    /// Reads the shard under its lock.
    pub(crate) fn with_shard<T>(&self, read: impl FnOnce(&Shard) -> T) -> T {
        read(&self.lock().shard)
    }

    /// Begins or goes on with a snapshot of the shard, which changes nothing that leads to outputs.
    pub(crate) fn with_shard_mut<T>(&self, change: impl FnOnce(&mut Shard) -> T) -> T {
        change(&mut self.lock().shard)
    }

    /// Notes how large the last snapshot was. Until the next one the journal grows by several times as much, or as much of
    /// it dies, so that snapshots of a large state are a small part of what is written; but where little else is alive the
    /// disk is not kept for that.
    pub(crate) fn snapshot_took(&self, bytes: u64) {
        let mut core = self.lock();
        let several = bytes.saturating_mul(SNAPSHOT_SHARE);
        core.snapshot_after = core.snapshot_bytes.max(several);
        let alive = core.shard.engine().usage().live();
        core.trim_after = core.trim_bytes.max(bytes).max(several.min(alive / TRIM_SHARE));
    }

    /// Waits until nobody reads contents any more of which a reply has told so far.
    pub(crate) async fn readers_gone(&self) {
        let readers = std::mem::take(&mut self.lock().readers);
        readers.gone().await;
    }

    /// Takes the lock. A panic that left it poisoned broke a promise of ours in the middle of a turn: nobody can
    /// tell what state the shard is in, so it answers no more.
    fn lock(&self) -> MutexGuard<'_, Core> {
        self.core.lock().unwrap_or_else(|poisoned| {
            let mut core = poisoned.into_inner();
            if core.failure.is_none() {
                let failure = Failure::report("shard", "an assertion failed in the middle of a turn");
                core.failure = Some(failure.clone());
                core.waiting.clear();
                self.refuse_gathered(&failure);
                self.failed.send_replace(Some(failure));
            }
            core
        })
    }

    fn failure_or(&self, reason: &str) -> Failure {
        let failure = self.lock().failure.clone();
        failure.unwrap_or_else(|| Failure::report("shard", reason))
    }
}

/// What a caller gets.
struct Answer {
    reply: Reply,
    /// Keeps contents where the reply says they are, if it tells of any.
    reading: Option<Reading>,
    /// Digests of the bodies that it has sent.
    digests: Vec<Md5>,
}

type Answered = Result<Answer, Failure>;
type Awaited = oneshot::Receiver<Answered>;

/// Wakes the pump if a caller panics in its turn: nobody else may come by for a while to find the lock poisoned.
struct WakeOnPanic<'a>(&'a Notes);

impl Drop for WakeOnPanic<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.wake.notify_one();
        }
    }
}

/// Announces the failure of a pump that panics: without it nothing becomes durable any more.
struct Watch<'a>(&'a Driver);

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.fail(self.0.failure_or("its task has panicked"));
        }
    }
}

/// A receive on its way; dropped without an answer, it is taken back.
struct Parked<'a> {
    driver: &'a Driver,
    ticket: Ticket,
    answered: bool,
}

impl Drop for Parked<'_> {
    fn drop(&mut self) {
        if !self.answered {
            self.driver.cancel(self.ticket);
        }
    }
}

fn release(released: Released) {
    for (Waiter { answer, digests, _room }, reply, reading) in released.others {
        // A caller that left meanwhile needs no answer.
        let _ = answer.send(Ok(Answer { reply, reading, digests }));
    }
}
