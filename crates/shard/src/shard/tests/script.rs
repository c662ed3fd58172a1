//! The language of the stories.

use std::collections::BTreeMap;
use std::fmt::Write;

use bytes::Bytes;
use stanchion_engine::command::{
    Command, Deduplication, Delivery, Import, Receipt, ReceiptFault, Receive, Reply, Submission,
};
use stanchion_engine::ids::{DeduplicationHash, GroupKey, TaskId};
use stanchion_types::attributes::{
    AttributeChange, DeduplicationScope, RedriveAllowPolicy, RedrivePermission, RedrivePolicy, ThroughputLimit,
};
use stanchion_types::{AccountId, QueueArn, QueueName, Region, Timestamp};

use super::driven::Driven;
use crate::{Input, Options, Shard, Ticket};

/// The moment at which stories begin, so that times before it exist.
const START: u64 = 1_000_000_000;

/// How often the shard is restarted.
#[derive(Clone, Copy, PartialEq)]
enum Restarts {
    Never,
    AfterEveryStep,
}

/// Plays a story with the default options.
pub(super) fn check(story: &str) {
    check_with(Options::default(), story);
}

/// Plays a story, once straight through and once with a restart after every step.
pub(super) fn check_with(options: Options, story: &str) {
    play(&options, story, Restarts::Never);
    // Parked receives end with their connections.
    if !story.contains("waits") {
        play(&options, story, Restarts::AfterEveryStep);
    }
}

fn play(options: &Options, story: &str, restarts: Restarts) {
    let mut world = World::new(options.clone());
    for (number, line) in story.lines().map(str::trim).filter(|line| !line.is_empty()).enumerate() {
        let (step, expected) = line.split_once("=>").map_or((line, "ok"), |(step, after)| (step, after.trim()));
        let heard = world.step(step.trim());
        let engine = world.driven.shard.engine();
        assert_eq!(engine.usage().by_bucket(), engine.recount(), "what is needed after step {number}: {line}");
        let mode = if restarts == Restarts::Never { "" } else { " with restarts" };
        assert_eq!(heard, expected, "step {number}{mode}: {line}");
        if restarts == Restarts::AfterEveryStep {
            world.restart(number % 2 == 0);
        }
    }
}

struct World {
    options: Options,
    driven: Driven,
    /// Whether nothing that is read arrives.
    stalled: bool,
    snapshot: Option<(u64, Vec<u8>)>,
    /// The receipts that were handed out for a body, the last one at the end.
    receipts: BTreeMap<String, Vec<Receipt>>,
    parked: BTreeMap<Ticket, String>,
    tasks: Vec<TaskId>,
}

impl World {
    fn new(options: Options) -> Self {
        World {
            driven: Driven::new(options.clone(), Timestamp::from_millis(START)),
            options,
            stalled: false,
            snapshot: None,
            receipts: BTreeMap::new(),
            parked: BTreeMap::new(),
            tasks: Vec::new(),
        }
    }

    /// Ends the shard and starts it from what is on disk.
    fn restart(&mut self, from_snapshot: bool) {
        if from_snapshot {
            self.snapshot = Some(self.driven.shard.snapshot());
        }
        let (position, mut shard) = match &self.snapshot {
            Some((position, bytes)) => {
                (*position, Shard::restore(self.options.clone(), bytes).expect("a snapshot reads back"))
            }
            None => (0, Shard::new(self.options.clone())),
        };
        for record in &self.driven.records[position as usize..] {
            shard.replay(record).expect("a record reads back");
        }
        assert_eq!(shard.snapshot(), self.driven.shard.snapshot(), "the restarted shard has another state");
        self.driven.shard = shard;
        // What was asked for is asked for again.
        self.driven.reads.clear();
        self.driven.fetches.clear();
    }

