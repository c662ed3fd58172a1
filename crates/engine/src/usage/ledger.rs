//! What a queue, or what remembers deduplication ids, gained and lost, until the shard's accounting takes it over.

use crate::event::ColdMessage;
use crate::ids::ContentAddress;
use crate::queue::cold::Page;
use crate::usage::MESSAGE_BYTES;

/// Entries from which on the memory of a ledger is given back when it has been settled.
const ENTRIES_KEPT: usize = 16;

/// Positions of the journal, and how many bytes more or less are needed there.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger {
    entries: Vec<(u64, i64)>,
}

impl Ledger {
    /// Notes bytes that are needed from now on.
    pub(crate) fn add(&mut self, position: u64, bytes: u64) {
        self.entries.push((position, bytes as i64));
    }

    /// Notes bytes that are needed no more.
    pub(crate) fn remove(&mut self, position: u64, bytes: u64) {
        self.entries.push((position, -(bytes as i64)));
    }

    /// Notes the content of a message that enters memory.
    pub(crate) fn add_content(&mut self, content: ContentAddress) {
        self.add(content.position, content_bytes(content));
    }

    /// Notes the content of a message that leaves memory.
    pub(crate) fn remove_content(&mut self, content: ContentAddress) {
        self.remove(content.position, content_bytes(content));
    }

    /// Notes a page with all that it lists.
    pub(crate) fn add_page(&mut self, page: &Page) {
        self.add(page.list.position, u64::from(page.list.length));
        page.contents.iter().for_each(|(bucket, bytes)| self.add(*bucket, *bytes));
    }

    /// Notes that a page is no more, with all that it lists.
    pub(crate) fn remove_page(&mut self, page: &Page) {
        self.remove(page.list.position, u64::from(page.list.length));
        page.contents.iter().for_each(|(bucket, bytes)| self.remove(*bucket, *bytes));
    }

    /// Hands over all entries in order.
    pub(crate) fn drain<E>(&mut self, mut take: impl FnMut(u64, i64) -> Result<(), E>) -> Result<(), E> {
        for (position, change) in self.entries.drain(..) {
            take(position, change)?;
        }
        if self.entries.capacity() > ENTRIES_KEPT {
            self.entries = Vec::new();
        }
        Ok(())
    }
}

/// Returns the bytes that a content keeps alive.
pub(crate) fn content_bytes(content: ContentAddress) -> u64 {
    u64::from(content.length) + MESSAGE_BYTES
}

/// Sums up the contents of messages by bucket, in order.
pub(crate) fn contents_by_bucket(messages: &[ColdMessage], bucket: impl Fn(u64) -> u64) -> Box<[(u64, u64)]> {
    let mut sums: Vec<(u64, u64)> = Vec::new();
    for message in messages {
        let bucket = bucket(message.content.position);
        let bytes = content_bytes(message.content);
        match sums.binary_search_by_key(&bucket, |(first, _)| *first) {
            Ok(at) => sums[at].1 += bytes,
            Err(at) => sums.insert(at, (bucket, bytes)),
        }
    }
    sums.into_boxed_slice()
}
