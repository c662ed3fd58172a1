//! Random commands: few queues, few groups, few ids, so that everything meets everything.

use bytes::Bytes;
use stanchion_engine::command::{Command, Deduplication, Import, Receipt, Receive, Submission};
use stanchion_engine::ids::{DeduplicationHash, GroupKey, MessageKey, QueueId, TaskId};
use stanchion_types::attributes::{
    AttributeChange, DeduplicationScope, RedriveAllowPolicy, RedrivePermission, RedrivePolicy, ThroughputLimit,
};
use stanchion_types::{AccountId, MessageId, QueueArn, QueueName, Region, Timestamp};

use crate::chance::Chance;
use crate::habits::{Asked, Habits};
use crate::journal::Store;
use crate::world::World;

/// The queues of the world.
#[derive(Clone, Debug)]
pub struct Names {
    arns: Vec<QueueArn>,
}

impl Default for Names {
    fn default() -> Self {
        Names::new()
    }
}

impl Names {
    /// Makes the names: three standard queues and three FIFO queues.
    pub fn new() -> Self {
        let names = ["alpha", "beta", "gamma", "alpha.fifo", "beta.fifo", "gamma.fifo"];
        Names { arns: names.iter().map(|name| arn(name)).collect() }
    }

    /// Lists the ids of the queues that exist.
    pub fn existing<S: Store>(&self, world: &World<S>) -> Vec<QueueId> {
        self.arns.iter().filter_map(|arn| Some(world.shard().find(arn)?.id())).collect()
    }

    /// Picks a queue of the same kind as another, mostly the next one, so that dead letters form chains.
    fn target(&self, of: &QueueArn, chance: &mut Chance) -> QueueArn {
        let kind: Vec<&QueueArn> = self.arns.iter().filter(|arn| arn.name.is_fifo() == of.name.is_fifo()).collect();
        if chance.percent(5) {
            return chance.pick(&self.arns).clone();
        }
        let own = kind.iter().position(|arn| *arn == of).expect("the queue has a name");
        kind[(own + 1 + chance.below(2) as usize) % kind.len()].clone()
    }
}

/// Makes the ARN of a queue of the simulated account.
pub fn arn(name: &str) -> QueueArn {
    QueueArn {
        region: Region::new("local").expect("a legal region"),
        account: AccountId::DEFAULT,
        name: QueueName::new(name).expect("a legal name"),
    }
}

/// Draws a command.
pub fn command<S: Store>(world: &World<S>, names: &Names, habits: &Habits, chance: &mut Chance) -> Command {
    let arn = if habits.loud { names.arns[0].clone() } else { chance.pick(&names.arns).clone() };
    let Some(queue) = world.shard().find(&arn).map(|queue| queue.id()) else {
        return match chance.percent(90) {
            true => create(arn, names, chance),
            false => other(world, QueueId(1 + chance.below(9)), arn, names, habits, chance),
        };
    };
    let fifo = arn.name.is_fifo();
    match habits.command(chance) {
        Asked::Send => send(queue, fifo, habits, chance),
        Asked::Receive => receive(queue, fifo, habits, chance),
        Asked::Delete => Command::Delete { queue, receipts: receipts(world, queue, chance) },
        Asked::Change => {
            let receipts = receipts(world, queue, chance);
            let changes =
                receipts.into_iter().map(|receipt| (receipt, *chance.pick(&[0, 0, 1, 5, 30, 43_199, 43_200])));
            Command::ChangeVisibility { queue, changes: changes.collect() }
        }
        Asked::GiveBack => Command::GiveBack {
            queue,
            receipts: receipts(world, queue, chance),
            attempt: (fifo && chance.percent(40)).then(|| attempt(chance)),
        },
        Asked::Describe => Command::DescribeQueue { queue },
        Asked::SetAttributes => Command::SetQueueAttributes { queue, attributes: attributes(&arn, names, chance) },
        Asked::Purge => Command::Purge { queue },
        Asked::DeleteQueue => Command::DeleteQueue { queue },
        Asked::Create => create(arn, names, chance),
        Asked::StartTask => {
            let destination = chance.percent(40).then(|| names.target(&arn, chance));
            let rate = chance.percent(50).then(|| 1 + chance.below(10) as u32);
            Command::StartMoveTask { source: arn, destination, rate }
        }
        Asked::Import => import(world, queue, &arn, names, chance),
        Asked::Other => other(world, queue, arn, names, habits, chance),
    }
}

