//! Events as bytes, and back.
//!
//! A record's payload is a version byte followed by its events. Numbers are LEB128 variable-length integers; text and
//! bytes carry their length in front. The same vocabulary serves snapshots. A format, once released, is only ever
//! read: add a version, never change one.

mod attributes;
mod fields;
mod originals;

use std::fmt;

use bytes::Bytes;

pub(crate) use attributes::{get_attributes, put_attributes};
pub(crate) use fields::{Get, Put};
pub(crate) use originals::{MARK_BYTES, ORIGINAL_BYTES, find_original, get_original, put_original};
use originals::{get_originals, put_originals};

use crate::event::{ColdMessage, DeduplicationKey, Event, Receives, TaskEnd};
use crate::ids::{ChunkId, ContentAddress, DeduplicationHash, GroupKey, MessageKey, PageId, QueueId, Span, TaskId};

/// Version of the events' format, first byte of every payload.
pub const VERSION: u8 = 2;

/// Bytes that are no events of a known version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damage {
    /// What was being read.
    pub what: &'static str,
    /// How many bytes were left to read.
    pub left: usize,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unreadable {} with {} bytes left", self.what, self.left)
    }
}

impl std::error::Error for Damage {}

/// Appends an event to a payload and returns where its content is: the content of a sent message, the list of a page
/// or of a chunk.
pub fn encode(event: &Event, out: &mut Vec<u8>) -> Span {
    let mut span = Span::default();
    match event {
        Event::QueueCreated { queue, arn, attributes, tags } => {
            out.u8(1);
            out.u64(queue.0);
            out.arn(arn);
            put_attributes(attributes, out);
            out.pairs(tags);
        }
        Event::QueueDeleted { queue } => {
            out.u8(2);
            out.u64(queue.0);
        }
        Event::AttributesSet { queue, attributes } => {
            out.u8(3);
            out.u64(queue.0);
            put_attributes(attributes, out);
        }
        Event::TagsChanged { queue, set, removed } => {
            out.u8(4);
            out.u64(queue.0);
            out.pairs(set);
            out.list(removed, |out, key| out.text(key));
        }
        Event::Purged { queue } => {
            out.u8(5);
            out.u64(queue.0);
        }
        Event::Sent { queue, key, id, group, deduplication, due, content } => {
            out.u8(6);
            out.u64(queue.0);
            out.u64(key.0);
            out.id(id);
            out.option(group.as_ref(), |out, group| out.fixed64(group.0));
            out.option(deduplication.as_ref(), put_deduplication);
            out.option(due.as_ref(), |out, due| out.time(*due));
            span = put_content(content, out);
        }
        Event::Received { queue, keys, until, attempt } => {
            out.u8(7);
            out.u64(queue.0);
            out.keys(keys);
            out.time(*until);
            out.option(attempt.as_ref(), |out, attempt| out.fixed128(attempt.0));
        }
        Event::Repeated { queue, attempt, until } => {
            out.u8(8);
            out.u64(queue.0);
            out.fixed128(attempt.0);
            out.time(*until);
        }
        Event::Deleted { queue, keys } => {
            out.u8(9);
            out.u64(queue.0);
            out.keys(keys);
        }
        Event::VisibilityChanged { queue, key, until } => {
            out.u8(10);
            out.u64(queue.0);
            out.u64(key.0);
            out.time(*until);
        }
        Event::Released { queue, messages } => {
            out.u8(11);
            out.u64(queue.0);
            out.list(messages, |out, (key, order)| {
                out.u64(key.0);
                out.option(order.as_ref(), |out, order| out.u64(*order));
            });
        }
        Event::GivenBack { queue, attempt, messages } => {
            out.u8(29);
            out.u64(queue.0);
            out.option(attempt.as_ref(), |out, attempt| out.fixed128(attempt.0));
            out.list(messages, |out, (key, order)| {
                out.u64(key.0);
                out.option(order.as_ref(), |out, order| out.u64(*order));
            });
        }
        Event::Expired { queue, keys } => {
            out.u8(12);
            out.u64(queue.0);
            out.keys(keys);
        }
        Event::DeadLettered { queue, target, moves } => {
            out.u8(13);
            out.u64(queue.0);
            out.u64(target.0);
            out.list(moves, |out, (here, there)| {
                out.u64(here.0);
                out.u64(there.0);
            });
        }
        Event::Chilled { queue, page, messages } => {
            out.u8(14);
            span = put_page(*queue, *page, messages, out);
        }
        Event::Thawed { queue, page, messages } => {
            out.u8(15);
            span = put_page(*queue, *page, messages, out);
        }
        Event::Repaged { queue, page, messages } => {
            out.u8(16);
            span = put_page(*queue, *page, messages, out);
        }
        Event::TaskStarted { task, source, source_arn, destination, rate, to_move } => {
            out.u8(17);
            out.fixed128(task.0);
            out.u64(source.0);
            out.arn(source_arn);
            out.option(destination.as_ref(), |out, arn| out.arn(arn));
            out.option(rate.as_ref(), |out, rate| out.u64(u64::from(*rate)));
            out.u64(*to_move);
        }
        Event::TaskMoved { task, queue, target, moves } => {
            out.u8(18);
            out.fixed128(task.0);
            out.u64(queue.0);
            out.u64(target.0);
            out.list(moves, |out, (here, there, id)| {
                out.u64(here.0);
                out.u64(there.0);
                out.id(id);
            });
        }
        Event::TaskEnded { task, end } => {
            out.u8(19);
            out.fixed128(task.0);
            put_task_end(end, out);
        }
        Event::Moved { queue, key, content } => {
            out.u8(20);
            out.u64(queue.0);
            out.u64(key.0);
            span = put_content(content, out);
        }
        Event::Filed { chunk, originals } => {
            out.u8(21);
            out.u64(chunk.0);
            let length = originals.len() * (MARK_BYTES + ORIGINAL_BYTES);
            out.u64(length as u64);
            span = Span { offset: out.len() as u32, length: length as u32 };
            put_originals(originals, out);
        }
        Event::Forgotten { chunk } => {
            out.u8(22);
            out.u64(chunk.0);
        }
        Event::Refiled { chunk, content } => {
            out.u8(28);
            out.u64(chunk.0);
            span = put_content(content, out);
        }
        Event::Imported { queue, key, id, group, due, sent_at, receives, source, content } => {
            out.u8(23);
            out.u64(queue.0);
            out.u64(key.0);
            out.id(id);
            out.option(group.as_ref(), |out, group| out.fixed64(group.0));
            out.option(due.as_ref(), |out, due| out.time(*due));
            out.time(*sent_at);
            put_receives(receives, out);
            out.option(source.as_ref(), |out, arn| out.arn(arn));
            span = put_content(content, out);
        }
    }
    span
}

