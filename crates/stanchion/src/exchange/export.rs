//! Writing lines from an image of a journal.
//!
//! The state of the queues is brought back as a start would; it is as large as a server's memory. Pages and contents
//! are read one after the other, so the backlog does not matter.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::io::{self, Write};

use bytes::Bytes;
use stanchion_broker::{Carried, OpenError};
use stanchion_engine::Queue;
use stanchion_engine::event::ColdMessage;
use stanchion_engine::event::codec::decode_page;
use stanchion_engine::ids::ContentAddress;
use stanchion_engine::queue::listing::Standing;
use stanchion_journal::local::Image;
use stanchion_journal::{Fault, Position, ShardId};
use stanchion_shard::Shard;
use stanchion_types::attributes::AttributeName;

use super::line::{MessageLine, QueueLine};

/// Why an export ended.
#[derive(Debug)]
pub(crate) enum ExportError {
    /// The journal cannot be read.
    Journal(Fault),
    /// The state cannot be brought back.
    Open(OpenError),
    /// The bytes of a message make no sense.
    Message(String),
    /// The lines cannot be written.
    Output(io::Error),
    /// There is no such queue.
    NoQueue(String),
}

impl fmt::Display for ExportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ExportError::Journal(fault) => fault.fmt(f),
            ExportError::Open(error) => error.fmt(f),
            ExportError::Message(text) => f.write_str(text),
            ExportError::Output(error) => write!(f, "cannot write the lines: {error}"),
            ExportError::NoQueue(name) => write!(f, "there is no queue {name}"),
        }
    }
}

impl From<Fault> for ExportError {
    fn from(fault: Fault) -> Self {
        ExportError::Journal(fault)
    }
}

impl From<io::Error> for ExportError {
    fn from(error: io::Error) -> Self {
        ExportError::Output(error)
    }
}

/// What was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Written {
    pub(crate) queues: u64,
    pub(crate) messages: u64,
}

/// What opens the content of a message that is sealed under a key of its queue, and returns any other as it is.
pub(crate) type Open<'a> = &'a mut dyn FnMut(Bytes) -> Result<Bytes, String>;

/// Writes the queues of these names, or all of them if there are none; first a line for each queue, then the messages
/// of one queue after the other, each in the order of the queue.
///
/// # Errors
/// What keeps the lines from being complete; then those before it have been written.
pub(crate) fn export(
    image: &mut Image,
    options: &stanchion_shard::Options,
    names: &[String],
    open: Open<'_>,
    out: &mut dyn Write,
    progress: &mut dyn FnMut(Written),
) -> Result<Written, ExportError> {
    let mut shards = Vec::new();
    for (id, _) in image.shards() {
        let restored = stanchion_broker::restore_image(image, id, options.clone()).map_err(ExportError::Open)?;
        shards.push((id, restored.shard));
    }
    let wanted: BTreeSet<&str> = names.iter().map(String::as_str).collect();
    let chosen: Vec<(ShardId, &Queue)> = shards
        .iter()
        .flat_map(|(id, shard): &(ShardId, Shard)| shard.engine().all_queues().map(|queue| (*id, queue)))
        .filter(|(_, queue)| wanted.is_empty() || wanted.contains(queue.arn().name.as_str()))
        .collect();
    let found: BTreeSet<&str> = chosen.iter().map(|(_, queue)| queue.arn().name.as_str()).collect();
    if let Some(missing) = wanted.difference(&found).next() {
        return Err(ExportError::NoQueue((*missing).to_owned()));
    }
    let mut written = Written::default();
    for (_, queue) in &chosen {
        put(out, &queue_line(queue))?;
        written.queues += 1;
    }
    for (shard, queue) in chosen {
        let mut memory = queue.listed_in_memory().into_iter().peekable();
        let mut pages = Pages::of(queue);
        while let Some(message) = pages.next(image, shard)? {
            while let Some((message, standing)) = memory.next_if(|(kept, _)| kept.order < message.order) {
                write_message(image, shard, queue, &message, standing, open, out)?;
                written.messages += 1;
            }
            let standing = queue.standing_on_page(&message);
            write_message(image, shard, queue, &message, standing, open, out)?;
            written.messages += 1;
            progress(written);
        }
        for (message, standing) in memory {
            write_message(image, shard, queue, &message, standing, open, out)?;
            written.messages += 1;
            progress(written);
        }
    }
    out.flush()?;
    Ok(written)
}

