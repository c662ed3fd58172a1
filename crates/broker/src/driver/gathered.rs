//! Sends and deletions that wait for others, to be decided together.
//!
//! One MD5 leaves most of the processor idle and sixteen at once cost little more, but a message that is sent alone has no
//! company. Others are sent at the same time, and all of them wait for the same sync: so senders leave their messages
//! here. Before the journal writes a group, the pump computes the digests of all and gives them to the shard in one turn,
//! which writes one record; before that does whoever brings so many that more would not make it cheaper. Deletions wait for
//! a sync as well, so they share that turn, and none of them waits for the shard while another is decided.

use std::mem;
use std::sync::{MutexGuard, PoisonError};

use stanchion_engine::command::{Command, Reply};
use stanchion_shard::{Asked, Input};
use stanchion_types::Error;
use stanchion_types::message::Md5;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::{Answer, Answered, Driver, GROUP_BYTES, Waiter, release};
use crate::content::Draft;
use crate::failure::Failure;
use crate::md5::LANES;

/// A record grows by whole commands until it has so many bytes of contents. Larger ones would hardly be cheaper to write,
/// but a reader of one message has more of them to pass by.
const RECORD_BYTES: usize = 64 << 10;

/// What callers have left.
#[derive(Default)]
pub(super) struct Gathered {
    asking: Vec<Asking>,
    /// The contents of all messages that are sent, in their order.
    drafts: Vec<Draft>,
    bytes: usize,
    /// Whether the pump looks here without being told, because a group is written.
    is_awaited: bool,
    /// Why nothing is taken any more.
    failure: Option<Failure>,
}

/// A command whose messages have no contents yet, if it sends any.
struct Asking {
    command: Command,
    answer: oneshot::Sender<Answered>,
    room: Option<OwnedSemaphorePermit>,
}

impl Gathered {
    pub(super) fn is_empty(&self) -> bool {
        self.asking.is_empty()
    }

    /// Notes whether a group is written, which has the pump look here afterwards.
    pub(super) fn await_write(&mut self, is_writing: bool) {
        self.is_awaited = is_writing;
    }

    /// Tells whether more company would not make anything cheaper.
    fn is_enough(&self) -> bool {
        self.asking.len() >= LANES || self.drafts.len() >= LANES || self.bytes >= GROUP_BYTES
    }

    fn add(&mut self, asking: Asking, drafts: Vec<Draft>) {
        self.bytes += drafts.iter().map(Draft::len).sum::<usize>();
        self.drafts.extend(drafts);
        self.asking.push(asking);
    }

    fn take(&mut self) -> (Vec<Asking>, Vec<Draft>) {
        self.bytes = 0;
        (mem::take(&mut self.asking), mem::take(&mut self.drafts))
    }
}

impl Driver {
    /// Leaves a send or a deletion for the pump, and waits for the reply of the shard; with it come the digests of the
    /// bodies. Messages have no content yet: `drafts` are what becomes their contents, in their order.
    ///
    /// The command takes effect whether or not the caller stays; `room` is given back with the reply.
    ///
    /// # Errors
    /// The refusal of the shard, or that the journal has failed.
    pub(crate) async fn ask_in_company(
        &self,
        command: Command,
        drafts: Vec<Draft>,
        room: Option<OwnedSemaphorePermit>,
    ) -> Result<(Reply, Vec<Md5>), Error> {
        let (sender, answer) = oneshot::channel();
        self.gather(Asking { command, answer: sender, room }, drafts)?;
        self.unwrap(answer.await).map(|Answer { reply, digests, .. }| (reply, digests))
    }

    fn gather(&self, asking: Asking, drafts: Vec<Draft>) -> Result<(), Error> {
        let mut gathered = self.gathered();
        if let Some(failure) = &gathered.failure {
            return Err(failure.unavailable());
        }
        let needs_pump = gathered.is_empty() && !gathered.is_awaited;
        gathered.add(asking, drafts);
        let is_enough = gathered.is_enough();
        drop(gathered);
        if is_enough {
            self.take_gathered();
        } else if needs_pump {
            self.notes.wake.notify_one();
        }
        Ok(())
    }

    /// Gives the shard what callers have left.
    pub(crate) fn take_gathered(&self) {
        let (all, drafts) = self.gathered().take();
        if all.is_empty() {
            return;
        }
        let mut contents = Draft::complete(drafts);
        let released = self.turn(self.lock(), |core, _| {
            let (mut inputs, mut asked, mut bytes) = (Vec::new(), Vec::new(), 0);
            for Asking { mut command, answer, room } in all {
                let mut digests = Vec::new();
                if let Command::Send { messages, .. } = &mut command {
                    digests.reserve_exact(messages.len());
                    for message in messages {
                        let (content, digest) = contents.next().expect("every message has a content");
                        bytes += content.len();
                        message.content = content;
                        digests.push(digest);
                    }
                }
                let ticket = core.expect(Waiter { answer, digests, _room: room });
                let entropy = core.entropy.draw();
                asked.push(Asked { ticket, command, entropy });
                if bytes >= RECORD_BYTES {
                    inputs.push(Input::Commands(mem::take(&mut asked)));
                    bytes = 0;
                }
            }
            inputs.push(Input::Commands(asked));
            inputs
        });
        release(released);
    }

    /// Tells everybody who has left something why nothing comes of it, and everybody who comes.
    pub(super) fn refuse_gathered(&self, failure: &Failure) {
        let (refused, _) = {
            let mut gathered = self.gathered();
            gathered.failure.get_or_insert(failure.clone());
            gathered.take()
        };
        for asking in refused {
            // A caller that left meanwhile needs no answer.
            let _ = asking.answer.send(Err(failure.clone()));
        }
    }

    /// Takes the lock of what callers have left, for a moment. Whoever holds it takes no other.
    pub(super) fn gathered(&self) -> MutexGuard<'_, Gathered> {
        self.gathered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
