//! Every short sequence of operations on two messages in two groups, against the same judge.

use bytes::Bytes;
use stanchion_engine::command::{Command, Deduplication, Receive, Submission};
use stanchion_engine::ids::{DeduplicationHash, GroupKey, QueueId};
use stanchion_shard::Options;
use stanchion_types::attributes::{AttributeChange, RedrivePolicy};

use crate::generate::arn;
use crate::sabotage::Sabotage;
use crate::shadow::Violation;
use crate::world::World;

/// An operation of a sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Sends to the first group.
    SendOne,
    /// Sends to the second group; a second time this is a duplicate on a FIFO queue.
    SendTwo,
    /// Receives one message for two seconds.
    Receive,
    /// Receives all, under an attempt id on a FIFO queue.
    ReceiveAll,
    /// Waits for a message, for a second.
    Wait,
    /// Deletes what was received last.
    Delete,
    /// Makes what was received last visible.
    Release,
    /// Lets a second pass.
    Second,
    /// Loses power, once all is durable, and starts again by replay.
    Crash,
}

impl Step {
    /// Every operation.
    pub const ALL: [Step; 9] = [
        Step::SendOne,
        Step::SendTwo,
        Step::Receive,
        Step::ReceiveAll,
        Step::Wait,
        Step::Delete,
        Step::Release,
        Step::Second,
        Step::Crash,
    ];
}

/// Plays every sequence of `length` operations and returns how many there are.
///
/// # Errors
/// Returns the first sequence that breaks a rule, and the rule.
pub fn play_all(fifo: bool, length: usize) -> Result<u64, (Vec<Step>, Violation)> {
    let mut count = 0;
    let mut digits = vec![0; length];
    loop {
        let steps: Vec<Step> = digits.iter().map(|digit| Step::ALL[*digit]).collect();
        // What does not begin with a send or a wait does nothing that a shorter sequence does not.
        if matches!(steps[0], Step::SendOne | Step::SendTwo | Step::Wait) {
            count += 1;
            if let Err(violation) = play(fifo, &steps) {
                return Err((steps, violation));
            }
        }
        let Some(place) = digits.iter().rposition(|digit| digit + 1 < Step::ALL.len()) else { return Ok(count) };
        digits[place] += 1;
        digits[place + 1..].fill(0);
    }
}

/// Plays one sequence on a queue with a dead-letter queue, in a memory of one message, one message to a page.
///
/// # Errors
/// Returns the rule that it breaks.
pub fn play(fifo: bool, steps: &[Step]) -> Result<(), Violation> {
    let mut options = Options::default();
    (options.engine.window_standard, options.engine.window_fifo, options.engine.page_messages) = (1, 1, 1);
    let mut world = World::new(options, false, Sabotage::None);
    let (name, dead) = if fifo { ("q.fifo", "dead.fifo") } else { ("q", "dead") };
    let target = arn(dead);
    world.ask(Command::CreateQueue { arn: target.clone(), attributes: Vec::new(), tags: Vec::new() }, 1)?;
    let policy = RedrivePolicy { text: String::new(), given: String::new(), target, max_receive_count: 2 };
    let attributes = vec![AttributeChange::RedrivePolicy(Some(policy))];
    world.ask(Command::CreateQueue { arn: arn(name), attributes, tags: Vec::new() }, 2)?;
    for (number, step) in (3..).zip(steps) {
        take(&mut world, fifo, *step, number)?;
        while world.reads() > 0 {
            world.answer(0, false)?;
        }
        world.sync(u64::MAX)?;
    }
    Ok(())
}

fn take(world: &mut World, fifo: bool, step: Step, number: u128) -> Result<(), Violation> {
    let queue = QueueId(2);
    let receive = |max_messages, visibility, wait, attempt: Option<u128>| {
        Command::Receive(Receive {
            queue,
            max_messages,
            visibility_seconds: Some(visibility),
            wait_seconds: Some(wait),
            attempt: attempt.filter(|_| fifo).map(DeduplicationHash),
        })
    };
    let send = |group: u64| {
        let hash = DeduplicationHash(if group == 1 { number } else { 0 });
        let submission = Submission {
            size: 1,
            delay_seconds: None,
            group: Some(GroupKey(group)),
            deduplication: fifo.then_some(Deduplication { hash, explicit: true }),
            content: Bytes::from(vec![group as u8, number as u8]),
        };
        Command::Send { queue, messages: vec![submission] }
    };
    let last = world.known().receipts.last().map(|(_, receipt)| *receipt);
    let command = match step {
        Step::SendOne => send(1),
        Step::SendTwo => send(2),
        Step::Receive => receive(1, 2, 0, None),
        Step::ReceiveAll => receive(10, 1, 0, Some(7)),
        Step::Wait => receive(1, 2, 1, None),
        Step::Delete => Command::Delete { queue, receipts: last.into_iter().collect() },
        Step::Release => Command::ChangeVisibility { queue, changes: last.into_iter().map(|last| (last, 0)).collect() },
        Step::Second => {
            world.pass(1000);
            return world.tick();
        }
        Step::Crash => return world.crash(u64::MAX, false, number),
    };
    world.ask(command, number).map(drop)
}
