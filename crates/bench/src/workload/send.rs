//! Sends, one message or one batch a request.

use crate::fleet::{Composer, Worker};

/// This function sends one message after the other.
pub(super) async fn one_by_one(mut worker: Worker) {
    let setup = worker.context().setup.clone();
    let mut composer = worker.composer();
    let repeats = worker.repeats(&composer);
    let mut sent = false;
    while let Some(claimed) = worker.claim(1) {
        let answer = if sent && repeats {
            worker.send_again().await
        } else {
            let queue = &setup.queues[worker.next_queue()];
            worker.send(queue, composer.compose(claimed.start), None).await
        };
        sent = true;
        if answer.is_ok() {
            worker.context().finish(1);
        }
    }
}

/// This function sends batches.
pub(super) async fn in_batches(mut worker: Worker) {
    let setup = worker.context().setup.clone();
    let batch = setup.options.batch;
    let mut composers: Vec<Composer> = (0..batch).map(|_| worker.composer()).collect();
    let repeats = worker.repeats(&composers[0]);
    let mut sent = 0;
    while let Some(claimed) = worker.claim(batch as u64) {
        let count = (claimed.end - claimed.start) as usize;
        let answer = if sent == count && repeats {
            worker.send_batch_again(count).await
        } else {
            let queue = &setup.queues[worker.next_queue()];
            let entries: Vec<_> =
                composers.iter_mut().zip(claimed).map(|(composer, number)| composer.compose(number)).collect();
            worker.send_batch(queue, &entries).await
        };
        sent = count;
        if let Ok(answer) = answer {
            worker.context().finish((count - answer.value.len()) as u64);
        }
    }
}
