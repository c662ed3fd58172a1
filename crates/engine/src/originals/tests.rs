use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;
use stanchion_types::MessageId;

use super::marks::TAG_BITS;
use super::*;
use crate::event::codec;
use crate::ids::{DeduplicationHash, GroupKey, MessageKey};

const QUEUE: QueueId = QueueId(1);

fn id(hash: u128) -> DeduplicationKey {
    DeduplicationKey { hash: DeduplicationHash(hash), group: None }
}

fn seconds(seconds: u64) -> Timestamp {
    Timestamp::from_millis(seconds * 1000)
}

/// Originals with a disk: what was filed can be read.
struct World {
    originals: Originals,
    recent_max: usize,
    chunk_ids: usize,
    disk: Vec<Vec<u8>>,
    keys: u64,
    /// Blocks that were read.
    blocks_read: usize,
}

impl World {
    fn new(recent_max: usize, chunk_ids: usize, mark_bits: u32) -> Self {
        let originals = Originals::new(mark_bits);
        World { originals, recent_max, chunk_ids, disk: Vec::new(), keys: 0, blocks_read: 0 }
    }

    fn accept(&mut self, queue: QueueId, deduplication: DeduplicationKey, accepted_at: Timestamp) -> Original {
        self.keys += 1;
        let (id, key) = (MessageId([self.keys as u8; 16]), MessageKey(self.keys));
        let original = Original { queue, deduplication, accepted_at, id, key };
        self.originals.insert(original);
        while let Some(Event::Filed { chunk, originals }) = self.originals.overflow(self.recent_max, self.chunk_ids) {
            let mut record = Vec::new();
            let filed = Event::Filed { chunk, originals };
            let span = codec::encode(&filed, &mut record);
            self.disk.push(record);
            let Event::Filed { originals, .. } = filed else { unreachable!("it was just made") };
            self.originals.filed(chunk, span.at(self.disk.len() as u64), &originals);
        }
        original
    }

    fn drop_old(&mut self, now: Timestamp) {
        while let Some(Event::Forgotten { chunk }) = self.originals.due(now) {
            self.originals.forgotten(chunk);
        }
    }

    /// Writes a chunk again, and loses where it was.
    fn move_chunk(&mut self, chunk: ChunkId) {
        let content = self.originals.content_of(chunk).expect("the chunk exists");
        let mut record = Vec::new();
        let span = codec::encode(&Event::Refiled { chunk, content: self.read(content) }, &mut record);
        self.disk[content.position as usize - 1].clear();
        self.disk.push(record);
        self.originals.refiled(chunk, span.at(self.disk.len() as u64));
    }

    fn read(&self, at: ContentAddress) -> Bytes {
        let record = &self.disk[at.position as usize - 1];
        Bytes::copy_from_slice(&record[at.offset as usize..(at.offset + at.length) as usize])
    }

    /// Looks an id up, and reads whatever that takes.
    fn find(&mut self, queue: QueueId, key: &DeduplicationKey, now: Timestamp) -> Option<Original> {
        let mut blocks = Blocks::default();
        loop {
            match self.originals.find(queue, key, now, &blocks) {
                Ok(found) => return found,
                Err(Unknown::Load(wish)) => {
                    let bytes = self.read(wish.at);
                    assert!(self.originals.loaded(wish, &bytes), "{wish:?} makes no sense");
                    if wish.part == ChunkPart::Block {
                        self.blocks_read += 1;
                        blocks.add(wish.at, bytes);
                    }
                }
                Err(Unknown::Damaged) => panic!("what was written reads back"),
            }
        }
    }

    /// Returns where the oldest chunk is.
    fn first_position(&self) -> Option<u64> {
        self.originals.chunks().1.next().map(|chunk| chunk.content.position)
    }

    /// Writes what a snapshot holds, and starts from it.
    fn restart(&mut self, mark_bits: u32) {
        let (first, chunks) = self.originals.chunks();
        let (chunks, recent) = (chunks.cloned().collect(), self.originals.recent().copied().collect());
        self.originals = Originals::new(mark_bits);
        self.originals.restore(first, chunks, recent);
    }
}

#[test]
fn an_id_is_held_for_five_minutes_wherever_it_is_remembered() {
    for recent_max in [0, 10] {
        let mut world = World::new(recent_max, 1, 24);
        let original = world.accept(QUEUE, id(1), seconds(1000));
        let last = Timestamp::from_millis(1_299_999);
        assert_eq!(world.find(QUEUE, &id(1), last), Some(original));
        assert_eq!(world.find(QUEUE, &id(1), seconds(1300)), None);
        assert_eq!(world.originals.chunks().1.len(), usize::from(recent_max == 0));
    }
}

