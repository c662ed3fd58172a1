//! Producers beside consumers, with a book of who sent and saw what.
//!
//! The book is shared by all threads and locked once for each request, never
//! across one.

use crate::client::Failure;
use crate::fleet::{Context, Worker};
use crate::ledger::{Ledger, Sent};
use crate::payload::Number;
use std::sync::atomic::Ordering::{AcqRel, Acquire};
use std::sync::{MutexGuard, PoisonError};
use std::time::Instant;

/// Long enough to spare the server empty polls, short enough to notice the end.
const WAIT_SECONDS: u64 = 1;

/// This function lets the first half of the connections send and the others
/// receive.
pub(super) async fn run(worker: Worker) {
    let producers = worker.context().setup.options.connections.div_ceil(2);
    // Integer division rounds the producers up, so there is a consumer only
    // because at least two connections were asked for.
    match worker.index.checked_sub(producers) {
        None => produce(worker).await,
        Some(consumer) => consume(worker, consumer).await,
    }
}

fn book(context: &Context) -> MutexGuard<'_, Ledger> {
    context.ledger.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn produce(mut worker: Worker) {
    let context = worker.context().clone();
    let queue = &context.setup.queues[worker.queue_index()];
    let producer = u32::try_from(worker.index).unwrap_or(u32::MAX);
    let mut composer = worker.composer();
    let mut sequence = 0;
    while worker.claim(1).is_some() {
        let sent = match worker.send(queue, composer.compose(sequence), None).await {
            Ok(_) => Sent::Acknowledged,
            Err(failure) if failure.is_refusal() => Sent::Refused,
            Err(_) => Sent::Unknown,
        };
        book(&context).sent(producer, sequence, sent);
        sequence += 1;
    }
    context.producers_left.fetch_sub(1, AcqRel);
}

async fn consume(mut worker: Worker, consumer: usize) {
    let context = worker.context().clone();
    let setup = &context.setup;
    // Every queue that is sent to needs a consumer, also when there are fewer
    // consumers than queues; so each takes turns through its share of them.
    let producers = setup.options.connections.div_ceil(2);
    let consumers = setup.options.connections - producers;
    let queues_used = setup.queues.len().min(producers);
    let mut own: Vec<usize> = (0..queues_used).filter(|at| at % consumers == consumer % consumers).collect();
    if own.is_empty() {
        own.push(consumer % queues_used);
    }
    let wait_seconds = if own.len() == 1 { WAIT_SECONDS } else { 0 };
    let mut last_message = Instant::now();
    let mut turn = 0;
    loop {
        if setup.interrupted() {
            return;
        }
        let queue = &setup.queues[own[turn % own.len()]];
        turn += 1;
        let mut deliveries: Vec<(String, Vec<u8>)> = Vec::new();
        // An error is counted by the worker; the next turn tries again.
        let _ = worker
            .receive(queue, setup.options.batch, wait_seconds, |handle, body| {
                deliveries.push((handle.to_owned(), body.to_vec()));
            })
            .await;
        if deliveries.is_empty() {
            let all_sent = context.producers_left.load(Acquire) == 0;
            let missing = book(&context).missing();
            if all_sent && (missing == 0 || last_message.elapsed() > setup.options.patience) {
                return;
            }
            continue;
        }
        last_message = Instant::now();
        context.finish(deliveries.len() as u64);
        let (handles, numbers) = enter(&mut book(&context), deliveries);
        let deleted = worker.delete_batch(queue, &handles).await;
        enter_deletions(&mut book(&context), &numbers, deleted.map(|answer| answer.value));
    }
}

fn enter(book: &mut Ledger, deliveries: Vec<(String, Vec<u8>)>) -> (Vec<String>, Vec<Option<Number>>) {
    deliveries.into_iter().map(|(handle, body)| (handle, book.received(&body))).unzip()
}

fn enter_deletions(book: &mut Ledger, numbers: &[Option<Number>], failed: Result<Vec<(usize, String)>, Failure>) {
    // Without an answer nobody knows what was deleted.
    let Ok(failed) = failed else { return };
    for (at, number) in numbers.iter().enumerate() {
        if let Some(number) = number
            && failed.iter().all(|(failed_at, _)| *failed_at != at)
        {
            book.deleted(*number);
        }
    }
}