    fn step(&mut self, step: &str) -> String {
        let mut words = step.split_whitespace();
        let time = words.next().expect("a step begins with its time");
        self.driven.now = Timestamp::from_millis(START + millis(time));
        let verb = words.next().expect("a time is followed by a command");
        let words: Vec<&str> = words.collect();
        if verb == "disk" {
            self.stalled = words == ["stalls"];
            self.read();
            return self.hear(None);
        }
        if verb == "tick" {
            self.driven.handle(Input::Tick);
            self.read();
            return self.hear(None);
        }
        let command = match self.command(verb, &words) {
            Ok(command) => command,
            Err(said) => return said,
        };
        let ticket = self.driven.ask(command);
        self.read();
        self.hear(Some(ticket))
    }

    /// Reads all that the shard wants to read.
    fn read(&mut self) {
        while !self.stalled {
            if !self.driven.reads.is_empty() {
                self.driven.answer_read();
            } else if let Some((read, _, pieces)) = self.driven.fetches.pop() {
                self.driven.handle(Input::Fetched { read, pieces: Some(pieces) });
            } else {
                return;
            }
        }
    }

    fn hear(&mut self, ticket: Option<Ticket>) -> String {
        let mut answers = std::mem::take(&mut self.driven.replies);
        let mut said = Vec::new();
        if let Some(ticket) = ticket {
            match answers.iter().position(|(who, _)| *who == ticket) {
                Some(at) => said.push(self.describe(answers.remove(at).1)),
                None => {
                    self.parked.insert(ticket, format!("w{}", self.parked.len() + 1));
                    said.push("waits".to_owned());
                }
            }
        }
        for (ticket, reply) in answers {
            let who = self.parked[&ticket].clone();
            said.push(format!("{who}: {}", self.describe(reply)));
        }
        if ticket.is_none() && said.is_empty() { "ok".to_owned() } else { said.join(", ") }
    }

    fn describe(&mut self, reply: Reply) -> String {
        match reply {
            Reply::Done | Reply::Queue(_) | Reply::Imported(Ok(())) => "ok".to_owned(),
            Reply::Imported(Err((index, error))) => format!("{index}: {:?}", error.code),
            Reply::Refused(error) => format!("{:?}", error.code),
            Reply::Sent(outcomes) => join(outcomes.into_iter().map(|outcome| match outcome {
                Ok(accepted) if accepted.duplicate => "duplicate".to_owned(),
                Ok(_) => "ok".to_owned(),
                Err(error) => format!("{:?}", error.code),
            })),
            Reply::Received(deliveries) if deliveries.is_empty() => "nothing".to_owned(),
            Reply::Received(deliveries) => join(deliveries.iter().map(|delivery| self.delivered(delivery))),
            Reply::Handled(outcomes) => join(outcomes.into_iter().map(|outcome| match outcome {
                Ok(()) => "ok".to_owned(),
                Err(ReceiptFault::Expired) => "expired".to_owned(),
                Err(ReceiptFault::NotInFlight) => "visible".to_owned(),
                Err(ReceiptFault::NotAvailable) => "gone".to_owned(),
                Err(ReceiptFault::BeyondTotal) => "too-long".to_owned(),
            })),
            Reply::Description(description) => {
                let counters = description.counters;
                format!("{}/{}/{}", counters.visible, counters.in_flight, counters.delayed)
            }
            Reply::Queues { queues, more } => {
                let names = join(queues.iter().map(|arn| arn.name.to_string()));
                if more { format!("{names} ...") } else { names }
            }
            Reply::TaskStarted(task) => {
                self.tasks.push(task);
                "ok".to_owned()
            }
            Reply::TaskCancelled { moved } => format!("moved {moved}"),
            Reply::Tasks(tasks) => join(tasks.iter().map(|(_, task)| {
                let mut said = format!("{} {}/{}", task.status.name(), task.moved, task.to_move);
                if let Some(failure) = &task.failure {
                    write!(said, " {failure}").expect("a string takes all text");
                }
                said
            })),
        }
    }

