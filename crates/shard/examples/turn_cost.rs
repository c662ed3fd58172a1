//! What a turn of a shard costs: nanoseconds of one thread for each message, without HTTP and without a disk.
//!
//!     cargo run --release -p stanchion-shard --example turn_cost

#![expect(
    clippy::disallowed_methods,
    reason = "only this program looks at a clock; the shard gets the time it is told"
)]

use std::time::{Duration, Instant};

use bytes::Bytes;
use stanchion_engine::command::{Command, Deduplication, Receipt, Receive, Reply, Submission};
use stanchion_engine::ids::{DeduplicationHash, Entropy, GroupKey, QueueId};
use stanchion_shard::{Asked, Input, Options, Output, Record, Shard, Ticket};
use stanchion_types::{AccountId, QueueArn, QueueName, Region, Timestamp};

const MESSAGES: usize = 200_000;
const GROUPS: u64 = 1000;

fn main() {
    // Numbers of a machine that does nothing else; compare them within one run.
    println!("| queue | messages a call | send, ns | receive, ns | delete, ns |");
    println!("| --- | ---: | ---: | ---: | ---: |");
    for fifo in [false, true] {
        for batch in [1, 10] {
            let [send, receive, delete] = run(fifo, batch);
            let kind = if fifo { "FIFO" } else { "standard" };
            println!("| {kind} | {batch} | {send:.0} | {receive:.0} | {delete:.0} |");
        }
    }
}

/// Sends, receives and deletes all messages, and returns what each cost for a message.
fn run(fifo: bool, batch: usize) -> [f64; 3] {
    let mut world = World { shard: Shard::new(Options::default()), records: Vec::new(), tickets: 0 };
    let name = if fifo { "bench.fifo" } else { "bench" };
    let arn = QueueArn {
        region: Region::new("us-east-1").expect("a region"),
        account: AccountId::DEFAULT,
        name: QueueName::new(name).expect("a queue name"),
    };
    let Reply::Queue(queue) = world.ask(Command::CreateQueue { arn, attributes: Vec::new(), tags: Vec::new() }) else {
        panic!("the queue was not created")
    };
    let content = Bytes::from(vec![b'x'; 1024]);
    let mut number = 0;
    let started = Instant::now();
    for _ in 0..MESSAGES / batch {
        let messages = (0..batch).map(|_| {
            number += 1;
            submission(fifo, number, &content)
        });
        let messages = messages.collect();
        world.ask(Command::Send { queue, messages });
    }
    let send = started.elapsed().as_nanos() as f64 / MESSAGES as f64;
    // A group gives its next message when the last one is deleted, so receives and deletes alternate.
    let (mut receive, mut delete, mut deleted) = (Duration::ZERO, Duration::ZERO, 0);
    while deleted < MESSAGES {
        let started = Instant::now();
        let receipts = world.receive(queue, batch);
        receive += started.elapsed();
        deleted += receipts.len();
        let started = Instant::now();
        world.ask(Command::Delete { queue, receipts });
        delete += started.elapsed();
    }
    let each = |total: Duration| total.as_nanos() as f64 / MESSAGES as f64;
    let (receive, delete) = (each(receive), each(delete));
    [send, receive, delete]
}

fn submission(fifo: bool, number: u64, content: &Bytes) -> Submission {
    let hash = DeduplicationHash(u128::from(number));
    Submission {
        size: content.len(),
        delay_seconds: None,
        group: fifo.then_some(GroupKey(number % GROUPS)),
        deduplication: fifo.then_some(Deduplication { hash, explicit: true }),
        content: content.clone(),
    }
}

/// A shard with a journal that is durable at once.
struct World {
    shard: Shard,
    records: Vec<Record>,
    tickets: u64,
}

impl World {
    fn ask(&mut self, command: Command) -> Reply {
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        let now = Timestamp::from_millis(1_000_000 + self.tickets / 100);
        self.shard.handle(now, Input::Command(Asked { ticket, command, entropy: Entropy(u128::from(self.tickets)) }));
        let mut answer = None;
        while let Some(output) = self.shard.poll_output() {
            match output {
                Output::Append(record) => {
                    self.shard.handle(now, Input::Durable(record.position));
                    self.records.push(record);
                }
                Output::Changed(_) => {}
                Output::Reply(_, reply) => answer = Some(reply),
                Output::Fetch(..) => unreachable!("too little is dead to be swept"),
                Output::Read(read, at) => {
                    let payload = &self.records[at.position as usize - 1].payload;
                    let bytes = payload.slice(at.offset as usize..(at.offset + at.length) as usize);
                    self.shard.handle(now, Input::Loaded { read, bytes: Some(bytes) });
                }
            }
        }
        answer.expect("a shard with a journal that is durable at once answers at once")
    }

    fn receive(&mut self, queue: QueueId, max_messages: usize) -> Vec<Receipt> {
        let receive =
            Receive { queue, max_messages, visibility_seconds: Some(43_200), wait_seconds: None, attempt: None };
        match self.ask(Command::Receive(receive)) {
            Reply::Received(deliveries) => deliveries.iter().map(|delivery| delivery.receipt).collect(),
            other => panic!("{other:?}"),
        }
    }
}
