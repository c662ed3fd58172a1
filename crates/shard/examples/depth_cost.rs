//! What a message costs in a deep queue, from its send to its deletion: nanoseconds of one thread, without HTTP and
//! without a disk, and how many messages were in memory at most.
//!
//!     cargo run --release -p stanchion-shard --example depth_cost
//!     cargo run --release -p stanchion-shard --example depth_cost -- 'standard, deep'     only what begins like this

#![expect(
    clippy::disallowed_methods,
    reason = "only this program looks at a clock; the shard gets the time it is told"
)]

use std::time::Instant;

use bytes::Bytes;
use stanchion_engine::command::{Command, Deduplication, Receipt, Receive, Reply, Submission};
use stanchion_engine::ids::{DeduplicationHash, Entropy, GroupKey, QueueId};
use stanchion_shard::{Asked, Input, Options, Output, Record, Shard, Ticket};
use stanchion_types::{AccountId, QueueArn, QueueName, Region, Timestamp};

const MESSAGES: u64 = 300_000;
const BATCH: u64 = 10;
/// Longer than any case takes.
const HOURS: u32 = 43_200;

fn main() {
    // Numbers of a machine that does nothing else; compare them within one run.
    println!("| queue | ns a message | ratio | most in memory | pages read |");
    println!("| --- | ---: | ---: | ---: | ---: |");
    let empty = run("standard, empty", None, |world| {
        let queue = world.create("q");
        for _ in 0..MESSAGES / BATCH {
            world.send(queue, |_| (None, None));
            world.drain(queue, 1);
        }
    });
    run("standard, deep", Some(empty), |world| {
        let queue = world.create("q");
        world.fill(queue, |_| (None, None));
        world.drain(queue, u64::MAX);
    });
    run("standard, 120,000 received once and timed out", Some(empty), |world| {
        let queue = world.create("q");
        world.fill(queue, |_| (None, None));
        world.time_out(queue, |_| false);
        world.drain(queue, u64::MAX);
    });
    run("standard, every second deleted, 120,000 timed out", Some(empty), |world| {
        let queue = world.create("q");
        world.fill(queue, |_| (None, None));
        world.time_out(queue, |receipt| receipt.key.0 % 2 == 0);
        world.drain(queue, u64::MAX);
    });
    run("standard, delays of up to 15 minutes by chance", Some(empty), |world| {
        let queue = world.create("q");
        world.fill(queue, |number| (None, Some(1 + (number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as u32 % 900)));
        for _ in 0..=900 {
            world.now = world.now.plus_seconds(1);
            world.handle(Input::Tick);
            world.drain(queue, u64::MAX);
        }
    });
    run("2,000 standard queues in turn, a tenth in memory", Some(empty), |world| {
        let queues: Vec<QueueId> = (0..2_000).map(|number| world.create(&format!("q{number}"))).collect();
        for round in 0..MESSAGES / BATCH {
            world.send(queues[round as usize % queues.len()], |_| (None, None));
        }
        while queues.iter().filter(|queue| world.drain(**queue, 1) > 0).count() > 0 {}
    });
    let fifo = run("FIFO, empty", None, |world| {
        let queue = world.create("q.fifo");
        for _ in 0..MESSAGES / BATCH {
            world.send(queue, |number| (Some(number), None));
            world.drain(queue, 1);
        }
    });
    run("FIFO, deep, each message a group of its own", Some(fifo), |world| {
        let queue = world.create("q.fifo");
        world.fill(queue, |number| (Some(number), None));
        world.drain(queue, u64::MAX);
    });
    run("FIFO, half of the messages in one locked group in front", Some(fifo), |world| {
        let queue = world.create("q.fifo");
        world.fill(queue, |number| (Some(if number < MESSAGES / 2 { 0 } else { number }), None));
        let locked = world.receive(queue, 1, HOURS);
        world.drain(queue, u64::MAX);
        world.deleted += locked.len() as u64;
        world.ask(Command::Delete { queue, receipts: locked });
        world.drain(queue, u64::MAX);
    });
}

/// Runs a case, prints what it cost, and returns the nanoseconds a message.
fn run(name: &str, compared: Option<f64>, case: impl FnOnce(&mut World)) -> f64 {
    if std::env::args().nth(1).is_some_and(|wanted| !name.starts_with(&wanted)) {
        return f64::NAN;
    }
    let mut options = Options::default();
    options.engine.delayed_max = 30_000;
    options.engine.warm_max = MESSAGES as usize / 10;
    let mut world = World {
        shard: Shard::new(options),
        records: Vec::new(),
        tickets: 0,
        sent: 0,
        deleted: 0,
        now: Timestamp::from_millis(1_000_000),
        warm: 0,
        reads: 0,
    };
    let started = Instant::now();
    case(&mut world);
    let each = started.elapsed().as_nanos() as f64 / MESSAGES as f64;
    assert_eq!((world.sent, world.deleted), (MESSAGES, MESSAGES), "{name}: messages are left over");
    let ratio = compared.map_or("1".to_owned(), |compared| format!("{:.2}", each / compared));
    println!("| {name} | {each:.0} | {ratio} | {} | {} |", world.warm, world.reads);
    each
}

/// A shard with a journal that is durable at once.
struct World {
    shard: Shard,
    records: Vec<Record>,
    tickets: u64,
    sent: u64,
    deleted: u64,
    now: Timestamp,
    /// Most messages in memory so far, those in flight not counted.
    warm: usize,
    reads: u64,
}

impl World {
    fn create(&mut self, name: &str) -> QueueId {
        let arn = QueueArn {
            region: Region::new("us-east-1").expect("a region"),
            account: AccountId::DEFAULT,
            name: QueueName::new(name).expect("a queue name"),
        };
        match self.ask(Command::CreateQueue { arn, attributes: Vec::new(), tags: Vec::new() }) {
            Reply::Queue(queue) => queue,
            other => panic!("{other:?}"),
        }
    }

    /// Sends ten messages; `form` tells group and delay of each by its number.
    fn send(&mut self, queue: QueueId, form: impl Fn(u64) -> (Option<u64>, Option<u32>)) {
        let submission = |number: u64| {
            let (group, delay_seconds) = form(number);
            let hash = DeduplicationHash(u128::from(number));
            Submission {
                size: 100,
                delay_seconds,
                group: group.map(GroupKey),
                deduplication: group.map(|_| Deduplication { hash, explicit: true }),
                content: Bytes::from_static(&[b'x'; 100]),
            }
        };
        let messages = (self.sent..self.sent + BATCH).map(submission).collect();
        self.sent += BATCH;
        self.ask(Command::Send { queue, messages });
    }

    /// Sends all messages.
    fn fill(&mut self, queue: QueueId, form: impl Fn(u64) -> (Option<u64>, Option<u32>)) {
        for _ in 0..MESSAGES / BATCH {
            self.send(queue, &form);
        }
    }

    /// Receives ten messages and deletes them, as often as asked or until there are none; returns how many it were.
    fn drain(&mut self, queue: QueueId, times: u64) -> u64 {
        let before = self.deleted;
        for _ in 0..times {
            let receipts = self.receive(queue, BATCH as usize, HOURS);
            if receipts.is_empty() {
                break;
            }
            self.deleted += receipts.len() as u64;
            self.ask(Command::Delete { queue, receipts });
        }
        self.deleted - before
    }

    /// Receives every message, or as many as may be in flight, deletes those that `is_done` names, and lets the others
    /// time out.
    fn time_out(&mut self, queue: QueueId, is_done: impl Fn(&Receipt) -> bool) {
        loop {
            let receipts = self.receive(queue, BATCH as usize, HOURS);
            if receipts.is_empty() {
                break;
            }
            let receipts: Vec<Receipt> = receipts.into_iter().filter(&is_done).collect();
            self.deleted += receipts.len() as u64;
            if !receipts.is_empty() {
                self.ask(Command::Delete { queue, receipts });
            }
        }
        self.now = self.now.plus_seconds(HOURS);
        self.handle(Input::Tick);
    }

    fn receive(&mut self, queue: QueueId, max_messages: usize, seconds: u32) -> Vec<Receipt> {
        let receive =
            Receive { queue, max_messages, visibility_seconds: Some(seconds), wait_seconds: Some(0), attempt: None };
        match self.ask(Command::Receive(receive)) {
            Reply::Received(deliveries) => deliveries.iter().map(|delivery| delivery.receipt).collect(),
            // As many are in flight as may be.
            Reply::Refused(_) => Vec::new(),
            other => panic!("{other:?}"),
        }
    }

    fn ask(&mut self, command: Command) -> Reply {
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        let entropy = Entropy(u128::from(self.tickets));
        self.handle(Input::Command(Asked { ticket, command, entropy }))
            .expect("a journal durable at once answers at once")
    }

    fn handle(&mut self, input: Input) -> Option<Reply> {
        self.shard.handle(self.now, input);
        let mut answer = None;
        while let Some(output) = self.shard.poll_output() {
            match output {
                Output::Append(record) => {
                    self.shard.handle(self.now, Input::Durable(record.position));
                    self.records.push(record);
                }
                Output::Changed(_) => {}
                Output::Reply(_, reply) => answer = Some(reply),
                Output::Fetch(read, _) => self.shard.handle(self.now, Input::Fetched { read, pieces: None }),
                Output::Read(read, at) => {
                    self.reads += 1;
                    let payload = &self.records[at.position as usize - 1].payload;
                    let bytes = payload.slice(at.offset as usize..(at.offset + at.length) as usize);
                    self.shard.handle(self.now, Input::Loaded { read, bytes: Some(bytes) });
                }
            }
        }
        self.warm = self.warm.max(self.shard.engine().warm());
        answer
    }
}
