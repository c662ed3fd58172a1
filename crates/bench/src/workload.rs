//! What one connection does, by workload.

mod drain;
mod long_poll;
mod open_loop;
mod produce_consume;
mod round_trip;
mod send;

use crate::fleet::Worker;

/// The work of each connection in one section.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Job {
    Send,
    SendBatch,
    Receive,
    Delete,
    Consume,
    EmptyReceive,
    RoundTrip,
    ProduceConsume,
    LongPoll,
    OpenLoop,
}

/// This function does a connection's work to its end.
pub(crate) async fn work(job: Job, worker: Worker) {
    match job {
        Job::Send => send::one_by_one(worker).await,
        Job::SendBatch => send::in_batches(worker).await,
        Job::Receive => drain::receive(worker).await,
        Job::Delete => drain::delete(worker).await,
        Job::Consume => drain::consume(worker).await,
        Job::EmptyReceive => drain::poll_empty(worker).await,
        Job::RoundTrip => round_trip::run(worker).await,
        Job::ProduceConsume => produce_consume::run(worker).await,
        Job::LongPoll => long_poll::run(worker).await,
        Job::OpenLoop => open_loop::run(worker).await,
    }
}
