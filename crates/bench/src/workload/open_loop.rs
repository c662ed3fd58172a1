//! Sends that are due at fixed moments, whatever the server does.
//!
//! Message N is due at N / rate. A connection waits until a message is due,
//! takes the next number, sends, and measures from that number's moment. When
//! all connections are held up, later messages start late and their wait
//! counts; none is left out.

use crate::fleet::Worker;
use std::time::Instant;

/// This function sends at the rate that the options ask for.
pub(super) async fn run(mut worker: Worker) {
    let context = worker.context().clone();
    let mut composer = worker.composer();
    loop {
        context.pace.next().await;
        // Not the worker's own claim, which stops when the time is over: what
        // was due before is sent.
        let Some(claimed) = context.claim(1) else { return };
        let queue = &context.setup.queues[worker.next_queue()];
        let due = worker.began + context.pace.offset(claimed.start);
        worker.record("start after due", Instant::now().saturating_duration_since(due));
        if worker.send(queue, composer.compose(claimed.start), Some(due)).await.is_ok() {
            context.finish(1);
        }
    }
}
