//! Which messages are only listed on pages and which deduplication ids in chunks, as the journal tells it.
//!
//! Where a message lies is no business of a client, so the shadow knows nothing of pages. But a message has to be in
//! one place, a page that returns has to be the page that was written, and a page may lag behind in one respect: a
//! message that has grown too old is noticed there when the page is read. Such leftovers are counted and never served.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use stanchion_engine::event::{ColdMessage, Event};
use stanchion_engine::ids::{ChunkId, ContentAddress, PageId, QueueId, Shelf, Span};
use stanchion_types::{Timestamp, limits};

use crate::shadow::{Shadow, Violation};

/// The pages of all queues, and the chunks.
#[derive(Clone, Debug, Default)]
pub struct Layout {
    pages: BTreeMap<(QueueId, PageId), Arc<Page>>,
    /// Where each chunk is, and when its newest id is free again.
    chunks: VecDeque<(ChunkId, ContentAddress, Timestamp)>,
    /// A page of which messages were moved, and which has not been written anew.
    stale: Option<(QueueId, PageId)>,
}

#[derive(Clone, Debug)]
struct Page {
    list: ContentAddress,
    messages: Vec<ColdMessage>,
}

impl Layout {
    /// Tells whether a message is listed on a page.
    pub fn is_cold(&self, queue: QueueId, key: u64) -> bool {
        self.of(queue).any(|message| message.key.0 == key)
    }

    /// Returns how often a message on a page was received; 0 if it is on none.
    pub fn receives(&self, queue: QueueId, key: u64) -> u32 {
        self.of(queue).find(|message| message.key.0 == key).map_or(0, |message| message.receives.count)
    }

    /// Counts the messages on pages that have grown too old: visible ones and delayed ones.
    pub fn leftovers(&self, shadow: &Shadow, queue: QueueId) -> (u64, u64) {
        let leftovers = || self.of(queue).filter(|message| !shadow.is_alive(queue, message.key.0));
        let delayed = leftovers().filter(|message| message.due.is_some()).count();
        ((leftovers().count() - delayed) as u64, delayed as u64)
    }

    /// Tells whether delayed messages of a queue are on pages.
    pub fn has_delayed(&self, queue: QueueId) -> bool {
        self.of(queue).any(|message| message.due.is_some())
    }

    /// Counts the messages that are visible, but not for a shard that has yet to read the page on which they are
    /// delayed: at least and at most. On a FIFO queue those behind them have to wait as well, and those behind a message
    /// that has grown too old may have to.
    pub fn overdue(&self, shadow: &Shadow, queue: QueueId) -> (u64, u64) {
        let delayed = || self.of(queue).filter(|message| message.due.is_some()).map(|message| message.key.0);
        let visible = |key: &u64| shadow.is_visible(queue, *key);
        if !shadow.is_fifo(queue) {
            let count = delayed().filter(visible).count() as u64;
            return (count, count);
        }
        let listed: BTreeSet<u64> = delayed().collect();
        let behind = |first: Option<u64>| {
            let waits = |key: &u64| listed.contains(key) || first.is_some_and(|first| *key >= first);
            shadow.keys(queue).filter(waits).filter(visible).count() as u64
        };
        let alive = listed.iter().find(|key| shadow.was_always_alive(queue, **key));
        (behind(alive.copied()), behind(listed.first().copied()))
    }

    /// Counts the pages of a queue.
    pub fn pages(&self, queue: QueueId) -> usize {
        self.pages.keys().filter(|(of, _)| *of == queue).count()
    }

    /// Lists the messages of a page that another list of it leaves out.
    pub fn missing(&self, queue: QueueId, page: PageId, list: &[ColdMessage]) -> Vec<u64> {
        let before = self.pages.get(&(queue, page)).map(|page| page.messages.as_slice()).unwrap_or_default();
        before.iter().filter(|message| !list.contains(message)).map(|message| message.key.0).collect()
    }

    /// Returns the queue and the messages of the page that is listed at an address.
    pub fn listed_at(&self, list: ContentAddress) -> Option<(QueueId, &[ColdMessage])> {
        let (place, page) = self.pages.iter().find(|(_, page)| page.list == list)?;
        Some((place.0, &page.messages))
    }

    /// Tells whether the marks of a chunk are at an address.
    pub fn are_marks(&self, at: ContentAddress) -> bool {
        self.chunks.iter().any(|(_, content, _)| (content.position, content.offset) == (at.position, at.offset))
    }

