//! The part of a queue that is only on disk: pages, each a list of messages in the journal.
//!
//! ```text
//! first page | page | page | last page      served from the left
//!    ^ the window's far end returns here        ^ the tail goes here
//! ```
//!
//! In memory a page costs some hundred bytes, whatever it lists. A page enters or leaves memory whole, by an event
//! that carries the list, so replay never reads one.

use std::collections::{BTreeMap, BTreeSet};

use stanchion_types::Timestamp;

use crate::event::ColdMessage;
use crate::ids::{ContentAddress, MessageKey, PageId};
use crate::usage::{Ledger, Usage, contents_by_bucket};

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
        }
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
    messages: u64,
    /// What the journal holds for these pages.
    pub(crate) ledger: Ledger,
}

impl Cold {
    /// Tells whether there are no pages.
    pub fn is_empty(&self) -> bool {
        self.pages.is_empty()
    }

    /// Returns the number of messages on all pages.
    pub fn messages(&self) -> u64 {
        self.messages
    }

    /// Returns the page to be served first.
    pub fn first(&self) -> Option<(PageId, &Page)> {
        self.pages.first_key_value().map(|(&id, page)| (id, page))
    }

    /// Returns a page.
    pub fn get(&self, id: PageId) -> Option<&Page> {
        self.pages.get(&id)
    }

    /// Lists all pages in order.
    pub fn pages(&self) -> impl Iterator<Item = (PageId, &Page)> {
        self.pages.iter().map(|(&id, page)| (id, page))
    }

    /// Returns the number for a page before all others.
    pub fn before(&self) -> PageId {
        self.pages.first_key_value().map_or(PageId(MIDDLE), |(id, _)| PageId(id.0 - 1))
    }

    /// Returns the number for a page after all others.
    pub fn after(&self) -> PageId {
        self.pages.last_key_value().map_or(PageId(MIDDLE), |(id, _)| PageId(id.0 + 1))
    }

    /// Adds a page, or replaces it.
    pub fn put(&mut self, id: PageId, page: Page) {
        self.remove(id);
        self.by_age.insert((page.oldest, id));
        self.messages += u64::from(page.count);
        self.ledger.add_page(&page);
        self.pages.insert(id, page);
    }

    /// Removes a page if it is there.
    pub fn remove(&mut self, id: PageId) {
        self.reading.remove(&id);
        if let Some(page) = self.pages.remove(&id) {
            self.by_age.remove(&(page.oldest, id));
            self.messages -= u64::from(page.count);
            self.ledger.remove_page(&page);
        }
    }

    /// Notes that no page is needed any more.
    pub(crate) fn disown(&mut self) {
        self.pages.values().for_each(|page| self.ledger.remove_page(page));
    }

    /// Lists the pages on which a received message with this key could be.
    pub fn holding(&self, key: MessageKey) -> impl Iterator<Item = PageId> + '_ {
        let holds = move |page: &Page| page.received.is_some_and(|(low, high)| (low..=high).contains(&key));
        self.pages.iter().filter(move |(_, page)| holds(page)).map(|(&id, _)| id)
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
