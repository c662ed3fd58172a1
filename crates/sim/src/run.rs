//! A run: a world, a seed, and so many steps of whatever the seed says.

use std::panic::{AssertUnwindSafe, catch_unwind};

use stanchion_engine::usage::Space;
use stanchion_types::limits;

use crate::chance::Chance;
use crate::coverage::Coverage;
use crate::disk::{Cuts, Disk};
use crate::generate::{self, Names};
use crate::habits::{COMPANY, Clock, Habits, ROOM, Step};
use crate::journal::Store;
use crate::sabotage::Sabotage;
use crate::shadow::Violation;
use crate::shrink;
use crate::world::World;

/// What became of a run.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Steps that were taken.
    pub steps: u64,
    /// Situations that were met.
    pub coverage: Coverage,
    /// Digest of all outputs.
    pub digest: u64,
    /// What went wrong.
    pub failure: Option<Failure>,
}

/// A broken rule.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Seed of the run.
    pub seed: u64,
    /// Step at which it was found.
    pub step: u64,
    /// The steps of those before it that it takes to find it, as far as others could be left out.
    pub needed: Vec<u64>,
    /// What was found.
    pub violation: Violation,
    /// What happened last.
    pub log: Vec<String>,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for line in &self.log {
            writeln!(f, "{line}")?;
        }
        writeln!(f, "seed {} broke a rule at step {}: {}", self.seed, self.step, self.violation)?;
        writeln!(f, "shown above are the {} steps that it takes", self.needed.len())?;
        let last = self.step + 1;
        write!(f, "replay: cargo run -p stanchion-sim --release -- --seeds 1 --start {} --steps {last}", self.seed)
    }
}

/// Runs a seed. If that fails it is run again to tell what happened, without the steps that do not matter.
pub fn run(seed: u64, steps: u64, sabotage: Sabotage) -> Outcome {
    let all: Vec<u64> = (0..steps).collect();
    let habits = Habits::draw(&mut Chance::new(seed));
    let attempt = |steps: &[u64], logged| {
        let world = World::new(habits.options.clone(), logged, sabotage);
        attempt(seed, steps, &habits, world).0
    };
    let mut outcome = attempt(&all, false);
    if let Some(failure) = &mut outcome.failure {
        let rule = rule(&failure.violation);
        failure.needed = shrink::shrink(failure.needed.clone(), |steps| {
            let failure = attempt(steps, false).failure?;
            (crate::run::rule(&failure.violation) == rule).then_some(failure.needed)
        });
        failure.log = attempt(&failure.needed, true).failure.map(|failure| failure.log).unwrap_or_default();
    }
    outcome
}

/// Runs a seed on the real journal and a disk that loses its power again and again.
pub fn run_with_power_cuts(seed: u64, steps: u64) -> (Outcome, Cuts) {
    let all: Vec<u64> = (0..steps).collect();
    let disk = match Disk::new(seed) {
        Ok(disk) => disk,
        Err(violation) => {
            let failure = Failure { seed, step: 0, needed: Vec::new(), violation, log: Vec::new() };
            let nothing = (Coverage::default(), 0);
            return (
                Outcome { steps: 0, coverage: nothing.0, digest: nothing.1, failure: Some(failure) },
                Cuts::default(),
            );
        }
    };
    let habits = Habits::draw(&mut Chance::new(seed));
    let world = World::on(disk, habits.options.clone(), true, Sabotage::None);
    let (outcome, world) = attempt(seed, &all, &habits, world);
    (outcome, world.journal().cuts())
}

/// Returns what a violation says without the numbers in it: which rule was broken.
pub fn rule(violation: &str) -> String {
    let text: String = violation.chars().take(160).map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    let mut words: Vec<&str> = text.split_whitespace().collect();
    words.truncate(6);
    words.join(" ")
}

/// Takes some steps of a seed in a world. Every step draws from a chance of its own, so that leaving one out leaves the
/// others what they are.
fn attempt<S: Store>(seed: u64, steps: &[u64], habits: &Habits, mut world: World<S>) -> (Outcome, World<S>) {
    let names = Names::new();
    let mut taken = 0;
    let mut violation = None;
    let mut end = 0;
    while violation.is_none() && end < END_STEPS {
        let number = steps.get(taken).copied().unwrap_or(u64::from(u32::MAX) + end);
        let mut chance = Chance::new(seed).branch(number);
        let result = catch_unwind(AssertUnwindSafe(|| match taken < steps.len() {
            true => random_step(&mut world, &names, habits, &mut chance).map(|()| false),
            false => last_step(&mut world, &names, &mut chance, end == 0),
        }));
        let count = if taken < steps.len() { &mut 0 } else { &mut end };
        *count += 1;
        match result {
            Ok(Ok(true)) => break,
            Ok(Ok(false)) => taken = steps.len().min(taken + 1),
            Ok(Err(broken)) => violation = Some(broken),
            Err(panic) => {
                let text = panic.downcast_ref::<String>().cloned();
                let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
                violation = Some(format!("the shard panicked: {}", text.unwrap_or_default()));
            }
        }
    }
    if violation.is_none() && end == END_STEPS {
        violation = Some(format!("messages or tasks are left over: {:?}", world.oracle().shadow()));
    }
    let failure = violation.map(|violation| Failure {
        seed,
        step: steps.get(taken).or(steps.last()).copied().unwrap_or(0),
        needed: steps[..steps.len().min(taken + 1)].to_vec(),
        violation,
        log: world.log(),
    });
    let (coverage, digest) = (world.oracle().coverage.clone(), world.digest());
    (Outcome { steps: taken as u64, coverage, digest, failure }, world)
}

