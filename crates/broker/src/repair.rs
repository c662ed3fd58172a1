//! Saving what can be saved of a damaged journal: everything that can still be read is written to a new one.
//!
//! The old files are only read. What is known of the queues is what the newest readable snapshot and the records after
//! it say; where records are missing, [`Salvage`] says what the later ones prove. Each message whose content can be read
//! is then sent again in the new journal, under its old id, number and time, and listed on pages, so that memory does not
//! follow the backlog.

mod draft;

use bytes::Bytes;
use stanchion_engine::At;
use stanchion_engine::event::codec;
use stanchion_engine::event::{ColdMessage, Event};
use stanchion_engine::ids::{MessageKey, PageId, QueueId, Shelf};
use stanchion_engine::salvage::{Salvage, SalvagedQueue};
use stanchion_journal::inspect::{Archive, Damage, Entry};
use stanchion_journal::{Fault, Journal, Position, Record, ShardId};
use stanchion_shard::Shard;
use stanchion_types::{MessageId, QueueArn, Timestamp};

use crate::audit::{Part, Unreadable, read_content, read_page};
use draft::Draft;

/// Most messages on a page of the new journal.
const PAGE_MESSAGES: usize = 1024;
/// Bytes of contents after which a page of the new journal is full.
const PAGE_BYTES: u64 = 4 << 20;

/// What a repair has saved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Saved {
    /// Queues.
    pub queues: u64,
    /// Messages with their contents.
    pub messages: u64,
    /// Bytes of contents.
    pub bytes: u64,
}

/// Something that a repair could not save.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Loss {
    /// A snapshot that does not pass its checks; an older one or the records make up for it as far as they can.
    Snapshot(Damage),
    /// Records of which nothing, or not everything, can be read: whatever happened in them is unknown.
    Records {
        /// The first of them.
        first: Position,
        /// The last of them.
        last: Position,
        /// Where the damage is, if it is not simply a file that is not there.
        at: Option<Damage>,
    },
    /// The end of the log: whatever happened after this record is unknown.
    End {
        /// The last record that is left.
        after: Position,
        /// Where the damage is.
        at: Damage,
    },
    /// Messages that are known, but whose content or list cannot be read.
    Part(Unreadable),
    /// Messages that were sent to a queue of which nobody knows the name any more.
    Nameless {
        /// The queue's number.
        queue: u64,
        /// How many messages.
        messages: u64,
    },
    /// A message move task that was under way and has to be started again.
    Task(QueueArn),
}

/// Saves what can be saved of a shard into a journal that has no record of it yet. Reads the archive only.
///
/// `damages` is what a check has found. `progress` is told after each page; `lost` of everything that is not saved.
///
/// # Errors
/// What keeps the new journal from being written, or the old files from being listed.
pub fn repair(
    archive: &mut Archive,
    damages: &[Damage],
    shard: ShardId,
    journal: &dyn Journal,
    progress: &mut dyn FnMut(&Saved),
    lost: &mut dyn FnMut(Loss),
) -> Result<Saved, Fault> {
    let known = learn(archive, shard, lost)?;
    let after = archive.last(shard).max(known.position);
    if let Some(at) = archive.lost_end(damages) {
        lost(Loss::End { after, at: at.clone() });
    } else if known.position > archive.last(shard) {
        let (file, reason) = (archive.directory().join("journal"), "the log ends before the snapshot".to_owned());
        lost(Loss::End { after, at: Damage { file, offset: 0, reason } });
    }
    let mut known = known.salvage;
    for (queue, messages) in &known.nameless {
        lost(Loss::Nameless { queue: queue.0, messages: *messages });
    }
    for source in &known.tasks {
        lost(Loss::Task(source.clone()));
    }
    let mut writer =
        Writer { archive, shard, draft: Draft::begin(journal, shard)?, saved: Saved::default(), progress, lost };
    writer.queues(&known)?;
    let first = known.queues.keys().next().copied();
    // What is known of a queue goes as it is written.
    for (id, queue) in std::mem::take(&mut known.queues) {
        writer.messages(id, queue, known.clock)?;
        writer.saved.queues += 1;
    }
    if let Some(first) = first {
        writer.burn_numbers(first, &known)?;
    }
    writer.draft.finish()?;
    Ok(writer.saved)
}

/// What is known when all has been read.
struct Learned {
    salvage: Salvage,
    /// The last record that was taken in, itself or with a snapshot.
    position: Position,
}

/// What is known while records are read.
enum Knowledge {
    /// Nothing has been missing so far.
    All(Box<Shard>),
    Some(Salvage),
}

