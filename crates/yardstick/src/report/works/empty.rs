//! Receives that find nothing and do not wait.

use crate::ladder::{Rung, Syncing};
use crate::report::row::{Row, Unit};
use crate::report::stage::{Load, Stage};
use crate::report::subject::{Settings, Subject};

/// What one may cost beside the rung that parses and answers the same.
const FACTOR: f64 = 1.15;

/// This function measures empty receives.
pub(super) fn measure(stage: &Stage<'_>) -> Result<Vec<Row>, String> {
    let limit = Subject::Rung(Rung::Parsed, Syncing::Serving);
    let running = stage.start_all([limit, Subject::Stanchion(Settings::USUAL)])?;
    let load = Load::new("empty-receive", stage.options.messages);
    let [rung, stanchion] = stage.take_turns(running.each_ref().map(|running| (running, load.clone())))?;
    Ok(vec![Row::at_most_times(
        "ReceiveMessage, nothing there, no wait",
        Unit::Micros,
        stanchion.cpu("empty-receive"),
        FACTOR,
        (&limit.name(), rung.cpu("empty-receive")),
    )])
}