fn random_step<S: Store>(
    world: &mut World<S>,
    names: &Names,
    habits: &Habits,
    chance: &mut Chance,
) -> Result<(), Violation> {
    let (durable, tail) = (world.journal().durable(), world.journal().tail());
    if world.journal().is_off() {
        return world.crash(tail, chance.percent(50), chance.wide());
    }
    let mut room = chance.branch(ROOM);
    if habits.room_changes && room.percent(2) {
        world.room(*room.pick(&[Space::Plenty, Space::Scarce, Space::Last]))?;
    }
    pass(world, habits, chance);
    match habits.step(chance) {
        Step::Ask => {
            let command = generate::command(world, names, habits, chance);
            let asked = (command, chance.wide());
            let mut company = chance.branch(COMPANY);
            match company.percent(10) {
                true => {
                    let others = (0..=company.below(4)).map(|_| {
                        let command = generate::command(world, names, habits, &mut company);
                        (command, company.wide())
                    });
                    let together = std::iter::once(asked).chain(others).collect();
                    world.ask_together(together)?;
                }
                false => _ = world.ask(asked.0, asked.1)?,
            }
        }
        Step::Sync => world.sync(durable + 1 + chance.below((tail - durable).max(1)))?,
        Step::Answer if world.reads() > 0 => {
            let index = chance.below(world.reads() as u64) as usize;
            world.answer(index, chance.percent(habits.reads_fail_percent))?;
        }
        Step::Answer | Step::Tick => world.tick()?,
        Step::Cancel => {
            let parked: Vec<_> = world.oracle().parked().collect();
            if !parked.is_empty() {
                world.cancel(*chance.pick(&parked))?;
            }
        }
        Step::Snapshot => world.snapshot()?,
        Step::Crash => {
            let kept = durable + chance.below(tail - durable + 1);
            world.crash(kept, chance.percent(50), chance.wide())?;
        }
        Step::Stop => {
            world.drain()?;
            world.sync(tail + 1)?;
            world.crash(tail + 1, true, chance.wide())?;
        }
        Step::CatchUp => catch_up(world)?,
    }
    Ok(())
}

/// Lets a driver keep up: every read is done, everything is durable.
fn catch_up<S: Store>(world: &mut World<S>) -> Result<(), Violation> {
    while world.reads() > 0 {
        world.answer(0, false)?;
    }
    world.sync(u64::MAX)
}

/// Lets some time pass: mostly none or little, at times just enough or much.
fn pass<S: Store>(world: &mut World<S>, habits: &Habits, chance: &mut Chance) {
    let kind = chance.below(1000);
    let slow = habits.clock == Clock::Slow;
    let millis = match kind {
        0..10 if habits.clock == Clock::Wild => return world.set_back(1 + chance.below(HOUR_MS)),
        10..20 if habits.clock == Clock::Wild => {
            world.jumped();
            chance.below(DAY_MS)
        }
        0..450 => 0,
        450..700 if !slow => 1 + chance.below(50),
        450..700 => chance.below(2),
        _ if slow && kind < 990 => 0,
        700..850 => 200 + chance.below(3_000),
        850..940 => match world.shard().poll_timeout() {
            Some(at) => at.millis_since(world.wall()),
            None => 0,
        },
        940..985 => 5_000 + chance.below(40_000),
        985..998 => 60_000 + chance.below(300_000),
        _ => 1000 * (u64::from(limits::HANDLE_SECONDS) - 100 + chance.below(200)),
    };
    world.pass(millis.min(DAY_MS));
}

const HOUR_MS: u64 = 60 * 60 * 1000;
const DAY_MS: u64 = 24 * HOUR_MS;

/// Most steps to bring everything to rest.
const END_STEPS: u64 = 4_000;

/// Receives and deletes until nothing is left; tells whether that is so.
fn last_step<S: Store>(
    world: &mut World<S>,
    names: &Names,
    chance: &mut Chance,
    first: bool,
) -> Result<bool, Violation> {
    if world.journal().is_off() {
        world.crash(u64::MAX, true, chance.wide())?;
    }
    if first {
        world.forget_receipts();
    }
    catch_up(world)?;
    if world.oracle().is_at_rest() {
        return Ok(true);
    }
    let ids = names.existing(world);
    for id in ids {
        world.ask(generate::receive_all(id), chance.wide())?;
        catch_up(world)?;
        for command in generate::delete_all(world) {
            world.ask(command, chance.wide())?;
        }
        world.forget_receipts();
        catch_up(world)?;
    }
    if let Some(at) = world.shard().poll_timeout() {
        // A task looks again and again for what is in flight; so at least some seconds pass.
        world.pass(at.millis_since(world.wall()).max(20_000));
        world.tick()?;
    }
    Ok(false)
}
