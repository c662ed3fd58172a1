//! From the acknowledgement of a send to the answer of a receiver that waits.

use crate::report::row::{Row, Unit};
use crate::report::stage::{Load, Stage};
use crate::report::subject::{Settings, Subject};

/// Milliseconds that half of the wake-ups, and 99 in a hundred, may take.
const MEDIAN_MS: f64 = 0.3;
const P99_MS: f64 = 1.5;

/// This function measures wake-ups of one receiver, on a machine that does
/// nothing else.
pub(super) fn measure(stage: &Stage<'_>) -> Result<Vec<Row>, String> {
    let running = stage.start(Subject::Stanchion(Settings::USUAL))?;
    let load = Load::new("long-poll -c 1 --gap 5ms", stage.options.messages / 200);
    let [turns] = stage.take_turns([(&running, load)])?;
    let (median, p99) = turns.latency("long-poll", "wake-up");
    Ok(vec![
        Row::at_most("long poll: wake-up, median", Unit::Millis, median.times(1e-3), MEDIAN_MS),
        Row::at_most("long poll: wake-up, 99th percentile", Unit::Millis, p99.times(1e-3), P99_MS),
    ])
}
