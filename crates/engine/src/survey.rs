//! What a state refers to in the journal, for whoever checks that it is there.

use crate::engine::Engine;
use crate::event::ColdMessage;
use crate::ids::{ContentAddress, GroupKey, MessageKey, PageId};
use crate::queue::Queue;
use crate::queue::cold::Page;
use crate::queue::message::Message;

impl Queue {
    /// Lists the messages in memory, in the order in which their contents lie in the journal.
    pub fn in_memory(&self) -> Vec<(MessageKey, &Message)> {
        let mut messages: Vec<_> = self.messages.iter().map(|(key, message)| (*key, message)).collect();
        messages.sort_unstable_by_key(|(_, message)| (message.content.position, message.content.offset));
        messages
    }

    /// Returns the group of a message in memory; `None` if it has none or is not in memory.
    pub fn group(&self, key: MessageKey) -> Option<GroupKey> {
        self.messages.get(&key)?.group
    }

    /// Lists the pages, first to be served first.
    pub fn pages(&self) -> impl Iterator<Item = (PageId, &Page)> {
        self.cold.pages()
    }
}

impl Engine {
    /// Lists where deduplication ids are filed that are not in memory.
    pub fn filed_originals(&self) -> impl Iterator<Item = ContentAddress> {
        self.originals.chunks().1.map(|chunk| chunk.content)
    }
}

impl Page {
    /// Tells whether these are the messages that this page says it lists.
    pub fn agrees_with(&self, messages: &[ColdMessage]) -> bool {
        let sent = || messages.iter().map(|message| message.sent_at);
        messages.len() == self.count as usize && (sent().min(), sent().max()) == (Some(self.oldest), Some(self.newest))
    }
}
