//! Which messages leave memory because there are too many, and which return before somebody waits for them.

use stanchion_types::Timestamp;

use crate::decide::{PageWish, Purpose};
use crate::engine::Engine;
use crate::event::Event;
use crate::ids::{MessageKey, PageId, QueueId, Shelf};
use crate::originals::ChunkWish;
use crate::queue::Queue;
use crate::queue::cold::{AHEAD_MS, Page};

/// How much farther away than the moment at which it would be read back a delayed message has to be to leave memory.
const FAR_MS: u64 = 1_000;

/// How many of the queues with most messages are looked at for something that can leave memory.
const LOOKED_AT_MAX: usize = 16;

impl Engine {
    /// Returns the event that brings a queue's memory back within bounds, if it is out of them.
    pub fn overflow(&self, id: QueueId) -> Option<Event> {
        let queue = self.queue(id)?;
        let size = self.options.page_messages;
        // Twice a page, so that a queue that hovers around its window does not write a page for every message.
        if queue.waiting() >= 2 * size {
            return chilled(queue, queue.cold.after(), &queue.first_waiting(size));
        }
        if queue.excess() >= size
            && let Some(event) = chilled(queue, queue.cold.before(), &queue.lanes.last(size))
        {
            return Some(event);
        }
        if queue.is_fifo() {
            // A group with many messages, or all groups if they are locked, must not keep others out of the window.
            let least = if queue.crowd() >= size { 0 } else { self.options.lane_max + size };
            let back = queue.lanes.back_of_longest(least, size);
            if let Some(event) = chilled(queue, queue.cold.free(Shelf::Lane), &back) {
                return Some(event);
            }
        }
        let delayed_max = self.options.delayed_max + size;
        if queue.delays.len() >= delayed_max {
            return chilled(queue, queue.cold.free(Shelf::Delayed), &self.far_delayed(queue, delayed_max));
        }
        None
    }

    /// Returns an event that takes messages out of memory if all queues together have too many there.
    ///
    /// The queues with most messages give first, from where they have most, and as little at a time as is worth a page:
    /// then what is read back for one receive is not much more than that receive takes.
    pub fn relief(&self) -> Option<Event> {
        if self.warm.total() <= self.options.warm_max {
            return None;
        }
        let heaviest = self.warm.heaviest().take(LOOKED_AT_MAX).filter_map(|id| self.queue(id));
        heaviest.into_iter().find_map(|queue| self.relieve(queue))
    }

    /// Tells whether all queues together have so many messages in memory that a page more is too much.
    pub(crate) fn is_tight(&self) -> bool {
        self.warm.total() + self.options.page_messages > self.options.warm_max
    }

    fn relieve(&self, queue: &Queue) -> Option<Event> {
        let (size, small) = (self.options.page_messages, self.options.page_messages_min());
        let floor = self.options.floor();
        let ready = queue.lanes.servable().saturating_sub(floor);
        let locked = queue.lanes.ready() - queue.lanes.servable();
        let mut parts = [(queue.waiting(), 0), (ready, 1), (queue.delays.len(), 2), (locked, 3)];
        parts.sort_unstable_by(|one, two| two.cmp(one));
        parts.into_iter().filter(|(messages, _)| *messages >= floor).find_map(|(messages, part)| match part {
            0 => chilled(queue, queue.cold.after(), &queue.first_waiting(size)),
            1 => chilled(queue, queue.cold.before(), &queue.lanes.last(messages.min(small))).or_else(|| {
                let back = queue.lanes.back_of_paged(messages.min(small));
                chilled(queue, queue.cold.free(Shelf::Lane), &back)
            }),
            2 => chilled(queue, queue.cold.free(Shelf::Delayed), &self.far_delayed(queue, floor)),
            _ => chilled(queue, queue.cold.free(Shelf::Lane), &queue.lanes.back_of_longest(0, size)),
        })
    }

    /// Chooses delayed messages for a page if at least `least` of them are not near; those of a FIFO queue only if they
    /// fill a page or are that many.
    fn far_delayed(&self, queue: &Queue, least: usize) -> Vec<MessageKey> {
        let size = self.options.page_messages;
        // Who comes near to its moment is read back, so who is nearer than that does not leave.
        let from = self.clock.plus_millis(AHEAD_MS + FAR_MS);
        if queue.is_fifo() {
            let far = queue.delays.line().rev().take_while(|&key| queue.fifo_due(key) >= from);
            let keys: Vec<MessageKey> = far.take(size).collect();
            return if keys.len() >= size.min(least) { keys } else { Vec::new() };
        }
        if queue.delays.far(from) < least {
            return Vec::new();
        }
        queue.delays.choose(from, size, self.options.page_messages_min())
    }

    /// Returns the event that brings the deduplication ids in memory back within bounds, if they are out of them.
    pub fn originals_overflow(&self) -> Option<Event> {
        self.originals.overflow(self.options.originals_max, self.options.chunk_originals)
    }

    /// Returns the part of a chunk that should be read soon, before somebody waits for it.
    pub fn wanted_marks(&self, now: Timestamp) -> Option<ChunkWish> {
        self.originals.wanted(now)
    }

    /// Returns the pages that a queue should have in memory soon, before somebody waits for them.
    pub fn prefetch(&self, id: QueueId) -> impl Iterator<Item = PageWish> {
        let wish = move |(page, listed): (PageId, &Page)| PageWish {
            queue: id,
            page,
            list: listed.list,
            purpose: Purpose::Thaw,
        };
        let queue = self.queue(id);
        let lane = queue.and_then(Queue::next_in_lane).map(wish);
        let enough = if self.is_tight() { self.options.floor() } else { self.options.page_messages };
        let line = queue.filter(|queue| queue.lanes.servable() < enough).and_then(Queue::next_in_line).map(wish);
        lane.into_iter().chain(line)
    }

    /// Returns the event that brings a page back to memory that was read for that purpose.
    pub fn thaw(&mut self, id: QueueId, page: PageId) -> Option<Event> {
        let queue = self.queue(id)?;
        self.loaded_page(queue, page).filter(|_| queue.is_next(page))?;
        let (_, messages) = self.loaded.remove(&(id, page))?;
        Some(Event::Thawed { queue: id, page, messages })
    }
}

fn chilled(queue: &Queue, page: PageId, keys: &[MessageKey]) -> Option<Event> {
    if keys.is_empty() {
        return None;
    }
    let mut messages: Vec<_> = keys.iter().map(|&key| queue.message(key).chill(key)).collect();
    messages.sort_unstable_by_key(|message| message.order);
    Some(Event::Chilled { queue: queue.id, page, messages })
}