#[test]
fn a_chunk_goes_when_its_newest_id_is_free() {
    let mut world = World::new(0, 2, 24);
    world.accept(QUEUE, id(1), seconds(1000));
    world.recent_max = 1;
    world.accept(QUEUE, id(2), seconds(1100));
    world.accept(QUEUE, id(3), seconds(1200));
    let (first, chunks) = world.originals.chunks();
    assert_eq!((first, chunks.map(|chunk| chunk.newest).collect()), (ChunkId(1), vec![seconds(1000), seconds(1200)]));
    assert_eq!(world.originals.next_deadline(), seconds(1300));
    world.drop_old(seconds(1300));
    assert_eq!(world.first_position(), Some(2));
    // One of its ids is free already, the other is not.
    assert_eq!(world.find(QUEUE, &id(2), seconds(1400)), None);
    assert!(world.find(QUEUE, &id(3), seconds(1400)).is_some());
    world.drop_old(Timestamp::from_millis(1_499_999));
    assert_eq!(world.first_position(), Some(2));
    world.drop_old(seconds(1500));
    assert_eq!((world.first_position(), world.originals.next_deadline()), (None, Timestamp::NEVER));
}

#[test]
fn a_queue_and_a_group_have_ids_of_their_own() {
    let mut world = World::new(0, 4, 0);
    let grouped = |group| DeduplicationKey { group: Some(GroupKey(group)), ..id(1) };
    let one = world.accept(QUEUE, id(1), seconds(1));
    let two = world.accept(QUEUE, grouped(0), seconds(2));
    let three = world.accept(QueueId(2), grouped(0), seconds(3));
    assert_eq!(world.find(QUEUE, &id(1), seconds(4)), Some(one));
    assert_eq!(world.find(QUEUE, &grouped(0), seconds(4)), Some(two));
    assert_eq!(world.find(QueueId(2), &grouped(0), seconds(4)), Some(three));
    assert_eq!(world.find(QueueId(2), &id(1), seconds(4)), None);
    assert_eq!(world.find(QUEUE, &grouped(1), seconds(4)), None);
}

#[test]
fn a_start_reads_marks_before_it_says_that_an_id_is_new() {
    let mut world = World::new(0, 3, 24);
    for hash in 0..10 {
        world.accept(QUEUE, id(hash), seconds(1));
    }
    assert_eq!(world.originals.wanted(seconds(2)), None);
    world.restart(24);
    let wish = world.originals.wanted(seconds(2)).expect("marks are wanted");
    assert_eq!((wish.chunk, wish.part), (ChunkId(1), ChunkPart::Marks));
    assert_eq!(world.originals.find(QUEUE, &id(99), seconds(2), &Blocks::default()), Err(Unknown::Load(wish)));
    assert!(world.originals.failed(wish, seconds(12)), "the ids of the chunk are unknown");
    assert_eq!(world.originals.wanted(seconds(11)), None);
    assert_eq!(world.originals.wanted(seconds(12)), Some(wish));
    for hash in 0..10 {
        assert!(world.find(QUEUE, &id(hash), seconds(2)).is_some());
    }
    assert_eq!(world.find(QUEUE, &id(99), seconds(2)), None);
    assert_eq!(world.originals.wanted(seconds(12)), None);
}

#[test]
fn what_was_read_from_the_wrong_place_is_noticed() {
    let mut world = World::new(0, 600, 24);
    world.recent_max = 599;
    for hash in 0..600 {
        world.accept(QUEUE, id(hash), seconds(1));
    }
    let chunk = world.originals.chunk(ChunkId(1)).expect("a chunk was filed").clone();
    let last = chunk.block(u64::MAX).expect("the last block reaches to the end");
    assert!(chunk.is_block(last, &world.read(last)));
    let shifted = ContentAddress { offset: last.offset - 1, ..last };
    assert!(!chunk.is_block(last, &world.read(shifted)));
    assert!(!chunk.is_block(last, &world.read(last)[1..]));
    assert!(chunk.are_marks(&world.read(chunk.marks())));
    let shifted = ContentAddress { offset: chunk.content.offset + 1, ..chunk.marks() };
    assert!(!chunk.are_marks(&world.read(shifted)));
    assert!(!chunk.are_marks(&[]));
}

