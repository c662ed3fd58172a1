//! A bound on the bytes of requests that are being read or handled.

use std::sync::Arc;
use std::time::Duration;

use stanchion_types::{Code, Error};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bodies up to this size need no room: receives, deletes and questions, which have to get through when producers fill
/// everything. The limit on connections bounds them.
const SMALL_BYTES: usize = 8 << 10;

/// Room for the bodies of requests, from before they are read until their answer is known.
///
/// The bound of the broker on bytes that wait for the disk comes too late to protect memory: by then the body is here.
pub(crate) struct Inbound {
    room: Arc<Semaphore>,
    bytes_max: usize,
    patience: Duration,
}

impl Inbound {
    /// Makes room for `bytes_max` bytes; a request waits for at most `patience`.
    pub(crate) fn new(bytes_max: usize, patience: Duration) -> Self {
        let bytes_max = bytes_max.min(Semaphore::MAX_PERMITS).min(u32::MAX as usize);
        Inbound { room: Arc::new(Semaphore::new(bytes_max)), bytes_max, patience }
    }

    /// Waits for room for a body of so many bytes, or of an unknown number up to `max`. `None` is for a small one.
    ///
    /// # Errors
    /// `RequestThrottled` if there was none in time.
    pub(crate) async fn enter(
        &self,
        announced: Option<u64>,
        max: usize,
    ) -> Result<Option<OwnedSemaphorePermit>, Error> {
        let bytes = announced.and_then(|bytes| usize::try_from(bytes).ok()).map_or(max, |bytes| bytes.min(max));
        if bytes <= SMALL_BYTES {
            return Ok(None);
        }
        // A body larger than all the room there is waits until it has all of it.
        let wanted = bytes.min(self.bytes_max) as u32;
        if let Ok(permit) = self.room.clone().try_acquire_many_owned(wanted) {
            return Ok(Some(permit));
        }
        match tokio::time::timeout(self.patience, self.room.clone().acquire_many_owned(wanted)).await {
            Ok(Ok(permit)) => Ok(Some(permit)),
            Ok(Err(_)) | Err(_) => Err(Error::new(Code::RequestThrottled, "Rate exceeded: too much is being sent.")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: usize = 1 << 20;

    #[tokio::test(start_paused = true)]
    async fn large_bodies_wait_for_room_and_are_then_throttled() {
        let inbound = Inbound::new(100_000, Duration::from_secs(2));
        let first = inbound.enter(Some(60_000), MAX).await.unwrap();
        assert_eq!(inbound.enter(Some(60_000), MAX).await.unwrap_err().code, Code::RequestThrottled);
        let (second, ()) = tokio::join!(inbound.enter(Some(60_000), MAX), async { drop(first) });
        assert!(second.unwrap().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn small_bodies_always_get_through() {
        let inbound = Inbound::new(100_000, Duration::from_secs(2));
        let _all = inbound.enter(Some(100_000), MAX).await.unwrap();
        assert!(inbound.enter(Some(8 << 10), MAX).await.unwrap().is_none());
        assert!(inbound.enter(Some(0), MAX).await.unwrap().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_say_its_length_needs_room_for_the_longest() {
        let inbound = Inbound::new(100_000, Duration::from_secs(2));
        let some = inbound.enter(None, 50_000).await.unwrap();
        assert!(inbound.enter(Some(60_000), MAX).await.is_err());
        drop(some);
        // Longer than all the room: alone it gets in.
        assert!(inbound.enter(None, MAX).await.unwrap().is_some());
    }
}
