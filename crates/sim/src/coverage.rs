//! Which interesting situations a simulation has met, so that a simulation that tests nothing is noticed.

use std::collections::BTreeMap;
use std::fmt;

use stanchion_engine::command::{Command, ReceiptFault, Reply};
use stanchion_engine::event::{Event, TaskEnd};
use stanchion_engine::ids::Shelf;
use stanchion_types::Code;

use crate::shadow::Handout;

macro_rules! marks {
    ($($name:ident,)*) => {
        /// A situation.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[allow(missing_docs, reason = "the names say it")]
        pub enum Mark { $($name,)* }

        impl Mark {
            /// All situations.
            pub const ALL: &[Mark] = &[$(Mark::$name,)*];
        }
    };
}

marks! {
    AskedTogether, Sent, SentDuplicate, SentRefused, Imported, ImportRefused,
    HandedOutStandard, HandedOutFifo, HandedOutAgain, HandedOutDeadLetter, HandedOutWithoutHiding, AttemptRepeated,
    ReceivedNothing, ReceiveParked, ReceiveCancelled, ReceiveOverLimit,
    Deleted, DeletedFromPage, DeleteExpired,
    VisibilityChanged, VisibilityEnded, GivenBack, ChangeNotInFlight, ChangeNotAvailable, ChangeBeyondTotal, ChangeExpired,
    DeadLettered, TimeReleased, SentToTheBack, Expired, ExpiredOnPage, LeftoverOnPage,
    PageWritten, PageThawed, PageRewritten, PageOfReceived, DelayedPageWritten, DelayedPageThawed, OverdueOnPage,
    LanePageWritten, LanePageThawed, MemoryFull,
    CommandWaitedForPage, ReadFailed,
    IdsFiled, IdsMoved, IdsForgotten, IdsMarksRead, DuplicateInChunk, IdsReadInVain, IdsReadFailed,
    TaskStarted, TaskMoved, TaskCompleted, TaskCancelled, TaskFailed,
    QueueCreated, QueueDeleted, QueueExists, QueueRests, AttributesSet, AttributesRefused, TagsChanged, Purged,
    PurgeRests, NoSuchQueue,
    CrashLostSuffix, CrashLostNothing, RestoredFromSnapshot, RestoredFromNothing, Trimmed, Drained,
    ClockSetBack, ClockJumped,
    Moved, MovedOnPage, MoveFailed, Released, RoomScarce, MovedForRoom, RoomReturned,
    NoisyServed, NoisyPassedOver,
}

/// How often each situation was met.
#[derive(Clone, Debug, Default)]
pub struct Coverage {
    counts: BTreeMap<Mark, u64>,
    operations: BTreeMap<&'static str, u64>,
}

impl Coverage {
    /// Counts a situation.
    pub fn hit(&mut self, mark: Mark) {
        *self.counts.entry(mark).or_default() += 1;
    }

    /// Counts an operation: a command, or in brackets what else happens to a shard.
    pub fn operation(&mut self, name: &'static str) {
        *self.operations.entry(name).or_default() += 1;
    }

