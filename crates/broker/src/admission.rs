//! A bound on the bytes that wait for the disk.

use std::sync::Arc;
use std::time::Duration;

use stanchion_types::{Code, Error};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Room for the requests whose messages are not durable yet.
///
/// Producers that are faster than the disk fill it; then they wait in line, and after a while they are refused with
/// the error that clients answer by slowing down. Receives and deletes carry next to nothing and are not counted.
pub(crate) struct Admission {
    room: Arc<Semaphore>,
    bytes_max: u32,
    patience: Duration,
}

impl Admission {
    /// Makes room for `bytes_max` bytes; a request waits for at most `patience`.
    pub(crate) fn new(bytes_max: u32, patience: Duration) -> Self {
        Admission { room: Arc::new(Semaphore::new(bytes_max as usize)), bytes_max, patience }
    }

    /// Waits for room. A request larger than all the room there is waits until it has all of it.
    ///
    /// # Errors
    /// `RequestThrottled` if there was none in time.
    pub(crate) async fn enter(&self, bytes: usize) -> Result<OwnedSemaphorePermit, Error> {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX).min(self.bytes_max);
        if let Ok(permit) = self.room.clone().try_acquire_many_owned(bytes) {
            return Ok(permit);
        }
        match tokio::time::timeout(self.patience, self.room.clone().acquire_many_owned(bytes)).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) | Err(_) => Err(Error::new(Code::RequestThrottled, "Rate exceeded: the disk is busy.")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_request_without_room_waits_and_is_then_throttled() {
        let admission = Admission::new(100, Duration::from_secs(2));
        let first = admission.enter(60).await.unwrap();
        assert_eq!(admission.enter(60).await.unwrap_err().code, Code::RequestThrottled);
        let (second, ()) = tokio::join!(admission.enter(60), async { drop(first) });
        assert!(second.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_larger_than_the_room_gets_all_of_it() {
        let admission = Admission::new(100, Duration::from_secs(2));
        let all = admission.enter(1000).await.unwrap();
        assert_eq!(admission.enter(1).await.unwrap_err().code, Code::RequestThrottled);
        drop(all);
        assert!(admission.enter(1).await.is_ok());
    }
}
