//! The state of all queues, and the only function that changes it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use stanchion_types::limits;
use stanchion_types::{AccountId, QueueArn, Region, Timestamp};

use crate::event::{ColdMessage, Event, Original, Receives};
use crate::ids::{ContentAddress, MessageKey, PageId, QueueId, Shelf, Span, TaskId};
use crate::originals::{ChunkWish, Originals};
use crate::queue::attempts::Attempt;
use crate::queue::cold::Page;
use crate::queue::lanes::Lengths;
use crate::queue::message::{Message, State};
use crate::queue::{Bounds, Queue};
use crate::snapshot::Picture;
use crate::tasks::Tasks;
use crate::usage::{self, Ledger, Usage};
use crate::warm::Warm;

/// Settings of an engine.
#[derive(Clone, Debug)]
pub struct Options {
    /// How long a deleted queue's name rests, and how long after a purge the next is refused; 0 switches both off.
    pub rest_seconds: u32,
    /// Most messages in flight in one queue.
    pub in_flight_max: usize,
    /// Most ready messages of a standard queue in memory; the rest goes to pages.
    pub window_standard: usize,
    /// Most ready messages of a FIFO queue in memory, among which a receive looks for free groups.
    pub window_fifo: usize,
    /// Messages on a page.
    pub page_messages: usize,
    /// How the journal is accounted for.
    pub usage: usage::Options,
    /// Most delayed messages of a queue in memory, those not counted that become visible within seconds; the rest goes
    /// to pages.
    pub delayed_max: usize,
    /// Most deduplication ids in memory, of all queues together; the rest goes to chunks.
    pub originals_max: usize,
    /// Deduplication ids in a chunk.
    pub chunk_originals: usize,
    /// How many bits memory keeps of a deduplication id in a chunk, at most 24: fewer make more sends read in vain.
    pub mark_bits: u32,
    /// Most ready messages of a group of a FIFO queue in memory, a page more while they gather; the rest goes to pages
    /// of the group.
    pub lane_max: usize,
    /// Most messages of all queues in memory, those in flight not counted. Beyond that the queues with most of them
    /// keep less than they may.
    pub warm_max: usize,
}

impl Options {
    /// Returns how many messages are worth a page: an eighth of a full one.
    pub(crate) fn page_messages_min(&self) -> usize {
        (self.page_messages / 8).max(1)
    }

    /// Returns how many ready messages a queue keeps in memory however many others there are: enough for a receive.
    pub(crate) fn floor(&self) -> usize {
        self.page_messages.clamp(1, 16)
    }

    /// Returns the bounds of a queue.
    pub(crate) fn bounds(&self, fifo: bool) -> Bounds {
        let low = self.floor().min(limits::RECEIVE_MESSAGES_MAX as usize).min(self.lane_max).max(1);
        Bounds {
            window: if fifo { self.window_fifo } else { self.window_standard },
            lane: Lengths { low, high: (self.lane_max + self.page_messages).max(2 * low) },
        }
    }
}

impl Default for Options {
    fn default() -> Self {
        Options {
            rest_seconds: limits::REST_SECONDS,
            in_flight_max: limits::IN_FLIGHT_MAX,
            window_standard: 8_192,
            window_fifo: 8_192,
            page_messages: 1_024,
            usage: usage::Options::default(),
            delayed_max: 131_072,
            originals_max: 100_000,
            chunk_originals: 8_192,
            mark_bits: 24,
            lane_max: 1_024,
            warm_max: 1_000_000,
        }
    }
}

/// How long what could not be read is left alone by what nobody waits for.
const READ_REST_SECONDS: u32 = 10;

/// The queues of an account in a region, by name.
type Directory = BTreeMap<(Region, AccountId), BTreeMap<String, QueueId>>;

/// All queues of a shard.
#[derive(Clone, Debug)]
pub struct Engine {
    pub(crate) options: Options,
    pub(crate) queues: HashMap<QueueId, Queue, FixedState>,
    pub(crate) directory: Directory,
    /// When queues were deleted whose names rest.
    pub(crate) deleted: BTreeMap<QueueArn, Timestamp>,
    pub(crate) tasks: Tasks,
    pub(crate) usage: Usage,
    pub(crate) originals: Originals,
    pub(crate) warm: Warm,
    pub(crate) last_queue: u64,
    pub(crate) last_key: u64,
    /// The clock of the last record.
    pub(crate) clock: Timestamp,
    /// For each queue a moment not later than its next deadline.
    deadlines: BTreeSet<(Timestamp, QueueId)>,
    scheduled: HashMap<QueueId, Timestamp, FixedState>,
    /// Pages that were read on behalf of a decision; a cache, never state.
    pub(crate) loaded: BTreeMap<(QueueId, PageId), (ContentAddress, Vec<ColdMessage>)>,
    /// Queues that events have changed to which [`Engine::catch_up`] has not attended.
    behind: Vec<QueueId>,
    /// Queues that have changed since the shard last asked.
    changed: BTreeSet<QueueId>,
    /// The snapshot under way.
    pub(crate) picture: Option<Picture>,
}

