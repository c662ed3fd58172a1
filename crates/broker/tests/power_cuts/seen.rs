//! All that is there after a start, read from the state of the shard and from the journal, whoever can receive it.

use std::collections::BTreeMap;
use std::sync::mpsc;

use bytes::Bytes;
use stanchion_broker::{Carried, Restored, restore};
use stanchion_engine::Queue;
use stanchion_engine::event::ColdMessage;
use stanchion_engine::event::codec::decode_page;
use stanchion_engine::ids::ContentAddress;
use stanchion_engine::queue::listing::Standing;
use stanchion_journal::{Address, Journal, Local, Position, ShardId};

use crate::server::{self, PATIENCE};

/// What is there.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) queues: BTreeMap<String, SeenQueue>,
    /// Position of the snapshot that the start began with.
    pub(crate) snapshot: u64,
    /// Messages that were listed by pages.
    pub(crate) on_pages: u64,
}

#[derive(Clone, Debug)]
pub(crate) struct SeenQueue {
    pub(crate) visibility: u32,
    pub(crate) tag: String,
    /// In the order of the queue.
    pub(crate) messages: Vec<Carried>,
}

impl Seen {
    /// Reads everything.
    ///
    /// # Errors
    /// What cannot be read.
    pub(crate) fn read(journal: &Local) -> Result<Seen, String> {
        let restored = restore(journal, ShardId(0), server::options().shard).map_err(|error| error.to_string())?;
        let Restored { shard, snapshot, .. } = restored;
        let mut seen = Seen { snapshot, ..Seen::default() };
        for queue in shard.engine().all_queues() {
            let messages = seen.messages(journal, queue).map_err(|why| format!("{}: {why}", queue.arn()))?;
            let tag = queue.tags().get(server::TAG).cloned().unwrap_or_default();
            let read = SeenQueue { visibility: queue.attributes().visibility_seconds, tag, messages };
            seen.queues.insert(queue.arn().name.as_str().to_owned(), read);
        }
        Ok(seen)
    }

    fn messages(&mut self, journal: &Local, queue: &Queue) -> Result<Vec<Carried>, String> {
        let mut listed = queue.listed_in_memory();
        for (_, page) in queue.pages() {
            let list = fetch(journal, page.list)?;
            let messages = decode_page(&list).map_err(|damage| damage.to_string())?;
            self.on_pages += messages.len() as u64;
            listed.extend(messages.into_iter().map(|message| {
                let standing = queue.standing_on_page(&message);
                (message, standing)
            }));
        }
        listed.sort_by_key(|(message, _)| message.order);
        let carried = |(message, standing): (ColdMessage, Standing)| {
            let bytes = fetch(journal, message.content)?;
            Carried::read(&message, standing, queue.is_fifo(), &bytes)
        };
        listed.into_iter().map(carried).collect()
    }

    /// Lists all messages, each with the name of its queue.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&str, &Carried)> {
        self.queues.iter().flat_map(|(name, queue)| queue.messages.iter().map(move |one| (name.as_str(), one)))
    }
}

fn fetch(journal: &Local, at: ContentAddress) -> Result<Bytes, String> {
    let (sender, receiver) = mpsc::channel();
    let address = Address { position: Position(at.position), offset: at.offset, length: at.length };
    journal.fetch(ShardId(0), vec![address], Box::new(move |answer| _ = sender.send(answer)));
    let answer = receiver.recv_timeout(PATIENCE).map_err(|_| format!("nothing was read at {at:?}"))?;
    answer.map(|mut pieces| pieces.remove(0)).map_err(|fault| fault.to_string())
}
