//! The Query protocol beside the JSON protocol.

use crate::report::row::{Row, Unit};
use crate::report::stage::{Load, Stage};
use crate::report::subject::{Settings, Subject};

/// What a work may cost beside the same in JSON.
const FACTOR: f64 = 1.5;

/// A section of a run, and what it does.
type Part = (&'static str, &'static str);

/// This function measures works in both protocols.
pub(super) fn measure(stage: &Stage<'_>) -> Result<Vec<Row>, String> {
    let running = stage.start(Subject::Stanchion(Settings::USUAL))?;
    let messages = stage.options.messages;
    let mut rows = Vec::new();
    let works: [(&str, u64, &[Part]); 3] = [
        ("send", messages, &[("send", "SendMessage")]),
        ("send-batch", 3 * messages, &[("send-batch", "SendMessageBatch of 10, by message")]),
        (
            "receive",
            2 * messages,
            &[("receive", "ReceiveMessage of 10, by message"), ("delete", "DeleteMessageBatch of 10, by message")],
        ),
    ];
    for (words, messages, sections) in works {
        let query = format!("{words} --protocol query");
        let loads = [(&running, Load::new(words, messages)), (&running, Load::new(query, messages))];
        let [json, query] = stage.take_turns(loads)?;
        for (section, name) in sections {
            rows.push(Row::at_most_times(
                format!("Query protocol: {name}"),
                Unit::Micros,
                query.cpu(section),
                FACTOR,
                ("JSON", json.cpu(section)),
            ));
        }
    }
    Ok(rows)
}
