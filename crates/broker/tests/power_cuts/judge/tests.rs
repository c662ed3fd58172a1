use stanchion_types::{MessageId, Timestamp};

use super::*;
use crate::load::FIFO;
use crate::server;

const IDS: [MessageId; 3] = [MessageId([1; 16]), MessageId([2; 16]), MessageId([3; 16])];

/// What clients know of two messages of a group and one on a standard queue, and what is there: all of it.
fn all_well() -> (Ledger, Seen) {
    let (mut ledger, mut seen) = (Ledger::default(), Seen::default());
    for (number, queue) in [FIFO, FIFO, "plain"].into_iter().enumerate() {
        let message = Message {
            queue,
            body: format!("body {number}"),
            group: (queue == FIFO).then_some("a"),
            deduplication_id: (queue == FIFO).then(|| number.to_string()),
            id: Some(IDS[number]),
            presence: Presence::There,
            flight: Flight::Visible,
        };
        let empty = SeenQueue { visibility: 30, tag: String::new(), messages: Vec::new() };
        seen.queues.entry(queue.to_owned()).or_insert(empty).messages.push(Carried {
            id: message.id,
            message: server::new_message(&message, false),
            sender_id: None,
            sent_at: Timestamp::ZERO,
            receive_count: 0,
            first_received_at: Timestamp::ZERO,
            sequence_number: None,
            source: None,
            standing: Standing::Visible,
        });
        ledger.sending(message);
        let queue_known = Queue { presence: Presence::There, visibility: vec![30], tag: vec![String::new()] };
        ledger.queues.insert(queue, queue_known);
    }
    (ledger, seen)
}

/// Changes what is known or there, and returns the rules that are broken then.
fn broken(change: impl FnOnce(&mut Ledger, &mut Seen)) -> Vec<Rule> {
    let (mut ledger, mut seen) = all_well();
    change(&mut ledger, &mut seen);
    judge(&ledger, &seen).into_iter().map(|violation| violation.rule).collect()
}

fn fifo(seen: &mut Seen) -> &mut SeenQueue {
    seen.queues.get_mut(FIFO).expect("it is there")
}

#[test]
fn every_broken_promise_is_seen() {
    assert_eq!(broken(|_, _| ()), []);
    assert_eq!(broken(|_, seen| _ = fifo(seen).messages.pop()), [Rule::Kept]);
    assert_eq!(broken(|_, seen| fifo(seen).messages.swap(0, 1)), [Rule::Ordered]);
    assert_eq!(broken(|_, seen| fifo(seen).messages[0].id = None), [Rule::Same]);
    assert_eq!(broken(|_, seen| fifo(seen).messages[0].message.group_id = Some("b".into())), [Rule::Same]);
    assert_eq!(broken(|_, seen| fifo(seen).visibility = 31), [Rule::Configured]);
    assert_eq!(broken(|_, seen| fifo(seen).tag = "red".into()), [Rule::Configured]);
    let until = Timestamp::ZERO;
    assert_eq!(broken(|_, seen| fifo(seen).messages[0].standing = Standing::InFlight { until }), [Rule::Hidden]);
    assert_eq!(broken(|ledger, _| ledger.message(3).flight = Flight::Hidden(None)), [Rule::Hidden]);
    assert_eq!(broken(|ledger, _| ledger.message(3).flight = Flight::Delayed), [Rule::Hidden]);
    assert_eq!(broken(|ledger, _| ledger.message(3).presence = Presence::Gone), [Rule::Gone]);
    assert_eq!(broken(|ledger, _| ledger.queue(FIFO).presence = Presence::Gone), [Rule::Gone]);
    assert_eq!(broken(|ledger, _| _ = ledger.messages.remove(&3)), [Rule::Sent]);
    assert_eq!(broken(|ledger, _| _ = ledger.queues.remove(FIFO)), [Rule::Sent]);
    assert_eq!(broken(|_, seen| _ = seen.queues.remove("plain")), [Rule::Kept, Rule::Kept]);
    let twice = |_: &mut Ledger, seen: &mut Seen| {
        let again = fifo(seen).messages[1].clone();
        fifo(seen).messages.push(again);
    };
    assert_eq!(broken(twice), [Rule::Once]);
}

#[test]
fn what_was_not_answered_may_be_either_way_until_it_was_seen() {
    for presence in [Presence::Unsure, Presence::Leaving] {
        for is_there in [true, false] {
            let (mut ledger, mut seen) = all_well();
            ledger.message(2).presence = presence;
            if !is_there {
                fifo(&mut seen).messages.pop();
            }
            assert_eq!(judge(&ledger, &seen), [], "{presence:?}, {is_there}");
            let happened = is_there == (presence == Presence::Unsure);
            assert_eq!(settle(&mut ledger, &seen), (u64::from(happened), u64::from(!happened)));
            let (_, mut other) = all_well();
            if is_there {
                fifo(&mut other).messages.pop();
            }
            assert_eq!(judge(&ledger, &seen), []);
            let rules: Vec<_> = judge(&ledger, &other).into_iter().map(|violation| violation.rule).collect();
            assert_eq!(rules, [if is_there { Rule::Kept } else { Rule::Gone }]);
        }
    }
}
