//! A full queue is emptied, ten messages at a time.

use crate::report::row::{Row, Unit};
use crate::report::stage::{Load, Stage};
use crate::report::subject::{Settings, Subject};

/// What a receive, and a delete, may cost beside a send.
const RECEIVE_FACTOR: f64 = 1.0;
const DELETE_FACTOR: f64 = 0.6;

/// This function measures receives and deletes beside the sends that filled the
/// queue.
pub(super) fn measure(stage: &Stage<'_>) -> Result<Vec<Row>, String> {
    let running = stage.start(Subject::Stanchion(Settings::USUAL))?;
    let [turns] = stage.take_turns([(&running, Load::new("receive", 2 * stage.options.messages))])?;
    let sends = || ("sending them by batches", turns.cpu("fill"));
    Ok(vec![
        Row::at_most_times(
            "ReceiveMessage of 10 from a full queue, by message",
            Unit::Micros,
            turns.cpu("receive"),
            RECEIVE_FACTOR,
            sends(),
        ),
        Row::at_most_times(
            "DeleteMessageBatch of 10, by message",
            Unit::Micros,
            turns.cpu("delete"),
            DELETE_FACTOR,
            sends(),
        ),
    ])
}