#[test]
fn an_id_that_is_new_reads_nothing_and_one_that_is_known_reads_one_block() {
    let mut world = World::new(1000, 700, 24);
    for hash in 0..20_000 {
        world.accept(QUEUE, id(hash), seconds(1));
    }
    for hash in 20_000..40_000 {
        assert_eq!(world.find(QUEUE, &id(hash), seconds(2)), None);
    }
    assert!(world.blocks_read < 10, "{} of 20,000 look-ups read in vain", world.blocks_read);
    world.blocks_read = 0;
    for hash in 0..19_000 {
        let found = world.find(QUEUE, &id(hash), seconds(2)).expect("the id is held");
        assert_eq!(found.key, MessageKey(hash as u64 + 1));
    }
    assert!((18_000..19_010).contains(&world.blocks_read), "{} blocks for 19,000 ids", world.blocks_read);
}

#[test]
fn marks_that_are_all_alike_only_cost_reads() {
    let mut world = World::new(0, 5, 0);
    let held: Vec<Original> = (0..400).map(|hash| world.accept(QUEUE, id(hash), seconds(1))).collect();
    for original in held {
        assert_eq!(world.find(QUEUE, &original.deduplication, seconds(2)), Some(original));
    }
    assert_eq!(world.find(QUEUE, &id(1000), seconds(2)), None);
    assert!(world.blocks_read > 400);
}

#[test]
fn what_is_read_of_a_chunk_that_has_moved_refuses_nobody() {
    let mut world = World::new(0, 3, 24);
    world.recent_max = 2;
    for hash in 0..3 {
        world.accept(QUEUE, id(hash), seconds(1));
    }
    let Err(Unknown::Load(wish)) = world.originals.find(QUEUE, &id(1), seconds(2), &Blocks::default()) else {
        panic!("the id is on disk")
    };
    let bytes = world.read(wish.at);
    world.move_chunk(ChunkId(1));
    assert!(world.originals.loaded(wish, &bytes), "the command looks again");
    assert!(!world.originals.failed(wish, seconds(12)), "the command looks again");
    assert_eq!(world.find(QUEUE, &id(1), seconds(2)).map(|original| original.key), Some(MessageKey(2)));
    assert_eq!(world.first_position(), Some(2));
    world.restart(24);
    assert!(world.find(QUEUE, &id(2), seconds(2)).is_some());
}

#[derive(Clone, Debug)]
enum Step {
    Accept { queue: u64, hash: u128, group: Option<u64> },
    Pass { millis: u64 },
    Move { number: usize },
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => (1..3u64, 0..60u128, proptest::option::of(0..2u64))
            .prop_map(|(queue, hash, group)| Step::Accept { queue, hash, group }),
        3 => prop_oneof![0..20_000u64, Just(299_999), Just(300_000)].prop_map(|millis| Step::Pass { millis }),
        1 => any::<usize>().prop_map(|number| Step::Move { number }),
        1 => Just(Step::Restart),
    ]
}

proptest! {
    /// The plain map is the rule: an id is held from its acceptance for five minutes.
    #[test]
    fn everything_is_found_as_in_a_plain_map(
        steps in vec(step(), 1..300),
        recent_max in 0..10usize,
        chunk_ids in 1..6usize,
        mark_bits in 0..=TAG_BITS,
    ) {
        let mut world = World::new(recent_max, chunk_ids, mark_bits);
        let mut held: BTreeMap<(QueueId, DeduplicationKey), Original> = BTreeMap::new();
        let mut now = Timestamp::from_millis(1_000_000);
        for step in steps {
            match step {
                Step::Accept { queue, hash, group } => {
                    let name = (QueueId(queue), DeduplicationKey { group: group.map(GroupKey), ..id(hash) });
                    let expected = held.get(&name).filter(|original| now < free_at(original.accepted_at)).copied();
                    prop_assert_eq!(world.find(name.0, &name.1, now), expected);
                    if expected.is_none() {
                        held.insert(name, world.accept(name.0, name.1, now));
                    }
                    prop_assert!(world.originals.recent().len() <= recent_max);
                }
                Step::Pass { millis } => {
                    now = now.plus_millis(millis);
                    world.drop_old(now);
                    prop_assert!(world.originals.next_deadline() > now);
                }
                Step::Move { number } => {
                    let (first, count) = (world.originals.first, world.originals.chunks.len());
                    if let Some(place) = number.checked_rem(count) {
                        world.move_chunk(ChunkId(first.0 + place as u64));
                    }
                }
                Step::Restart => world.restart(mark_bits),
            }
        }
        for (name, original) in held {
            let expected = Some(original).filter(|original| now < free_at(original.accepted_at));
            prop_assert_eq!(world.find(name.0, &name.1, now), expected);
        }
    }
}