    /// Says the body, the receive count after the first, and of a dead letter where it came from and its sent time.
    fn delivered(&mut self, delivery: &Delivery) -> String {
        let content = self.driven.content(delivery.content);
        let body = String::from_utf8(content.to_vec()).expect("bodies are text");
        self.receipts.entry(body.clone()).or_default().push(delivery.receipt);
        let mut said = body;
        if delivery.receipt.receive_count > 1 {
            write!(said, "#{}", delivery.receipt.receive_count).expect("a string takes all text");
        }
        if let Some(source) = &delivery.dead_letter_source {
            let sent = (delivery.sent_at.millis() - START) / 1000;
            write!(said, "<{}@{sent}s", source.name).expect("a string takes all text");
        }
        said
    }

    fn receipt(&self, body: &str) -> Receipt {
        // `a'` is the receipt before the last.
        let (body, back) = body.strip_suffix('\'').map_or((body, 1), |body| (body, 2));
        let receipts = self.receipts.get(body).unwrap_or_else(|| panic!("{body} was never received"));
        receipts[receipts.len() - back]
    }

    fn command(&self, verb: &str, words: &[&str]) -> Result<Command, String> {
        let option = |name: &str| words.iter().find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
        let number = |name: &str| option(name).map(|text| text.parse::<u32>().expect("options are numbers"));
        let plain: Vec<&str> = words.iter().copied().filter(|word| !word.contains('=')).collect();
        let name = plain.first().copied().unwrap_or_default();
        let queue = || self.driven.queue(name).ok_or_else(|| "no queue".to_owned());
        let receipts = || plain[1..].iter().map(|body| self.receipt(body));
        Ok(match verb {
            "create" => Command::CreateQueue { arn: arn(name), attributes: changes(words), tags: Vec::new() },
            "set" => Command::SetQueueAttributes { queue: queue()?, attributes: changes(words) },
            "drop" => Command::DeleteQueue { queue: queue()? },
            "purge" => Command::Purge { queue: queue()? },
            "count" => Command::DescribeQueue { queue: queue()? },
            "list" => Command::ListQueues {
                region: region(),
                account: AccountId::DEFAULT,
                prefix: name.to_owned(),
                after: option("after").map(str::to_owned),
                limit: number("limit").unwrap_or(1000) as usize,
            },
            "sources" => Command::ListSources { queue: queue()?, after: None, limit: 1000 },
            "send" => {
                let fifo = name.ends_with(".fifo");
                let submit = |body: &&str| submission(body, fifo, option("group"), option("dedup"), number("delay"));
                Command::Send { queue: queue()?, messages: plain[1..].iter().map(submit).collect() }
            }
            "import" => {
                let ago = number("ago").unwrap_or(0);
                let import = |body: &&str| Import {
                    size: body.len(),
                    group: body.split_once('.').map(|(group, _)| GroupKey(digest(group) as u64)),
                    id: None,
                    sent_at: Timestamp::from_millis(self.driven.now.millis() - u64::from(ago) * 1000),
                    receive_count: number("received").unwrap_or(0),
                    first_received_at: self.driven.now,
                    hidden_until: number("hidden").map(|seconds| self.driven.now.plus_seconds(seconds)),
                    source: option("source").map(arn),
                    content: Bytes::copy_from_slice(body.as_bytes()),
                };
                Command::Import { queue: queue()?, messages: plain[1..].iter().map(import).collect() }
            }
            "receive" => Command::Receive(Receive {
                queue: queue()?,
                max_messages: number("n").unwrap_or(10) as usize,
                visibility_seconds: number("visibility"),
                wait_seconds: number("wait"),
                attempt: option("attempt").map(|id| DeduplicationHash(digest(id))),
            }),
            "delete" => Command::Delete { queue: queue()?, receipts: receipts().collect() },
            "return" => Command::GiveBack {
                queue: queue()?,
                receipts: receipts().collect(),
                attempt: option("attempt").map(|id| DeduplicationHash(digest(id))),
            },
            "hide" => {
                let seconds = number("for").expect("hide needs for=");
                Command::ChangeVisibility {
                    queue: queue()?,
                    changes: receipts().map(|receipt| (receipt, seconds)).collect(),
                }
            }
            "move" => {
                Command::StartMoveTask { source: arn(name), destination: option("to").map(arn), rate: number("rate") }
            }
            "cancel" => Command::CancelMoveTask { task: *self.tasks.last().expect("a task was started") },
            "tasks" => Command::ListMoveTasks { source: arn(name), limit: number("limit").unwrap_or(10) as usize },
            _ => panic!("unknown command {verb}"),
        })
    }
}