/// Reads a payload: calls `visit` with each event and where its content is.
pub fn decode<E: From<Damage>>(payload: &Bytes, mut visit: impl FnMut(Event, Span) -> Result<(), E>) -> Result<u32, E> {
    let mut input = Get::new(payload);
    if input.u8("format version")? != VERSION {
        return Err(input.damage("format version").into());
    }
    let mut count = 0;
    while !input.is_empty() {
        let (event, span) = decode_event(&mut input, payload)?;
        visit(event, span)?;
        count += 1;
    }
    Ok(count)
}

fn decode_event(input: &mut Get<'_>, payload: &Bytes) -> Result<(Event, Span), Damage> {
    let mut span = Span::default();
    let event = match input.u8("kind of event")? {
        1 => Event::QueueCreated {
            queue: queue(input)?,
            arn: input.arn()?,
            attributes: Box::new(get_attributes(input)?),
            tags: input.pairs()?,
        },
        2 => Event::QueueDeleted { queue: queue(input)? },
        3 => Event::AttributesSet { queue: queue(input)?, attributes: Box::new(get_attributes(input)?) },
        4 => Event::TagsChanged { queue: queue(input)?, set: input.pairs()?, removed: input.list(Get::text)? },
        5 => Event::Purged { queue: queue(input)? },
        6 => {
            let (queue, key, id) = (queue(input)?, MessageKey(input.u64("key")?), input.id()?);
            let group = input.option(|input| Ok(GroupKey(input.fixed64()?)))?;
            let deduplication = input.option(get_deduplication)?;
            let due = input.option(Get::time)?;
            let (content, at) = get_content(input, payload)?;
            span = at;
            Event::Sent { queue, key, id, group, deduplication, due, content }
        }
        7 => Event::Received {
            queue: queue(input)?,
            keys: input.keys()?,
            until: input.time()?,
            attempt: input.option(|input| Ok(DeduplicationHash(input.fixed128()?)))?,
        },
        8 => Event::Repeated {
            queue: queue(input)?,
            attempt: DeduplicationHash(input.fixed128()?),
            until: input.time()?,
        },
        9 => Event::Deleted { queue: queue(input)?, keys: input.keys()? },
        10 => {
            Event::VisibilityChanged { queue: queue(input)?, key: MessageKey(input.u64("key")?), until: input.time()? }
        }
        11 => Event::Released {
            queue: queue(input)?,
            messages: input
                .list(|input| Ok((MessageKey(input.u64("key")?), input.option(|input| input.u64("order"))?)))?,
        },
        29 => Event::GivenBack {
            queue: queue(input)?,
            attempt: input.option(|input| Ok(DeduplicationHash(input.fixed128()?)))?,
            messages: input
                .list(|input| Ok((MessageKey(input.u64("key")?), input.option(|input| input.u64("order"))?)))?,
        },
        12 => Event::Expired { queue: queue(input)?, keys: input.keys()? },
        13 => Event::DeadLettered {
            queue: queue(input)?,
            target: queue(input)?,
            moves: input.list(|input| Ok((MessageKey(input.u64("key")?), MessageKey(input.u64("key")?))))?,
        },
        kind @ 14..=16 => {
            let (queue, page) = (queue(input)?, PageId(input.u64("page")?));
            let length = input.length()?;
            span = Span { offset: input.offset() as u32, length: length as u32 };
            let messages = decode_page(&payload[input.offset()..input.offset() + length])?;
            input.skip(length)?;
            match kind {
                14 => Event::Chilled { queue, page, messages },
                15 => Event::Thawed { queue, page, messages },
                _ => Event::Repaged { queue, page, messages },
            }
        }
        17 => Event::TaskStarted {
            task: TaskId(input.fixed128()?),
            source: queue(input)?,
            source_arn: input.arn()?,
            destination: input.option(Get::arn)?,
            rate: input.option(|input| input.u32("rate"))?,
            to_move: input.u64("messages to move")?,
        },
        18 => Event::TaskMoved {
            task: TaskId(input.fixed128()?),
            queue: queue(input)?,
            target: queue(input)?,
            moves: input
                .list(|input| Ok((MessageKey(input.u64("key")?), MessageKey(input.u64("key")?), input.id()?)))?,
        },
        19 => Event::TaskEnded { task: TaskId(input.fixed128()?), end: get_task_end(input)? },
        20 => {
            let (queue, key) = (queue(input)?, MessageKey(input.u64("key")?));
            let (content, at) = get_content(input, payload)?;
            span = at;
            Event::Moved { queue, key, content }
        }
        21 => {
            let chunk = ChunkId(input.u64("chunk")?);
            let length = input.length()?;
            span = Span { offset: input.offset() as u32, length: length as u32 };
            let originals = get_originals(&payload[input.offset()..input.offset() + length])?;
            input.skip(length)?;
            Event::Filed { chunk, originals }
        }
        22 => Event::Forgotten { chunk: ChunkId(input.u64("chunk")?) },
        28 => {
            let chunk = ChunkId(input.u64("chunk")?);
            let (content, at) = get_content(input, payload)?;
            span = at;
            Event::Refiled { chunk, content }
        }
        23 => {
            let (queue, key, id) = (queue(input)?, MessageKey(input.u64("key")?), input.id()?);
            let group = input.option(|input| Ok(GroupKey(input.fixed64()?)))?;
            let (due, sent_at) = (input.option(Get::time)?, input.time()?);
            let (receives, source) = (get_receives(input)?, input.option(Get::arn)?);
            let (content, at) = get_content(input, payload)?;
            span = at;
            Event::Imported { queue, key, id, group, due, sent_at, receives, source, content }
        }
        _ => return Err(input.damage("kind of event")),
    };
    Ok((event, span))
}

