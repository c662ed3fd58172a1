//! What is usual in one run: how often each thing happens, and how large the shard's memory is.
//!
//! Every run draws its own. A run in which nobody deletes, or in which the disk hardly ever syncs, comes to states that
//! an average of everything never comes to.

use stanchion_engine::usage;
use stanchion_shard::Options;
use stanchion_types::limits;

use crate::chance::Chance;

/// What can happen in a step, and its usual weight.
const STEPS: [(Step, u64); 9] = [
    (Step::Ask, 640),
    (Step::Sync, 140),
    (Step::Answer, 100),
    (Step::Tick, 50),
    (Step::Cancel, 20),
    (Step::Snapshot, 20),
    (Step::Crash, 20),
    (Step::Stop, 5),
    (Step::CatchUp, 5),
];

/// Commands, and their usual weight. What has no place here stands in for any other.
const COMMANDS: [(Asked, u64); 13] = [
    (Asked::Send, 330),
    (Asked::Receive, 320),
    (Asked::Delete, 130),
    (Asked::Change, 90),
    (Asked::GiveBack, 30),
    (Asked::Describe, 30),
    (Asked::SetAttributes, 35),
    (Asked::Purge, 4),
    (Asked::DeleteQueue, 4),
    (Asked::Create, 4),
    (Asked::StartTask, 28),
    (Asked::Import, 8),
    (Asked::Other, 17),
];

/// The branch of a chance that says how much room there is. It draws nothing from the others, so a seed is the same
/// history with or without it, but for what the room changes.
pub const ROOM: u64 = 5 << 40;

/// The branch that says what is asked together with something, likewise.
pub const COMPANY: u64 = 6 << 40;

/// What happens in a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A client asks something.
    Ask,
    /// Some more records become durable.
    Sync,
    /// A read is done, or fails.
    Answer,
    /// The shard looks at the clock.
    Tick,
    /// A client that waits goes away.
    Cancel,
    /// A snapshot is taken.
    Snapshot,
    /// The power fails, and comes back.
    Crash,
    /// The shard stops in order, and starts again.
    Stop,
    /// The disk keeps up with everything.
    CatchUp,
}

/// What a client asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Asked {
    Send,
    Receive,
    Delete,
    Change,
    GiveBack,
    Describe,
    SetAttributes,
    Purge,
    DeleteQueue,
    Create,
    StartTask,
    Import,
    Other,
}

/// How the clock on the wall behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// It goes forward, as a clock does.
    Steady,
    /// At times it jumps a day forward or is set back by up to an hour.
    Wild,
    /// It hardly moves.
    Slow,
}

/// What is usual in one run.
#[derive(Clone, Debug)]
pub struct Habits {
    steps: Vec<(Step, u64)>,
    commands: Vec<(Asked, u64)>,
    /// How the clock behaves.
    pub clock: Clock,
    /// How many of a hundred reads fail.
    pub reads_fail_percent: u64,
    /// Whether the disk is nearly full at times.
    pub room_changes: bool,
    /// Whether one group of one queue takes more than its share: many long receives, few deletions, much memory.
    pub loud: bool,
    /// Settings of the shard.
    pub options: Options,
}

impl Habits {
    /// Draws the habits of a run.
    pub fn draw(chance: &mut Chance) -> Self {
        let room_changes = chance.branch(ROOM).percent(25);
        let loud = chance.percent(5);
        let steps = STEPS.map(|(step, weight)| (step, weight * factor(step == Step::Ask || loud, chance)));
        let commands = COMMANDS.map(|(asked, weight)| {
            let needed = matches!(asked, Asked::Send | Asked::Receive);
            let rare = loud && !needed && asked != Asked::Change;
            (asked, if rare { weight.div_ceil(8) } else { weight * factor(needed, chance) })
        });
        Habits {
            steps: steps.to_vec(),
            commands: commands.to_vec(),
            clock: match chance.below(10) {
                0..2 => Clock::Wild,
                2..4 => Clock::Slow,
                _ => Clock::Steady,
            },
            reads_fail_percent: *chance.pick(&[0, 0, 3, 3, 30]),
            room_changes,
            loud,
            options: options(loud, chance),
        }
    }

    /// Draws what happens in a step.
    pub fn step(&self, chance: &mut Chance) -> Step {
        weighted(&self.steps, chance)
    }

    /// Draws what a client asks.
    pub fn command(&self, chance: &mut Chance) -> Asked {
        weighted(&self.commands, chance)
    }
}

/// Draws by how much something is more usual than elsewhere: most often not at all; at times it never happens.
fn factor(needed: bool, chance: &mut Chance) -> u64 {
    let factor = *chance.pick(&[0, 1, 1, 1, 1, 1, 2, 4]);
    if needed { factor.max(1) } else { factor }
}

fn weighted<T: Copy>(things: &[(T, u64)], chance: &mut Chance) -> T {
    let mut drawn = chance.below(things.iter().map(|(_, weight)| weight).sum());
    for (thing, weight) in things {
        match drawn.checked_sub(*weight) {
            None => return *thing,
            Some(rest) => drawn = rest,
        }
    }
    unreachable!("what was drawn is below the sum of the weights")
}

/// Draws the settings of a shard: mostly small, so that windows overflow and pages come and go all the time.
fn options(loud: bool, chance: &mut Chance) -> Options {
    let mut engine = stanchion_engine::Options {
        window_standard: 1 + chance.below(8) as usize,
        window_fifo: 1 + chance.below(8) as usize,
        page_messages: 1 + chance.below(4) as usize,
        delayed_max: chance.below(8) as usize,
        lane_max: chance.below(6) as usize,
        warm_max: if chance.percent(50) { chance.below(30) as usize } else { 1_000 },
        usage: usage::Options {
            bucket_bytes: 1 + chance.below(2_000),
            segment_bytes: 1 + chance.below(8_000),
            slack_bytes: chance.below(4_000),
            step_bytes: 1 + chance.below(500),
        },
        rest_seconds: if chance.percent(50) { 0 } else { limits::REST_SECONDS },
        ..stanchion_engine::Options::default()
    };
    if loud || chance.percent(20) {
        (engine.window_standard, engine.window_fifo) = (1000, 1000);
    } else if chance.percent(20) {
        engine.page_messages = 10 + chance.below(30) as usize;
    }
    if !loud && chance.percent(50) {
        engine.in_flight_max = 1 + chance.below(8) as usize;
    }
    if chance.percent(80) {
        engine.originals_max = chance.below(9) as usize;
        engine.chunk_originals = 1 + chance.below(4) as usize;
    }
    if chance.percent(50) {
        engine.mark_bits = chance.below(3) as u32;
    }
    Options { engine, seed: chance.wide() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_run_asks_and_some_runs_never_sync() {
        let mut never = 0;
        for seed in 0..100 {
            let mut chance = Chance::new(seed);
            let habits = Habits::draw(&mut chance);
            let steps: Vec<Step> = (0..2000).map(|_| habits.step(&mut chance)).collect();
            assert!(steps.contains(&Step::Ask), "{habits:?}");
            never += usize::from(!steps.contains(&Step::Sync));
        }
        assert!((1..50).contains(&never), "{never} of 100 runs never sync");
    }
}
