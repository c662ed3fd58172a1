//! Receives and deletes of a backlog, and polls of nothing.

use crate::fleet::Worker;
use std::sync::PoisonError;

/// A queue refuses to have more than 120,000 messages in flight, so a round of
/// receives ends before and deletes follow.
const IN_FLIGHT_MAX: u64 = 100_000;

/// The service's short polls may miss messages; a queue counts as empty after
/// this many empty answers in a row.
const EMPTY_ANSWERS_MAX: usize = 3;

/// At the end, all groups of a FIFO queue may be with other connections. A
/// connection that has several queues does not share them.
const CONSUME_WAIT_SECONDS: u64 = 1;

/// This function receives until the queue is empty or enough is in flight.
pub(super) async fn receive(mut worker: Worker) {
    let setup = worker.context().setup.clone();
    let enough = worker.context().budget.min(IN_FLIGHT_MAX * setup.queues.len() as u64);
    let empty_answers_max = EMPTY_ANSWERS_MAX * worker.queues();
    let mut receipts = Vec::new();
    let mut empty_answers = 0;
    while empty_answers < empty_answers_max && worker.context().done() < enough && !setup.interrupted() {
        let at = worker.next_queue();
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

/// This function receives and deletes until the backlog is gone.
pub(super) async fn consume(mut worker: Worker) {
    let setup = worker.context().setup.clone();
    let backlog = worker.context().budget;
    let wait_seconds = if worker.queues() == 1 { CONSUME_WAIT_SECONDS } else { 0 };
    let empty_answers_max = EMPTY_ANSWERS_MAX * worker.queues();
    let mut handles: Vec<String> = Vec::new();
    let mut empty_answers = 0;
    while empty_answers < empty_answers_max && worker.context().done() < backlog && !setup.interrupted() {
        let queue = &setup.queues[worker.next_queue()];
        handles.clear();
        let received =
            worker.receive(queue, setup.options.batch, wait_seconds, |handle, _| handles.push(handle.to_owned())).await;
        if received.is_err() || handles.is_empty() {
            empty_answers += 1;
            continue;
        }
        empty_answers = 0;
        if let Ok(answer) = worker.delete_batch(queue, &handles).await {
            worker.context().finish((handles.len() - answer.value.len()) as u64);
        }
    }
}

/// This function makes short polls; finding a message is an error.
pub(super) async fn poll_empty(mut worker: Worker) {
    let setup = worker.context().setup.clone();
    while worker.claim(1).is_some() {
        let queue = &setup.queues[worker.next_queue()];
        let Ok(answer) = worker.receive(queue, setup.options.batch, 0, |_, _| {}).await else { continue };
        if answer.value > 0 {
            worker.error("ReceiveMessage: the queue is not empty");
        }
        worker.context().finish(1);
    }
}