    /// Returns when all ids of a chunk are free again, if it is the oldest.
    pub fn free_at(&self, chunk: ChunkId) -> Option<Timestamp> {
        self.chunks.front().filter(|(id, ..)| *id == chunk).map(|(.., free_at)| *free_at)
    }

    fn of(&self, queue: QueueId) -> impl Iterator<Item = &ColdMessage> {
        let pages = self.pages.range((queue, PageId(0))..=(queue, PageId(u64::MAX)));
        pages.flat_map(|(_, page)| &page.messages)
    }

    /// Returns the page that says of a message that it is where it was before it was moved.
    pub fn stale(&self) -> Option<(QueueId, PageId)> {
        self.stale
    }

    /// Follows an event.
    pub fn follow(&mut self, event: &Event, span: Span, position: u64) -> Result<(), Violation> {
        let list = span.at(position);
        match event {
            Event::Chilled { queue, page, messages } => {
                if messages.is_empty() {
                    return Err("an empty page is written".to_owned());
                }
                let delayed = page.shelf() == Shelf::Delayed;
                if let Some(stray) = messages.iter().find(|message| message.due.is_some() != delayed) {
                    return Err(format!("{:?} does not belong on {page:?}", stray.key));
                }
                if page.shelf() == Shelf::Lane && messages.iter().any(|message| message.group != messages[0].group) {
                    return Err(format!("{page:?} lists several groups"));
                }
                if let Some(twice) = messages.iter().find(|message| self.is_cold(*queue, message.key.0)) {
                    return Err(format!("{:?} is put on two pages", twice.key));
                }
                let before = self.pages.insert((*queue, *page), Arc::new(Page { list, messages: messages.clone() }));
                if before.is_some() {
                    return Err(format!("{page:?} is written over"));
                }
            }
            Event::Thawed { queue, page, messages } => {
                let before = self.pages.remove(&(*queue, *page)).ok_or_else(|| format!("{page:?} is not there"))?;
                if before.messages != *messages {
                    return Err(format!("{page:?} returns as {messages:?} and was {:?}", before.messages));
                }
            }
            Event::Repaged { queue, page, messages } => {
                self.stale = self.stale.filter(|stale| *stale != (*queue, *page));
                let before = self.pages.remove(&(*queue, *page)).ok_or_else(|| format!("{page:?} is not there"))?;
                let kept: Vec<_> =
                    before.messages.iter().filter(|message| messages.contains(message)).cloned().collect();
                if kept != *messages {
                    return Err(format!("{page:?} is rewritten as {messages:?} and was {:?}", before.messages));
                }
                if !messages.is_empty() {
                    self.pages.insert((*queue, *page), Arc::new(Page { list, messages: messages.clone() }));
                }
            }
            Event::Moved { queue, key, .. } => {
                let listed = self.pages.range_mut((*queue, PageId(0))..=(*queue, PageId(u64::MAX)));
                for (id, page) in listed {
                    let Some(at) = page.messages.iter().position(|message| message.key == *key) else { continue };
                    // The page is written anew in the same record.
                    Arc::make_mut(page).messages[at].content = list;
                    self.stale = Some(*id);
                }
            }
            Event::Deleted { queue, keys } | Event::Expired { queue, keys } | Event::Received { queue, keys, .. } => {
                if let Some(key) = keys.iter().find(|key| self.is_cold(*queue, key.0)) {
                    return Err(format!("{key:?} is used while it is on a page"));
                }
            }
            Event::Purged { queue } | Event::QueueDeleted { queue } => {
                self.pages.retain(|(of, _), _| of != queue);
            }
            Event::Filed { chunk, originals } => {
                let newest = originals.iter().map(|original| original.accepted_at).max();
                let newest = newest.ok_or("a chunk without ids is filed")?;
                self.chunks.push_back((*chunk, list, newest.plus_seconds(limits::DEDUPLICATION_SECONDS)));
            }
            Event::Refiled { chunk, .. } => {
                let moved = self.chunks.iter_mut().find(|(id, ..)| id == chunk);
                moved.ok_or_else(|| format!("{chunk:?} is moved and gone"))?.1 = list;
            }
            Event::Forgotten { .. } => drop(self.chunks.pop_front()),
            _ => {}
        }
        Ok(())
    }
}
