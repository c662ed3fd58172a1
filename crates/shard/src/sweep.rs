//! Which survivors are moved next, so that the journal can forget where they were.
//!
//! When the journal holds too many dead bytes, a *pass* empties the part of it of which the least is needed: it looks for
//! what is needed there, reads that in small steps, and lets it be written again at the tail. After each step it waits
//! until that is durable and then rests, so that clients come first: see `pace`.
//!
//! Where [space](Space) is scarce, a pass spends some before it gives any back. So it is chosen by a stricter measure, and
//! the next one does not begin before the journal has given back what the last has freed.
//!
//! Only the plan is kept here. What a step brings is compared with the state of that moment: a message that was deleted
//! or a page that was written anew in the meantime is left out.

mod pace;

use std::collections::{BTreeSet, VecDeque};
use std::ops::RangeInclusive;

use stanchion_engine::event::ColdMessage;
use stanchion_engine::ids::{ChunkId, ContentAddress, MessageKey, PageId, QueueId};
use stanchion_engine::usage::Space;
use stanchion_engine::{Engine, Survivor};
use stanchion_types::Timestamp;

use crate::ReadId;
use pace::Pace;

/// Messages and pages that a step looks at.
const LOOK: usize = 16_384;

/// Survivors that a pass deals with at most; what it leaves is for the next.
const SURVIVORS_MAX: usize = 65_536;

/// How many times as many bytes a step moves when nobody asks for anything.
const IDLE_STEPS: u64 = 4;

/// How long nothing is tried after a pass that found nothing to move: what is needed there goes by itself, or cannot be
/// read.
const FRUITLESS_REST_SECONDS: u32 = 10;

/// How often it is looked whether the journal has given back what was freed, while space is scarce.
const RETURN_REST_SECONDS: u32 = 1;

/// The sweep of a shard.
#[derive(Clone, Debug)]
pub(crate) struct Sweep {
    pass: Option<Pass>,
    /// The step that waits for bytes.
    under_way: Option<(ReadId, Step)>,
    /// Whether there is anything to do but wait.
    busy: bool,
    pace: Pace,
    /// How many bytes the step may move.
    step_bytes: u64,
    /// The messages of the page whose contents are being read.
    listed: Vec<ColdMessage>,
    /// Buckets that the last passes could not empty.
    avoided: BTreeSet<u64>,
    space: Space,
    /// How many bytes of the journal, of those that were ever freed, it has given back.
    returned: u64,
}

/// An attempt to empty a part of the journal.
#[derive(Clone, Debug)]
struct Pass {
    range: RangeInclusive<u64>,
    /// The queue to look at next.
    look_at: Option<QueueId>,
    survivors: VecDeque<Survivor>,
    /// Whether anything was moved.
    fruitful: bool,
    /// Whether something could not be read: survivors are then read one by one, to lose no more than needed.
    one_by_one: bool,
}

/// Bytes that are read, and what for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Contents of messages in memory.
    Messages(Vec<(QueueId, MessageKey, ContentAddress)>),
    /// A chunk of deduplication ids.
    Chunk(ChunkId, ContentAddress),
    /// The list of a page.
    List(QueueId, PageId, ContentAddress),
    /// Contents of messages on a page that has this list: the keys, in the order of the list.
    Contents(QueueId, PageId, ContentAddress, Vec<(MessageKey, ContentAddress)>),
}

impl Step {
    /// Returns what has to be read.
    pub(crate) fn addresses(&self) -> Vec<ContentAddress> {
        match self {
            Step::Messages(messages) => messages.iter().map(|(_, _, content)| *content).collect(),
            Step::Chunk(_, content) => vec![*content],
            Step::List(_, _, list) => vec![*list],
            Step::Contents(_, _, _, messages) => messages.iter().map(|(_, content)| *content).collect(),
        }
    }
}

impl Sweep {
    /// Makes the sweep of a journal that has given back what was freed so far.
    pub(crate) fn new(engine: &Engine) -> Sweep {
        Sweep {
            pass: None,
            under_way: None,
            busy: false,
            pace: Pace::new(engine.clock()),
            step_bytes: engine.usage().options().step_bytes,
            listed: Vec::new(),
            avoided: BTreeSet::new(),
            space: Space::Plenty,
            returned: engine.usage().freed(),
        }
    }

