//! FIFO queues beside standard queues.

use crate::report::row::{Row, Unit};
use crate::report::stage::{Load, Stage};
use crate::report::subject::{Settings, Subject};

/// What a work may cost beside the same on a standard queue.
const FACTOR: f64 = 1.3;

/// This function measures works on a queue with 1,000 groups.
pub(super) fn measure(stage: &Stage<'_>) -> Result<Vec<Row>, String> {
    let running = stage.start(Subject::Stanchion(Settings::USUAL))?;
    let messages = stage.options.messages;
    let mut rows = Vec::new();
    // A receive locks groups until the delete, so the two go together.
    for (words, messages, section, name) in [
        ("send", messages, "send", "SendMessage"),
        ("send-batch", 3 * messages, "send-batch", "SendMessageBatch of 10, by message"),
        ("consume", 2 * messages, "consume", "ReceiveMessage of 10 and DeleteMessageBatch, by message"),
        ("round-trip -c 16", messages / 4, "round-trip", "full cycle, 16 connections"),
    ] {
        let fifo = format!("{words} --fifo --groups 1000");
        let loads = [(&running, Load::new(words, messages)), (&running, Load::new(fifo, messages))];
        let [standard, fifo] = stage.take_turns(loads)?;
        rows.push(Row::at_most_times(
            format!("FIFO, 1,000 groups: {name}"),
            Unit::Micros,
            fifo.cpu(section),
            FACTOR,
            ("standard", standard.cpu(section)),
        ));
    }
    Ok(rows)
}
