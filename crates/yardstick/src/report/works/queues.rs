//! Very many queues and connections.

use crate::report::row::{Row, Unit};
use crate::report::stage::{Load, Stage};
use crate::report::subject::{Settings, Subject};

/// What a work may cost beside the same on one queue.
const FACTOR: f64 = 1.3;

/// This function measures works on 10,000 queues, each connection taking turns
/// through ten of them.
pub(super) fn measure(stage: &Stage<'_>) -> Result<Vec<Row>, String> {
    let running = stage.start(Subject::Stanchion(Settings::USUAL))?;
    let messages = stage.options.messages;
    let mut rows = Vec::new();
    for (words, messages, section, name) in
        [("send", messages, "send", "SendMessage"), ("round-trip", messages / 2, "round-trip", "full cycle")]
    {
        let load = |queues: u32| (&running, Load::new(format!("{words} -c 1000 --queues {queues}"), messages));
        let [one, many] = stage.take_turns([load(1), load(10_000)])?;
        rows.push(Row::at_most_times(
            format!("10,000 queues, 1,000 connections: {name}"),
            Unit::Micros,
            many.cpu(section),
            FACTOR,
            ("one queue", one.cpu(section)),
        ));
    }
    Ok(rows)
}
