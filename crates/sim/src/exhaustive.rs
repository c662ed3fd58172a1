//! Every short sequence of operations on two messages in two groups, against the same judge.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

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

/// What the sequences are played on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A standard queue in a memory of one message, one message to a page.
    Standard,
    /// A FIFO queue in a memory of one message, one message to a page.
    Fifo,
    /// A FIFO queue in a memory that holds everything.
    RoomyFifo,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Kind; 3] = [Kind::Standard, Kind::Fifo, Kind::RoomyFifo];

    fn is_fifo(self) -> bool {
        self != Kind::Standard
    }
}

/// A sequence that breaks a rule, and the rule.
pub type Broken = (Vec<Step>, Violation);

/// Plays every sequence of `length` operations and returns how many there are. Sequences that begin alike share the
/// play of their beginning; `jobs` threads share the work.
///
/// # Errors
/// Returns the first sequence that is found to break a rule, and the rule.
pub fn play_all(kind: Kind, length: usize, jobs: usize) -> Result<u64, Broken> {
    // What does not begin with a send or a wait does nothing that a shorter sequence does not.
    let first = [Step::SendOne, Step::SendTwo, Step::Wait].map(|step| vec![step]);
    if length < 2 {
        return first.iter().try_fold(0, |count, steps| play(kind, steps).map(|_| count + 1));
    }
    let beginnings: Vec<Vec<Step>> =
        first.iter().flat_map(|steps| Step::ALL.map(|second| vec![steps[0], second])).collect();
    let next = AtomicUsize::new(0);
    let work = || {
        let mut count = 0;
        while let Some(beginning) = beginnings.get(next.fetch_add(1, Ordering::Relaxed)) {
            let world = play(kind, beginning)?;
            count += play_on(kind, &world, &mut beginning.clone(), length)?;
        }
        Ok(count)
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..jobs.max(1)).map(|_| scope.spawn(work)).collect();
        threads.into_iter().map(|thread| thread.join().expect("a play does not panic")).sum()
    })
}

/// Plays everything that can follow a beginning up to a length.
fn play_on(kind: Kind, world: &World, steps: &mut Vec<Step>, length: usize) -> Result<u64, Broken> {
    if steps.len() == length {
        return Ok(1);
    }
    let mut count = 0;
    for step in Step::ALL {
        steps.push(step);
        let mut world = world.clone();
        play_one(&mut world, kind, step, steps.len()).map_err(|violation| (steps.clone(), violation))?;
        count += play_on(kind, &world, steps, length)?;
        steps.pop();
    }
    Ok(count)
}

/// Plays one sequence on a queue with a dead-letter queue and returns the world after it.
///
/// # Errors
/// Returns the sequence and the rule that it breaks.
pub fn play(kind: Kind, steps: &[Step]) -> Result<World, Broken> {
    let mut world = begin(kind).map_err(|violation| (Vec::new(), violation))?;
    for (number, step) in (1..).zip(steps) {
        play_one(&mut world, kind, *step, number).map_err(|violation| (steps[..number].to_vec(), violation))?;
    }
    Ok(world)
}

fn begin(kind: Kind) -> Result<World, Violation> {
    let mut options = Options::default();
    if kind != Kind::RoomyFifo {
        (options.engine.window_standard, options.engine.window_fifo, options.engine.page_messages) = (1, 1, 1);
        (options.engine.originals_max, options.engine.chunk_originals) = (0, 1);
    }
    let mut world = World::new(options, false, Sabotage::None);
    let (name, dead) = if kind.is_fifo() { ("q.fifo", "dead.fifo") } else { ("q", "dead") };
    let target = arn(dead);
    world.ask(Command::CreateQueue { arn: target.clone(), attributes: Vec::new(), tags: Vec::new() }, 1)?;
    let policy = RedrivePolicy { text: String::new(), given: String::new(), target, max_receive_count: 2 };
    let attributes = vec![AttributeChange::RedrivePolicy(Some(policy))];
    world.ask(Command::CreateQueue { arn: arn(name), attributes, tags: Vec::new() }, 2)?;
    Ok(world)
}

fn play_one(world: &mut World, kind: Kind, step: Step, number: usize) -> Result<(), Violation> {
    let played = catch_unwind(AssertUnwindSafe(|| {
        take(world, kind.is_fifo(), step, 2 + number as u128)?;
        while world.reads() > 0 {
            world.answer(0, false)?;
        }
        world.sync(u64::MAX)
    }));
    played.unwrap_or_else(|_| Err("the shard panicked".to_owned()))
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
