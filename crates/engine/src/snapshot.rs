//! The whole state as bytes, so that replay can start there.
//!
//! A snapshot lists what is in memory and where the pages are, so its size follows memory and not the backlog. It
//! is written in a fixed order: the same state gives the same bytes.
//!
//! Writing a million messages takes a quarter of a second, too long to keep everybody waiting. So a snapshot is taken
//! in steps: [`Engine::begin_snapshot`] fixes the moment, every step writes some queues, and a queue that is about to
//! change is written before it does.

use std::collections::BTreeMap;

use stanchion_types::Timestamp;

use crate::engine::{Engine, Options};
use crate::event::codec::{
    Damage, Get, Put, get_address, get_attributes, get_cold, get_original, get_task_end, put_address, put_attributes,
    put_cold, put_original, put_task_end,
};
use crate::event::{Event, Original};
use crate::ids::{ChunkId, DeduplicationHash, GroupKey, MessageKey, PageId, QueueId, TaskId};
use crate::originals::Chunk;
use crate::queue::Queue;
use crate::queue::attempts::Attempt;
use crate::queue::cold::Page;
use crate::queue::lanes::Conduct;
use crate::queue::message::{Message, State};
use crate::tasks::Task;
use crate::usage::Usage;

/// Version of the snapshot's format, its first byte.
const VERSION: u8 = 2;

/// The state as it was when [`Engine::begin_snapshot`] was called.
#[derive(Clone, Debug)]
pub struct Picture {
    head: Vec<u8>,
    /// The queues of that moment; those without bytes are still as they were then.
    queues: BTreeMap<QueueId, Option<Vec<u8>>>,
    /// Queues before this one have been written.
    next: QueueId,
    tail: Vec<u8>,
}

impl Picture {
    /// Writes a queue unless it has been written, and returns how many messages and pages it lists.
    fn write(&mut self, queue: &Queue) -> usize {
        let Some(place @ None) = self.queues.get_mut(&queue.id) else { return 0 };
        let mut out = Vec::new();
        put_queue(queue, &mut out);
        *place = Some(out);
        queue.messages.len() + queue.cold.pages().count()
    }

    /// Returns the state behind some bytes of the caller's own. Takes a while for a large state, and needs no engine.
    pub fn into_bytes(self, mut prefix: Vec<u8>) -> Vec<u8> {
        let Picture { head, queues, tail, .. } = self;
        let sections: usize = queues.values().flatten().map(Vec::len).sum();
        prefix.reserve_exact(head.len() + 10 + sections + tail.len());
        prefix.raw(&head);
        prefix.u64(queues.len() as u64);
        for queue in queues.into_values() {
            prefix.raw(&queue.expect("every queue was written"));
        }
        prefix.raw(&tail);
        prefix
    }
}

impl Engine {
    /// Writes the state.
    pub fn snapshot(&self) -> Vec<u8> {
        let mut picture = self.picture();
        for queue in self.queues.values() {
            picture.write(queue);
        }
        picture.into_bytes(Vec::new())
    }

    /// Begins a snapshot of the state as it is now. One that is under way is given up.
    pub fn begin_snapshot(&mut self) {
        self.picture = Some(self.picture());
    }

    /// Goes on with the snapshot that was begun until about this many messages and pages are listed; returns it when
    /// it is complete.
    ///
    /// # Panics
    /// If no snapshot was begun.
    pub fn continue_snapshot(&mut self, lines: usize) -> Option<Picture> {
        let picture = self.picture.as_mut().expect("a snapshot was begun");
        let mut written = 0;
        while let Some((&id, place)) = picture.queues.range(picture.next..).next() {
            if written >= lines {
                return None;
            }
            picture.next = QueueId(id.0 + 1);
            if place.is_none() {
                // Even a queue without messages costs something.
                written += 1 + picture.write(&self.queues[&id]);
            }
        }
        self.picture.take()
    }

    /// Writes the queues that an event is about to change to the snapshot under way.
    pub(crate) fn preserve(&mut self, event: &Event) {
        let Some(picture) = &mut self.picture else { return };
        for queue in event.queues().into_iter().flatten() {
            if let Some(queue) = self.queues.get(&queue) {
                picture.write(queue);
            }
        }
    }

