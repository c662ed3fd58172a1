//! How fast a waiting receiver learns of a message.
//!
//! Each connection parks a receive on a queue of its own; a second connection
//! sends after a pause. What counts is the time from the acknowledgement of
//! the send to the receiver's answer; an answer before it counts as zero.

use crate::fleet::Worker;
use crate::payload;

/// The service's longest wait.
const WAIT_SECONDS: u64 = 20;

/// This function parks a receiver and wakes it, again and again.
pub(super) async fn run(mut worker: Worker) {
    let setup = worker.context().setup.clone();
    let queue = &setup.queues[worker.queue_index()];
    let mut composer = worker.composer();
    let mut sender = match worker.second().await {
        Ok(sender) => sender,
        Err(error) => return worker.error(format!("second connection: {}", error.kind())),
    };
    while let Some(claimed) = worker.claim(1) {
        let message = composer.compose(claimed.start);
        let mut found = None;
        let (received, sent) = tokio::join!(
            worker
                .receive(queue, 1, WAIT_SECONDS, |handle, body| found = Some((handle.to_owned(), payload::read(body)))),
            async {
                tokio::time::sleep(setup.options.gap).await;
                sender.send(queue, message, None).await
            }
        );
        let Some((handle, number)) = found else {
            if received.is_ok() {
                worker.error("ReceiveMessage: nothing in 20 s in spite of a send");
            }
            continue;
        };
        if let (Ok(received), Ok(sent)) = (&received, &sent) {
            // After a failed send its message may come in the next round.
            if number.is_some_and(|number| number.sequence == claimed.start) {
                worker.record("wake-up", received.at.saturating_duration_since(sent.at));
            } else {
                worker.error("ReceiveMessage: not the message just sent");
            }
        }
        if worker.delete(queue, &handle).await.is_ok() {
            worker.context().finish(1);
        }
    }
}