/// When and where an event happened.
#[derive(Clone, Copy, Debug)]
pub struct At {
    /// Position of the record that holds the event.
    pub position: u64,
    /// The clock of that record.
    pub clock: Timestamp,
}

impl Engine {
    /// Makes an engine without queues.
    pub fn new(options: Options) -> Self {
        Engine {
            usage: Usage::new(options.usage.clone()),
            originals: Originals::new(options.mark_bits),
            warm: Warm::new(2 * options.floor()),
            options,
            queues: HashMap::with_hasher(FixedState::default()),
            directory: Directory::new(),
            deleted: BTreeMap::new(),
            tasks: Tasks::default(),
            last_queue: 0,
            last_key: 0,
            clock: Timestamp::ZERO,
            deadlines: BTreeSet::new(),
            scheduled: HashMap::with_hasher(FixedState::default()),
            loaded: BTreeMap::new(),
            behind: Vec::new(),
            changed: BTreeSet::new(),
            picture: None,
        }
    }

    /// Finds a queue by its ARN.
    pub fn find(&self, arn: &QueueArn) -> Option<&Queue> {
        let names = self.directory.get(&(arn.region.clone(), arn.account))?;
        self.queues.get(names.get(arn.name.as_str())?)
    }

    /// Returns a queue.
    pub fn queue(&self, id: QueueId) -> Option<&Queue> {
        self.queues.get(&id)
    }

    /// Lists all queues by ARN.
    pub fn all_queues(&self) -> impl Iterator<Item = &Queue> {
        self.directory.values().flat_map(|names| names.values()).map(|id| &self.queues[id])
    }

    /// Returns the clock of the last record.
    pub fn clock(&self) -> Timestamp {
        self.clock
    }

    /// Returns how many messages of all queues are in memory, those in flight not counted.
    pub fn warm(&self) -> usize {
        self.warm.total()
    }

    /// Returns what of the journal is needed.
    pub fn usage(&self) -> &Usage {
        &self.usage
    }

    /// Counts anew how many bytes of each bucket of the journal are needed, by first position: what
    /// [`Usage::by_bucket`] must say. It looks at every message in memory, every page and every
    /// chunk.
    pub fn recount(&self) -> BTreeMap<u64, u64> {
        let mut ledger = Ledger::default();
        self.queues.values().for_each(|queue| queue.recount(&mut ledger));
        self.originals.recount(&mut ledger);
        let mut sums = BTreeMap::new();
        let counted = ledger.drain(|position, bytes| {
            *sums.entry(self.usage.bucket(position)).or_insert(0) += bytes.unsigned_abs();
            Ok::<(), ()>(())
        });
        assert!(counted.is_ok() && self.usage.is_settled(), "buckets are left over of which nothing is needed");
        sums
    }

    /// Returns the queues that changed since the last call, in order of creation.
    pub fn take_changed(&mut self) -> BTreeSet<QueueId> {
        std::mem::take(&mut self.changed)
    }

    /// Returns the next moment at which [`Engine::due`](crate::Engine::due) has something to say.
    pub fn next_deadline(&self) -> Timestamp {
        let queue = self.deadlines.first().map_or(Timestamp::NEVER, |(at, _)| *at);
        queue.min(self.tasks.next_deadline()).min(self.originals.next_deadline())
    }

    /// Returns the queue whose deadline comes first.
    pub(crate) fn first_deadline(&self) -> Option<(Timestamp, QueueId)> {
        self.deadlines.first().copied()
    }

    /// Sets a queue's entry among the deadlines to what it is.
    pub(crate) fn reschedule(&mut self, id: QueueId) {
        let next = self.queues.get(&id).map_or(Timestamp::NEVER, Queue::next_deadline);
        let before = self.scheduled.get(&id).copied().unwrap_or(Timestamp::NEVER);
        if next == before {
            return;
        }
        self.deadlines.remove(&(before, id));
        if next == Timestamp::NEVER {
            self.scheduled.remove(&id);
        } else {
            self.deadlines.insert((next, id));
            self.scheduled.insert(id, next);
        }
    }