fn other<S: Store>(
    world: &World<S>,
    queue: QueueId,
    arn: QueueArn,
    names: &Names,
    habits: &Habits,
    chance: &mut Chance,
) -> Command {
    match chance.below(9) {
        0 => {
            let known = &world.known().tasks;
            let task = known.last().copied().filter(|_| chance.percent(90));
            Command::CancelMoveTask { task: task.unwrap_or(TaskId(chance.wide())) }
        }
        1 | 2 => Command::ListMoveTasks { source: arn, limit: 1 + chance.below(10) as usize },
        3 => Command::ListQueues {
            region: arn.region,
            account: arn.account,
            prefix: (*chance.pick(&["", "a", "beta", "x"])).to_owned(),
            after: chance.percent(50).then(|| chance.pick(&names.arns).name.as_str().to_owned()),
            limit: 1 + chance.below(4) as usize,
        },
        4 => Command::ListSources { queue, after: None, limit: 1 + chance.below(3) as usize },
        5 | 6 => {
            let tag = |chance: &mut Chance| format!("tag{}", chance.below(60));
            let set = (0..chance.below(12)).map(|_| (tag(chance), tag(chance))).collect();
            Command::ChangeTags { queue, set, remove: (0..chance.below(6)).map(|_| tag(chance)).collect() }
        }
        7 => receive(queue, arn.name.is_fifo(), habits, chance),
        _ => Command::DescribeQueue { queue },
    }
}

fn create(arn: QueueArn, names: &Names, chance: &mut Chance) -> Command {
    let attributes = if chance.percent(70) { attributes(&arn, names, chance) } else { Vec::new() };
    Command::CreateQueue { arn, attributes, tags: vec![("made".to_owned(), "by chance".to_owned())] }
}

fn attributes(arn: &QueueArn, names: &Names, chance: &mut Chance) -> Vec<AttributeChange> {
    let mut changes: Vec<AttributeChange> = Vec::new();
    for _ in 0..1 + chance.below(3) {
        let change = match chance.below(15) {
            0 | 1 => AttributeChange::DelaySeconds(*chance.pick(&[0, 0, 1, 5, 900])),
            2 | 3 => AttributeChange::MessageRetentionPeriod(*chance.pick(&[60, 60, 90, 300, 345_600])),
            4 => AttributeChange::ReceiveMessageWaitTimeSeconds(*chance.pick(&[0, 0, 1, 20])),
            5 | 6 => AttributeChange::VisibilityTimeout(*chance.pick(&[0, 1, 5, 30, 43_200])),
            7..=10 => {
                let target = names.target(arn, chance);
                let max_receive_count = 1 + chance.below(3) as u32;
                let policy = RedrivePolicy {
                    text: format!("{target} {max_receive_count}"),
                    given: String::new(),
                    target,
                    max_receive_count,
                };
                AttributeChange::RedrivePolicy(chance.percent(85).then_some(policy))
            }
            11 => {
                let permission = match chance.below(3) {
                    0 => RedrivePermission::DenyAll,
                    1 => RedrivePermission::ByQueue(vec![names.target(arn, chance)]),
                    _ => RedrivePermission::AllowAll,
                };
                let policy = RedriveAllowPolicy { text: format!("{permission:?}"), permission };
                AttributeChange::RedriveAllowPolicy(chance.percent(30).then_some(policy))
            }
            12 => AttributeChange::MaximumMessageSize(*chance.pick(&[1024, 1_048_576])),
            13 => AttributeChange::ContentBasedDeduplication(chance.percent(80)),
            _ if chance.percent(60) => AttributeChange::DeduplicationScope(
                *chance.pick(&[DeduplicationScope::Queue, DeduplicationScope::MessageGroup]),
            ),
            _ => AttributeChange::FifoThroughputLimit(
                *chance.pick(&[ThroughputLimit::PerQueue, ThroughputLimit::PerMessageGroupId]),
            ),
        };
        // Mostly spare standard queues what only FIFO queues have.
        let misplaced = change.name().is_fifo_only() && !arn.name.is_fifo() && chance.percent(90);
        if !misplaced && changes.iter().all(|other| other.name() != change.name()) {
            changes.push(change);
        }
    }
    changes
}