impl Knowledge {
    /// Returns what is known, from now on with something missing.
    fn incomplete(&mut self) -> &mut Salvage {
        if let Knowledge::All(shard) = self {
            *self = Knowledge::Some(Salvage::new(shard.engine()));
        }
        match self {
            Knowledge::Some(salvage) => salvage,
            Knowledge::All(_) => unreachable!("it was just replaced"),
        }
    }
}

/// Finds out what there was in a shard.
fn learn(archive: &Archive, id: ShardId, lost: &mut dyn FnMut(Loss)) -> Result<Learned, Fault> {
    let options = stanchion_shard::Options::default();
    let mut damages = Vec::new();
    let found = archive.snapshot(id, &mut damages)?;
    damages.into_iter().for_each(|damage| lost(Loss::Snapshot(damage)));
    let (shard, from) = match found.map(|(at, bytes)| (at, Shard::restore(options.clone(), &bytes))) {
        Some((at, Ok(shard))) => (shard, at),
        Some((at, Err(damage))) => {
            let file = archive.directory().join("snapshots");
            lost(Loss::Snapshot(Damage { file, offset: 0, reason: format!("the one at {at}: {damage}") }));
            (Shard::new(options), Position::START)
        }
        None => (Shard::new(options), Position::START),
    };
    let mut known = Knowledge::All(Box::new(shard));
    let mut next = from.next();
    let mut damage = None;
    archive.walk(id, next, &mut |entry| {
        let (record, good, at) = match entry {
            Entry::Record(record) => (record, None, None),
            Entry::Damaged { record, good, at } => (record, Some(good), Some(at)),
            Entry::Lost(found) => {
                damage.get_or_insert(found);
                return Ok(());
            }
        };
        if record.position < next {
            return Ok(());
        }
        if record.position > next {
            let last = Position(record.position.0 - 1);
            lost(Loss::Records { first: next, last, at: damage.take() });
            known.incomplete();
        }
        next = record.position.next();
        // Lost bytes that no record was missing from were those of another shard, or of a frame without one.
        damage = None;
        if let Some(good) = good {
            lost(Loss::Records { first: record.position, last: record.position, at });
            take_in(known.incomplete(), &record, good);
        } else if let Knowledge::All(shard) = &mut known {
            let Record { position, clock_ms, count, payload, .. } = record;
            let clock = Timestamp::from_millis(clock_ms);
            let record = stanchion_shard::Record { position: position.0, clock, count, payload };
            let reason = |damage: stanchion_shard::Damage| damage.to_string();
            shard.replay(&record).map_err(|damage| Fault::Unreadable {
                shard: id,
                position,
                reason: reason(damage),
            })?;
        } else {
            let whole = record.payload.len();
            take_in(known.incomplete(), &record, whole);
        }
        Ok(())
    })?;
    if let Some(at) = damage {
        lost(Loss::Records { first: next, last: next, at: Some(at) });
    }
    let salvage = match known {
        Knowledge::All(shard) => Salvage::new(shard.engine()),
        Knowledge::Some(salvage) => salvage,
    };
    Ok(Learned { salvage, position: Position(next.0 - 1) })
}

/// Takes in the events of a record up to where its payload is damaged.
fn take_in(known: &mut Salvage, record: &Record, good: usize) {
    let at = At { position: record.position.0, clock: Timestamp::from_millis(record.clock_ms) };
    let payload = record.payload.slice(..good);
    // An event that ends after the damage is refused, and so is all behind it.
    let _ = codec::decode(&payload, |event, span| {
        known.learn(at, &event, span);
        Ok::<(), codec::Damage>(())
    });
}

/// Writes the new journal.
struct Writer<'a> {
    archive: &'a mut Archive,
    shard: ShardId,
    draft: Draft<'a>,
    saved: Saved,
    progress: &'a mut dyn FnMut(&Saved),
    lost: &'a mut dyn FnMut(Loss),
}