    /// Lets an event happen. This is the only way in which the state changes, live and at replay.
    ///
    /// `span` says where in the record's payload the content of the event is. An event that does not fit the state
    /// breaks a promise of our own, so it panics rather than continue with a wrong state.
    pub fn apply(&mut self, at: At, event: &Event, span: Span) {
        self.happen(at, event, span);
        self.catch_up();
    }

    /// Lets one of several events happen that follow from one decision. What others look at follows with
    /// [`Engine::catch_up`], once for all of them: the accounts, and when which queue has something to do.
    pub fn happen(&mut self, at: At, event: &Event, span: Span) {
        self.preserve(event);
        self.clock = at.clock;
        self.change(at, event, span);
        for id in event.queues().into_iter().flatten() {
            if let Some(queue) = self.queues.get_mut(&id) {
                queue.promote();
            }
            if !self.behind.contains(&id) {
                self.behind.push(id);
            }
        }
    }

    /// Brings up to date what follows from the events that have happened.
    pub fn catch_up(&mut self) {
        self.originals.settle(&mut self.usage).expect("only what was there goes");
        let mut behind = std::mem::take(&mut self.behind);
        for id in behind.drain(..) {
            if let Some(queue) = self.queues.get_mut(&id) {
                queue.settle(&mut self.usage).expect("only what was there goes");
            }
            self.recount_warm(id);
            self.reschedule(id);
            self.changed.insert(id);
        }
        self.behind = behind;
    }

    /// Notes that the record at a position is complete, with so many bytes of payload: all its events were applied.
    pub fn record_ended(&mut self, position: u64, payload_bytes: usize) {
        self.usage.record_ended(position, payload_bytes as u64);
    }

