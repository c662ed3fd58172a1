//! The part of a queue that is only on disk: pages, each a list of messages in the journal.
//!
//! ```text
//! line:     first page | page | page | last page      served from the left
//!              ^ the window's far end returns here        ^ the tail goes here
//! delayed:  12:00:07 page | page | 12:01:30 page      by the first message that becomes visible
//! lane:     page | page                               of one group of a FIFO queue, see its lane
//! ```
//!
//! In memory a page costs some hundred bytes, whatever it lists. A page enters or leaves memory whole, by an event
//! that carries the list, so replay never reads one.

use std::collections::{BTreeMap, BTreeSet};

use stanchion_types::Timestamp;

use crate::event::ColdMessage;
use crate::ids::{ContentAddress, GroupKey, MessageKey, PageId, Shelf};
use crate::usage::{Ledger, Usage, contents_by_bucket};

/// How long before its first message becomes visible a page of delayed messages is read.
pub const AHEAD_MS: u64 = 2_000;
/// Most pages of delayed messages of a queue that are read at a time.
const READS_MAX: usize = 4;

/// Where the first page of a queue is numbered, so that there is room on both sides.
const MIDDLE: u64 = 1 << 48;

/// What memory knows of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Where its list is.
    pub list: ContentAddress,
    /// How many messages it lists.
    pub count: u32,
    /// When the oldest of them was sent.
    pub oldest: Timestamp,
    /// When the newest of them was sent.
    pub newest: Timestamp,
    /// The smallest and the largest key, if any of its messages was received before and so has receipts; no other
    /// message can be looked for by key.
    pub received: Option<(MessageKey, MessageKey)>,
    /// The buckets of the journal that hold the contents of its messages, by first position, and how many bytes each
    /// holds.
    pub contents: Box<[(u64, u64)]>,
    /// The first place in the order that it lists.
    pub first: u64,
    /// When the first of its messages becomes visible, on a page of delayed messages; [`Timestamp::NEVER`] on a FIFO
    /// queue, where the queue's delay says it.
    pub due: Timestamp,
    /// The group of its first message; of all on a page of one group.
    pub group: Option<GroupKey>,
}

impl Page {
    /// Describes a page; the list must not be empty.
    pub fn new(list: ContentAddress, messages: &[ColdMessage], usage: &Usage) -> Self {
        let sent = || messages.iter().map(|message| message.sent_at);
        let received = || messages.iter().filter(|message| message.receives.count > 0).map(|message| message.key);
        Page {
            list,
            count: messages.len() as u32,
            oldest: sent().min().expect("a page lists messages"),
            newest: sent().max().expect("a page lists messages"),
            received: received().min().zip(received().max()),
            contents: contents_by_bucket(messages, |position| usage.bucket(position)),
            first: messages.iter().map(|message| message.order).min().expect("a page lists messages"),
            due: messages.iter().filter_map(|message| message.due).min().unwrap_or(Timestamp::NEVER),
            group: messages.first().and_then(|message| message.group),
        }
    }

    /// Returns by what pages of delayed messages are ordered. On a FIFO queue that is the order itself.
    fn urgency(&self) -> u64 {
        if self.due == Timestamp::NEVER { self.first } else { self.due.millis() }
    }
}

/// The pages of a queue.
#[derive(Clone, Debug, Default)]
pub struct Cold {
    pages: BTreeMap<PageId, Page>,
    by_age: BTreeSet<(Timestamp, PageId)>,
    /// Pages that are being read to find what expired in them, each with the moment of its next try:
    /// [`Timestamp::NEVER`] while the read is under way, later if it failed.
    reading: BTreeMap<PageId, Timestamp>,
    /// Pages of delayed messages by [`Page::urgency`].
    delayed: BTreeSet<(u64, PageId)>,
    received: Ranges,
    /// How many pages the line has.
    line: usize,
    messages: u64,
    delayed_messages: u64,
    /// What the journal holds for these pages.
    pub(crate) ledger: Ledger,
}

/// Ranges of keys in which received messages on pages lie, to find the pages that could hold a key.
///
/// A range stands under its smallest key in the class of its width, by powers of two; so what holds a key begins
/// nowhere but within twice that width before it.
type Ranges = BTreeMap<u32, BTreeMap<(MessageKey, PageId), MessageKey>>;

impl Cold {
    /// Tells whether no visible message of the line is on a page.
    pub fn is_line_empty(&self) -> bool {
        self.line == 0
    }

    /// Returns the number of visible messages on all pages.
    pub fn messages(&self) -> u64 {
        self.messages
    }

    /// Returns the number of pages.
    pub fn count(&self) -> usize {
        self.pages.len()
    }

    /// Returns the number of delayed messages on all pages.
    pub fn delayed_messages(&self) -> u64 {
        self.delayed_messages
    }

    /// Returns the page of the line to be served first.
    pub fn first(&self) -> Option<(PageId, &Page)> {
        self.shelf(Shelf::Line).next()
    }

    /// Returns the page with the delayed messages that become visible first.
    pub fn first_delayed(&self) -> Option<(PageId, &Page)> {
        let (_, id) = self.delayed.first()?;
        Some((*id, &self.pages[id]))
    }

    /// Returns the page of delayed messages that is to be read first of those that are neither being read nor have
    /// failed lately, and when. `due` tells when the first message of a page becomes visible.
    pub fn next_delayed(&self, due: impl Fn(&Page) -> Timestamp) -> Option<(Timestamp, PageId)> {
        let reading = self.reading.range(Shelf::Delayed.numbers());
        let under_way = reading.clone().filter(|(_, next_try)| **next_try == Timestamp::NEVER).count();
        if under_way >= READS_MAX {
            return None;
        }
        let ahead = |id: &PageId| Timestamp::from_millis(due(&self.pages[id]).millis().saturating_sub(AHEAD_MS));
        let free = self.delayed.iter().find(|(_, id)| !self.reading.contains_key(id));
        let free = free.map(|(_, id)| (ahead(id), *id));
        let again = reading.filter(|(_, next_try)| **next_try != Timestamp::NEVER);
        let again = again.map(|(id, next_try)| (ahead(id).max(*next_try), *id));
        free.into_iter().chain(again).min()
    }

