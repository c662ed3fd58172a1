use proptest::collection::vec;
use proptest::prelude::*;
use stanchion_types::attributes::QueueAttributes;
use stanchion_types::{AccountId, MessageId, QueueArn, QueueName, Region, Timestamp};

use super::*;
use crate::event::Original;

fn arn() -> impl Strategy<Value = QueueArn> {
    ("[a-z]{1,8}", "[0-9]{12}", "[A-Za-z0-9_-]{1,20}(\\.fifo)?").prop_map(|(region, account, name)| QueueArn {
        region: Region::new(&region).unwrap(),
        account: AccountId::new(&account).unwrap(),
        name: QueueName::new(&name).unwrap(),
    })
}

fn time() -> impl Strategy<Value = Timestamp> {
    any::<u64>().prop_map(Timestamp::from_millis)
}

fn key() -> impl Strategy<Value = MessageKey> {
    any::<u64>().prop_map(MessageKey)
}

fn id() -> impl Strategy<Value = MessageId> {
    any::<[u8; 16]>().prop_map(MessageId)
}

fn queue_id() -> impl Strategy<Value = QueueId> {
    any::<u64>().prop_map(QueueId)
}

fn cold() -> impl Strategy<Value = ColdMessage> {
    let place = (any::<u64>(), any::<u32>(), any::<u32>());
    let group = proptest::option::of(any::<u64>().prop_map(GroupKey));
    let receives = (any::<u32>(), time(), time());
    (
        (key(), any::<u64>(), id(), group),
        place,
        (time(), proptest::option::of(time())),
        receives,
        proptest::option::of(arn()),
        any::<bool>(),
    )
        .prop_map(
            |(
                (key, order, id, group),
                (position, offset, length),
                (sent_at, due),
                (count, first_at, last_at),
                source,
                replaces,
            )| {
                let receives = if count == 0 { Receives::default() } else { Receives { count, first_at, last_at } };
                let content = ContentAddress { position, offset, length };
                let id_replaces_deduplication_id = replaces;
                ColdMessage {
                    key,
                    order,
                    id,
                    group,
                    content,
                    sent_at,
                    due,
                    receives,
                    source,
                    id_replaces_deduplication_id,
                }
            },
        )
}

fn imported() -> impl Strategy<Value = Event> {
    (cold(), queue_id(), proptest::option::of(time()), vec(any::<u8>(), 0..40)).prop_map(
        |(cold, queue, due, content)| {
            let ColdMessage { key, id, group, sent_at, receives, source, .. } = cold;
            Event::Imported { queue, key, id, group, due, sent_at, receives, source, content: content.into() }
        },
    )
}

fn pairs() -> impl Strategy<Value = Vec<(String, String)>> {
    vec((".{0,8}", ".{0,8}"), 0..4)
}

fn deduplication() -> impl Strategy<Value = DeduplicationKey> {
    (any::<u128>(), proptest::option::of(any::<u64>()))
        .prop_map(|(hash, group)| DeduplicationKey { hash: DeduplicationHash(hash), group: group.map(GroupKey) })
}

/// A list as it is filed: ascending by mark.
fn originals() -> impl Strategy<Value = Vec<Original>> {
    let original =
        (queue_id(), deduplication(), time(), id(), key()).prop_map(|(queue, deduplication, accepted_at, id, key)| {
            Original { queue, deduplication, accepted_at, id, key }
        });
    vec(original, 1..6).prop_map(|mut originals| {
        originals.sort_by_key(Original::mark);
        originals
    })
}

fn end() -> impl Strategy<Value = TaskEnd> {
    prop_oneof![Just(TaskEnd::Completed), Just(TaskEnd::Cancelled), ".{0,20}".prop_map(TaskEnd::Failed)]
}

