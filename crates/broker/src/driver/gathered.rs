//! Sends that wait for others, to be decided together.
//!
//! One MD5 leaves most of the processor idle and sixteen at once cost little more, but a message that is sent alone has no
//! company. Others are sent at the same time, and all of them wait for the same sync: so senders leave their messages
//! here. Before the journal writes a group, the pump computes the digests of all and gives them to the shard in one turn,
//! which writes one record; before that does whoever brings so many that more would not make it cheaper.

use std::mem;

use stanchion_engine::command::{Command, Reply, Submission};
use stanchion_engine::ids::QueueId;
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

/// What senders have left.
#[derive(Default)]
pub(super) struct Gathered {
    sendings: Vec<Sending>,
    /// The contents of all messages, in their order.
    drafts: Vec<Draft>,
    bytes: usize,
}

/// A send, without the contents of its messages.
struct Sending {
    queue: QueueId,
    messages: Vec<Submission>,
    answer: oneshot::Sender<Answered>,
    room: OwnedSemaphorePermit,
}

impl Gathered {
    pub(super) fn is_empty(&self) -> bool {
        self.sendings.is_empty()
    }

    /// Tells whether more company would not make the messages cheaper.
    fn is_enough(&self) -> bool {
        self.drafts.len() >= LANES || self.bytes >= GROUP_BYTES
    }

    fn add(&mut self, sending: Sending, drafts: Vec<Draft>) {
        assert_eq!(drafts.len(), sending.messages.len(), "every message has a content");
        self.bytes += drafts.iter().map(Draft::len).sum::<usize>();
        self.drafts.extend(drafts);
        self.sendings.push(sending);
    }

    /// Tells all senders why nothing will come of it.
    pub(super) fn refuse(self, failure: &Failure) {
        for sending in self.sendings {
            // A caller that left meanwhile needs no answer.
            let _ = sending.answer.send(Err(failure.clone()));
        }
    }
}

impl Driver {
    /// Leaves messages for the pump, and waits for the reply of the shard; with it come the digests of the bodies. The
    /// messages have no content yet: `drafts` are what becomes their contents.
    ///
    /// They are sent whether or not the caller stays; `room` is given back with the reply.
    ///
    /// # Errors
    /// The refusal of the shard, or that the journal has failed.
    pub(crate) async fn send(
        &self,
        queue: QueueId,
        messages: Vec<Submission>,
        drafts: Vec<Draft>,
        room: OwnedSemaphorePermit,
    ) -> Result<(Reply, Vec<Md5>), Error> {
        let (sender, answer) = oneshot::channel();
        self.gather(Sending { queue, messages, answer: sender, room }, drafts)?;
        self.unwrap(answer.await).map(|Answer { reply, digests, .. }| (reply, digests))
    }

    fn gather(&self, sending: Sending, drafts: Vec<Draft>) -> Result<(), Error> {
        let mut core = self.lock();
        if let Some(failure) = &core.failure {
            return Err(failure.unavailable());
        }
        let is_first = core.gathered.is_empty();
        core.gathered.add(sending, drafts);
        if core.gathered.is_enough() {
            drop(core);
            self.take_gathered();
        } else if is_first && !core.is_writing() {
            // While a group is written, the pump looks here when that is durable.
            self.notes.wake.notify_one();
        }
        Ok(())
    }

    /// Gives the shard what senders have left.
    pub(crate) fn take_gathered(&self) {
        let Gathered { sendings, drafts, .. } = mem::take(&mut self.lock().gathered);
        if sendings.is_empty() {
            return;
        }
        let mut contents = Draft::complete(drafts);
        let released = self.turn(self.lock(), |core, _| {
            let (mut inputs, mut asked, mut bytes) = (Vec::new(), Vec::new(), 0);
            for Sending { queue, mut messages, answer, room } in sendings {
                let mut digests = Vec::with_capacity(messages.len());
                for message in &mut messages {
                    let (content, digest) = contents.next().expect("every message has a content");
                    bytes += content.len();
                    message.content = content;
                    digests.push(digest);
                }
                let ticket = core.expect(Waiter { answer, digests, _room: Some(room) });
                let entropy = core.entropy.draw();
                asked.push(Asked { ticket, command: Command::Send { queue, messages }, entropy });
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
}