fn send(queue: QueueId, fifo: bool, habits: &Habits, chance: &mut Chance) -> Command {
    let count = if chance.percent(60) && !habits.loud { 1 } else { 1 + chance.below(10) };
    let submission = |chance: &mut Chance| {
        let mut content = chance.bits().to_le_bytes().to_vec();
        content.resize(8 + chance.below(20) as usize, b'.');
        Submission {
            size: if chance.percent(2) { 2000 } else { content.len() },
            delay_seconds: (!fifo && chance.percent(30)).then(|| *chance.pick(&[0, 1, 2, 10, 900])),
            group: (fifo || habits.loud || chance.percent(50)).then(|| match habits.loud && chance.percent(80) {
                true => GroupKey(0),
                false => GroupKey(chance.below(3)),
            }),
            deduplication: fifo.then(|| Deduplication {
                hash: DeduplicationHash(u128::from(chance.below(40))),
                explicit: chance.percent(70),
            }),
            content: Bytes::from(content),
        }
    };
    Command::Send { queue, messages: (0..count).map(|_| submission(chance)).collect() }
}

/// Makes an import of messages of some age.
fn import<S: Store>(world: &World<S>, queue: QueueId, arn: &QueueArn, names: &Names, chance: &mut Chance) -> Command {
    let (now, fifo) = (world.now(), arn.name.is_fifo());
    let ago = |seconds: u64| Timestamp::from_millis(now.millis().saturating_sub(seconds * 1000));
    let message = |chance: &mut Chance| {
        // What is sent in the future counts as sent now.
        let sent_at = ago(*chance.pick(&[0, 0, 1, 50, 61, 10_000]));
        let sent_at = if chance.percent(5) { Timestamp::NEVER } else { sent_at };
        let content = chance.bits().to_le_bytes().to_vec();
        Import {
            size: if chance.percent(2) { 2000 } else { content.len() },
            group: ((fifo && chance.percent(98)) || chance.percent(50)).then(|| GroupKey(chance.below(3))),
            id: chance.percent(90).then(|| MessageId(chance.wide().to_be_bytes())),
            sent_at,
            receive_count: *chance.pick(&[0, 0, 1, 2, 5]),
            first_received_at: ago(*chance.pick(&[0, 1, 50])),
            hidden_until: chance.percent(40).then(|| now.plus_seconds(*chance.pick(&[0, 1, 2, 900, 100_000]))),
            source: chance.percent(20).then(|| names.target(arn, chance)),
            content: Bytes::from(content),
        }
    };
    let count = 1 + chance.below(12);
    Command::Import { queue, messages: (0..count).map(|_| message(chance)).collect() }
}

fn receive(queue: QueueId, fifo: bool, habits: &Habits, chance: &mut Chance) -> Command {
    let timeouts: &[u32] = if habits.loud { &[600, 43_000] } else { &[0, 1, 1, 2, 5, 30, 600] };
    Command::Receive(Receive {
        queue,
        max_messages: if chance.percent(40) { 1 } else { 1 + chance.below(10) as usize },
        visibility_seconds: (habits.loud || chance.percent(60)).then(|| *chance.pick(timeouts)),
        wait_seconds: chance.percent(80).then(|| *chance.pick(&[0, 0, 0, 1, 20])),
        attempt: (fifo && chance.percent(40)).then(|| attempt(chance)),
    })
}

fn attempt(chance: &mut Chance) -> DeduplicationHash {
    DeduplicationHash(u128::from(chance.below(4)))
}

/// Picks receipts: mostly fresh ones, at times old ones, seldom one of a message that is long gone.
fn receipts<S: Store>(world: &World<S>, queue: QueueId, chance: &mut Chance) -> Vec<Receipt> {
    let own = world.known().receipts.iter().rev().filter(|(of, _)| *of == queue).map(|(_, receipt)| *receipt);
    let own: Vec<Receipt> = own.collect();
    let count = if chance.percent(60) { 1 } else { 1 + chance.below(5) };
    let mut picked = Vec::new();
    for _ in 0..count {
        if own.is_empty() || chance.percent(1) {
            let key = MessageKey(1_000_000 + chance.below(50));
            picked.push(Receipt { key, receive_count: 1, received_at: world.now() });
        } else if chance.percent(60) {
            picked.push(own[chance.below(own.len().min(4) as u64) as usize]);
        } else {
            picked.push(*chance.pick(&own));
        }
    }
    picked
}

/// Makes the receive that empties a queue.
pub fn receive_all(queue: QueueId) -> Command {
    Command::Receive(Receive {
        queue,
        max_messages: 10,
        visibility_seconds: Some(60),
        wait_seconds: Some(0),
        attempt: None,
    })
}

/// Makes the deletions of everything that was received.
pub fn delete_all<S: Store>(world: &World<S>) -> Vec<Command> {
    let known = world.known().receipts.iter();
    known.map(|(queue, receipt)| Command::Delete { queue: *queue, receipts: vec![*receipt] }).collect()
}
