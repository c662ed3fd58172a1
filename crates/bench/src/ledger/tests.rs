use super::{Ledger, Sent};
use crate::payload::{self, HEADER_BYTES, Number};
use crate::report::Verification;

const GROUPS: u32 = 2;

/// Plays a story and closes the book. Messages go to group `sequence % 2`.
///
/// ```text
/// ack 0 | got 0 | del 0
/// ```
fn verdict(fifo: bool, story: &str) -> Verification {
    let mut ledger = Ledger::new(7, fifo, 1, GROUPS);
    for step in story.split('|').map(str::trim) {
        let (what, sequence) = step.split_once(' ').expect("a step and a number");
        let sequence: u64 = sequence.parse().expect("a number");
        let number = Number { run: 7, producer: 0, sequence, group: (sequence % u64::from(GROUPS)) as u32 };
        match what {
            "ack" => ledger.sent(0, sequence, Sent::Acknowledged),
            "refused" => ledger.sent(0, sequence, Sent::Refused),
            "unknown" => ledger.sent(0, sequence, Sent::Unknown),
            "got" => {
                let mut body = Vec::new();
                payload::write(&mut body, number, HEADER_BYTES);
                assert_eq!(ledger.received(&body), Some(number));
            }
            "del" => ledger.deleted(number),
            "corrupt" => assert_eq!(ledger.received(b"garbage"), None),
            "foreign" => {
                let mut body = Vec::new();
                payload::write(&mut body, Number { run: 8, ..number }, HEADER_BYTES);
                assert_eq!(ledger.received(&body), None);
            }
            other => panic!("unknown step {other}"),
        }
    }
    ledger.verdict(true)
}

#[test]
fn a_run_in_which_everything_arrives_once_and_in_order_passes() {
    let verdict = verdict(
        true,
        "ack 0 | got 0 | del 0 | got 1 | ack 1 | ack 2 | got 2 | unknown 3 | refused 4 | unknown 5 | got 5",
    );
    assert!(verdict.passed(), "{verdict:?}");
    assert_eq!((verdict.acknowledged, verdict.unknown_outcome, verdict.missing), (3, 2, 0));
}

#[test]
fn an_acknowledged_message_that_nobody_saw_is_lost() {
    let verdict = verdict(false, "ack 0 | ack 1 | got 1");
    assert_eq!(verdict.missing, 1);
    assert!(!verdict.passed());
}

#[test]
fn an_interrupted_run_does_not_call_missing_messages_lost() {
    let mut ledger = Ledger::new(7, false, 1, GROUPS);
    ledger.sent(0, 0, Sent::Acknowledged);
    assert!(ledger.verdict(false).passed());
    assert!(!ledger.verdict(true).passed());
}

#[test]
fn a_refused_message_must_not_arrive() {
    let verdict = verdict(false, "refused 0 | got 0");
    assert_eq!(verdict.refused_but_delivered, 1);
    assert!(!verdict.passed());
}

#[test]
fn an_altered_body_fails_the_run_and_a_foreign_one_is_counted() {
    let verdict_of = |story| verdict(false, story);
    assert_eq!(verdict_of("corrupt 0").corrupt, 1);
    assert!(!verdict_of("corrupt 0").passed());
    assert_eq!(verdict_of("foreign 0").foreign, 1);
    assert!(verdict_of("foreign 0").passed());
}

#[test]
fn a_duplicate_is_counted_on_a_standard_queue_and_fails_a_fifo_queue() {
    let story = "ack 0 | got 0 | got 0";
    assert_eq!(verdict(false, story).duplicates, 1);
    assert!(verdict(false, story).passed());
    assert!(!verdict(true, story).passed());
}

#[test]
fn a_delivery_after_an_acknowledged_deletion_fails_on_both_kinds() {
    let story = "ack 0 | got 0 | del 0 | got 0";
    for fifo in [false, true] {
        assert_eq!(verdict(fifo, story).delivered_after_deletion, 1);
        assert!(!verdict(fifo, story).passed());
    }
}

#[test]
fn order_counts_within_a_group_and_only_on_fifo_queues() {
    let overtaken = "ack 0 | ack 2 | got 2 | got 0";
    assert_eq!(verdict(true, overtaken).reordered, 1);
    assert!(!verdict(true, overtaken).passed());
    assert_eq!(verdict(false, overtaken).reordered, 0);
    let other_group = "ack 0 | ack 1 | got 1 | got 0";
    assert_eq!(verdict(true, other_group).reordered, 0);
}

#[test]
fn a_send_of_unknown_outcome_may_arrive_late() {
    let verdict = verdict(true, "unknown 0 | ack 2 | got 2 | got 0");
    assert_eq!(verdict.reordered, 0);
    assert!(verdict.passed());
}
