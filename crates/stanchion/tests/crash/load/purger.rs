//! Sends to a queue, receives some, and purges it now and then.

use super::{Outgoing, Session};
use crate::history::What;
use crate::queues::{self, PURGED};
use serde_json::json;

/// This function does so until the run is over.
pub(super) fn run(session: &mut Session) {
    let mut sent = 0;
    while session.go_on() {
        for _ in 0..session.random.between(1, 5) {
            sent += 1;
            let label = format!("{PURGED}-{}-{sent}", session.number);
            session.send(PURGED, &[Outgoing { label, group: None, delay_seconds: None }]);
        }
        let deliveries = session.receive(PURGED, 1, 0);
        if session.random.percent(50) && !deliveries.is_empty() {
            session.delete(PURGED, &deliveries);
        }
        if session.random.percent(20) {
            let input = json!({ "QueueUrl": queues::url(PURGED) });
            session.plain_call("PurgeQueue", &input, |outcome| What::Purge {
                queue: PURGED,
                outcome: outcome.map(|_| ()),
            });
        }
        session.pace(PURGED);
    }
}
