//! Receives and deletes of the scenarios, with how long they took.

use super::lot::BATCH;
use crate::client::{Client, Failure};
use crate::protocol::{Call, Queue};
use std::time::{Duration, Instant};

/// Longer than a round takes, so that nothing comes back within it.
pub(super) const VISIBILITY_SECONDS: u32 = 600;

/// This function receives up to `most` messages, without waiting for them, and
/// gives their receipt handles. None does not mean that the queue is empty.
pub(super) async fn receive(client: &mut Client, queue: &Queue, most: u64) -> Result<(Vec<String>, Duration), Failure> {
    let call = Call::Receive {
        queue,
        messages_max: most.min(BATCH) as usize,
        wait_seconds: 0,
        visibility_seconds: Some(VISIBILITY_SECONDS),
    };
    let mut handles = Vec::new();
    let began = Instant::now();
    client.call(&call, |protocol, body| protocol.messages(body, |handle, _| handles.push(handle.to_owned()))).await?;
    Ok((handles, began.elapsed()))
}

/// This function deletes what was received. A message that is not deleted is a
/// failure.
pub(super) async fn delete(client: &mut Client, queue: &Queue, handles: &[String]) -> Result<Duration, Failure> {
    let call = Call::DeleteBatch { queue, handles };
    let began = Instant::now();
    let failed = client.call(&call, |protocol, body| protocol.failed_entries(body)).await?;
    let took = began.elapsed();
    if failed.is_empty() { Ok(took) } else { Err(Failure::Malformed { action: call.action() }) }
}