impl Writer<'_> {
    /// Creates the queues, each at its time.
    fn queues(&mut self, known: &Salvage) -> Result<(), Fault> {
        let mut events = Vec::new();
        for (&id, queue) in &known.queues {
            let (arn, attributes) = (queue.arn.clone(), Box::new(queue.attributes.clone()));
            let tags = queue.tags.clone().into_iter().collect();
            events.push((queue.created, Event::QueueCreated { queue: id, arn, attributes: attributes.clone(), tags }));
            if queue.modified > queue.created {
                events.push((queue.modified, Event::AttributesSet { queue: id, attributes }));
            }
        }
        // Stable, so that a queue is created before anything else happens to it.
        events.sort_by_key(|(at, _)| *at);
        for (at, event) in events {
            self.draft.push(&event);
            self.draft.commit(at)?;
        }
        Ok(())
    }

    /// Writes the messages of a queue on pages.
    fn messages(&mut self, id: QueueId, queue: SalvagedQueue, clock: Timestamp) -> Result<(), Fault> {
        let mut pages = Pages::new(id, &queue.arn, clock);
        // On a FIFO queue the order is a promise, and what is listed where does not follow it throughout.
        let mut sorted = queue.attributes.fifo.is_some().then(Vec::new);
        for page in &queue.pages {
            let list = match read_page(self.archive, self.shard, page.page.list) {
                Ok(list) if page.is_superseded(&list) => continue,
                Ok(list) => list,
                Err(why) => {
                    self.lose(&queue.arn, Part::Page { messages: page.page.count }, why);
                    continue;
                }
            };
            for message in list.into_iter().filter(|message| queue.is_news(message)) {
                match &mut sorted {
                    Some(sorted) => sorted.push(message),
                    None => pages.add(self, &message)?,
                }
            }
        }
        let mut rest = sorted.unwrap_or_default();
        rest.extend(queue.messages.into_values());
        rest.sort_by_key(|message| message.order);
        for message in rest {
            pages.add(self, &message)?;
        }
        pages.flush(self)
    }

    /// Sends a message again, and returns the line for its page; `None` if its content is lost.
    fn send(&mut self, queue: QueueId, arn: &QueueArn, message: &ColdMessage) -> Option<ColdMessage> {
        let content = match read_content(self.archive, self.shard, message.content) {
            Ok(content) => content,
            Err(why) => {
                self.lose(arn, Part::Message(message.id), why);
                return None;
            }
        };
        self.saved.messages += 1;
        self.saved.bytes += content.len() as u64;
        let ColdMessage { key, id, group, due, .. } = *message;
        let span = self.draft.push(&Event::Sent { queue, key, id, group, deduplication: None, due, content });
        Some(ColdMessage { content: span.at(self.draft.position()), ..message.clone() })
    }

    fn lose(&mut self, arn: &QueueArn, part: Part, why: Fault) {
        (self.lost)(Loss::Part(Unreadable { queue: arn.clone(), part, why }));
    }

    /// Makes sure that no number of a message, and so no sequence number, is given again.
    fn burn_numbers(&mut self, queue: QueueId, known: &Salvage) -> Result<(), Fault> {
        let key = MessageKey(known.last_key + 1);
        let (id, content) = (MessageId([0; 16]), Bytes::new());
        self.draft.push(&Event::Sent { queue, key, id, group: None, deduplication: None, due: None, content });
        self.draft.push(&Event::Deleted { queue, keys: vec![key] });
        self.draft.commit(known.clock)
    }
}

/// The pages of a queue that are being written: one of visible messages and one of delayed ones.
struct Pages<'a> {
    id: QueueId,
    arn: &'a QueueArn,
    clock: Timestamp,
    open: [OpenPage; 2],
}

/// A page that is being written.
struct OpenPage {
    number: PageId,
    messages: Vec<ColdMessage>,
    bytes: u64,
}

impl<'a> Pages<'a> {
    fn new(id: QueueId, arn: &'a QueueArn, clock: Timestamp) -> Self {
        let begin = |shelf: Shelf| {
            let (first, last) = (shelf.numbers().start().0, shelf.numbers().end().0);
            OpenPage { number: PageId(first + (last - first) / 2), messages: Vec::new(), bytes: 0 }
        };
        Pages { id, arn, clock, open: [begin(Shelf::Line), begin(Shelf::Delayed)] }
    }

    fn add(&mut self, writer: &mut Writer<'_>, message: &ColdMessage) -> Result<(), Fault> {
        let page = &mut self.open[usize::from(message.due.is_some())];
        page.bytes += u64::from(message.content.length);
        page.messages.push(message.clone());
        if page.messages.len() < PAGE_MESSAGES && page.bytes < PAGE_BYTES {
            return Ok(());
        }
        page.write(self.id, self.arn, self.clock, writer)
    }

    fn flush(&mut self, writer: &mut Writer<'_>) -> Result<(), Fault> {
        for page in &mut self.open {
            page.write(self.id, self.arn, self.clock, writer)?;
        }
        Ok(())
    }
}

impl OpenPage {
    /// Writes contents and list in one record.
    fn write(
        &mut self,
        queue: QueueId,
        arn: &QueueArn,
        clock: Timestamp,
        writer: &mut Writer<'_>,
    ) -> Result<(), Fault> {
        self.bytes = 0;
        let wanted = std::mem::take(&mut self.messages);
        let messages: Vec<_> = wanted.iter().filter_map(|message| writer.send(queue, arn, message)).collect();
        if messages.is_empty() {
            return Ok(());
        }
        writer.draft.push(&Event::Chilled { queue, page: self.number, messages });
        self.number.0 += 1;
        writer.draft.commit(clock)?;
        (writer.progress)(&writer.saved);
        Ok(())
    }
}