    /// Returns when the newest of all delayed messages on pages was sent.
    pub fn newest_delayed(&self) -> Option<Timestamp> {
        self.shelf(Shelf::Delayed).map(|(_, page)| page.newest).max()
    }

    fn shelf(&self, shelf: Shelf) -> impl DoubleEndedIterator<Item = (PageId, &Page)> {
        self.pages.range(shelf.numbers()).map(|(&id, page)| (id, page))
    }

    /// Returns a page.
    pub fn get(&self, id: PageId) -> Option<&Page> {
        self.pages.get(&id)
    }

    /// Lists all pages in order.
    pub fn pages(&self) -> impl Iterator<Item = (PageId, &Page)> {
        self.pages.iter().map(|(&id, page)| (id, page))
    }

    /// Returns the number for a page of the line before all others.
    pub fn before(&self) -> PageId {
        self.first().map_or(PageId(MIDDLE), |(id, _)| PageId(id.0 - 1))
    }

    /// Returns the number for a page of the line after all others.
    pub fn after(&self) -> PageId {
        self.shelf(Shelf::Line).next_back().map_or(PageId(MIDDLE), |(id, _)| PageId(id.0 + 1))
    }

    /// Returns a free number for a page of another shelf, on which the numbers mean no order.
    pub fn free(&self, shelf: Shelf) -> PageId {
        self.shelf(shelf).next_back().map_or(*shelf.numbers().start(), |(id, _)| PageId(id.0 + 1))
    }

    /// Adds a page, or replaces it.
    pub fn put(&mut self, id: PageId, page: Page) {
        self.remove(id);
        self.by_age.insert((page.oldest, id));
        self.ledger.add_page(&page);
        if let Some((low, high)) = page.received {
            self.received.entry(class(low, high)).or_default().insert((low, id), high);
        }
        self.line += usize::from(id.shelf() == Shelf::Line);
        match id.shelf() {
            Shelf::Line | Shelf::Lane => self.messages += u64::from(page.count),
            Shelf::Delayed => {
                self.delayed.insert((page.urgency(), id));
                self.delayed_messages += u64::from(page.count);
            }
        }
        self.pages.insert(id, page);
    }

    /// Removes a page if it is there, and returns it.
    pub fn remove(&mut self, id: PageId) -> Option<Page> {
        self.reading.remove(&id);
        let page = self.pages.remove(&id)?;
        self.ledger.remove_page(&page);
        self.by_age.remove(&(page.oldest, id));
        if let Some((low, high)) = page.received {
            let class = class(low, high);
            let ranges = self.received.get_mut(&class).expect("the page has a range");
            ranges.remove(&(low, id));
            if ranges.is_empty() {
                self.received.remove(&class);
            }
        }
        self.line -= usize::from(id.shelf() == Shelf::Line);
        match id.shelf() {
            Shelf::Line | Shelf::Lane => self.messages -= u64::from(page.count),
            Shelf::Delayed => {
                self.delayed.remove(&(page.urgency(), id));
                self.delayed_messages -= u64::from(page.count);
            }
        }
        Some(page)
    }

    /// Notes that no page is needed any more.
    pub(crate) fn disown(&mut self) {
        self.pages.values().for_each(|page| self.ledger.remove_page(page));
    }

    /// Lists the pages on which a received message with this key could be.
    pub fn holding(&self, key: MessageKey) -> impl Iterator<Item = PageId> + '_ {
        self.received.iter().flat_map(move |(class, ranges)| {
            let earliest = MessageKey(key.0.saturating_sub((2 << class) - 1));
            let begun = ranges.range((earliest, PageId(0))..=(key, PageId(u64::MAX)));
            begun.filter(move |(_, high)| key <= **high).map(|((_, id), _)| *id)
        })
    }

    /// Returns the page that is to be looked at first for what the retention ends, and when.
    pub fn next_expiry(&self, retention_seconds: u32) -> Option<(Timestamp, PageId)> {
        let free = self.by_age.iter().find(|(_, id)| !self.reading.contains_key(id));
        let free = free.map(|(sent, id)| (sent.plus_seconds(retention_seconds), *id));
        let again = self.reading.iter().filter(|(_, next_try)| **next_try != Timestamp::NEVER);
        let again = again.map(|(id, next_try)| {
            let due = self.pages[id].oldest.plus_seconds(retention_seconds);
            (due.max(*next_try), *id)
        });
        free.into_iter().chain(again).min()
    }

    /// Returns the page with the oldest message of all.
    pub fn oldest_of_all(&self) -> Option<(Timestamp, PageId)> {
        self.by_age.first().copied()
    }

    /// Notes that a page is being read, or that its next read has to wait until then.
    pub fn read_again(&mut self, id: PageId, next_try: Timestamp) {
        if self.pages.contains_key(&id) {
            self.reading.insert(id, next_try);
        }
    }

    /// Notes that a page was read.
    pub fn was_read(&mut self, id: PageId) {
        self.reading.remove(&id);
    }
}

/// Returns the class of a range of keys: the power of two that its width reaches.
fn class(low: MessageKey, high: MessageKey) -> u32 {
    // One less than 64 bits can hold, so that twice the width of a class is a number too.
    (high.0 - low.0).max(1).ilog2().min(62)
}

#[cfg(test)]
mod tests;
