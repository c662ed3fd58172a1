//! Send one, receive one, delete it.

use crate::fleet::Worker;
use std::time::Instant;

/// Another connection may take this one's message; then one of its own
/// follows at once, so waiting is short.
const WAIT_SECONDS: u64 = 5;

/// This function makes round trips one after the other.
pub(super) async fn run(mut worker: Worker) {
    let setup = worker.context().setup.clone();
    let mut composer = worker.composer();
    while let Some(claimed) = worker.claim(1) {
        let queue = &setup.queues[worker.next_queue()];
        let started = Instant::now();
        if worker.send(queue, composer.compose(claimed.start), None).await.is_err() {
            continue;
        }
        let mut handle = None;
        let received = worker.receive(queue, 1, WAIT_SECONDS, |found, _| handle = Some(found.to_owned())).await;
        let Some(handle) = handle else {
            if received.is_ok() {
                worker.error("ReceiveMessage: nothing within 5 s of a send");
            }
            continue;
        };
        let Ok(deleted) = worker.delete(queue, &handle).await else { continue };
        worker.record("round trip", deleted.at.duration_since(started));
        worker.context().finish(1);
    }
}
