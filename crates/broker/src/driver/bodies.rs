//! Bytes of messages that the shard or a caller needs back from the journal.

use bytes::Bytes;
use stanchion_engine::ids::ContentAddress;
use stanchion_journal::{Address, Fault, Position};
use stanchion_shard::ReadId;
use tokio::sync::oneshot;

use super::Driver;
use crate::failure::Failure;

impl Driver {
    /// Reads a page; what comes of it goes to the pump.
    pub(super) fn load(&self, read: ReadId, content: ContentAddress) {
        let notes = self.notes.clone();
        let done = move |result: Result<Vec<Bytes>, Fault>| {
            let bytes = match result {
                Ok(mut pieces) => pieces.pop(),
                Err(fault) => {
                    Failure::report("read a page of messages", fault);
                    None
                }
            };
            notes.leave(|inbox| inbox.loaded.push((read, bytes)));
        };
        self.journal.fetch(self.id, vec![address(content)], Box::new(done));
    }

    /// Reads contents, from memory where they are there, in the order asked for.
    pub(crate) async fn contents(&self, wanted: &[ContentAddress]) -> Result<Vec<Bytes>, Failure> {
        let mut contents = Vec::with_capacity(wanted.len());
        let mut missing = Vec::new();
        for (index, &content) in wanted.iter().enumerate() {
            let cached = self.journal.cached(self.id, address(content));
            if cached.is_none() {
                missing.push((index, address(content)));
            }
            contents.push(cached.unwrap_or_default());
        }
        if missing.is_empty() {
            return Ok(contents);
        }
        let (sender, done) = oneshot::channel();
        let addresses = missing.iter().map(|&(_, address)| address).collect();
        self.journal.fetch(self.id, addresses, Box::new(move |result| _ = sender.send(result)));
        let fetched = match done.await {
            Ok(Ok(fetched)) if fetched.len() == missing.len() => fetched,
            Ok(Ok(_)) => return Err(Failure::report("read message contents", "the journal left some out")),
            Ok(Err(fault)) => return Err(Failure::report("read message contents", fault)),
            Err(_) => return Err(Failure::report("read message contents", "the journal gave no answer")),
        };
        for ((index, _), bytes) in missing.into_iter().zip(fetched) {
            contents[index] = bytes;
        }
        Ok(contents)
    }
}

/// Returns the journal's words for where a content is.
pub(super) fn address(content: ContentAddress) -> Address {
    Address { position: Position(content.position), offset: content.offset, length: content.length }
}
