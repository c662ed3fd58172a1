//! How long a snapshot keeps a shard from its work: at once, and in the steps that the broker takes.
//!
//!     cargo run --release -p stanchion-shard --example snapshot_cost

#![expect(
    clippy::disallowed_methods,
    reason = "only this program looks at a clock; the shard gets the time it is told"
)]

use std::time::{Duration, Instant};

use bytes::Bytes;
use stanchion_engine::command::{Command, Submission};
use stanchion_engine::ids::Entropy;
use stanchion_shard::{Asked, Input, Options, Output, Shard, Ticket};
use stanchion_types::{AccountId, QueueArn, QueueName, Region, Timestamp};

fn main() {
    println!("| queues | messages in memory | snapshot, MB | at once, ms | longest of 2,048 lines, ms |");
    println!("| ---: | ---: | ---: | ---: | ---: |");
    for (queues, each) in [(1, 8_000), (100, 1_000), (1_000, 1_000), (10_000, 10), (10_000, 100)] {
        let mut shard = Shard::new(Options::default());
        let mut ticket = 0;
        let mut ask = |shard: &mut Shard, command| {
            ticket += 1;
            let now = Timestamp::from_millis(1_000_000 + ticket / 100);
            let entropy = Entropy(u128::from(ticket));
            shard.handle(now, Input::Command(Asked { ticket: Ticket(ticket), command, entropy }));
            while let Some(output) = shard.poll_output() {
                if let Output::Append(record) = output {
                    shard.handle(now, Input::Durable(record.position));
                }
            }
        };
        let arns: Vec<QueueArn> = (0..queues)
            .map(|number| QueueArn {
                region: Region::new("us-east-1").expect("a region"),
                account: AccountId::DEFAULT,
                name: QueueName::new(&format!("queue-{number}")).expect("a queue name"),
            })
            .collect();
        for arn in &arns {
            ask(&mut shard, Command::CreateQueue { arn: arn.clone(), attributes: Vec::new(), tags: Vec::new() });
        }
        let content = Bytes::from_static(b"a message");
        for _ in 0..each / 10 {
            for arn in &arns {
                let queue = shard.find(arn).expect("the queue was just created").id();
                let submission = Submission {
                    size: content.len(),
                    delay_seconds: None,
                    group: None,
                    deduplication: None,
                    content: content.clone(),
                };
                ask(&mut shard, Command::Send { queue, messages: vec![submission; 10] });
            }
        }
        let began = Instant::now();
        let bytes = shard.snapshot().1.len();
        let at_once = began.elapsed();
        let mut longest = Duration::ZERO;
        shard.begin_snapshot();
        loop {
            let began = Instant::now();
            let done = shard.continue_snapshot(2048);
            longest = longest.max(began.elapsed());
            if done.is_some() {
                break;
            }
        }
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        let (messages, megabytes) = (queues * each, bytes as f64 / 1e6);
        println!("| {queues} | {messages} | {megabytes:.1} | {:.1} | {:.2} |", ms(at_once), ms(longest));
    }
}
