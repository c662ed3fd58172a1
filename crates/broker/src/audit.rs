//! Reading everything that a shard's state refers to, as its consumers would.

use stanchion_engine::Engine;
use stanchion_engine::event::codec;
use stanchion_engine::ids::ContentAddress;
use stanchion_journal::inspect::Archive;
use stanchion_journal::{Fault, Position, ShardId};
use stanchion_types::{MessageId, QueueArn};

use crate::content;
use crate::driver::address;

/// What an audit has read so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Audit {
    /// Queues looked at.
    pub queues: u64,
    /// Messages that can be delivered.
    pub messages: u64,
    /// Pages that can be read.
    pub pages: u64,
    /// Bytes of contents and lists that were read.
    pub bytes: u64,
}

/// Something that an audit could not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// A part of a queue.
    Part(Unreadable),
    /// Deduplication ids of the last five minutes: a message that is sent again now may not be recognized.
    Originals(Fault),
}

/// A part of a queue that could not be delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// The queue.
    pub queue: QueueArn,
    /// Which part of it.
    pub part: Part,
    /// Why not.
    pub why: Fault,
}

/// A part of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// A message.
    Message(MessageId),
    /// A list of messages; which they are is known to nothing else.
    Page {
        /// How many messages it lists.
        messages: u32,
    },
}

/// Reads every list and every content that the queues refer to, a page at a time, and reports what cannot be read.
///
/// `progress` is told after each page and each queue.
pub fn audit(
    engine: &Engine,
    shard: ShardId,
    archive: &mut Archive,
    progress: &mut dyn FnMut(&Audit),
    found: &mut dyn FnMut(Found),
) -> Audit {
    let mut audit = Audit::default();
    for chunk in engine.filed_originals() {
        match archive.read(shard, address(chunk)) {
            Ok(bytes) => audit.bytes += bytes.len() as u64,
            Err(why) => found(Found::Originals(why)),
        }
    }
    for queue in engine.all_queues() {
        let mut report = |part, why| found(Found::Part(Unreadable { queue: queue.arn().clone(), part, why }));
        for (_, message) in queue.in_memory() {
            match audit.message(archive, shard, message.content) {
                Ok(()) => audit.messages += 1,
                Err(why) => report(Part::Message(message.id), why),
            }
        }
        for (_, page) in queue.pages() {
            let read = read_page(archive, shard, page.list).and_then(|messages| {
                let agree = page.agrees_with(&messages);
                if agree { Ok(messages) } else { Err(unreadable(shard, page.list, "it is another list")) }
            });
            match read {
                Ok(messages) => {
                    audit.pages += 1;
                    audit.bytes += u64::from(page.list.length);
                    for message in messages {
                        match audit.message(archive, shard, message.content) {
                            Ok(()) => audit.messages += 1,
                            Err(why) => report(Part::Message(message.id), why),
                        }
                    }
                }
                Err(why) => report(Part::Page { messages: page.count }, why),
            }
            progress(&audit);
        }
        audit.queues += 1;
        progress(&audit);
    }
    audit
}

impl Audit {
    fn message(&mut self, archive: &mut Archive, shard: ShardId, at: ContentAddress) -> Result<(), Fault> {
        let bytes = read_content(archive, shard, at)?;
        self.bytes += bytes.len() as u64;
        Ok(())
    }
}

/// Reads the content of a message and makes sure that it is one.
pub(crate) fn read_content(archive: &mut Archive, shard: ShardId, at: ContentAddress) -> Result<bytes::Bytes, Fault> {
    let bytes = archive.read(shard, address(at))?;
    match content::check(&bytes) {
        Ok(()) => Ok(bytes),
        Err(damage) => Err(unreadable(shard, at, damage)),
    }
}

/// Reads the list of a page.
pub(crate) fn read_page(
    archive: &mut Archive,
    shard: ShardId,
    at: ContentAddress,
) -> Result<Vec<stanchion_engine::event::ColdMessage>, Fault> {
    let bytes = archive.read(shard, address(at))?;
    codec::decode_page(&bytes).map_err(|damage| unreadable(shard, at, damage))
}

fn unreadable(shard: ShardId, at: ContentAddress, reason: impl ToString) -> Fault {
    Fault::Unreadable { shard, position: Position(at.position), reason: reason.to_string() }
}