fn event() -> impl Strategy<Value = Event> {
    let keys = || vec(key(), 0..5);
    let attributes = any::<bool>().prop_map(|fifo| Box::new(QueueAttributes::new(fifo)));
    let page = || (queue_id(), any::<u64>().prop_map(PageId), vec(cold(), 0..4));
    let hash = || any::<u128>().prop_map(DeduplicationHash);
    let sent = (
        (queue_id(), key(), id(), proptest::option::of(any::<u64>().prop_map(GroupKey))),
        proptest::option::of(deduplication()),
        proptest::option::of(time()),
        vec(any::<u8>(), 0..40),
    );
    let task = || any::<u128>().prop_map(TaskId);
    prop_oneof![
        (queue_id(), arn(), attributes, pairs()).prop_map(|(queue, arn, attributes, tags)| Event::QueueCreated {
            queue,
            arn,
            attributes,
            tags
        }),
        queue_id().prop_map(|queue| Event::QueueDeleted { queue }),
        (queue_id(), any::<bool>())
            .prop_map(|(queue, fifo)| Event::AttributesSet { queue, attributes: Box::new(QueueAttributes::new(fifo)) }),
        (queue_id(), pairs(), vec(".{0,8}", 0..3)).prop_map(|(queue, set, removed)| Event::TagsChanged {
            queue,
            set,
            removed
        }),
        queue_id().prop_map(|queue| Event::Purged { queue }),
        sent.prop_map(|((queue, key, id, group), deduplication, due, content)| {
            let content = content.into();
            Event::Sent { queue, key, id, group, deduplication, due, content }
        }),
        imported(),
        (queue_id(), keys(), time(), proptest::option::of(hash()))
            .prop_map(|(queue, keys, until, attempt)| Event::Received { queue, keys, until, attempt }),
        (queue_id(), hash(), time()).prop_map(|(queue, attempt, until)| Event::Repeated { queue, attempt, until }),
        (queue_id(), keys()).prop_map(|(queue, keys)| Event::Deleted { queue, keys }),
        (queue_id(), key(), time()).prop_map(|(queue, key, until)| Event::VisibilityChanged { queue, key, until }),
        (queue_id(), vec((key(), proptest::option::of(any::<u64>())), 0..4))
            .prop_map(|(queue, messages)| Event::Released { queue, messages }),
        (queue_id(), proptest::option::of(hash()), vec((key(), proptest::option::of(any::<u64>())), 0..4))
            .prop_map(|(queue, attempt, messages)| Event::GivenBack { queue, attempt, messages }),
        (queue_id(), keys()).prop_map(|(queue, keys)| Event::Expired { queue, keys }),
        (queue_id(), queue_id(), vec((key(), key()), 0..4)).prop_map(|(queue, target, moves)| Event::DeadLettered {
            queue,
            target,
            moves
        }),
        (queue_id(), key(), vec(any::<u8>(), 0..40)).prop_map(|(queue, key, content)| Event::Moved {
            queue,
            key,
            content: content.into()
        }),
        page().prop_map(|(queue, page, messages)| Event::Chilled { queue, page, messages }),
        page().prop_map(|(queue, page, messages)| Event::Thawed { queue, page, messages }),
        page().prop_map(|(queue, page, messages)| Event::Repaged { queue, page, messages }),
        (task(), queue_id(), arn(), proptest::option::of(arn()), proptest::option::of(any::<u32>()), any::<u64>())
            .prop_map(|(task, source, source_arn, destination, rate, to_move)| Event::TaskStarted {
                task,
                source,
                source_arn,
                destination,
                rate,
                to_move
            }),
        (task(), queue_id(), queue_id(), vec((key(), key(), id()), 0..4))
            .prop_map(|(task, queue, target, moves)| Event::TaskMoved { task, queue, target, moves }),
        (task(), end()).prop_map(|(task, end)| Event::TaskEnded { task, end }),
        (any::<u64>(), originals()).prop_map(|(chunk, originals)| Event::Filed { chunk: ChunkId(chunk), originals }),
        any::<u64>().prop_map(|chunk| Event::Forgotten { chunk: ChunkId(chunk) }),
        (any::<u64>(), vec(any::<u8>(), 0..40))
            .prop_map(|(chunk, content)| Event::Refiled { chunk: ChunkId(chunk), content: content.into() }),
    ]
}

proptest! {
    #[test]
    fn events_read_back_as_they_were_written(events in vec(event(), 0..6)) {
        let mut payload = vec![VERSION];
        let spans: Vec<Span> = events.iter().map(|event| encode(event, &mut payload)).collect();
        let payload = Bytes::from(payload);
        let mut read = Vec::new();
        decode(&payload, |event, span| {
            read.push((event, span));
            Ok::<(), Damage>(())
        })
        .unwrap();
        for (event, span) in &read {
            let content = &payload[span.offset as usize..(span.offset + span.length) as usize];
            match event {
                Event::Sent { content: sent, .. } | Event::Imported { content: sent, .. } => prop_assert_eq!(content, &sent[..]),
                Event::Chilled { messages, .. } | Event::Repaged { messages, .. } => {
                    prop_assert_eq!(&decode_page(content).unwrap(), messages);
                }
                _ => {}
            }
        }
        prop_assert_eq!(read, events.into_iter().zip(spans).collect::<Vec<_>>());
    }

    #[test]
    fn bytes_that_are_no_events_are_damage_and_no_panic(mut bytes in vec(any::<u8>(), 0..200)) {
        if let Some(version) = bytes.first_mut() {
            *version = VERSION;
        }
        // Whether they read or not is up to chance; what counts is that reading ends without a panic.
        let outcome = decode(&Bytes::from(bytes.clone()), |_, _| Ok::<(), Damage>(()));
        let page = decode_page(&bytes);
        if bytes.is_empty() {
            prop_assert!(outcome.is_err() && page.is_err());
        }
    }

    #[test]
    fn a_payload_that_was_cut_is_damage(event in event(), cut in any::<prop::sample::Index>()) {
        let mut payload = vec![VERSION];
        encode(&event, &mut payload);
        let length = 1 + cut.index(payload.len() - 1);
        prop_assume!(length > 1);
        let cut = Bytes::copy_from_slice(&payload[..length]);
        prop_assert!(decode(&cut, |_, _| Ok::<(), Damage>(())).is_err());
    }
}

