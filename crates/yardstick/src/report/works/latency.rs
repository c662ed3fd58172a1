//! Latency of sends that come at half the peak rate, whatever the server does.

use super::DURABLE;
use super::send::lower;
use crate::report::MESSAGES_USUAL;
use crate::report::figures::Series;
use crate::report::row::{Row, Unit};
use crate::report::stage::{Load, Stage};
use crate::report::subject::Subject;

/// What the 99th percentile may be beside the fifth rung's at the same rate.
const FACTOR: f64 = 2.0;
/// How long a round lasts when the others have their usual length.
const SECONDS: f64 = 6.0;

/// This function finds the peak rate, and measures at half of it.
pub(super) fn measure(stage: &Stage<'_>) -> Result<Vec<Row>, String> {
    let [stanchion, serving, thread] = stage.start_all([Subject::Stanchion, DURABLE[0], DURABLE[1]])?;
    let [peak] = stage.take_turns([(&stanchion, Load::new("send", stage.options.messages))])?;
    let rate = (peak.rate("send").median() / 2.0).round().max(1.0);
    let seconds = SECONDS * (stage.options.messages as f64 / MESSAGES_USUAL as f64);
    let load = Load::new(format!("open-loop --rate {rate}"), (rate * seconds) as u64);
    let turns = stage.take_turns([&serving, &stanchion, &thread].map(|running| (running, load.clone())))?;
    let [serving, stanchion, thread] = turns.map(|turns| turns.latency("open-loop", "SendMessage"));
    let millis = |series: Series| series.times(1e-3);
    let (name, limit) = lower((DURABLE[0].name(), millis(serving.1)), (DURABLE[1].name(), millis(thread.1)));
    Ok(vec![
        Row::at_most_times(
            format!("SendMessage, open loop at {rate} a second: 99th percentile"),
            Unit::Millis,
            millis(stanchion.1),
            FACTOR,
            (&name, limit),
        ),
        Row::shown(format!("SendMessage, open loop at {rate} a second: median"), Unit::Millis, millis(stanchion.0)),
    ])
}