fn get_content(input: &mut Get<'_>, payload: &Bytes) -> Result<(Bytes, Span), Damage> {
    let length = input.length()?;
    let span = Span { offset: input.offset() as u32, length: length as u32 };
    let content = payload.slice(input.offset()..input.offset() + length);
    input.skip(length)?;
    Ok((content, span))
}

/// Reads the list of a page.
pub fn decode_page(bytes: &[u8]) -> Result<Vec<ColdMessage>, Damage> {
    let mut input = Get::new(bytes);
    let messages = input.list(get_cold)?;
    if !input.is_empty() {
        return Err(input.damage("end of page"));
    }
    Ok(messages)
}

fn queue(input: &mut Get<'_>) -> Result<QueueId, Damage> {
    Ok(QueueId(input.u64("queue")?))
}

fn put_content(content: &Bytes, out: &mut Vec<u8>) -> Span {
    out.u64(content.len() as u64);
    let span = Span { offset: out.len() as u32, length: content.len() as u32 };
    out.extend_from_slice(content);
    span
}

fn put_page(queue: QueueId, page: PageId, messages: &[ColdMessage], out: &mut Vec<u8>) -> Span {
    let mut list = Vec::with_capacity(messages.len() * 48);
    list.list(messages, put_cold);
    out.u64(queue.0);
    out.u64(page.0);
    out.u64(list.len() as u64);
    let span = Span { offset: out.len() as u32, length: list.len() as u32 };
    out.extend_from_slice(&list);
    span
}

