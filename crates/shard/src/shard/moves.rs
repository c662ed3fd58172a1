//! Moving survivors: the steps of a sweep, with the shard's own state.

use bytes::Bytes;
use stanchion_engine::event::{ColdMessage, Event, codec};
use stanchion_engine::ids::{ChunkId, ContentAddress, MessageKey, PageId, QueueId};

use super::Shard;
use crate::ReadId;
use crate::sweep::Step;

impl Shard {
    /// Begins the next step of the sweep, if it is time for one.
    pub(super) fn sweep(&mut self) {
        if self.draining {
            return self.sweep.pause();
        }
        if let Some(step) = self.sweep.next(&self.engine, self.now) {
            self.fetch(step);
        }
    }

    fn fetch(&mut self, step: Step) {
        let read = self.reads.fresh();
        self.turn.fetches.push((read, step.addresses()));
        self.sweep.started(read, step);
    }

    /// Goes on with a step whose bytes have come.
    pub(super) fn fetched(&mut self, read: ReadId, pieces: Option<Vec<Bytes>>) {
        let Some(step) = self.sweep.take(read) else { return };
        let Some(pieces) = pieces.filter(|pieces| pieces.len() == step.addresses().len()) else {
            return self.sweep.failed(step);
        };
        match step {
            Step::Messages(messages) => self.move_messages(&messages, pieces),
            Step::Chunk(chunk, at) => self.move_chunk(chunk, at, &pieces[0]),
            Step::List(queue, page, list) => self.move_page(queue, page, list, &pieces[0]),
            Step::Contents(queue, page, list, contents) => {
                self.move_contents(queue, page, list, contents.into_iter().zip(pieces).collect());
            }
        }
    }

    fn move_messages(&mut self, messages: &[(QueueId, MessageKey, ContentAddress)], pieces: Vec<Bytes>) {
        for (&(queue, key, at), content) in messages.iter().zip(pieces) {
            // It may have been deleted or have turned cold while it was read.
            if self.engine.content_of(queue, key) == Some(at) {
                self.apply(&[Event::Moved { queue, key, content }]);
                self.sweep.moved(self.tail + 1);
            }
        }
    }

    fn move_chunk(&mut self, chunk: ChunkId, at: ContentAddress, content: &Bytes) {
        // Its time may have ended while it was read.
        if self.engine.chunk_content(chunk) == Some(at) {
            self.apply(&[Event::Refiled { chunk, content: content.clone() }]);
            self.sweep.moved(self.tail + 1);
        }
    }

    /// Reads the contents that a page has in the part to be emptied, or just writes its list anew.
    fn move_page(&mut self, queue: QueueId, page: PageId, list: ContentAddress, bytes: &[u8]) {
        let Some(range) = self.sweep.range() else { return };
        if self.engine.list_of(queue, page) != Some(list) {
            return self.sweep.again(queue, page);
        }
        let Ok(messages) = codec::decode_page(bytes) else {
            return self.sweep.failed(Step::List(queue, page, list));
        };
        let there = messages.iter().filter(|message| range.contains(&message.content.position));
        let there: Vec<_> = there.map(|message| (message.key, message.content)).collect();
        if there.is_empty() {
            if range.contains(&list.position) {
                self.apply(&[Event::Repaged { queue, page, messages }]);
                self.sweep.moved(self.tail + 1);
            }
            return;
        }
        let fitting = self.sweep.fitting(there.iter().map(|(_, content)| *content));
        if fitting < there.len() {
            self.sweep.again(queue, page);
        }
        let contents = there[..fitting].to_vec();
        self.sweep.listed(messages);
        self.fetch(Step::Contents(queue, page, list, contents));
    }

    /// Writes contents of a page again, and the page with their new places.
    fn move_contents(
        &mut self,
        queue: QueueId,
        page: PageId,
        list: ContentAddress,
        contents: Vec<((MessageKey, ContentAddress), Bytes)>,
    ) {
        let mut messages: Vec<ColdMessage> = self.sweep.take_listed();
        if self.engine.list_of(queue, page) != Some(list) {
            return self.sweep.again(queue, page);
        }
        let mut moved = contents.into_iter().peekable();
        for message in &mut messages {
            if let Some(((key, _), content)) = moved.next_if(|((key, _), _)| *key == message.key) {
                message.content = self.apply_one(&Event::Moved { queue, key, content });
            }
        }
        assert!(moved.next().is_none(), "contents come in the order of the page");
        self.apply(&[Event::Repaged { queue, page, messages }]);
        self.sweep.moved(self.tail + 1);
    }
}
