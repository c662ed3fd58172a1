//! Send, receive and delete, one message at a time.

use crate::report::row::{Row, Unit};
use crate::report::stage::{Load, Stage};
use crate::report::subject::{Settings, Subject};

/// What a cycle may cost beside a send on as many connections.
const FACTOR: f64 = 3.2;
/// More connections must not lead to less work.
const COLLAPSE_FACTOR: f64 = 1.0;

/// This function measures cycles beside sends, from one connection to many.
pub(super) fn measure(stage: &Stage<'_>) -> Result<Vec<Row>, String> {
    let running = stage.start(Subject::Stanchion(Settings::USUAL))?;
    let messages = stage.options.messages;
    let loads = |connections: u32, messages: u64| {
        let load = |word: &str| (&running, Load::new(format!("{word} -c {connections}"), messages));
        [load("send"), load("round-trip")]
    };
    // One connection waits for the disk three times a cycle.
    let ([one, few], many) = ([loads(1, messages / 40), loads(16, messages / 4)], loads(256, messages / 4));
    let turns = stage.take_turns([one, few, many].concat().try_into().expect("three pairs"))?;
    let [send_one, cycle_one, send_few, cycle_few, send_many, cycle_many] = &turns;
    let mut rows = Vec::new();
    for (connections, send, cycle) in
        [(1, send_one, cycle_one), (16, send_few, cycle_few), (256, send_many, cycle_many)]
    {
        rows.push(Row::at_most_times(
            format!("full cycle (send, receive, delete), connections: {connections}"),
            Unit::Micros,
            cycle.cpu("round-trip"),
            FACTOR,
            ("one send", send.cpu("send")),
        ));
    }
    rows.push(Row::at_least_times(
        "cycles a second on 256 connections",
        Unit::PerSecond,
        cycle_many.rate("round-trip"),
        COLLAPSE_FACTOR,
        ("16 connections", cycle_few.rate("round-trip")),
    ));
    Ok(rows)
}