    fn change(&mut self, at: At, event: &Event, span: Span) {
        let now = at.clock;
        match event {
            Event::QueueCreated { queue, arn, attributes, tags } => {
                let bounds = self.options.bounds(attributes.fifo.is_some());
                let tags = tags.iter().cloned();
                let created = Queue::new(*queue, arn.clone(), (**attributes).clone(), tags, now, bounds);
                self.install(created);
                self.last_queue = queue.0;
                self.deleted.remove(arn);
                self.forget_deleted(now);
            }
            Event::QueueDeleted { queue } => {
                let mut gone = self.queues.remove(queue).expect("a queue that is deleted exists");
                gone.disown();
                self.warm.count(*queue, &mut gone.counted, 0);
                gone.settle(&mut self.usage).expect("only what was there goes");
                let home = (gone.arn.region.clone(), gone.arn.account);
                let names = self.directory.get_mut(&home).expect("a queue is listed");
                names.remove(gone.arn.name.as_str());
                if names.is_empty() {
                    self.directory.remove(&home);
                }
                self.deleted.insert(gone.arn, now);
                self.loaded.retain(|(id, _), _| id != queue);
            }
            Event::AttributesSet { queue, attributes } => {
                let queue = self.queue_mut(*queue);
                queue.attributes = (**attributes).clone();
                queue.modified = now;
            }
            Event::TagsChanged { queue, set, removed } => {
                let queue = self.queue_mut(*queue);
                queue.tags.extend(set.iter().cloned());
                for key in removed {
                    queue.tags.remove(key);
                }
            }
            Event::Purged { queue } => {
                self.queue_mut(*queue).clear(now);
                self.loaded.retain(|(id, _), _| id != queue);
            }
            Event::Sent { queue, key, id, group, deduplication, due, .. } => {
                self.last_key = key.0;
                if let Some(deduplication) = *deduplication {
                    let (queue, id, key) = (*queue, *id, *key);
                    self.originals.insert(Original { queue, deduplication, accepted_at: now, id, key });
                }
                let queue = self.queue_mut(*queue);
                let state = due.map_or(State::Ready, |due| State::Delayed { due });
                queue.add(
                    *key,
                    Message {
                        id: *id,
                        group: *group,
                        order: key.0,
                        content: span.at(at.position),
                        sent_at: now,
                        receives: Receives::default(),
                        source: None,
                        id_replaces_deduplication_id: false,
                        state,
                    },
                );
            }
            Event::Imported { queue, key, id, group, due, sent_at, receives, source, .. } => {
                self.last_key = key.0;
                let source = source.as_ref().map(|arn| self.shared(arn));
                let message = Message {
                    id: *id,
                    group: *group,
                    order: key.0,
                    content: span.at(at.position),
                    sent_at: *sent_at,
                    receives: *receives,
                    source,
                    id_replaces_deduplication_id: false,
                    state: due.map_or(State::Ready, |due| State::Delayed { due }),
                };
                self.queue_mut(*queue).add(*key, message);
            }
            Event::Received { queue, keys, until, attempt } => {
                let queue = self.queue_mut(*queue);
                for key in keys {
                    queue.receive(*key, *until, now);
                }
                if let Some(attempt) = attempt {
                    let messages = keys.iter().map(|key| (*key, queue.message(*key).receives.count)).collect();
                    queue.attempts.insert(*attempt, Attempt { at: now, until: *until, messages });
                }
            }
            Event::Repeated { queue, attempt, until } => {
                let queue = self.queue_mut(*queue);
                let repeated = queue.attempts.get(*attempt, now).expect("an attempt that is repeated is known");
                for (key, _) in repeated.messages.clone() {
                    queue.set_deadline(key, *until);
                }
                queue.attempts.extend(*attempt, *until);
            }
            Event::Deleted { queue, keys } | Event::Expired { queue, keys } => {
                let queue = self.queue_mut(*queue);
                for key in keys {
                    queue.take(*key, now);
                }
            }
            Event::VisibilityChanged { queue, key, until } => self.queue_mut(*queue).set_deadline(*key, *until),
            Event::Released { queue, messages } => {
                for (key, order) in messages {
                    self.last_key = self.last_key.max(order.unwrap_or(0));
                    self.queue_mut(*queue).release(*key, *order, now);
                }
            }
            Event::GivenBack { queue, attempt, messages } => {
                for (key, order) in messages {
                    self.last_key = self.last_key.max(order.unwrap_or(0));
                    self.queue_mut(*queue).give_back(*key, *order, now);
                }
                if let Some(attempt) = attempt {
                    self.queue_mut(*queue).attempts.without(*attempt, messages.iter().map(|(key, _)| *key));
                }
            }
            Event::DeadLettered { queue, target, moves } => {
                for (here, there) in moves {
                    self.dead_letter(*queue, *target, *here, *there, now);
                }
            }
            Event::Chilled { queue, page, messages } => {
                let listed = Page::new(span.at(at.position), messages, &self.usage);
                self.queue_mut(*queue).chill(*page, listed, messages, now);
            }
            Event::Thawed { queue, page, messages } => {
                self.loaded.remove(&(*queue, *page));
                let shared = |cold: &ColdMessage| cold.source.as_ref().map(|arn| self.shared(arn));
                let warm: Vec<_> = messages.iter().map(|cold| (cold.key, Message::warm(cold, shared(cold)))).collect();
                self.queue_mut(*queue).thaw(*page, warm);
            }
            Event::Repaged { queue, page, messages } => {
                self.loaded.remove(&(*queue, *page));
                if messages.is_empty() {
                    self.queue_mut(*queue).drop_page(*page);
                } else {
                    let listed = Page::new(span.at(at.position), messages, &self.usage);
                    self.queue_mut(*queue).put_page(*page, listed);
                }
            }
            Event::Moved { queue, key, .. } => self.queue_mut(*queue).relocate(*key, span.at(at.position)),
            Event::TaskStarted { task, source, source_arn, destination, rate, to_move } => {
                self.tasks.start(*task, *source, source_arn, destination.as_ref(), *rate, *to_move, now);
            }
            Event::TaskMoved { task, queue, target, moves } => {
                for (here, there, id) in moves {
                    let message = self.queue_mut(*queue).take(*here, now);
                    let state = self.queue_mut(*target).state_on_arrival(now);
                    self.last_key = there.0;
                    let moved = Message {
                        id: *id,
                        order: there.0,
                        sent_at: now,
                        receives: Receives::default(),
                        source: None,
                        state,
                        ..message
                    };
                    self.queue_mut(*target).add(*there, moved);
                }
                self.tasks.moved(*task, moves.len() as u64);
            }
            Event::TaskEnded { task, end } => self.tasks.end(*task, end),
            Event::Filed { chunk, originals } => self.originals.filed(*chunk, span.at(at.position), originals),
            Event::Refiled { chunk, .. } => self.originals.refiled(*chunk, span.at(at.position)),
            Event::Forgotten { chunk } => self.originals.forgotten(*chunk),
        }
    }

    /// Makes a queue known.
    pub(crate) fn install(&mut self, queue: Queue) {
        let home = (queue.arn.region.clone(), queue.arn.account);
        let names = self.directory.entry(home).or_default();
        let before = names.insert(queue.arn.name.as_str().to_owned(), queue.id);
        assert!(before.is_none(), "two queues are called {}", queue.arn);
        let id = queue.id;
        self.queues.insert(id, queue);
        self.recount_warm(id);
        self.reschedule(id);
    }

