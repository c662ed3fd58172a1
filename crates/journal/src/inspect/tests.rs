use super::*;
use crate::local::simulated::Simulated;
use crate::local::{Local, Options};
use crate::{Address, Journal, Listener, Record};

const SHARD: ShardId = ShardId(0);

struct Deaf;

impl Listener for Deaf {
    fn durable(&self, _: Position) {}
    fn failed(&self, _: Fault) {}
}

/// A journal of records of ten kilobytes, cleanly closed, in three segments or so.
fn written() -> (Simulated, Vec<Bytes>) {
    let disk = Simulated::new();
    let options = Options { segment_bytes: 64 << 10, ..Options::default() };
    let journal = Local::open_on(Arc::new(disk.clone()), options).expect("opens");
    let tenure = journal.acquire(SHARD, Arc::new(Deaf)).expect("acquires");
    let payloads: Vec<_> = (1..=120u64).map(|number| Bytes::from(vec![number as u8; 10 << 10])).collect();
    for (number, payload) in (1..).zip(&payloads) {
        let (position, payload) = (Position(number), payload.clone());
        journal
            .append(tenure.epoch, Record { shard: SHARD, position, clock_ms: number, count: 1, payload })
            .expect("appends");
    }
    journal.close().expect("closes");
    (disk, payloads)
}

/// Returns a segment in the middle, and where its second record's frame begins.
fn middle(disk: &Simulated) -> (u64, u64, Position) {
    let number = numbers(disk).expect("lists")[1];
    let mut found = Vec::new();
    frames_on(disk, number, &mut |frame, _| {
        if let FrameKind::Record { position, .. } = frame.kind {
            found.push((frame.offset, position));
        }
    })
    .expect("is read");
    (number, found[1].0, found[1].1)
}

fn flip(disk: &Simulated, number: u64, at: u64) {
    let name = segment::name(number);
    let mut content = disk.content(&name).expect("is there");
    content[at as usize] ^= 0x10;
    disk.overwrite(&name, content);
}

/// Walks over everything: positions of good and of damaged records, and offsets of lost bytes.
fn walk(disk: &Simulated) -> (Vec<u64>, Vec<(u64, usize)>, Vec<u64>) {
    let (mut good, mut damaged, mut lost) = (Vec::new(), Vec::new(), Vec::new());
    let archive = Archive::open_on(Arc::new(disk.clone())).expect("opens");
    archive
        .walk(SHARD, Position(1), &mut |entry| {
            match entry {
                Entry::Record(record) => good.push(record.position.0),
                Entry::Damaged { record, good, .. } => damaged.push((record.position.0, good)),
                Entry::Lost(damage) => lost.push(damage.offset),
            }
            Ok(())
        })
        .expect("walks");
    (good, damaged, lost)
}

#[test]
fn an_archive_has_every_record_of_a_whole_journal() {
    let (disk, payloads) = written();
    let (good, damaged, lost) = walk(&disk);
    assert_eq!(good, (1..=payloads.len() as u64).collect::<Vec<_>>());
    assert!(damaged.is_empty() && lost.is_empty());
    let mut archive = Archive::open_on(Arc::new(disk)).expect("opens");
    // Forwards, backwards, and with great steps.
    let last = payloads.len();
    for number in (1..=last).chain((1..=last).rev()).chain((1..=last).map(|number| number * 37 % last + 1)) {
        let at = Address { position: Position(number as u64), offset: 5_000, length: 300 };
        assert_eq!(archive.read(SHARD, at).expect("reads"), payloads[number - 1].slice(5_000..5_300));
    }
    let beyond = Address { position: Position(1), offset: 10 << 10, length: 1 };
    assert!(matches!(archive.read(SHARD, beyond), Err(Fault::OutOfRange { .. })));
    let after = Address { position: Position(last as u64 + 1), offset: 0, length: 1 };
    assert!(matches!(archive.read(SHARD, after), Err(Fault::Missing { .. })));
}

#[test]
fn a_damaged_payload_costs_its_blocks_and_a_damaged_header_its_record() {
    let (disk, payloads) = written();
    let (number, offset, position) = middle(&disk);
    let payload = offset + frame::payload_at(10 << 10) as u64;
    flip(&disk, number, payload + frame::BLOCK as u64 + 9);
    let (good, damaged, lost) = walk(&disk);
    assert_eq!(damaged, [(position.0, frame::BLOCK)]);
    assert_eq!((good.len(), lost.len()), (payloads.len() - 1, 0));
    let mut archive = Archive::open_on(Arc::new(disk.clone())).expect("opens");
    let mut read = |offset, length| archive.read(SHARD, Address { position, offset, length });
    let block = frame::BLOCK as u32;
    assert_eq!(read(0, block).expect("a good block"), payloads[position.0 as usize - 1].slice(..frame::BLOCK));
    assert!(read(2 * block, 100).is_ok());
    let Err(Fault::Corrupt { file, offset: at, .. }) = read(block - 1, 2) else { panic!("damaged bytes were read") };
    assert!(file.ends_with(segment::name(number)));
    assert_eq!(at, payload + frame::BLOCK as u64);

    flip(&disk, number, offset + 30);
    let (good, damaged, lost) = walk(&disk);
    assert_eq!((good.len(), damaged.len()), (payloads.len() - 1, 0));
    assert!(!good.contains(&position.0));
    assert_eq!(lost, [offset]);
    let mut archive = Archive::open_on(Arc::new(disk)).expect("opens");
    assert!(archive.read(SHARD, Address { position, offset: 0, length: 1 }).is_err());
    let next = Address { position: position.next(), offset: 0, length: 1 };
    assert_eq!(archive.read(SHARD, next).expect("the one after it"), payloads[position.0 as usize].slice(..1));
}

#[test]
fn without_a_state_or_a_seal_the_records_are_found_all_the_same() {
    let (disk, payloads) = written();
    disk.remove("journal/state").expect("removes");
    for number in numbers(&disk).expect("lists") {
        flip(&disk, number, segment::SEAL_AT);
    }
    let (good, damaged, lost) = walk(&disk);
    assert_eq!(good, (1..=payloads.len() as u64).collect::<Vec<_>>());
    assert!(damaged.is_empty() && lost.is_empty());
}

#[test]
fn a_missing_segment_is_a_gap() {
    let (disk, _) = written();
    let (number, _, position) = middle(&disk);
    disk.remove(&segment::name(number)).expect("removes");
    let (good, ..) = walk(&disk);
    assert!(good.windows(2).any(|pair| pair[0] < position.0 && pair[1] > position.0), "{good:?}");
}