    /// Writes what belongs to no queue.
    fn picture(&self) -> Picture {
        let mut head = Vec::new();
        head.u8(VERSION);
        head.u64(self.last_queue);
        head.u64(self.last_key);
        head.time(self.clock);
        self.usage.put(&mut head);
        head.u64(self.deleted.len() as u64);
        for (arn, at) in &self.deleted {
            head.arn(arn);
            head.time(*at);
        }
        let mut tail = Vec::new();
        let tasks: Vec<(TaskId, &Task)> = self.tasks.iter().collect();
        tail.list(&tasks, |out, (id, task)| put_task(*id, task, out));
        let (first, chunks) = self.originals.chunks();
        tail.u64(first.0);
        let chunks: Vec<&Chunk> = chunks.collect();
        tail.list(&chunks, |out, chunk| chunk.put(out));
        let recent: Vec<&Original> = self.originals.recent().collect();
        tail.list(&recent, |out, original| put_original(original, out));
        Picture { head, queues: self.queues.keys().map(|id| (*id, None)).collect(), next: QueueId(0), tail }
    }

    /// Reads a state that [`Engine::snapshot`] wrote.
    pub fn restore(options: Options, bytes: &[u8]) -> Result<Engine, Damage> {
        let mut input = Get::new(bytes);
        if input.u8("snapshot version")? != VERSION {
            return Err(input.damage("snapshot version"));
        }
        let mut engine = Engine::new(options);
        engine.last_queue = input.u64("last queue")?;
        engine.last_key = input.u64("last key")?;
        engine.clock = input.time()?;
        engine.usage = Usage::get(engine.options.usage.clone(), &mut input)?;
        engine.deleted = input.list(|input| Ok((input.arn()?, input.time()?)))?.into_iter().collect();
        for _ in 0..input.length()? {
            let mut queue = get_queue(&engine, &mut input)?;
            queue.settle(&mut engine.usage).map_err(|_| input.damage("position in no bucket"))?;
            engine.install(queue);
        }
        for (id, task) in input.list(get_task)? {
            engine.tasks.restore(id, task);
        }
        let first = ChunkId(input.u64("chunk")?);
        let (chunks, recent) = (input.list(Chunk::get)?, input.list(get_original)?);
        if first.0.checked_add(chunks.len() as u64).is_none() {
            return Err(input.damage("number of chunk"));
        }
        engine.originals.restore(first, chunks, recent);
        engine.originals.settle(&mut engine.usage).map_err(|_| input.damage("position in no bucket"))?;
        if !engine.usage.is_settled() {
            return Err(input.damage("bucket of which nothing is needed"));
        }
        if !input.is_empty() {
            return Err(input.damage("end of snapshot"));
        }
        Ok(engine)
    }
}

fn put_queue(queue: &Queue, out: &mut Vec<u8>) {
    out.u64(queue.id.0);
    out.arn(&queue.arn);
    put_attributes(&queue.attributes, out);
    let tags: Vec<(String, String)> = queue.tags.clone().into_iter().collect();
    out.pairs(&tags);
    out.time(queue.created);
    out.time(queue.modified);
    out.option(queue.purged.as_ref(), |out, at| out.time(*at));
    let mut messages: Vec<(MessageKey, &Message)> = queue.messages.iter().map(|(key, m)| (*key, m)).collect();
    // Waiting messages return to the tail in this order.
    messages.sort_unstable_by_key(|(_, message)| message.order);
    out.list(&messages, |out, (key, message)| {
        put_cold(out, &message.chill(*key));
        match message.state {
            State::Ready => out.u8(0),
            State::Waiting => out.u8(1),
            State::Delayed { due } => {
                out.u8(2);
                out.time(due);
            }
            State::InFlight { until } => {
                out.u8(3);
                out.time(until);
            }
        }
    });
    let pages: Vec<(PageId, &Page)> = queue.cold.pages().collect();
    out.list(&pages, |out, (id, page)| {
        out.u64(id.0);
        put_address(out, page.list);
        out.u64(u64::from(page.count));
        out.time(page.oldest);
        out.time(page.newest);
        out.option(page.received.as_ref(), |out, (low, high)| out.keys(&[*low, *high]));
        out.list(&page.contents, |out, (bucket, bytes)| {
            out.u64(*bucket);
            out.u64(*bytes);
        });
        out.u64(page.first);
        out.time(page.due);
        out.option(page.group.as_ref(), |out, group| out.fixed64(group.0));
    });
    let attempts: Vec<_> = queue.attempts.iter().collect();
    out.list(&attempts, |out, (id, attempt)| {
        out.fixed128(id.0);
        out.time(attempt.at);
        out.time(attempt.until);
        out.list(&attempt.messages, |out, (key, count)| {
            out.u64(key.0);
            out.u64(u64::from(*count));
        });
    });
    put_busy(out, queue.lanes.busy());
    out.list(&queue.lanes.conduct(), |out, (group, conduct)| {
        out.fixed64(group.0);
        out.bool(conduct.noisy);
        out.time(conduct.idle_since);
        put_busy(out, conduct.busy);
    });
}

fn put_busy(out: &mut Vec<u8>, (finished_ms, minute): (u64, u64)) {
    out.u64(finished_ms);
    out.u64(minute);
}

