//! One connection at work.

use super::Context;
use crate::client::{Client, Failure};
use crate::payload::{self, Number};
use crate::protocol::{Action, Call, FailedEntry, FifoIds, Malformed, Outgoing, Queue};
use crate::tally::Tally;
use crate::{Protocol, WorkloadKind};
use std::cell::{Cell, RefCell};
use std::fmt::Write;
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A connection with what its work needs. Answers, errors and latencies are
/// counted here, so that no workload can forget them.
pub(crate) struct Worker {
    pub(crate) index: usize,
    pub(crate) began: Instant,
    context: Arc<Context>,
    deadline: Option<Instant>,
    /// Counts through this connection's queues.
    turn: usize,
    client: Client,
    tally: Rc<RefCell<Tally>>,
    in_flight: Rc<InFlight>,
}

/// Since when a request has been waiting for its answer.
#[derive(Default)]
pub(crate) struct InFlight(Cell<Option<Instant>>);

impl InFlight {
    pub(crate) fn longer_than(&self, limit: Duration, now: Instant) -> bool {
        self.0.get().is_some_and(|since| now.saturating_duration_since(since) > limit)
    }
}

/// What a worker asks for.
enum Request<'c> {
    Call(&'c Call<'c>),
    /// The last call once more.
    Repeat(Action),
}

impl Request<'_> {
    fn action(&self) -> Action {
        match self {
            Self::Call(call) => call.action(),
            Self::Repeat(action) => *action,
        }
    }
}

/// A successful answer and the moment it was there.
pub(crate) struct Answer<T> {
    pub(crate) value: T,
    pub(crate) at: Instant,
}

/// After a failure without an answer the server gets a moment before the next
/// attempt, so that a server that is down is not hammered.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_millis(20);

impl Worker {
    pub(crate) fn new(
        index: usize,
        client: Client,
        tally: Rc<RefCell<Tally>>,
        context: Arc<Context>,
        began: Instant,
    ) -> Self {
        let deadline = context.time.and_then(|time| began.checked_add(time));
        Self { index, began, context, deadline, turn: 0, client, tally, in_flight: Rc::default() }
    }

    pub(crate) fn context(&self) -> &Arc<Context> {
        &self.context
    }

    pub(crate) fn in_flight_since(&self) -> Rc<InFlight> {
        self.in_flight.clone()
    }

    /// This function gives the index of the first queue this connection works
    /// on.
    pub(crate) fn queue_index(&self) -> usize {
        self.index % self.context.setup.queues.len()
    }

    /// This function gives the index of the queue whose turn it is: always the
    /// same, unless there are more queues than connections.
    pub(crate) fn next_queue(&mut self) -> usize {
        let turn = self.turn % self.queues();
        self.turn = turn + 1;
        self.queue_index() + turn * self.context.setup.options.connections
    }

    /// This function counts the queues that this connection works on.
    pub(crate) fn queues(&self) -> usize {
        let (queues, connections) = (self.context.setup.queues.len(), self.context.setup.options.connections);
        (queues - self.queue_index()).div_ceil(connections)
    }

