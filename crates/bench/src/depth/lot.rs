//! Messages of a scenario: which queue each goes to, and what it carries.

use crate::client::{Client, Failure};
use crate::payload::{self, Number};
use crate::protocol::{Call, FifoIds, Outgoing, Queue};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

/// Messages in a request.
pub(super) const BATCH: u64 = 10;
/// How long a producer waits that was told to slow down.
const PAUSE: Duration = Duration::from_millis(50);

/// The messages that one scenario sends, numbered in the order of sending.
#[derive(Debug)]
pub(super) struct Lot {
    /// Batch after batch goes to queue after queue.
    pub(super) queues: Vec<Queue>,
    /// So many of a hundred batches, spread evenly, go to this queue instead.
    pub(super) shelf: Option<(Queue, u64)>,
    pub(super) size: usize,
    /// Messages of a FIFO queue walk through so many groups.
    pub(super) groups: Option<u64>,
    /// All messages are of this one group instead.
    pub(super) group: Option<&'static str>,
    /// Each message has a delay of its own, up to this many seconds.
    pub(super) delay_seconds_max: Option<u32>,
    next: Cell<u64>,
    read_next: Cell<u64>,
    /// Queues that gave less than was asked for: they are asked again before the next one.
    read_again: RefCell<Vec<usize>>,
}

impl Lot {
    /// This function makes a lot of `size` bytes a message that has not sent
    /// any; `groups` for FIFO queues.
    pub(super) fn new(queues: Vec<Queue>, size: usize, groups: Option<u64>) -> Self {
        Self {
            queues,
            shelf: None,
            size,
            groups,
            group: None,
            delay_seconds_max: None,
            next: Cell::new(0),
            read_next: Cell::new(0),
            read_again: RefCell::default(),
        }
    }

    /// This function gives the number of messages sent so far.
    pub(super) fn sent(&self) -> u64 {
        self.next.get()
    }

    /// This function gives the queue that the next receive asks.
    pub(super) fn next_to_read(&self) -> usize {
        if let Some(again) = self.read_again.borrow_mut().pop() {
            return again;
        }
        let turn = self.read_next.get();
        self.read_next.set(turn + 1);
        (turn % self.queues.len() as u64) as usize
    }

    /// This function lets the next receive ask a queue again that gave less than was asked for. Messages that stay in a
    /// queue would be missing elsewhere: receives visit queues in the order in which sends do.
    pub(super) fn read_again(&self, at: usize) {
        self.read_again.borrow_mut().push(at);
    }

    /// The queue of the batch that begins with this message.
    fn queue_of(&self, first: u64) -> &Queue {
        let batch = first / BATCH;
        match &self.shelf {
            // 37 and 100 have no common factor: every residue comes once in a hundred batches.
            Some((shelf, share)) if batch * 37 % 100 < *share => shelf,
            _ => &self.queues[(batch % self.queues.len() as u64) as usize],
        }
    }

    /// This function sends batches on one connection until the lot has sent
    /// `until` messages in all. Each answer's latency goes to `each`.
    pub(super) async fn send(
        self: &Rc<Self>,
        client: &mut Client,
        until: u64,
        mut each: impl FnMut(Duration, u64),
    ) -> Result<(), Failure> {
        let mut messages: Vec<Message> = (0..BATCH).map(|_| Message::default()).collect();
        loop {
            let first = self.next.get();
            if first >= until {
                return Ok(());
            }
            let count = BATCH.min(until - first);
            self.next.set(first + count);
            for (number, message) in (first..first + count).zip(&mut messages) {
                message.compose(self, number);
            }
            let entries: Vec<Outgoing<'_>> =
                messages[..count as usize].iter().map(|message| message.outgoing(self)).collect();
            let call = Call::SendBatch { queue: self.queue_of(first), messages: &entries };
            loop {
                let began = std::time::Instant::now();
                let answer = client.call(&call, |protocol, body| protocol.failed_entries(body)).await;
                match answer {
                    Ok(failed) if failed.is_empty() => {
                        each(began.elapsed(), count);
                        break;
                    }
                    // Told to slow down, which is what a client does then.
                    Err(Failure::Refused { code, .. }) if code.contains("Throttled") => tokio::time::sleep(PAUSE).await,
                    Ok(_) => return Err(Failure::Malformed { action: call.action() }),
                    Err(failure) => return Err(failure),
                }
            }
        }
    }
}

/// A message in buffers that are used again.
#[derive(Default)]
struct Message {
    body: Vec<u8>,
    group: String,
    deduplication: String,
    delay: u32,
}

impl Message {
    fn compose(&mut self, lot: &Lot, number: u64) {
        let id = Number { run: 0, producer: 0, sequence: number, group: 0 };
        payload::write(&mut self.body, id, lot.size);
        if let Some(groups) = lot.groups {
            self.group = lot.group.map_or_else(|| format!("group-{}", number % groups), str::to_owned);
            self.deduplication = format!("{}-{number}", self.group);
        }
        if let Some(max) = lot.delay_seconds_max {
            // Spread like chance, and the same in every run.
            self.delay = (number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as u32 % (max + 1);
        }
    }

    fn outgoing(&self, lot: &Lot) -> Outgoing<'_> {
        let ids = FifoIds { group: &self.group, deduplication: &self.deduplication };
        Outgoing {
            body: &self.body,
            fifo: lot.groups.is_some().then_some(ids),
            delay_seconds: lot.delay_seconds_max.is_some().then_some(self.delay),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{BATCH, Lot, Queue};

    #[test]
    fn queues_are_read_in_turn_and_one_that_gave_too_little_at_once_again() {
        let queues = ["one", "two", "three"].map(|name| Queue::new(format!("http://127.0.0.1:1/000000000000/{name}")));
        let lot = Lot::new(queues.to_vec(), 1024, None);
        let (first, second) = (lot.next_to_read(), lot.next_to_read());
        lot.read_again(first);
        let rest: Vec<usize> = (0..4).map(|_| lot.next_to_read()).collect();
        assert_eq!((first, second, rest), (0, 1, vec![0, 2, 0, 1]));
    }

    #[test]
    fn the_shelf_gets_its_share_of_every_hundred_batches_spread_evenly() {
        let queue = |name: &str| Queue::new(format!("http://127.0.0.1:1/000000000000/{name}"));
        for share in [1, 10, 30, 50] {
            let mut lot = Lot::new(vec![queue("goes")], 1024, None);
            lot.shelf = Some((queue("stays"), share));
            let stays = |batch: &u64| lot.queue_of(batch * BATCH).url.ends_with("stays");
            let chosen: Vec<u64> = (0..300).filter(stays).collect();
            assert_eq!(chosen.len() as u64, 3 * share);
            let widest = chosen.windows(2).map(|pair| pair[1] - pair[0]).max().expect("more than one");
            assert!(widest <= 3 * 100 / share, "{share} of a hundred, and a gap of {widest}");
        }
    }
}
