//! What can be known of the queues when a part of history is lost.
//!
//! [`Engine::apply`] believes that nothing is missing and would break on the first event that speaks of something it
//! never heard of. A salvage believes less: it starts from a state that is right up to some position, reads whatever
//! events there are after it, and keeps what they prove. It knows messages and queues only, and errs on the side of
//! delivering a message again:
//!
//! - A message that was sent, or is listed on a page, is there until an event says that it went.
//! - Whoever was in flight is visible again, with its count of receives as far as that is known.
//! - An event about a queue or message that nobody knows is counted and passed over.

use std::collections::{BTreeMap, BTreeSet};

use stanchion_types::attributes::QueueAttributes;
use stanchion_types::{MessageId, QueueArn, Timestamp};

use crate::engine::{At, Engine};
use crate::event::{ColdMessage, Event, Receives};
use crate::ids::{ContentAddress, GroupKey, MessageKey, PageId, QueueId, Span};
use crate::queue::cold::Page;

/// What is known of all queues of a shard.
#[derive(Debug, Default)]
pub struct Salvage {
    /// The queues, in order of creation.
    pub queues: BTreeMap<QueueId, SalvagedQueue>,
    /// Names and numbers of queues whose end was seen.
    ended: BTreeSet<QueueId>,
    /// Queues that events speak of, but whose creation is lost, with the number of messages sent to each.
    pub nameless: BTreeMap<QueueId, u64>,
    /// Queues whose move tasks were under way; a repair ends them.
    pub tasks: BTreeSet<QueueArn>,
    /// The highest number of a queue that was ever seen.
    pub last_queue: u64,
    /// The highest number of a message that was ever seen.
    pub last_key: u64,
    /// The clock of the last record.
    pub clock: Timestamp,
}

/// What is known of a queue.
#[derive(Debug)]
pub struct SalvagedQueue {
    /// What it is called.
    pub arn: QueueArn,
    /// Its attributes.
    pub attributes: QueueAttributes,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// When it was created.
    pub created: Timestamp,
    /// When its attributes changed last.
    pub modified: Timestamp,
    /// Messages that are known one by one, by their keys, in the form in which pages list them.
    pub messages: BTreeMap<MessageKey, ColdMessage>,
    /// Pages whose lists have not been read, in order.
    pub pages: Vec<SalvagedPage>,
    /// Messages that are known to have gone.
    pub gone: BTreeSet<MessageKey>,
    /// Messages on pages whose lists were seen.
    listed: BTreeMap<PageId, Vec<MessageKey>>,
}

/// What is known of a page whose list has not been read.
#[derive(Debug)]
pub struct SalvagedPage {
    /// Its place among the pages, unless another page is known to have taken that.
    id: Option<PageId>,
    /// The page.
    pub page: Page,
    /// A later list for the same place. If it lists nothing but messages of this page, it has replaced this page.
    /// Otherwise this page returned to memory meanwhile, and nothing is known of what became of its messages.
    successor: Vec<MessageKey>,
}

impl SalvagedPage {
    fn new(id: PageId, page: &Page) -> Self {
        SalvagedPage { id: Some(id), page: page.clone(), successor: Vec::new() }
    }

    /// Tells whether a page with this list is superseded by a list that is known already.
    pub fn is_superseded(&self, list: &[ColdMessage]) -> bool {
        let own: BTreeSet<MessageKey> = list.iter().map(|line| line.key).collect();
        !self.successor.is_empty() && self.successor.iter().all(|key| own.contains(key))
    }
}

impl Salvage {
    /// Begins with a state.
    pub fn new(engine: &Engine) -> Self {
        let mut salvage = Salvage {
            last_queue: engine.last_queue,
            last_key: engine.last_key,
            clock: engine.clock,
            ..Salvage::default()
        };
        for queue in engine.queues.values() {
            let mut salvaged = SalvagedQueue::new(queue.arn.clone(), queue.attributes.clone(), queue.created);
            salvaged.tags = queue.tags.clone();
            salvaged.modified = queue.modified;
            salvaged.pages = queue.pages().map(|(id, page)| SalvagedPage::new(id, page)).collect();
            salvaged.messages = queue.messages.iter().map(|(key, message)| (*key, message.chill(*key))).collect();
            salvage.queues.insert(queue.id, salvaged);
        }
        salvage.tasks = engine.tasks.running().map(|(_, task)| task.source_arn.clone()).collect();
        salvage
    }