/// The messages on the pages of a queue.
///
/// On a FIFO queue they come in the order of the queue. Its pages lie one behind the other but for a few that overlap,
/// so merging them takes little memory. On a standard queue, where the pages of delayed messages overlap at will and
/// the order is no promise, they come page by page.
struct Pages {
    /// The first place in the order that a page lists, and where its list is.
    unread: VecDeque<(u64, ContentAddress)>,
    read: BTreeMap<u64, ColdMessage>,
    fifo: bool,
}

impl Pages {
    fn of(queue: &Queue) -> Pages {
        let mut unread: Vec<_> = queue.pages().map(|(_, page)| (page.first, page.list)).collect();
        let fifo = queue.is_fifo();
        if fifo {
            unread.sort_by_key(|(first, _)| *first);
        }
        Pages { unread: unread.into(), read: BTreeMap::new(), fifo }
    }

    fn next(&mut self, image: &mut Image, shard: ShardId) -> Result<Option<ColdMessage>, ExportError> {
        while let Some(&(first, list)) = self.unread.front() {
            let comes_first = |order: u64| self.fifo && first <= order;
            if !self.read.first_key_value().is_none_or(|(&order, _)| comes_first(order)) {
                break;
            }
            self.unread.pop_front();
            let bytes = read(image, shard, list)?;
            let page = decode_page(&bytes).map_err(|damage| ExportError::Message(damage.to_string()))?;
            self.read.extend(page.into_iter().map(|message| (message.order, message)));
        }
        Ok(self.read.pop_first().map(|(_, message)| message))
    }
}

fn queue_line(queue: &Queue) -> QueueLine {
    let seconds = |at: stanchion_types::Timestamp| at.seconds().to_string();
    let rendered = stanchion_wire::attributes::render(queue.attributes());
    let mut attributes: BTreeMap<String, String> =
        rendered.into_iter().map(|(name, value)| (name.name().to_owned(), value)).collect();
    attributes.insert(AttributeName::CreatedTimestamp.name().to_owned(), seconds(queue.created()));
    attributes.insert(AttributeName::LastModifiedTimestamp.name().to_owned(), seconds(queue.modified()));
    QueueLine {
        queue_name: queue.arn().name.as_str().to_owned(),
        queue_arn: Some(queue.arn().to_string()),
        attributes,
        tags: queue.tags().clone(),
    }
}

fn write_message(
    image: &mut Image,
    shard: ShardId,
    queue: &Queue,
    message: &ColdMessage,
    standing: Standing,
    open: Open<'_>,
    out: &mut dyn Write,
) -> Result<(), ExportError> {
    let bytes = read(image, shard, message.content)?;
    let bytes = open(bytes).map_err(|why| ExportError::Message(format!("message {}: {why}", message.id)))?;
    let carried = Carried::read(message, standing, queue.is_fifo(), &bytes).map_err(ExportError::Message)?;
    put(out, &MessageLine::new(&queue.arn().name, &carried))
}

fn put(out: &mut dyn Write, line: &impl serde::Serialize) -> Result<(), ExportError> {
    let mut text = serde_json::to_vec(line).map_err(io::Error::from)?;
    text.push(b'\n');
    out.write_all(&text)?;
    Ok(())
}

fn read(image: &mut Image, shard: ShardId, at: ContentAddress) -> Result<Bytes, ExportError> {
    let position = Position(at.position);
    let payload = image.record(shard, position)?.payload;
    let range = at.offset as usize..at.offset as usize + at.length as usize;
    if range.end > payload.len() {
        let reason = format!("it has no bytes {} to {}", range.start, range.end);
        return Err(Fault::Unreadable { shard, position, reason }.into());
    }
    Ok(payload.slice(range))
}

#[cfg(test)]
mod tests;
