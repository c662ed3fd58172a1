//! Resident memory.

use crate::report::figures::Series;
use crate::report::row::{Row, Unit};
use crate::report::stage::{Load, Stage};
use crate::report::subject::{Settings, Subject};
use stanchion_bench::process;

/// Mebibytes that may be resident before the first message, and after the last.
const IDLE_MIB: f64 = 25.0;
const AFTER_MIB: f64 = 150.0;
/// Of `--messages`, so that it is a million when nobody says.
const MESSAGES_FACTOR: u64 = 8;

/// This function measures a new server, and the same when a backlog has gone
/// through it.
pub(super) fn measure(stage: &Stage<'_>) -> Result<Vec<Row>, String> {
    let messages = MESSAGES_FACTOR * stage.options.messages;
    let (mut idle, mut after) = (Vec::new(), Vec::new());
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    for round in 1..=stage.options.rounds {
        eprintln!("  round {round}: {messages} messages through a new server");
        let running = stage.start(Subject::Stanchion(Settings::USUAL))?;
        let resident = || process::sample(running.server.pid()).map(|sample| mib(sample.resident_bytes));
        idle.push(resident().map_err(|error| error.to_string())?);
        stage.bear(&running, &Load::new("receive", messages))?;
        after.push(resident().map_err(|error| error.to_string())?);
    }
    Ok(vec![
        Row::at_most("resident memory, idle", Unit::Mib, Series::new(idle), IDLE_MIB),
        Row::at_most(
            format!("resident memory after {messages} messages sent, received and deleted"),
            Unit::Mib,
            Series::new(after),
            AFTER_MIB,
        ),
    ])
}
