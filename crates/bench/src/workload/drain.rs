//! Receives and deletes of a backlog, and polls of nothing.

use crate::fleet::Worker;
use std::sync::PoisonError;

/// A queue refuses to have more than 120,000 messages in flight, so a round of
/// receives ends before and deletes follow.
const IN_FLIGHT_MAX: u64 = 100_000;

/// The service's short polls may miss messages; a queue counts as empty after
/// this many empty answers in a row.
const EMPTY_ANSWERS_MAX: usize = 3;

/// This function receives until the queue is empty or enough is in flight.
pub(super) async fn receive(mut worker: Worker) {
    let setup = worker.context().setup.clone();
    let at = worker.queue_index();
    let in_flight_max = IN_FLIGHT_MAX * setup.queues.len() as u64;
    let mut receipts = Vec::new();
    let mut empty_answers = 0;
    while empty_answers < EMPTY_ANSWERS_MAX && worker.context().done() < in_flight_max && !setup.interrupted() {
        let received = worker
            .receive(&setup.queues[at], setup.options.batch, 0, |handle, _| receipts.push((at, handle.to_owned())))
            .await;
        match received {
            Ok(answer) if answer.value > 0 => {
                empty_answers = 0;
                worker.context().finish(answer.value as u64);
            }
            _ => empty_answers += 1,
        }
    }
    worker.context().receipts.lock().unwrap_or_else(PoisonError::into_inner).append(&mut receipts);
}

/// This function deletes what was received, in batches.
pub(super) async fn delete(mut worker: Worker) {
    let setup = worker.context().setup.clone();
    let mut handles: Vec<String> = Vec::new();
    loop {
        let at = {
            let mut receipts = worker.context().receipts.lock().unwrap_or_else(PoisonError::into_inner);
            let Some((at, handle)) = receipts.pop() else { return };
            handles.clear();
            handles.push(handle);
            while handles.len() < setup.options.batch
                && receipts.last().is_some_and(|(next, _)| *next == at)
                && let Some((_, handle)) = receipts.pop()
            {
                handles.push(handle);
            }
            at
        };
        if let Ok(answer) = worker.delete_batch(&setup.queues[at], &handles).await {
            worker.context().finish((handles.len() - answer.value.len()) as u64);
        }
    }
}

/// This function makes short polls; finding a message is an error.
pub(super) async fn poll_empty(mut worker: Worker) {
    let setup = worker.context().setup.clone();
    let queue = &setup.queues[worker.queue_index()];
    while worker.claim(1).is_some() {
        let Ok(answer) = worker.receive(queue, setup.options.batch, 0, |_, _| {}).await else { continue };
        if answer.value > 0 {
            worker.error("ReceiveMessage: the queue is not empty");
        }
        worker.context().finish(1);
    }
}