/// Makes a message. In a FIFO queue `a.1` belongs to group `a`, and the body is the deduplication id.
fn submission(
    body: &str,
    fifo: bool,
    group: Option<&str>,
    dedup: Option<&str>,
    delay_seconds: Option<u32>,
) -> Submission {
    let group = group.or_else(|| body.split_once('.').map(|(group, _)| group));
    let hash = DeduplicationHash(digest(dedup.unwrap_or(body)));
    Submission {
        size: body.len(),
        delay_seconds,
        group: group.map(|group| GroupKey(digest(group) as u64)),
        deduplication: fifo.then_some(Deduplication { hash, explicit: dedup.is_some() }),
        content: Bytes::copy_from_slice(body.as_bytes()),
    }
}

fn changes(words: &[&str]) -> Vec<AttributeChange> {
    words.iter().filter_map(|word| word.split_once('=')).map(|(name, value)| change(name, value)).collect()
}

fn change(name: &str, value: &str) -> AttributeChange {
    let number = || value.parse().expect("this attribute is a number");
    let on = value == "true";
    let text = || value.to_owned();
    match name {
        "delay" => AttributeChange::DelaySeconds(number()),
        "visibility" => AttributeChange::VisibilityTimeout(number()),
        "retention" => AttributeChange::MessageRetentionPeriod(number()),
        "wait" => AttributeChange::ReceiveMessageWaitTimeSeconds(number()),
        "size" => AttributeChange::MaximumMessageSize(number()),
        "fifo" => AttributeChange::FifoQueue(on),
        "content" => AttributeChange::ContentBasedDeduplication(on),
        "scope" => AttributeChange::DeduplicationScope(match value {
            "group" => DeduplicationScope::MessageGroup,
            _ => DeduplicationScope::Queue,
        }),
        "throughput" => AttributeChange::FifoThroughputLimit(match value {
            "group" => ThroughputLimit::PerMessageGroupId,
            _ => ThroughputLimit::PerQueue,
        }),
        "dlq" => AttributeChange::RedrivePolicy(value.split_once('/').map(|(target, count)| RedrivePolicy {
            target: arn(target),
            max_receive_count: count.parse().expect("a receive count is a number"),
            text: text(),
            given: text(),
        })),
        "allow" => AttributeChange::RedriveAllowPolicy(Some(RedriveAllowPolicy {
            permission: match value {
                "all" => RedrivePermission::AllowAll,
                "none" => RedrivePermission::DenyAll,
                _ => RedrivePermission::ByQueue(vec![arn(value)]),
            },
            text: text(),
        })),
        "key" => AttributeChange::KmsMasterKeyId((value != "none").then(text)),
        "sse" => AttributeChange::SqsManagedSseEnabled(on),
        _ => panic!("unknown attribute {name}"),
    }
}

pub(super) fn arn(name: &str) -> QueueArn {
    QueueArn { region: region(), account: AccountId::DEFAULT, name: QueueName::new(name).expect("a queue name") }
}

fn region() -> Region {
    Region::new("us-east-1").expect("a region")
}

/// Digests text with FNV-1a: enough to tell the ids of a story apart.
fn digest(text: &str) -> u128 {
    text.bytes().fold(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d, |hash, byte| {
        (hash ^ u128::from(byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b)
    })
}

fn join(words: impl IntoIterator<Item = String>) -> String {
    words.into_iter().collect::<Vec<_>>().join(" ")
}

/// Reads `12s`, `350ms`, `5m`, `4h` or `2d`.
fn millis(text: &str) -> u64 {
    let digits = text.trim_end_matches(char::is_alphabetic);
    let unit = match &text[digits.len()..] {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        unit => panic!("unknown unit {unit}"),
    };
    digits.parse::<u64>().expect("a time is a number") * unit
}