    /// Returns the operations by name.
    pub fn operations(&self) -> &BTreeMap<&'static str, u64> {
        &self.operations
    }

    /// Returns how often a situation was met.
    pub fn count(&self, mark: Mark) -> u64 {
        self.counts.get(&mark).copied().unwrap_or(0)
    }

    /// Adds what another simulation met.
    pub fn add(&mut self, other: &Coverage) {
        for (mark, count) in &other.counts {
            *self.counts.entry(*mark).or_default() += count;
        }
        for (name, count) in &other.operations {
            *self.operations.entry(name).or_default() += count;
        }
    }

    /// Lists the situations that were never met.
    pub fn missed(&self) -> Vec<Mark> {
        Mark::ALL.iter().copied().filter(|mark| self.count(*mark) == 0).collect()
    }

    /// Counts an event.
    pub fn event(&mut self, event: &Event) {
        let mark = match event {
            Event::QueueCreated { .. } => Mark::QueueCreated,
            Event::QueueDeleted { .. } => Mark::QueueDeleted,
            Event::AttributesSet { .. } => Mark::AttributesSet,
            Event::TagsChanged { .. } => Mark::TagsChanged,
            Event::Purged { .. } => Mark::Purged,
            Event::Sent { .. } => Mark::Sent,
            Event::Imported { .. } => Mark::Imported,
            Event::Received { .. } | Event::Repeated { .. } => return,
            Event::Deleted { .. } => Mark::Deleted,
            Event::VisibilityChanged { .. } => Mark::VisibilityChanged,
            Event::Released { messages, .. } => {
                if messages.iter().any(|(_, order)| order.is_some()) {
                    self.hit(Mark::SentToTheBack);
                }
                Mark::TimeReleased
            }
            Event::GivenBack { .. } => Mark::GivenBack,
            Event::Expired { .. } => Mark::Expired,
            Event::DeadLettered { .. } => Mark::DeadLettered,
            Event::Chilled { page, messages, .. } => {
                if messages.iter().any(|message| message.receives.count > 0) {
                    self.hit(Mark::PageOfReceived);
                }
                match page.shelf() {
                    Shelf::Line => Mark::PageWritten,
                    Shelf::Delayed => Mark::DelayedPageWritten,
                    Shelf::Lane => Mark::LanePageWritten,
                }
            }
            Event::Thawed { page, .. } => match page.shelf() {
                Shelf::Line => Mark::PageThawed,
                Shelf::Delayed => Mark::DelayedPageThawed,
                Shelf::Lane => Mark::LanePageThawed,
            },
            Event::Repaged { messages, .. } if messages.is_empty() => Mark::ExpiredOnPage,
            Event::Repaged { .. } => Mark::PageRewritten,
            Event::Filed { .. } => Mark::IdsFiled,
            Event::Refiled { .. } => Mark::IdsMoved,
            Event::Forgotten { .. } => Mark::IdsForgotten,
            Event::Moved { .. } => Mark::Moved,
            Event::TaskStarted { .. } => Mark::TaskStarted,
            Event::TaskMoved { .. } => Mark::TaskMoved,
            Event::TaskEnded { end: TaskEnd::Completed, .. } => Mark::TaskCompleted,
            Event::TaskEnded { end: TaskEnd::Cancelled, .. } => Mark::TaskCancelled,
            Event::TaskEnded { end: TaskEnd::Failed(_), .. } => Mark::TaskFailed,
        };
        self.hit(mark);
    }

    /// Counts a command that did something.
    pub fn command(&mut self, command: &Command, reply: &Reply) {
        if let (Command::ChangeVisibility { changes, .. }, Reply::Handled(outcomes)) = (command, reply)
            && changes.iter().zip(outcomes).any(|((_, seconds), outcome)| *seconds == 0 && outcome.is_ok())
        {
            self.hit(Mark::VisibilityEnded);
        }
    }

    /// Counts the answer to a send that had to read deduplication ids.
    pub fn looked_up(&mut self, reply: &Reply) {
        let duplicate = |reply: &Reply| {
            let Reply::Sent(outcomes) = reply else { return false };
            outcomes.iter().flatten().any(|accepted| accepted.duplicate)
        };
        self.hit(match reply {
            Reply::Refused(error) if error.code == Code::InternalFailure => Mark::IdsReadFailed,
            reply if duplicate(reply) => Mark::DuplicateInChunk,
            _ => Mark::IdsReadInVain,
        });
    }

    /// Counts a delete that reached a message on a page.
    pub fn deleted_from_page(&mut self) {
        self.hit(Mark::DeletedFromPage);
    }

    /// Counts an answer.
    pub fn reply(&mut self, command: &Command, reply: &Reply) {
        match reply {
            Reply::Refused(error) => match error.code {
                Code::OverLimit => self.hit(Mark::ReceiveOverLimit),
                Code::QueueDoesNotExist => self.hit(Mark::NoSuchQueue),
                Code::QueueNameExists => self.hit(Mark::QueueExists),
                Code::QueueDeletedRecently => self.hit(Mark::QueueRests),
                Code::PurgeQueueInProgress => self.hit(Mark::PurgeRests),
                Code::InvalidParameterValue if matches!(command, Command::SetQueueAttributes { .. }) => {
                    self.hit(Mark::AttributesRefused);
                }
                _ => {}
            },
            Reply::Sent(outcomes) => {
                for outcome in outcomes {
                    match outcome {
                        Ok(accepted) if accepted.duplicate => self.hit(Mark::SentDuplicate),
                        Err(_) => self.hit(Mark::SentRefused),
                        Ok(_) => {}
                    }
                }
            }
            Reply::Imported(Err(_)) => self.hit(Mark::ImportRefused),
            Reply::Received(deliveries) if deliveries.is_empty() => self.hit(Mark::ReceivedNothing),
            Reply::Handled(outcomes) => {
                let delete = matches!(command, Command::Delete { .. });
                for outcome in outcomes {
                    match outcome {
                        Err(ReceiptFault::Expired) if delete => self.hit(Mark::DeleteExpired),
                        Err(ReceiptFault::Expired) => self.hit(Mark::ChangeExpired),
                        Err(ReceiptFault::NotInFlight) => self.hit(Mark::ChangeNotInFlight),
                        Err(ReceiptFault::NotAvailable) => self.hit(Mark::ChangeNotAvailable),
                        Err(ReceiptFault::BeyondTotal) => self.hit(Mark::ChangeBeyondTotal),
                        Ok(()) => {}
                    }
                }
            }
            _ => {}
        }
    }

    /// Counts messages that a caller got.
    pub fn handout(&mut self, handout: &Handout, now: stanchion_types::Timestamp) {
        if handout.repeated {
            return self.hit(Mark::AttemptRepeated);
        }
        if handout.until <= now {
            self.hit(Mark::HandedOutWithoutHiding);
        }
        if handout.fairness.noisy {
            self.hit(Mark::NoisyServed);
        }
        if handout.fairness.passed_over {
            self.hit(Mark::NoisyPassedOver);
        }
        for delivery in &handout.deliveries {
            let fifo = delivery.sequence_number.is_some();
            self.hit(if fifo { Mark::HandedOutFifo } else { Mark::HandedOutStandard });
            if delivery.receipt.receive_count > 1 {
                self.hit(Mark::HandedOutAgain);
            }
            if delivery.dead_letter_source.is_some() {
                self.hit(Mark::HandedOutDeadLetter);
            }
        }
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, mark) in Mark::ALL.iter().enumerate() {
            let end = if index % 4 == 3 { "\n" } else { "" };
            write!(f, "{:>26} {:<9}{end}", format!("{mark:?}"), self.count(*mark))?;
        }
        Ok(())
    }
}
