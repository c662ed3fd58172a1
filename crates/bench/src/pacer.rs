//! The clock of an open loop: a thread that says when each message is due.
//!
//! A thread that sleeps is exact to some 50 microseconds; the runtime's timers
//! count in milliseconds and would add up to one to every latency.

use crate::fleet::Context;
use std::thread;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// The longest sleep, so that a wish to stop is noticed.
const SLEEP_MAX: Duration = Duration::from_millis(100);

/// The moments at which messages are due: message N at N / rate.
pub(crate) struct Pace {
    per_second: f64,
    due: Semaphore,
}

impl Pace {
    /// This function makes a pace of `per_second` messages.
    pub(crate) fn new(per_second: f64) -> Self {
        Self { per_second, due: Semaphore::new(0) }
    }

    /// This function gives the moment of message `number`, counted from the
    /// beginning.
    pub(crate) fn offset(&self, number: u64) -> Duration {
        Duration::try_from_secs_f64(number as f64 / self.per_second).unwrap_or(Duration::MAX)
    }

    /// This function counts the messages that are due within `time`.
    pub(crate) fn messages_within(&self, time: Duration) -> u64 {
        (time.as_secs_f64() * self.per_second).ceil() as u64
    }

    /// This function returns when one more message is due than were waited for
    /// before, or when the run ends.
    pub(crate) async fn next(&self) {
        match self.due.acquire().await {
            Ok(permit) => permit.forget(),
            Err(_closed) => unreachable!("nobody closes the semaphore"),
        }
    }

    /// This function releases `messages` messages at their moments, and in the
    /// end every waiting connection. It blocks its thread.
    pub(crate) fn keep(&self, began: Instant, messages: u64, context: &Context) {
        let mut released = 0;
        while released < messages && !context.setup.interrupted() {
            let elapsed = began.elapsed();
            // One past the last number whose moment is not in the future.
            let due = ((elapsed.as_secs_f64() * self.per_second) as u64 + 1).min(messages);
            if due > released {
                let count = usize::try_from(due - released).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS / 4);
                self.due.add_permits(count);
                released += count as u64;
                continue;
            }
            thread::sleep(self.offset(released).saturating_sub(elapsed).min(SLEEP_MAX));
        }
        self.due.add_permits(context.setup.options.connections);
    }
}

#[cfg(test)]
mod tests {
    use super::Pace;
    use std::time::Duration;

    #[test]
    fn a_message_is_due_at_its_number_over_the_rate() {
        let pace = Pace::new(2000.0);
        assert_eq!(pace.offset(0), Duration::ZERO);
        assert_eq!(pace.offset(3), Duration::from_micros(1500));
        assert_eq!(pace.messages_within(Duration::from_secs(2)), 4000);
        assert_eq!(Pace::new(1e-300).offset(u64::MAX), Duration::MAX);
    }
}
