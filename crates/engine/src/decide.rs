//! From command to decision. Deciding only reads.

use stanchion_types::{Error, Timestamp};

use crate::command::{Command, Reply};
use crate::engine::Engine;
use crate::event::Event;
use crate::ids::{ContentAddress, Entropy, PageId, QueueId};
use crate::originals::{Blocks, ChunkWish};
use crate::queue::Queue;

/// What the engine makes of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// These events happen, and then this is the reply. Without events it is an answer that changes nothing.
    Commit {
        /// What happens.
        events: Vec<Event>,
        /// What the caller hears.
        reply: Reply,
    },
    /// Refused.
    Reject(Error),
    /// Something must be read first; then the command is decided again from the start.
    Load(Wish),
    /// There is nothing to receive now.
    Nothing,
}

/// What a decision needs from the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wish {
    /// A page of messages.
    Page(PageWish),
    /// A part of a chunk of deduplication ids.
    Chunk(ChunkWish),
}

impl Wish {
    /// Returns where it is.
    pub fn address(&self) -> ContentAddress {
        match self {
            Wish::Page(wish) => wish.list,
            Wish::Chunk(wish) => wish.at,
        }
    }
}

/// A page that a decision needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PageWish {
    /// The queue.
    pub queue: QueueId,
    /// The page.
    pub page: PageId,
    /// Where its list is.
    pub list: ContentAddress,
    /// What for.
    pub purpose: Purpose,
}

/// What a page is wanted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purpose {
    /// To be served: it returns to memory.
    Thaw,
    /// To find something on it: it is kept with [`Engine::page_loaded`] until the decision is made.
    Look,
}

impl Decision {
    /// Makes an answer that changes nothing.
    pub(crate) fn answer(reply: Reply) -> Self {
        Decision::Commit { events: Vec::new(), reply }
    }

    /// Asks for a page.
    pub(crate) fn page(wish: PageWish) -> Self {
        Decision::Load(Wish::Page(wish))
    }

    /// Makes an event happen that has nothing to say.
    pub(crate) fn done(event: Event) -> Self {
        Decision::Commit { events: vec![event], reply: Reply::Done }
    }
}

impl Engine {
    /// Decides a command at a moment. All events that time alone causes must have happened before:
    /// see [`Engine::due`]. `blocks` are those that this command has asked for before.
    pub fn decide(&self, command: &Command, now: Timestamp, entropy: Entropy, blocks: &Blocks) -> Decision {
        let decision = match command {
            Command::CreateQueue { arn, attributes, tags } => self.create_queue(arn, attributes, tags, now),
            Command::DeleteQueue { queue } => self.delete_queue(*queue),
            Command::SetQueueAttributes { queue, attributes } => self.set_attributes(*queue, attributes, now),
            Command::ChangeTags { queue, set, remove } => self.change_tags(*queue, set, remove),
            Command::DescribeQueue { queue } => self.describe_queue(*queue, now),
            Command::ListQueues { region, account, prefix, after, limit } => {
                Ok(self.list_queues(region, *account, prefix, after.as_deref(), *limit))
            }
            Command::ListSources { queue, after, limit } => self.list_sources(*queue, after.as_deref(), *limit),
            Command::Purge { queue } => self.purge(*queue, now),
            Command::Send { queue, messages } => self.send(*queue, messages, now, entropy, blocks),
            Command::Import { queue, messages } => self.import(*queue, messages, now, entropy),
            Command::Receive(receive) => self.receive(receive, now),
            Command::Delete { queue, receipts } => self.delete(*queue, receipts, now),
            Command::ChangeVisibility { queue, changes } => self.change_visibility(*queue, changes, now),
            Command::GiveBack { queue, receipts, attempt } => self.give_back(*queue, receipts, *attempt),
            Command::StartMoveTask { source, destination, rate } => {
                self.start_move_task(source, destination.as_ref(), *rate, entropy)
            }
            Command::CancelMoveTask { task } => self.cancel_move_task(*task),
            Command::ListMoveTasks { source, limit } => self.list_move_tasks(source, *limit),
        };
        decision.unwrap_or_else(Decision::Reject)
    }

    /// Finds the queue of a command.
    pub(crate) fn existing(&self, queue: QueueId) -> Result<&Queue, Error> {
        self.queue(queue).ok_or_else(Error::no_such_queue)
    }
}