/// Appends a cold message.
pub(crate) fn put_cold(out: &mut Vec<u8>, message: &ColdMessage) {
    out.u64(message.key.0);
    out.u64(message.order);
    out.id(&message.id);
    out.option(message.group.as_ref(), |out, group| out.fixed64(group.0));
    put_address(out, message.content);
    out.time(message.sent_at);
    out.option(message.due.as_ref(), |out, due| out.time(*due));
    put_receives(&message.receives, out);
    out.option(message.source.as_ref(), |out, arn| out.arn(arn));
    out.bool(message.id_replaces_deduplication_id);
}

/// Reads a cold message.
pub(crate) fn get_cold(input: &mut Get<'_>) -> Result<ColdMessage, Damage> {
    let (key, order, id) = (MessageKey(input.u64("key")?), input.u64("order")?, input.id()?);
    let group = input.option(|input| Ok(GroupKey(input.fixed64()?)))?;
    let (content, sent_at, due) = (get_address(input)?, input.time()?, input.option(Get::time)?);
    let receives = get_receives(input)?;
    let source = input.option(Get::arn)?;
    let id_replaces_deduplication_id = input.bool()?;
    Ok(ColdMessage { key, order, id, group, content, sent_at, due, receives, source, id_replaces_deduplication_id })
}

fn put_receives(receives: &Receives, out: &mut Vec<u8>) {
    out.u64(u64::from(receives.count));
    if receives.count > 0 {
        out.time(receives.first_at);
        out.time(receives.last_at);
    }
}

fn get_receives(input: &mut Get<'_>) -> Result<Receives, Damage> {
    Ok(match input.u32("receive count")? {
        0 => Receives::default(),
        count => Receives { count, first_at: input.time()?, last_at: input.time()? },
    })
}

/// Appends an address.
pub(crate) fn put_address(out: &mut Vec<u8>, address: ContentAddress) {
    out.u64(address.position);
    out.u64(u64::from(address.offset));
    out.u64(u64::from(address.length));
}

/// Reads an address.
pub(crate) fn get_address(input: &mut Get<'_>) -> Result<ContentAddress, Damage> {
    Ok(ContentAddress { position: input.u64("position")?, offset: input.u32("offset")?, length: input.u32("length")? })
}

/// Appends a deduplication key.
pub(crate) fn put_deduplication(out: &mut Vec<u8>, key: &DeduplicationKey) {
    out.fixed128(key.hash.0);
    out.option(key.group.as_ref(), |out, group| out.fixed64(group.0));
}

/// Reads a deduplication key.
pub(crate) fn get_deduplication(input: &mut Get<'_>) -> Result<DeduplicationKey, Damage> {
    let hash = DeduplicationHash(input.fixed128()?);
    let group = input.option(|input| Ok(GroupKey(input.fixed64()?)))?;
    Ok(DeduplicationKey { hash, group })
}

/// Appends the end of a task.
pub(crate) fn put_task_end(end: &TaskEnd, out: &mut Vec<u8>) {
    match end {
        TaskEnd::Completed => out.u8(0),
        TaskEnd::Cancelled => out.u8(1),
        TaskEnd::Failed(reason) => {
            out.u8(2);
            out.text(reason);
        }
    }
}

/// Reads the end of a task.
pub(crate) fn get_task_end(input: &mut Get<'_>) -> Result<TaskEnd, Damage> {
    match input.u8("end of task")? {
        0 => Ok(TaskEnd::Completed),
        1 => Ok(TaskEnd::Cancelled),
        2 => Ok(TaskEnd::Failed(input.text()?)),
        _ => Err(input.damage("end of task")),
    }
}

#[cfg(test)]
mod tests;