    /// Takes in what an event proves, whatever is missing before it. `span` is that of its content in its record.
    pub fn learn(&mut self, at: At, event: &Event, span: Span) {
        self.clock = self.clock.max(at.clock);
        for queue in event.queues().into_iter().flatten() {
            self.last_queue = self.last_queue.max(queue.0);
        }
        match event {
            Event::QueueCreated { queue, arn, attributes, tags } => {
                // A queue of that name whose end is lost.
                self.queues.retain(|_, other| other.arn != *arn);
                let mut created = SalvagedQueue::new(arn.clone(), (**attributes).clone(), at.clock);
                created.tags = tags.iter().cloned().collect();
                self.queues.insert(*queue, created);
            }
            Event::QueueDeleted { queue } => {
                self.queues.remove(queue);
                self.nameless.remove(queue);
                self.ended.insert(*queue);
            }
            Event::AttributesSet { queue, attributes } => {
                if let Some(queue) = self.queue(*queue) {
                    queue.attributes = (**attributes).clone();
                    queue.modified = at.clock;
                }
            }
            Event::TagsChanged { queue, set, removed } => {
                if let Some(queue) = self.queue(*queue) {
                    queue.tags.extend(set.iter().cloned());
                    queue.tags.retain(|key, _| !removed.contains(key));
                }
            }
            Event::Purged { queue } => {
                self.nameless.remove(queue);
                if let Some(queue) = self.queue(*queue) {
                    queue.purge();
                }
            }
            Event::Sent { queue, key, id, group, due, .. } => {
                let message = fresh(*key, *id, *group, *due, span.at(at.position), at.clock);
                self.last_key = self.last_key.max(key.0);
                self.arrived(*queue, message);
            }
            Event::Imported { queue, key, id, group, due, sent_at, receives, source, .. } => {
                let message = ColdMessage {
                    receives: *receives,
                    source: source.clone(),
                    ..fresh(*key, *id, *group, *due, span.at(at.position), *sent_at)
                };
                self.last_key = self.last_key.max(key.0);
                self.arrived(*queue, message);
            }
            Event::Received { queue, keys, .. } => self.received(*queue, keys, at.clock),
            Event::Deleted { queue, keys } | Event::Expired { queue, keys } => {
                if let Some(queue) = self.queue(*queue) {
                    keys.iter().for_each(|key| queue.forget(*key));
                }
            }
            Event::Released { queue, messages } => {
                for (key, order) in messages {
                    self.last_key = self.last_key.max(order.unwrap_or(0));
                    let message = self.queue(*queue).and_then(|queue| queue.messages.get_mut(key));
                    let Some(message) = message else { continue };
                    message.due = None;
                    message.order = order.unwrap_or(message.order);
                }
            }
            Event::GivenBack { queue, messages, .. } => {
                for (key, order) in messages {
                    self.last_key = self.last_key.max(order.unwrap_or(0));
                    let message = self.queue(*queue).and_then(|queue| queue.messages.get_mut(key));
                    let Some(message) = message else { continue };
                    message.receives.take_back();
                    message.order = order.unwrap_or(message.order);
                }
            }
            Event::DeadLettered { queue, target, moves } => {
                for (here, there) in moves {
                    self.dead_lettered(*queue, *target, *here, *there, at.clock);
                }
            }
            Event::Chilled { queue, page, messages } => self.listed(*queue, *page, messages, true),
            Event::Thawed { queue, page, messages } => self.listed(*queue, *page, messages, false),
            Event::Repaged { queue, page, messages } => self.listed(*queue, *page, messages, true),
            Event::Moved { queue, key, .. } => {
                let message = self.queue(*queue).and_then(|queue| queue.messages.get_mut(key));
                if let Some(message) = message {
                    message.content = span.at(at.position);
                }
            }
            Event::TaskStarted { source_arn, .. } => {
                self.tasks.insert(source_arn.clone());
            }
            Event::TaskMoved { queue, target, moves, .. } => {
                for (here, there, id) in moves {
                    let Some(mut message) = self.leaves(*queue, *here, *there) else { continue };
                    (message.id, message.sent_at) = (*id, at.clock);
                    (message.receives, message.source) = (Receives::default(), None);
                    self.arrived(*target, message);
                }
            }
            // Time alone, and what nobody waits for after a repair.
            Event::Repeated { .. }
            | Event::VisibilityChanged { .. }
            | Event::TaskEnded { .. }
            | Event::Filed { .. }
            | Event::Refiled { .. }
            | Event::Forgotten { .. } => {}
        }
    }

