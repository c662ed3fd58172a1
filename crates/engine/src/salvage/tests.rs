use bytes::Bytes;
use stanchion_types::{AccountId, MessageId, QueueName, Region};

use super::*;
use crate::engine::Options;
use crate::event::codec;
use crate::ids::{ContentAddress, GroupKey};

const QUEUE: QueueId = QueueId(1);
const DEAD: QueueId = QueueId(2);

fn arn(name: &str) -> QueueArn {
    let region = Region::new("us-east-1").expect("a region");
    QueueArn { region, account: AccountId::DEFAULT, name: QueueName::new(name).expect("a name") }
}

fn created(queue: QueueId, name: &str) -> Event {
    let attributes = Box::new(QueueAttributes::new(false));
    Event::QueueCreated { queue, arn: arn(name), attributes, tags: Vec::new() }
}

fn sent(queue: QueueId, key: u64) -> Event {
    let id = MessageId([key as u8; 16]);
    let content = Bytes::from_static(b"content");
    Event::Sent { queue, key: MessageKey(key), id, group: None, deduplication: None, due: None, content }
}

fn line(key: u64) -> ColdMessage {
    ColdMessage {
        key: MessageKey(key),
        order: key,
        id: MessageId([key as u8; 16]),
        group: Some(GroupKey(7)),
        content: ContentAddress { position: 1, offset: 0, length: 7 },
        sent_at: Timestamp::from_millis(key),
        receives: Receives::default(),
        source: None,
        id_replaces_deduplication_id: false,
        due: None,
    }
}

/// A state with two queues, and messages 1 to 9 in the first: 1 to 3 in memory, 4 to 6 and 7 to 9 on pages 10 and 11.
fn before() -> Engine {
    let mut engine = Engine::new(Options::default());
    let mut events = vec![created(QUEUE, "q"), created(DEAD, "dead")];
    events.extend((1..=9).map(|key| sent(QUEUE, key)));
    for (page, keys) in [(10, 4..=6), (11, 7..=9)] {
        events.push(Event::Chilled { queue: QUEUE, page: PageId(page), messages: keys.map(line).collect() });
    }
    for (position, event) in (1..).zip(events) {
        let mut payload = vec![codec::VERSION];
        let span = codec::encode(&event, &mut payload);
        engine.apply(At { position, clock: Timestamp::from_millis(position) }, &event, span);
        engine.record_ended(position, payload.len());
    }
    engine
}

/// What is known when these events follow a gap.
fn after(events: impl IntoIterator<Item = Event>) -> Salvage {
    let mut salvage = Salvage::new(&before());
    for (position, event) in (100..).zip(events) {
        salvage.learn(At { position, clock: Timestamp::from_millis(position) }, &event, Span::default());
    }
    salvage
}

/// Lists the messages of a queue, with those on pages that nothing has superseded; pages 10 and 11 list what they did.
fn messages(salvage: &Salvage, queue: QueueId) -> Vec<u64> {
    let queue = &salvage.queues[&queue];
    let mut keys: Vec<u64> = queue.messages.keys().map(|key| key.0).collect();
    for page in &queue.pages {
        let first = page.page.first;
        let list: Vec<_> = (first..first + 3).map(line).collect();
        if !page.is_superseded(&list) {
            keys.extend(list.iter().filter(|line| queue.is_news(line)).map(|line| line.key.0));
        }
    }
    keys.sort_unstable();
    keys
}

#[test]
fn without_anything_missing_all_is_known() {
    assert_eq!(messages(&after([]), QUEUE), (1..=9).collect::<Vec<_>>());
}

#[test]
fn what_is_sent_and_deleted_after_a_gap_is_known_wherever_it_was() {
    let deleted = Event::Deleted { queue: QUEUE, keys: vec![MessageKey(2), MessageKey(5), MessageKey(12)] };
    let salvage = after([sent(QUEUE, 14), deleted]);
    assert_eq!(messages(&salvage, QUEUE), [1, 3, 4, 6, 7, 8, 9, 14]);
    assert_eq!(salvage.last_key, 14);
}

#[test]
fn a_list_names_messages_whose_sending_is_lost() {
    let chilled = Event::Chilled { queue: QUEUE, page: PageId(12), messages: (11..=13).map(line).collect() };
    let salvage = after([chilled, Event::Deleted { queue: QUEUE, keys: vec![MessageKey(12)] }]);
    assert_eq!(messages(&salvage, QUEUE), [1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 13]);
}

#[test]
fn a_page_that_is_written_anew_has_lost_what_its_new_list_does_not_name() {
    let repaged = Event::Repaged { queue: QUEUE, page: PageId(10), messages: vec![line(5)] };
    assert_eq!(messages(&after([repaged]), QUEUE), [1, 2, 3, 5, 7, 8, 9]);
}

#[test]
fn a_page_whose_number_was_given_again_in_the_gap_is_not_superseded() {
    // Page 10 returned to memory in the gap, and what became of messages 4 to 6 is unknown: they come again.
    let chilled = Event::Chilled { queue: QUEUE, page: PageId(10), messages: (20..=22).map(line).collect() };
    assert_eq!(messages(&after([chilled]), QUEUE), [1, 2, 3, 4, 5, 6, 7, 8, 9, 20, 21, 22]);
}

#[test]
fn a_dead_letter_moves_if_it_is_known_and_is_passed_over_if_not() {
    let moves = vec![(MessageKey(2), MessageKey(30)), (MessageKey(17), MessageKey(31))];
    let salvage = after([Event::DeadLettered { queue: QUEUE, target: DEAD, moves }]);
    assert_eq!(messages(&salvage, QUEUE), [1, 3, 4, 5, 6, 7, 8, 9]);
    assert_eq!(messages(&salvage, DEAD), [30]);
    let moved = &salvage.queues[&DEAD].messages[&MessageKey(30)];
    assert_eq!((moved.id, moved.source.clone()), (MessageId([2; 16]), Some(arn("q"))));
    assert_eq!(salvage.last_key, 31);
}

#[test]
fn a_queue_whose_creation_is_lost_is_counted_and_one_that_has_ended_is_not() {
    let ended = Event::QueueDeleted { queue: DEAD };
    let salvage = after([sent(QueueId(9), 20), sent(QueueId(9), 21), ended, sent(DEAD, 22)]);
    assert_eq!(salvage.nameless.into_iter().collect::<Vec<_>>(), [(QueueId(9), 2)]);
    assert_eq!(salvage.queues.keys().collect::<Vec<_>>(), [&QUEUE]);
    assert_eq!(salvage.last_queue, 9);
}

#[test]
fn a_purge_after_a_gap_is_believed() {
    let salvage = after([Event::Purged { queue: QUEUE }, sent(QUEUE, 40)]);
    assert_eq!(messages(&salvage, QUEUE), [40]);
}
