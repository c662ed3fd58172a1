//! What of a part of the journal is needed, so that it can be moved and the part be forgotten.

use std::ops::RangeInclusive;

use crate::engine::Engine;
use crate::ids::{ChunkId, ContentAddress, MessageKey, PageId, QueueId};

/// Something that needs a part of the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Survivor {
    /// A message in memory, by its content.
    Message {
        /// Its queue.
        queue: QueueId,
        /// Its key.
        key: MessageKey,
        /// Where its content is.
        content: ContentAddress,
    },
    /// A page, by its list or by the content of a message on it.
    Page {
        /// Its queue.
        queue: QueueId,
        /// The page.
        page: PageId,
    },
    /// A chunk of deduplication ids.
    Chunk(ChunkId),
}

impl Engine {
    /// Lists what needs a record in a range of positions, which begins and ends with a bucket: of the queues from one on,
    /// until about so many messages and pages were looked at. Returns the queue to go on with, if any is left.
    pub fn survivors(
        &self,
        range: &RangeInclusive<u64>,
        from: QueueId,
        lines: usize,
    ) -> (Vec<Survivor>, Option<QueueId>) {
        let mut found = Vec::new();
        let mut looked_at = 0;
        for id in from.0..=self.last_queue {
            if looked_at >= lines {
                return (found, Some(QueueId(id)));
            }
            // Even a number whose queue is gone costs something.
            looked_at += 1;
            let Some(queue) = self.queue(QueueId(id)) else { continue };
            looked_at += queue.messages.len() + queue.cold.count();
            let before = found.len();
            let messages = queue.messages.iter().filter(|(_, message)| range.contains(&message.content.position));
            found.extend(messages.map(|(&key, message)| Survivor::Message {
                queue: queue.id,
                key,
                content: message.content,
            }));
            // The order of a hash map follows its history, which a snapshot forgets.
            found[before..].sort_unstable_by_key(|survivor| match survivor {
                Survivor::Message { key, content, .. } => (content.position, key.0),
                Survivor::Page { page, .. } => (u64::MAX, page.0),
                Survivor::Chunk(chunk) => (u64::MAX, chunk.0),
            });
            let pages = queue.cold.pages().filter(|(_, page)| {
                range.contains(&page.list.position) || page.contents.iter().any(|(bucket, _)| range.contains(bucket))
            });
            found.extend(pages.map(|(page, _)| Survivor::Page { queue: queue.id, page }));
        }
        (found, None)
    }

    /// Lists the chunks of deduplication ids in a range of positions.
    pub fn chunks_in(&self, range: &RangeInclusive<u64>) -> Vec<Survivor> {
        let (first, chunks) = self.originals.chunks();
        let there = chunks.enumerate().filter(|(_, chunk)| range.contains(&chunk.content.position));
        there.map(|(place, _)| Survivor::Chunk(ChunkId(first.0 + place as u64))).collect()
    }

    /// Returns where a chunk of deduplication ids is; `None` if it is gone.
    pub fn chunk_content(&self, chunk: ChunkId) -> Option<ContentAddress> {
        self.originals.content_of(chunk)
    }

    /// Returns where the content of a message in memory is; `None` if the message is not in memory.
    pub fn content_of(&self, queue: QueueId, key: MessageKey) -> Option<ContentAddress> {
        self.queue(queue)?.messages.get(&key).map(|message| message.content)
    }

    /// Returns where the list of a page is; `None` if the page is gone.
    pub fn list_of(&self, queue: QueueId, page: PageId) -> Option<ContentAddress> {
        self.queue(queue)?.cold.get(page).map(|page| page.list)
    }
}