    fn queue(&mut self, id: QueueId) -> Option<&mut SalvagedQueue> {
        self.queues.get_mut(&id)
    }

    fn arrived(&mut self, id: QueueId, message: ColdMessage) {
        match self.queues.get_mut(&id) {
            Some(queue) => queue.put(message),
            None if self.ended.contains(&id) => {}
            None => *self.nameless.entry(id).or_default() += 1,
        }
    }

    fn received(&mut self, id: QueueId, keys: &[MessageKey], now: Timestamp) {
        let Some(queue) = self.queue(id) else { return };
        for key in keys {
            let Some(message) = queue.messages.get_mut(key) else { continue };
            let receives = &mut message.receives;
            receives.count += 1;
            if receives.count == 1 {
                receives.first_at = now;
            }
            receives.last_at = now;
        }
    }

    /// Takes a message out of a queue that it leaves for another, if it is known.
    fn leaves(&mut self, id: QueueId, here: MessageKey, there: MessageKey) -> Option<ColdMessage> {
        self.last_key = self.last_key.max(there.0);
        let mut message = self.queue(id)?.messages.remove(&here)?;
        self.queue(id)?.gone.insert(here);
        (message.key, message.order, message.due) = (there, there.0, None);
        Some(message)
    }

    fn dead_lettered(&mut self, id: QueueId, target: QueueId, here: MessageKey, there: MessageKey, now: Timestamp) {
        let Some(mut message) = self.leaves(id, here, there) else { return };
        message.source = self.queues.get(&id).map(|queue| queue.arn.clone());
        if self.queues.get(&target).is_some_and(|target| target.attributes.fifo.is_some()) {
            message.sent_at = now;
            message.id_replaces_deduplication_id = true;
        }
        self.arrived(target, message);
    }

    /// Takes in a list: its messages were there when it was written, and what an older list of the page had besides is
    /// not any more.
    fn listed(&mut self, id: QueueId, page: PageId, messages: &[ColdMessage], stays: bool) {
        for line in messages {
            self.last_key = self.last_key.max(line.key.0).max(line.order);
        }
        let Some(queue) = self.queue(id) else { return };
        if let Some(before) = queue.pages.iter_mut().find(|before| before.id == Some(page)) {
            before.id = None;
            before.successor = messages.iter().map(|line| line.key).collect();
        }
        for key in queue.listed.remove(&page).unwrap_or_default() {
            queue.messages.remove(&key);
        }
        for line in messages {
            queue.put(line.clone());
        }
        if stays {
            queue.listed.insert(page, messages.iter().map(|line| line.key).collect());
        }
    }
}

impl SalvagedQueue {
    fn new(arn: QueueArn, attributes: QueueAttributes, created: Timestamp) -> Self {
        SalvagedQueue {
            arn,
            attributes,
            tags: BTreeMap::new(),
            created,
            modified: created,
            messages: BTreeMap::new(),
            pages: Vec::new(),
            gone: BTreeSet::new(),
            listed: BTreeMap::new(),
        }
    }

    fn put(&mut self, message: ColdMessage) {
        if !self.gone.contains(&message.key) {
            self.messages.insert(message.key, message);
        }
    }

    fn forget(&mut self, key: MessageKey) {
        self.messages.remove(&key);
        self.gone.insert(key);
    }

    fn purge(&mut self) {
        self.messages.clear();
        self.pages.clear();
        self.listed.clear();
        self.gone.clear();
    }

    /// Tells whether a line of a page that has not been taken in is a message that is still to be delivered.
    pub fn is_news(&self, line: &ColdMessage) -> bool {
        !self.gone.contains(&line.key) && !self.messages.contains_key(&line.key)
    }
}

/// Makes the line of a message that is new in its queue.
fn fresh(
    key: MessageKey,
    id: MessageId,
    group: Option<GroupKey>,
    due: Option<Timestamp>,
    content: ContentAddress,
    sent_at: Timestamp,
) -> ColdMessage {
    ColdMessage {
        key,
        order: key.0,
        id,
        group,
        content,
        sent_at,
        receives: Receives::default(),
        source: None,
        id_replaces_deduplication_id: false,
        due,
    }
}

#[cfg(test)]
mod tests;