    /// Notes that a client asks for something.
    pub(crate) fn asked(&mut self, now: Timestamp) {
        self.pace.asked(now);
    }

    /// Notes that everything up to a position is durable.
    pub(crate) fn synced(&mut self, engine: &Engine, position: u64, now: Timestamp) {
        let space = self.space;
        self.pace.synced(position, now, || engine.usage().pressure(space));
    }

    /// Notes how much space there is. A pass that was chosen when there was more of it is given up: what it has moved is
    /// moved, and the rest may be too much.
    pub(crate) fn set_space(&mut self, space: Space, now: Timestamp) {
        if space > self.space {
            self.pass = None;
            self.pace.hurry(now);
        }
        self.space = space;
    }

    /// Notes that the journal has given back what was freed so far.
    pub(crate) fn note_returned(&mut self, freed: u64, now: Timestamp) {
        self.returned = freed;
        if self.space != Space::Plenty {
            self.pace.hurry(now);
        }
    }

    /// Returns the next moment at which [`Sweep::next`] has something to do.
    pub(crate) fn next_deadline(&self) -> Timestamp {
        if self.busy { self.pace.resume_at() } else { Timestamp::NEVER }
    }

    /// Tells what has to be read next, if it is time for that.
    pub(crate) fn next(&mut self, engine: &Engine, now: Timestamp) -> Option<Step> {
        self.busy = self.under_way.is_none() && (self.pass.is_some() || engine.usage().excess(self.space) > 0);
        if !self.busy || now < self.pace.resume_at() {
            return None;
        }
        self.pace.begin(now, engine.usage().pressure(self.space));
        let is_idle = self.space == Space::Plenty && self.pace.is_idle(now);
        self.step_bytes = engine.usage().options().step_bytes * if is_idle { IDLE_STEPS } else { 1 };
        if self.pass.is_none() {
            self.begin(engine, now);
        }
        self.look(engine)?;
        let step = self.choose(engine);
        if step.is_none() {
            self.end(engine, now);
        }
        step
    }

    /// Wants nothing for now.
    pub(crate) fn pause(&mut self) {
        self.busy = false;
    }

    /// Notes that a step has begun.
    pub(crate) fn started(&mut self, read: ReadId, step: Step) {
        self.busy = false;
        self.under_way = Some((read, step));
    }

    /// Returns the step whose bytes have come.
    pub(crate) fn take(&mut self, read: ReadId) -> Option<Step> {
        let (_, step) = self.under_way.take_if(|(id, _)| *id == read)?;
        Some(step)
    }

    /// Notes that something was moved by the record at a position.
    pub(crate) fn moved(&mut self, position: u64) {
        self.pace.wrote(position);
        if let Some(pass) = &mut self.pass {
            pass.fruitful = true;
        }
    }

    /// Puts a page back that has more to move.
    pub(crate) fn again(&mut self, queue: QueueId, page: PageId) {
        if let Some(pass) = &mut self.pass {
            pass.survivors.push_front(Survivor::Page { queue, page });
        }
    }

    /// Notes that the bytes of a step could not be read. If there were several, each gets another chance.
    pub(crate) fn failed(&mut self, step: Step) {
        let Some(pass) = &mut self.pass else { return };
        let is_first = !std::mem::replace(&mut pass.one_by_one, true);
        match step {
            Step::Messages(messages) if messages.len() > 1 => {
                let again = messages.into_iter().map(|(queue, key, content)| Survivor::Message { queue, key, content });
                again.rev().for_each(|survivor| pass.survivors.push_front(survivor));
            }
            Step::Contents(queue, page, ..) if is_first => {
                pass.survivors.push_front(Survivor::Page { queue, page });
            }
            _ => {}
        }
    }

    /// Keeps the messages of a page while their contents are read.
    pub(crate) fn listed(&mut self, messages: Vec<ColdMessage>) {
        self.listed = messages;
    }

