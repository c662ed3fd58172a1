//! Sends, one message or one batch a request.

use crate::fleet::{Composer, Worker};

/// This function sends one message after the other.
pub(super) async fn one_by_one(mut worker: Worker) {
    let setup = worker.context().setup.clone();
    let mut composer = worker.composer();
    while let Some(claimed) = worker.claim(1) {
        let queue = &setup.queues[worker.next_queue()];
        if worker.send(queue, composer.compose(claimed.start), None).await.is_ok() {
            worker.context().finish(1);
        }
    }
}

/// This function sends batches.
pub(super) async fn in_batches(mut worker: Worker) {
    let setup = worker.context().setup.clone();
    let batch = setup.options.batch;
    let mut composers: Vec<Composer> = (0..batch).map(|_| worker.composer()).collect();
    while let Some(claimed) = worker.claim(batch as u64) {
        let queue = &setup.queues[worker.next_queue()];
        let entries: Vec<_> =
            composers.iter_mut().zip(claimed).map(|(composer, number)| composer.compose(number)).collect();
        if let Ok(answer) = worker.send_batch(queue, &entries).await {
            worker.context().finish((entries.len() - answer.value.len()) as u64);
        }
    }
}
