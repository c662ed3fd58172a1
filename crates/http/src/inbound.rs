//! A bound on the bytes of requests that are being read or handled.

use std::sync::Arc;
use std::time::Duration;

use stanchion_types::{Code, Error};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bodies up to this size need no room: receives, deletes and questions, which have to get through when producers fill
/// everything. The limit on connections bounds them.
pub(crate) const SMALL_BYTES: usize = 8 << 10;
/// The share of the room that unsigned requests have where signatures are asked for.
const UNSIGNED_SHARE: usize = 8;

/// Room for the bodies of requests, from before they are read until their answer is known.
///
/// The bound of the broker on bytes that wait for the disk comes too late to protect memory: by then the body is here.
pub(crate) struct Inbound {
    room: Room,
    /// Apart, so that strangers cannot take all of it.
    strangers: Room,
    patience: Duration,
}

struct Room {
    free: Arc<Semaphore>,
    bytes_max: usize,
}

impl Room {
    fn new(bytes_max: usize) -> Self {
        let bytes_max = bytes_max.min(Semaphore::MAX_PERMITS).min(u32::MAX as usize);
        Room { free: Arc::new(Semaphore::new(bytes_max)), bytes_max }
    }
}

impl Inbound {
    /// Makes room for `bytes_max` bytes; a request waits for at most `patience`.
    pub(crate) fn new(bytes_max: usize, patience: Duration) -> Self {
        Inbound { room: Room::new(bytes_max), strangers: Room::new(bytes_max / UNSIGNED_SHARE), patience }
    }

    /// Waits for room for a body of so many bytes, or of an unknown number up to `max`. `None` is for a small one. What
    /// comes from a stranger has room of its own.
    ///
    /// # Errors
    /// `RequestThrottled` if there was none in time.
    pub(crate) async fn enter(
        &self,
        announced: Option<u64>,
        max: usize,
        is_stranger: bool,
    ) -> Result<Option<OwnedSemaphorePermit>, Error> {
        let bytes = announced.and_then(|bytes| usize::try_from(bytes).ok()).map_or(max, |bytes| bytes.min(max));
        if bytes <= SMALL_BYTES {
            return Ok(None);
        }
        // A body larger than all the room there is waits until it has all of it.
        let room = if is_stranger { &self.strangers } else { &self.room };
        let wanted = bytes.min(room.bytes_max) as u32;
        if let Ok(permit) = room.free.clone().try_acquire_many_owned(wanted) {
            return Ok(Some(permit));
        }
        match tokio::time::timeout(self.patience, room.free.clone().acquire_many_owned(wanted)).await {
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
        let first = inbound.enter(Some(60_000), MAX, false).await.unwrap();
        assert_eq!(inbound.enter(Some(60_000), MAX, false).await.unwrap_err().code, Code::RequestThrottled);
        let (second, ()) = tokio::join!(inbound.enter(Some(60_000), MAX, false), async { drop(first) });
        assert!(second.unwrap().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn small_bodies_always_get_through() {
        let inbound = Inbound::new(100_000, Duration::from_secs(2));
        let _all = inbound.enter(Some(100_000), MAX, false).await.unwrap();
        assert!(inbound.enter(Some(8 << 10), MAX, false).await.unwrap().is_none());
        assert!(inbound.enter(Some(0), MAX, false).await.unwrap().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_say_its_length_needs_room_for_the_longest() {
        let inbound = Inbound::new(100_000, Duration::from_secs(2));
        let some = inbound.enter(None, 50_000, false).await.unwrap();
        assert!(inbound.enter(Some(60_000), MAX, false).await.is_err());
        drop(some);
        // Longer than all the room: alone it gets in.
        assert!(inbound.enter(None, MAX, false).await.unwrap().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn strangers_leave_room_for_those_who_sign() {
        let inbound = Inbound::new(800_000, Duration::from_secs(2));
        let _stranger = inbound.enter(Some(60_000), MAX, true).await.unwrap().unwrap();
        assert_eq!(inbound.enter(Some(60_000), MAX, true).await.unwrap_err().code, Code::RequestThrottled);
        assert!(inbound.enter(Some(700_000), MAX, false).await.unwrap().is_some());
    }
}