    /// Returns the messages of the page whose contents were read.
    pub(crate) fn take_listed(&mut self) -> Vec<ColdMessage> {
        std::mem::take(&mut self.listed)
    }

    /// Returns the part of the journal that is being emptied.
    pub(crate) fn range(&self) -> Option<RangeInclusive<u64>> {
        self.pass.as_ref().map(|pass| pass.range.clone())
    }

    /// Returns how many of these contents a step moves.
    pub(crate) fn fitting(&self, messages: impl Iterator<Item = ContentAddress>) -> usize {
        let one_by_one = self.pass.as_ref().is_some_and(|pass| pass.one_by_one);
        let mut bytes = 0;
        let fits = messages.take_while(|content| {
            let is_first = bytes == 0;
            bytes += u64::from(content.length) + 1;
            is_first || (bytes <= self.step_bytes && !one_by_one)
        });
        fits.count()
    }

    fn begin(&mut self, engine: &Engine, now: Timestamp) {
        if self.space != Space::Plenty && self.is_owed(engine) {
            self.pace.wait_until(now.plus_seconds(RETURN_REST_SECONDS));
            return;
        }
        match engine.usage().sparsest(self.space, &self.avoided) {
            Some(range) => {
                self.pass = Some(Pass {
                    survivors: engine.chunks_in(&range).into(),
                    range,
                    look_at: Some(QueueId(1)),
                    fruitful: false,
                    one_by_one: false,
                });
            }
            None => {
                self.avoided.clear();
                self.pace.wait_until(now.plus_seconds(FRUITLESS_REST_SECONDS));
            }
        }
    }

    /// Tells whether the journal has something to give back first: a file of it, long before which a snapshot is due.
    fn is_owed(&self, engine: &Engine) -> bool {
        engine.usage().freed() - self.returned >= engine.usage().options().segment_bytes
    }

    /// Looks at some more queues; `None` if there are others to look at in the next step.
    fn look(&mut self, engine: &Engine) -> Option<()> {
        let pass = self.pass.as_mut()?;
        let Some(from) = pass.look_at else { return Some(()) };
        let (found, next) = engine.survivors(&pass.range, from, LOOK);
        pass.survivors.extend(found);
        pass.look_at = next.filter(|_| pass.survivors.len() < SURVIVORS_MAX);
        pass.look_at.is_none().then_some(())
    }

    /// Takes the next survivors that are still there.
    fn choose(&mut self, engine: &Engine) -> Option<Step> {
        let pass = self.pass.as_mut()?;
        let most = self.step_bytes;
        let mut messages = Vec::new();
        let mut bytes = 0;
        while let Some(survivor) = pass.survivors.front() {
            match *survivor {
                Survivor::Message { queue, key, .. } => {
                    let content = engine.content_of(queue, key);
                    if let Some(content) = content.filter(|content| pass.range.contains(&content.position)) {
                        bytes += u64::from(content.length) + 1;
                        if !messages.is_empty() && (bytes > most || pass.one_by_one) {
                            break;
                        }
                        messages.push((queue, key, content));
                    }
                }
                Survivor::Chunk(chunk) => {
                    if !messages.is_empty() {
                        break;
                    }
                    let content = engine.chunk_content(chunk);
                    if let Some(content) = content.filter(|content| pass.range.contains(&content.position)) {
                        pass.survivors.pop_front();
                        return Some(Step::Chunk(chunk, content));
                    }
                }
                Survivor::Page { queue, page } => {
                    if !messages.is_empty() {
                        break;
                    }
                    if let Some(list) = engine.list_of(queue, page) {
                        pass.survivors.pop_front();
                        return Some(Step::List(queue, page, list));
                    }
                }
            }
            pass.survivors.pop_front();
        }
        (!messages.is_empty()).then_some(Step::Messages(messages))
    }

    fn end(&mut self, engine: &Engine, now: Timestamp) {
        let Some(pass) = self.pass.take() else { return };
        if pass.fruitful {
            self.avoided.clear();
            return;
        }
        self.avoided.extend(engine.usage().needed(&pass.range));
        self.pace.wait_until(now.plus_seconds(FRUITLESS_REST_SECONDS));
    }
}