fn get_busy(input: &mut Get<'_>) -> Result<(u64, u64), Damage> {
    Ok((input.u64("processing time")?, input.u64("minute")?))
}

fn get_queue(engine: &Engine, input: &mut Get<'_>) -> Result<Queue, Damage> {
    let id = QueueId(input.u64("queue")?);
    let (arn, attributes, tags) = (input.arn()?, get_attributes(input)?, input.pairs()?);
    let (created, modified, purged) = (input.time()?, input.time()?, input.option(Get::time)?);
    if engine.find(&arn).is_some() || engine.queue(id).is_some() {
        return Err(input.damage("queue listed twice"));
    }
    let bounds = engine.options.bounds(attributes.fifo.is_some());
    let mut queue = Queue::new(id, arn, attributes, tags, created, bounds);
    (queue.modified, queue.purged) = (modified, purged);
    let messages = input.list(|input| Ok((get_cold(input)?, get_state(input)?)))?;
    for page in input.list(get_page)? {
        queue.put_page(page.0, page.1);
    }
    for (cold, state) in messages {
        if queue.messages.contains_key(&cold.key) {
            return Err(input.damage("message listed twice"));
        }
        let source = cold.source.as_ref().map(|arn| engine.shared(arn));
        let message = Message { state, ..Message::warm(&cold, source) };
        queue.restore(cold.key, message);
    }
    for (id, attempt) in input.list(|input| {
        let (id, at, until) = (DeduplicationHash(input.fixed128()?), input.time()?, input.time()?);
        let messages = input.list(|input| Ok((MessageKey(input.u64("key")?), input.u32("receive count")?)))?;
        Ok((id, Attempt { at, until, messages }))
    })? {
        queue.attempts.insert(id, attempt);
    }
    let busy = get_busy(input)?;
    queue.lanes.restore_busy(busy);
    for (group, conduct) in input.list(|input| {
        let (group, noisy, idle_since) = (GroupKey(input.fixed64()?), input.bool()?, input.time()?);
        Ok((group, Conduct { noisy, idle_since, busy: get_busy(input)? }))
    })? {
        queue.lanes.restore_conduct(group, conduct);
    }
    Ok(queue)
}

fn get_state(input: &mut Get<'_>) -> Result<State, Damage> {
    match input.u8("state of message")? {
        0 => Ok(State::Ready),
        1 => Ok(State::Waiting),
        2 => Ok(State::Delayed { due: input.time()? }),
        3 => Ok(State::InFlight { until: input.time()? }),
        _ => Err(input.damage("state of message")),
    }
}

fn get_page(input: &mut Get<'_>) -> Result<(PageId, Page), Damage> {
    let id = PageId(input.u64("page")?);
    let (list, count) = (get_address(input)?, input.u32("messages on page")?);
    let (oldest, newest): (Timestamp, Timestamp) = (input.time()?, input.time()?);
    let received = input.option(Get::keys)?;
    let received = match received.as_deref() {
        None => None,
        Some(&[low, high]) => Some((low, high)),
        Some(_) => return Err(input.damage("keys of page")),
    };
    let contents = input.list(|input| Ok((input.u64("bucket")?, input.u64("bytes")?)))?.into_boxed_slice();
    if contents.iter().any(|(_, bytes)| *bytes > i64::MAX as u64) {
        return Err(input.damage("bytes of page"));
    }
    let (first, due) = (input.u64("first place")?, input.time()?);
    let group = input.option(|input| Ok(GroupKey(input.fixed64()?)))?;
    Ok((id, Page { list, count, oldest, newest, received, contents, first, due, group }))
}

fn put_task(id: TaskId, task: &Task, out: &mut Vec<u8>) {
    out.fixed128(id.0);
    out.u64(task.number);
    out.u64(task.source.0);
    out.arn(&task.source_arn);
    out.option(task.destination.as_ref(), |out, arn| out.arn(arn));
    out.option(task.rate.as_ref(), |out, rate| out.u64(u64::from(*rate)));
    out.u64(task.to_move);
    out.u64(task.moved);
    out.time(task.started);
    out.option(task.end.as_ref(), |out, end| put_task_end(end, out));
}

fn get_task(input: &mut Get<'_>) -> Result<(TaskId, Task), Damage> {
    let id = TaskId(input.fixed128()?);
    let task = Task {
        number: input.u64("number of task")?,
        source: QueueId(input.u64("queue")?),
        source_arn: input.arn()?,
        destination: input.option(Get::arn)?,
        rate: input.option(|input| input.u32("rate"))?,
        to_move: input.u64("messages to move")?,
        moved: input.u64("messages moved")?,
        started: input.time()?,
        end: input.option(get_task_end)?,
    };
    Ok((id, task))
}
