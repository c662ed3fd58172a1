//! Fills a dead-letter queue and has the server move it elsewhere, slowly
//! enough that tasks are cut by crashes.

use super::{Outgoing, Session};
use crate::history::What;
use crate::queues::{self, MOVED, PARKING};
use serde_json::json;

const MESSAGES_PER_SECOND: u64 = 50;

/// This function does so until the run is over.
pub(super) fn run(session: &mut Session) {
    let mut sent = 0;
    while session.go_on() {
        let messages: Vec<Outgoing> = (0..session.random.between(2, 10))
            .map(|_| {
                sent += 1;
                Outgoing { label: format!("{PARKING}-{}-{sent}", session.number), group: None, delay_seconds: None }
            })
            .collect();
        session.send(PARKING, &messages);
        let input = json!({
            "SourceArn": queues::arn(PARKING),
            "DestinationArn": queues::arn(MOVED),
            "MaxNumberOfMessagesPerSecond": MESSAGES_PER_SECOND,
        });
        // Refused while an earlier one runs.
        session.plain_call("StartMessageMoveTask", &input, |outcome| What::StartMove {
            source: PARKING,
            destination: MOVED,
            outcome: outcome.map(|_| ()),
        });
        let deliveries = session.receive(MOVED, 2, 1);
        if !deliveries.is_empty() {
            session.delete(MOVED, &deliveries);
        }
        session.pace(PARKING);
    }
}

/// This function says whether a task out of the dead-letter queue is running,
/// or `None` when the server could not say.
pub(super) fn is_running(session: &mut Session) -> Option<bool> {
    let input = json!({ "SourceArn": queues::arn(PARKING), "MaxResults": 10 });
    let output = session.ask("ListMessageMoveTasks", &input)?;
    let tasks = output["Results"].as_array().cloned().unwrap_or_default();
    Some(tasks.iter().any(|task| task["Status"] == "RUNNING" || task["Status"] == "CANCELLING"))
}
