//! Fifteen days on real files: messages that nobody reads stay for two weeks, and then their space comes back.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use stanchion_types::attributes::{AttributeChange, AttributeName};
use stanchion_types::request::{AttributeNames, BatchEntry, GetQueueAttributes, SendMessageBatch};
use stanchion_types::response::Response;

use crate::harness::{LONG, in_group};
use crate::stragglers::{Disk, KIB, body};

/// The longest that a message can be kept.
const RETENTION_HOURS: u64 = 14 * 24;

/// Messages of the first hour that nobody reads either: more bytes than the disk may hold of an empty broker.
const BURST: u64 = 2000;

/// How far the time of day is ahead.
static AHEAD_HOURS: AtomicU64 = AtomicU64::new(0);

fn ahead() -> SystemTime {
    SystemTime::now() + Duration::from_secs(3600 * AHEAD_HOURS.load(Ordering::SeqCst))
}

/// The messages of a queue, whatever state they are in.
async fn count(disk: &Disk, queue: &str) -> u64 {
    let Response::Attributes(attributes) = disk.call(queue, GetQueueAttributes { names: AttributeNames::All }).await
    else {
        panic!("attributes were asked for");
    };
    let counted = [
        AttributeName::ApproximateNumberOfMessages,
        AttributeName::ApproximateNumberOfMessagesNotVisible,
        AttributeName::ApproximateNumberOfMessagesDelayed,
    ];
    let counts = attributes.iter().filter(|(name, _)| counted.contains(name));
    counts.map(|(_, count)| count.parse::<u64>().expect("a number")).sum()
}

/// Waits until a queue has so many messages; they expire a few at a time.
async fn holds(disk: &Disk, queue: &str, messages: u64) {
    let waiting = async {
        while count(disk, queue).await != messages {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let in_time = tokio::time::timeout(LONG, waiting).await;
    assert!(in_time.is_ok(), "{queue} has {} messages instead of {messages}", count(disk, queue).await);
}

async fn send_in_groups(disk: &Disk, queue: &str, numbers: Range<u64>) {
    let entries = numbers.map(|number| {
        let message = in_group(&body(number), &format!("group-{}", number % 7), Some(&format!("id-{number}")));
        BatchEntry { id: format!("m{number}"), entry: Ok(message) }
    });
    disk.call(queue, SendMessageBatch { entries: entries.collect() }).await;
}

/// Two of two hundred messages stay where nobody reads, for as long as a queue can keep them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn for_fifteen_days_the_disk_follows_what_is_alive_and_what_expires_gives_its_space_back() {
    const STEP_HOURS: u64 = 6;
    const STEPS: u64 = 15 * 24 / STEP_HOURS;
    let mut disk = Disk::with_clock(ahead);
    let longest = || AttributeChange::MessageRetentionPeriod(3600 * u32::try_from(RETENTION_HOURS).expect("two weeks"));
    for queue in ["busy", "shelf", "burst"] {
        disk.create_with(queue, vec![longest()]).await;
    }
    disk.create_with("shelf.fifo", vec![longest(), AttributeChange::FifoQueue(true)]).await;
    for batch in 0..BURST / 10 {
        disk.send("burst", 10 * batch..10 * batch + 10).await;
    }
    for step in 0..=STEPS {
        AHEAD_HOURS.store(STEP_HOURS * step, Ordering::SeqCst);
        for batch in 0..20 {
            let first = 200 * step + 10 * batch;
            match batch {
                0 => {
                    disk.send("shelf", first..first + 1).await;
                    disk.send("busy", first + 1..first + 10).await;
                }
                10 => {
                    send_in_groups(&disk, "shelf.fifo", first..first + 1).await;
                    disk.send("busy", first + 1..first + 10).await;
                }
                _ => disk.send("busy", first..first + 10).await,
            }
        }
        assert_eq!(disk.empty("busy").await.len(), 198);

        let is_old = |sent_at_step: u64| STEP_HOURS * (step - sent_at_step) >= RETENTION_HOURS;
        let stragglers = (0..=step).filter(|sent_at_step| !is_old(*sent_at_step)).count() as u64;
        let burst = if is_old(0) { 0 } else { BURST };
        holds(&disk, "shelf", stragglers).await;
        holds(&disk, "shelf.fifo", stragglers).await;
        holds(&disk, "burst", burst).await;
        assert!(disk.bytes() >= (2 * stragglers + burst) * 4 * KIB, "the disk has what is alive");
        disk.shrinks((2 * stragglers + burst) * 4 * KIB).await;
        if step == STEPS / 2 {
            disk = disk.reopen().await;
        }
    }
    // Nothing is sent any more, and the last ones go by themselves.
    AHEAD_HOURS.store(STEP_HOURS * STEPS + RETENTION_HOURS, Ordering::SeqCst);
    for queue in ["busy", "shelf", "shelf.fifo", "burst"] {
        holds(&disk, queue, 0).await;
    }
    disk.shrinks(0).await;
}
