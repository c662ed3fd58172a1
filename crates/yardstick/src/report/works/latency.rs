//! Latency of sends that come at half the peak rate, whatever the server does.

use super::DURABLE;
use super::send::lower;
use crate::report::MESSAGES_USUAL;
use crate::report::figures::Series;
use crate::report::row::{Row, Unit};
use crate::report::stage::{Load, Stage};
use crate::report::subject::{Settings, Subject};

/// What the 99th percentile may be beside the fifth rung's at the same rate.
const FACTOR: f64 = 2.0;
/// How long a round lasts when the others have their usual length.
const SECONDS: f64 = 6.0;

/// This function finds the peak rate, and measures at half of it.
pub(super) fn measure(stage: &Stage<'_>) -> Result<Vec<Row>, String> {
    let server = [Settings::PLAIN, Settings::USUAL].map(Subject::Stanchion);
    let [plain, usual, serving, thread] = stage.start_all([server[0], server[1], DURABLE[0], DURABLE[1]])?;
    let [peak] = stage.take_turns([(&plain, Load::new("send", stage.options.messages))])?;
    let rate = (peak.rate("send").median() / 2.0).round().max(1.0);
    let seconds = SECONDS * (stage.options.messages as f64 / MESSAGES_USUAL as f64);
    let load = Load::new(format!("open-loop --rate {rate}"), (rate * seconds) as u64);
    let turns = stage.take_turns([&serving, &plain, &usual, &thread].map(|running| (running, load.clone())))?;
    let [serving, plain, usual, thread] = turns.map(|turns| turns.latency("open-loop", "SendMessage"));
    let millis = |series: Series| series.times(1e-3);
    let (name, limit) = lower((DURABLE[0].name(), millis(serving.1)), (DURABLE[1].name(), millis(thread.1)));
    let row = |what: &str| format!("SendMessage, open loop at {rate} a second: {what}");
    Ok(vec![
        Row::at_most_times(
            row("99th percentile, encryption off"),
            Unit::Millis,
            millis(plain.1),
            FACTOR,
            (&name, limit.clone()),
        ),
        Row::compared(row("99th percentile, encrypted"), Unit::Millis, millis(usual.1), (&name, limit)),
        Row::shown(row("median, encryption off"), Unit::Millis, millis(plain.0)),
        Row::shown(row("median, encrypted"), Unit::Millis, millis(usual.0)),
    ])
}
