//! Bytes of messages that the shard or a caller needs back from the journal.

use bytes::Bytes;
use stanchion_engine::ids::ContentAddress;
use stanchion_journal::{Address, Fault, Position, Room};
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

    /// Reads what is to be moved; what comes of it goes to the pump. What is in memory comes without a detour to the disk,
    /// but not at once: nobody waits for it.
    pub(super) fn load_all(&self, read: ReadId, contents: &[ContentAddress]) {
        let notes = self.notes.clone();
        if self.journal.room() == Room::Full {
            // To move is to write first. What is left of the disk is for deletions.
            return notes.leave(|inbox| inbox.fetched.push((read, None)));
        }
        let cached: Option<Vec<Bytes>> =
            contents.iter().map(|content| self.journal.cached(self.id, address(*content))).collect();
        if cached.is_some() {
            return notes.leave(|inbox| inbox.fetched.push((read, cached)));
        }
        let done = move |result: Result<Vec<Bytes>, Fault>| {
            let pieces = result.map_err(|fault| Failure::report("read what is to be moved", fault)).ok();
            notes.leave(|inbox| inbox.fetched.push((read, pieces)));
        };
        self.journal.fetch(self.id, contents.iter().copied().map(address).collect(), Box::new(done));
    }

    /// Reads contents, from memory where they are there, in the order asked for. Each that cannot be read fails alone.
    pub(crate) async fn contents(&self, wanted: &[ContentAddress]) -> Vec<Result<Bytes, Failure>> {
        let addresses: Vec<Address> = wanted.iter().copied().map(address).collect();
        let mut found = self.journal.at_hand(self.id, &addresses);
        let is_missing = |piece: &Option<Bytes>| piece.is_none();
        let missing: Vec<Address> =
            addresses.iter().zip(&found).filter(|(_, piece)| is_missing(piece)).map(|(at, _)| *at).collect();
        if !missing.is_empty()
            && let Ok(pieces) = self.fetch(missing).await
        {
            found
                .iter_mut()
                .filter(|piece| is_missing(piece))
                .zip(pieces)
                .for_each(|(piece, bytes)| *piece = Some(bytes));
        }
        // One fault fails a whole fetch, and does not say which address it was.
        let mut contents = Vec::with_capacity(wanted.len());
        for (piece, at) in found.into_iter().zip(addresses) {
            let bytes = match piece {
                Some(bytes) => Ok(bytes),
                None => self.fetch(vec![at]).await.map(|mut bytes| bytes.pop().unwrap_or_default()),
            };
            contents.push(bytes.map_err(|reason| Failure::report("read the content of a message", reason)));
        }
        contents
    }

    async fn fetch(&self, addresses: Vec<Address>) -> Result<Vec<Bytes>, String> {
        let (count, (sender, done)) = (addresses.len(), oneshot::channel());
        self.journal.fetch(self.id, addresses, Box::new(move |result| _ = sender.send(result)));
        match done.await {
            Ok(Ok(fetched)) if fetched.len() == count => Ok(fetched),
            Ok(Ok(_)) => Err("the journal left some out".to_owned()),
            Ok(Err(fault)) => Err(fault.to_string()),
            Err(_) => Err("the journal gave no answer".to_owned()),
        }
    }
}

/// Returns the journal's words for where a content is.
pub(crate) fn address(content: ContentAddress) -> Address {
    Address { position: Position(content.position), offset: content.offset, length: content.length }
}
