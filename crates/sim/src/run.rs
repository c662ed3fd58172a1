//! A run: a world, a seed, and so many steps of whatever the seed says.

use std::panic::{AssertUnwindSafe, catch_unwind};

use stanchion_engine::usage;
use stanchion_shard::Options;
use stanchion_types::limits;

use crate::chance::Chance;
use crate::coverage::Coverage;
use crate::generate::{self, Names};
use crate::sabotage::Sabotage;
use crate::shadow::Violation;
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
        let last = self.step + 1;
        write!(f, "replay: cargo run -p stanchion-sim --release -- --seeds 1 --start {} --steps {last}", self.seed)
    }
}

/// Runs a seed. If that fails it is run again to tell what happened.
pub fn run(seed: u64, steps: u64, sabotage: Sabotage) -> Outcome {
    let outcome = attempt(seed, steps, sabotage, false);
    if outcome.failure.is_some() { attempt(seed, steps, sabotage, true) } else { outcome }
}

fn attempt(seed: u64, steps: u64, sabotage: Sabotage, logged: bool) -> Outcome {
    let mut chance = Chance::new(seed);
    let options = options(&mut chance);
    let mut world = World::new(options, logged, sabotage);
    let names = Names::new();
    let mut step = 0;
    let mut violation = None;
    while step < steps + END_STEPS && violation.is_none() {
        let taken = catch_unwind(AssertUnwindSafe(|| match step < steps {
            true => random_step(&mut world, &names, &mut chance).map(|()| false),
            false => last_step(&mut world, &names, &mut chance, step == steps),
        }));
        match taken {
            Ok(Ok(true)) => break,
            Ok(Ok(false)) => step += 1,
            Ok(Err(broken)) => violation = Some(broken),
            Err(panic) => {
                let text = panic.downcast_ref::<String>().cloned();
                let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
                violation = Some(format!("the shard panicked: {}", text.unwrap_or_default()));
            }
        }
    }
    if violation.is_none() && step == steps + END_STEPS {
        violation = Some(format!("messages or tasks are left over: {:?}", world.oracle().shadow()));
    }
    let failure = violation.map(|violation| Failure { seed, step, violation, log: world.log() });
    Outcome { steps: step.min(steps), coverage: world.oracle().coverage.clone(), digest: world.digest(), failure }
}

/// Draws the settings of a shard: small, so that windows overflow and pages come and go all the time.
fn options(chance: &mut Chance) -> Options {
    let mut engine = stanchion_engine::Options {
        window_standard: 2 + chance.below(7) as usize,
        window_fifo: 2 + chance.below(7) as usize,
        page_messages: 1 + chance.below(4) as usize,
        usage: usage::Options {
            bucket_bytes: 1 + chance.below(2_000),
            segment_bytes: 1 + chance.below(8_000),
            slack_bytes: chance.below(4_000),
        },
        rest_seconds: if chance.percent(50) { 0 } else { limits::REST_SECONDS },
        ..stanchion_engine::Options::default()
    };
    if chance.percent(20) {
        (engine.window_standard, engine.window_fifo) = (1000, 1000);
    }
    if chance.percent(50) {
        engine.in_flight_max = 3 + chance.below(6) as usize;
    }
    Options { engine, seed: chance.wide() }
}

fn random_step(world: &mut World, names: &Names, chance: &mut Chance) -> Result<(), Violation> {
    pass(world, chance);
    let (durable, tail) = (world.journal().durable(), world.journal().tail());
    match chance.below(1000) {
        0..640 => {
            let command = generate::command(world, names, chance);
            world.ask(command, chance.wide())?;
        }
        640..780 => world.sync(durable + 1 + chance.below((tail - durable).max(1)))?,
        780..880 if world.reads() > 0 => {
            let index = chance.below(world.reads() as u64) as usize;
            world.answer(index, chance.percent(3))?;
        }
        780..930 => world.tick()?,
        930..950 => {
            let parked: Vec<_> = world.oracle().parked().collect();
            if !parked.is_empty() {
                world.cancel(*chance.pick(&parked))?;
            }
        }
        950..970 => world.snapshot()?,
        970..990 => {
            let kept = durable + chance.below(tail - durable + 1);
            world.crash(kept, chance.percent(50), chance.wide())?;
        }
        990..995 => {
            world.drain()?;
            world.sync(tail + 1)?;
            world.crash(tail + 1, true, chance.wide())?;
        }
        _ => {
            // A driver that keeps up.
            while world.reads() > 0 {
                world.answer(0, false)?;
            }
            world.sync(u64::MAX)?;
        }
    }
    Ok(())
}

/// Lets some time pass: mostly none or little, at times just enough or much.
fn pass(world: &mut World, chance: &mut Chance) {
    let millis = match chance.below(1000) {
        0..450 => 0,
        450..700 => 1 + chance.below(50),
        700..850 => 200 + chance.below(3_000),
        850..940 => match world.shard().poll_timeout() {
            Some(at) => at.millis_since(world.now()),
            None => 0,
        },
        940..985 => 5_000 + chance.below(40_000),
        985..998 => 60_000 + chance.below(300_000),
        _ => 1000 * (u64::from(limits::HANDLE_SECONDS) - 100 + chance.below(200)),
    };
    world.pass(millis.min(60 * 60 * 24 * 1000));
}

/// Most steps to bring everything to rest.
const END_STEPS: u64 = 4_000;

/// Receives and deletes until nothing is left; tells whether that is so.
fn last_step(world: &mut World, names: &Names, chance: &mut Chance, first: bool) -> Result<bool, Violation> {
    if first {
        world.forget_receipts();
    }
    while world.reads() > 0 {
        world.answer(0, false)?;
    }
    world.sync(u64::MAX)?;
    if world.oracle().is_at_rest() {
        return Ok(true);
    }
    let ids = names.existing(world);
    for id in ids {
        world.ask(generate::receive_all(id), chance.wide())?;
        while world.reads() > 0 {
            world.answer(0, false)?;
        }
        world.sync(u64::MAX)?;
        for command in generate::delete_all(world) {
            world.ask(command, chance.wide())?;
        }
        world.forget_receipts();
        while world.reads() > 0 {
            world.answer(0, false)?;
        }
        world.sync(u64::MAX)?;
    }
    if let Some(at) = world.shard().poll_timeout() {
        // A task looks again and again for what is in flight; so at least some seconds pass.
        world.pass(at.millis_since(world.now()).max(20_000));
        world.tick()?;
    }
    Ok(false)
}