    /// This function claims up to `count` messages to begin; `None` ends the
    /// work.
    pub(crate) fn claim(&self, count: u64) -> Option<Range<u64>> {
        if self.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return None;
        }
        self.context.claim(count)
    }

    /// This function counts a latency that is not simply a request's.
    pub(crate) fn record(&self, name: &'static str, latency: Duration) {
        self.tally.borrow_mut().record(name, latency, 1);
    }

    /// This function counts an error that is not simply a request's.
    pub(crate) fn error(&self, code: impl Into<String>) {
        self.tally.borrow_mut().error(code.into(), 1);
    }

    /// This function sends one message; its latency counts from `due`, or from
    /// now.
    pub(crate) async fn send(
        &mut self,
        queue: &Queue,
        message: Outgoing<'_>,
        due: Option<Instant>,
    ) -> Result<Answer<()>, Failure> {
        self.call(Request::Call(&Call::Send { queue, message }), due, |_, _| Ok(()), |()| 1).await
    }

    /// This function tells whether all messages of `composer` make the same
    /// request, so that it need not be made again: that would be most of what
    /// this side of the socket costs.
    pub(crate) fn repeats(&self, composer: &Composer) -> bool {
        let signed = self.context.setup.options.sign.is_some();
        !composer.numbered && self.queues() == 1 && !signed
    }

    /// This function sends once more what was sent last, which was one message.
    pub(crate) async fn send_again(&mut self) -> Result<Answer<()>, Failure> {
        self.call(Request::Repeat(Action::SendMessage), None, |_, _| Ok(()), |()| 1).await
    }

    /// This function sends once more what was sent last, which was a batch of
    /// `entries`.
    pub(crate) async fn send_batch_again(&mut self, entries: usize) -> Result<Answer<Vec<FailedEntry>>, Failure> {
        self.batch(Request::Repeat(Action::SendMessageBatch), entries).await
    }

    /// This function sends a batch and returns the entries that were refused.
    pub(crate) async fn send_batch(
        &mut self,
        queue: &Queue,
        messages: &[Outgoing<'_>],
    ) -> Result<Answer<Vec<FailedEntry>>, Failure> {
        self.batch(Request::Call(&Call::SendBatch { queue, messages }), messages.len()).await
    }

    /// This function receives up to `messages_max` messages, gives each to
    /// `each` and returns how many there were.
    pub(crate) async fn receive(
        &mut self,
        queue: &Queue,
        messages_max: usize,
        wait_seconds: u64,
        each: impl FnMut(&str, &[u8]),
    ) -> Result<Answer<usize>, Failure> {
        let call = Call::Receive { queue, messages_max, wait_seconds, visibility_seconds: None };
        self.call(Request::Call(&call), None, |protocol, body| protocol.messages(body, each), |count| *count as u64)
            .await
    }

    /// This function deletes one message.
    pub(crate) async fn delete(&mut self, queue: &Queue, handle: &str) -> Result<Answer<()>, Failure> {
        self.call(Request::Call(&Call::Delete { queue, handle }), None, |_, _| Ok(()), |()| 1).await
    }

    /// This function deletes up to ten messages and returns the entries that
    /// were refused.
    pub(crate) async fn delete_batch(
        &mut self,
        queue: &Queue,
        handles: &[String],
    ) -> Result<Answer<Vec<FailedEntry>>, Failure> {
        self.batch(Request::Call(&Call::DeleteBatch { queue, handles }), handles.len()).await
    }

    async fn batch(&mut self, request: Request<'_>, entries: usize) -> Result<Answer<Vec<FailedEntry>>, Failure> {
        let action = request.action();
        let answer = self
            .call(
                request,
                None,
                |protocol, body| {
                    let failed = protocol.failed_entries(body)?;
                    failed.iter().all(|(at, _)| *at < entries).then_some(failed).ok_or(Malformed)
                },
                |failed| (entries - failed.len().min(entries)) as u64,
            )
            .await?;
        for (_, code) in &answer.value {
            self.error(format!("{} entry: {code}", action.name()));
        }
        Ok(answer)
    }

    /// Makes a call, counts it, and says when its answer was there.
    async fn call<T>(
        &mut self,
        request: Request<'_>,
        due: Option<Instant>,
        read: impl FnOnce(Protocol, &[u8]) -> Result<T, Malformed>,
        messages: impl FnOnce(&T) -> u64,
    ) -> Result<Answer<T>, Failure> {
        let started = Instant::now();
        self.in_flight.0.set(Some(started));
        let action = request.action();
        let result = match request {
            Request::Call(call) => self.client.call(call, read).await,
            Request::Repeat(action) => self.client.repeat(action, read).await,
        };
        let at = Instant::now();
        self.in_flight.0.set(None);
        match result {
            Ok(value) => {
                let latency = at.saturating_duration_since(due.unwrap_or(started));
                self.tally.borrow_mut().record(action.name(), latency, messages(&value));
                Ok(Answer { value, at })
            }
            Err(failure) => {
                self.error(failure.code());
                if !matches!(failure, Failure::Refused { .. }) {
                    tokio::time::sleep(PAUSE_AFTER_FAILURE).await;
                }
                Err(failure)
            }
        }
    }

    /// This function makes the messages of this connection.
    pub(crate) fn composer(&self) -> Composer {
        let options = &self.context.setup.options;
        Composer {
            run: self.context.setup.run,
            producer: u32::try_from(self.index).unwrap_or(u32::MAX),
            size: options.size,
            groups: options.fifo.then_some(options.groups),
            // Only there a body is read again; elsewhere one body serves all
            // messages of a standard queue.
            numbered: options.fifo || matches!(options.workload, WorkloadKind::ProduceConsume | WorkloadKind::LongPoll),
            body: Vec::new(),
            group: String::new(),
            deduplication: String::new(),
        }
    }

    /// This function opens a second connection that counts into the same tally.
    pub(crate) async fn second(&self) -> std::io::Result<Self> {
        let setup = &self.context.setup;
        Ok(Self {
            index: self.index,
            began: self.began,
            context: self.context.clone(),
            deadline: self.deadline,
            turn: 0,
            client: Client::open(&setup.endpoint, setup.options.protocol, &setup.head).await?,
            tally: self.tally.clone(),
            in_flight: Rc::default(),
        })
    }
}

/// Makes messages in buffers that are used again.
pub(crate) struct Composer {
    run: u64,
    producer: u32,
    size: usize,
    groups: Option<u32>,
    numbered: bool,
    body: Vec<u8>,
    group: String,
    deduplication: String,
}

impl Composer {
    /// This function makes the message with the given number.
    pub(crate) fn compose(&mut self, sequence: u64) -> Outgoing<'_> {
        let group = self.groups.map_or(0, |groups| (sequence % u64::from(groups)) as u32);
        if self.numbered || self.body.is_empty() {
            let number = Number { run: self.run, producer: self.producer, sequence, group };
            payload::write(&mut self.body, number, self.size);
        }
        if self.groups.is_none() {
            return Outgoing { body: &self.body, fifo: None, delay_seconds: None };
        }
        self.group.clear();
        self.deduplication.clear();
        write!(self.group, "g{group}").expect("writing to memory does not fail");
        write!(self.deduplication, "{:x}-{:x}-{sequence:x}", self.run, self.producer)
            .expect("writing to memory does not fail");
        let fifo = FifoIds { group: &self.group, deduplication: &self.deduplication };
        Outgoing { body: &self.body, fifo: Some(fifo), delay_seconds: None }
    }
}
