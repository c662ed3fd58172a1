//! Batches: entries that fail alone.

use stanchion_engine::command::Reply;
use stanchion_types::Error;
use stanchion_types::response::BatchResult;

use super::unexpected;

/// Puts the outcomes of the entries that were asked back among those that were refused before, in their order.
pub(super) fn in_order<T, O, R>(
    entries: Vec<(String, Result<T, Error>)>,
    outcomes: Vec<Result<O, Error>>,
    answer: impl Fn(T, O) -> R,
) -> Result<Vec<BatchResult<R>>, Error> {
    let mut outcomes = outcomes.into_iter();
    let mut results = Vec::with_capacity(entries.len());
    for (id, entry) in entries {
        let outcome = match entry {
            Err(error) => Err(error),
            Ok(entry) => match outcomes.next() {
                Some(outcome) => outcome.map(|outcome| answer(entry, outcome)),
                None => return Err(unexpected(&Reply::Handled(Vec::new()))),
            },
        };
        results.push(BatchResult { id, outcome });
    }
    Ok(results)
}

/// Makes one outcome of two that both have to be good.
pub(super) fn flatten(results: Vec<BatchResult<Result<(), Error>>>) -> Vec<BatchResult<()>> {
    let flat =
        |result: BatchResult<Result<(), Error>>| BatchResult { id: result.id, outcome: result.outcome.flatten() };
    results.into_iter().map(flat).collect()
}