/// The bytes of version 2. A change of this test is a change of what servers have on their disks.
#[test]
fn the_format_is_what_it_was() {
    let mut payload = vec![VERSION];
    let sent = Event::Sent {
        queue: QueueId(1),
        key: MessageKey(300),
        id: MessageId([0xab; 16]),
        group: Some(GroupKey(2)),
        deduplication: Some(DeduplicationKey { hash: DeduplicationHash(3), group: None }),
        due: Some(Timestamp::from_millis(5)),
        content: Bytes::from_static(b"hi"),
    };
    encode(&sent, &mut payload);
    encode(&Event::Deleted { queue: QueueId(1), keys: vec![MessageKey(300)] }, &mut payload);
    encode(&Event::Released { queue: QueueId(1), messages: vec![(MessageKey(300), Some(7))] }, &mut payload);
    let given_back = vec![(MessageKey(300), None), (MessageKey(301), Some(8))];
    encode(&Event::GivenBack { queue: QueueId(1), attempt: None, messages: given_back }, &mut payload);
    let imported = Event::Imported {
        queue: QueueId(1),
        key: MessageKey(301),
        id: MessageId([0xcd; 16]),
        group: None,
        due: None,
        sent_at: Timestamp::from_millis(4),
        receives: Receives { count: 2, first_at: Timestamp::from_millis(5), last_at: Timestamp::from_millis(6) },
        source: None,
        content: Bytes::from_static(b"yo"),
    };
    encode(&imported, &mut payload);
    let hex: String = payload.iter().map(|byte| format!("{byte:02x}")).collect();
    let expected = [
        "02",
        "0601ac02abababababababababababababababab0102000000000000000103000000000000000000000000000000000105026869",
        "090101ac02",
        "0b0101ac020107",
        "1d010002ac0200ad020108",
        "1701ad02cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd0000040205060002796f",
    ];
    assert_eq!(hex, expected.concat());
}

#[test]
fn a_chunk_that_is_empty_or_out_of_order_or_has_the_mark_of_another_id_is_damage() {
    let original = |hash| Original {
        queue: QueueId(1),
        deduplication: DeduplicationKey { hash: DeduplicationHash(hash), group: None },
        accepted_at: Timestamp::from_millis(1),
        id: MessageId([1; 16]),
        key: MessageKey(1),
    };
    let mut sorted = vec![original(1), original(2), original(3)];
    sorted.sort_by_key(Original::mark);
    let reads = |originals: Vec<Original>, spoil: &dyn Fn(&mut [u8])| {
        let mut payload = vec![VERSION];
        let span = encode(&Event::Filed { chunk: ChunkId(1), originals }, &mut payload);
        spoil(&mut payload[span.offset as usize..]);
        decode(&Bytes::from(payload), |_, _| Ok::<(), Damage>(())).is_ok()
    };
    assert!(reads(sorted.clone(), &|_| {}));
    assert!(!reads(Vec::new(), &|_| {}));
    assert!(!reads(sorted.iter().rev().copied().collect(), &|_| {}));
    assert!(!reads(sorted, &|content| content[0] ^= 1));
}

/// The bytes of a chunk in version 2: marks, then originals, both of fixed size.
#[test]
fn the_format_of_a_chunk_is_what_it_was() {
    let original = Original {
        queue: QueueId(1),
        deduplication: DeduplicationKey { hash: DeduplicationHash(3), group: Some(GroupKey(4)) },
        accepted_at: Timestamp::from_millis(5),
        id: MessageId([0xab; 16]),
        key: MessageKey(300),
    };
    let mut payload = Vec::new();
    encode(&Event::Filed { chunk: ChunkId(7), originals: vec![original] }, &mut payload);
    let hex: String = payload.iter().map(|byte| format!("{byte:02x}")).collect();
    let expected = [
        "150749",
        "4cccce1f4ffc7ffa",
        "0100000000000000",
        "03000000000000000000000000000000",
        "010400000000000000",
        "0500000000000000",
        "abababababababababababababababab",
        "2c01000000000000",
    ];
    assert_eq!(hex, expected.concat());
}