    /// Counts anew how many messages of a queue are in memory.
    fn recount_warm(&mut self, id: QueueId) {
        if let Some(queue) = self.queues.get_mut(&id) {
            let messages = queue.warm();
            self.warm.count(id, &mut queue.counted, messages);
        }
    }

    pub(crate) fn queue_mut(&mut self, id: QueueId) -> &mut Queue {
        self.queues.get_mut(&id).unwrap_or_else(|| panic!("queue {id:?} does not exist"))
    }

    /// Finds the shared copy of the ARN that a message was moved from, or makes one if that queue is gone.
    pub(crate) fn shared(&self, arn: &QueueArn) -> Arc<QueueArn> {
        self.find(arn).map_or_else(|| Arc::new(arn.clone()), |queue| Arc::clone(&queue.shared_arn))
    }

    fn dead_letter(&mut self, queue: QueueId, target: QueueId, here: MessageKey, there: MessageKey, now: Timestamp) {
        let source = self.queue_mut(queue);
        let origin = Arc::clone(&source.shared_arn);
        let mut message = source.take(here, now);
        let target = self.queue_mut(target);
        message.order = there.0;
        message.source = Some(origin);
        message.state = target.state_on_arrival(now);
        if target.is_fifo() {
            message.sent_at = now;
            message.id_replaces_deduplication_id = true;
        }
        target.add(there, message);
        self.last_key = there.0;
    }

    fn forget_deleted(&mut self, now: Timestamp) {
        let rest = self.options.rest_seconds;
        self.deleted.retain(|_, at| now < at.plus_seconds(rest));
    }

    /// Keeps a page that was read, for the decision that asked for it.
    pub fn page_loaded(&mut self, queue: QueueId, page: PageId, list: ContentAddress, messages: Vec<ColdMessage>) {
        let Some(entry) = self.queues.get_mut(&queue) else { return };
        entry.cold.was_read(page);
        if entry.cold.get(page).is_some_and(|page| page.list == list) {
            self.loaded.insert((queue, page), (list, messages));
        }
        self.reschedule(queue);
    }

    /// Notes that a page is being read to see what expired in it.
    pub fn page_requested(&mut self, queue: QueueId, page: PageId) {
        if let Some(entry) = self.queues.get_mut(&queue) {
            entry.cold.read_again(page, Timestamp::NEVER);
        }
        self.reschedule(queue);
    }

    /// Notes that a page could not be read: neither its expiry nor a task that needs it tries again at once.
    pub fn page_failed(&mut self, queue: QueueId, page: PageId, now: Timestamp) {
        let next_try = now.plus_seconds(READ_REST_SECONDS);
        if let Some(entry) = self.queues.get_mut(&queue) {
            // What was read ahead of time is tried again in time.
            let due = entry.cold.get(page).filter(|_| page.shelf() == Shelf::Delayed).map(|page| entry.page_due(page));
            let in_time = due.filter(|due| *due > now).map_or(next_try, |due| due.min(next_try));
            entry.cold.read_again(page, in_time);
        }
        self.tasks.rest(queue, next_try);
        self.reschedule(queue);
    }

    /// Takes a part of a chunk that was read; tells whether it makes sense. A block is then to be handed to the
    /// decision that asked for it.
    pub fn chunk_loaded(&mut self, wish: ChunkWish, bytes: &Bytes) -> bool {
        self.originals.loaded(wish, bytes)
    }

    /// Notes that a part of a chunk could not be read; tells whether the chunk is still there, so that nothing can be
    /// said about the ids in it.
    pub fn chunk_failed(&mut self, wish: ChunkWish, now: Timestamp) -> bool {
        self.originals.failed(wish, now.plus_seconds(READ_REST_SECONDS))
    }

    /// Forgets pages that were read; to be called when no decision waits for one.
    pub fn forget_pages(&mut self) {
        self.loaded.clear();
    }

    /// Returns the messages of a page if they were read and are still what the page lists.
    pub(crate) fn loaded_page(&self, queue: &Queue, page: PageId) -> Option<&[ColdMessage]> {
        let (list, messages) = self.loaded.get(&(queue.id, page))?;
        (queue.cold.get(page)?.list == *list).then_some(messages.as_slice())
    }

    /// Returns the active task of a source.
    pub(crate) fn task(&self, task: TaskId) -> Option<&crate::tasks::Task> {
        self.tasks.get(task)
    }
}
