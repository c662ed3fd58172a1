use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::local::frame::{self, Header};
use crate::local::keys::Keys;
use crate::local::ranges::Ranges;
use crate::local::simulated::Simulated;

const JOURNAL: u64 = 77;
const STATE: State = State { journal: JOURNAL, opens: 1, first: 1, gone: Ranges::new(), clean: None };

/// One frame of a test segment.
struct Made {
    bytes: Vec<u8>,
    checksum: u32,
}

fn made(kind: Kind, position: u64, synced: u64, chain: u32, payload: &[u8]) -> Made {
    let header = Header {
        kind,
        shard: 5,
        journal: JOURNAL,
        segment: 1,
        epoch: 1,
        position,
        clock_ms: 0,
        count: 1,
        length: payload.len() as u32,
        chain,
        synced: synced as u32,
        key: 0,
    };
    let mut bytes = Vec::new();
    let checksum = frame::encode(&header, payload, &mut bytes);
    bytes.extend_from_slice(payload);
    bytes.resize(frame::frame_bytes(payload.len()), 0);
    Made { bytes, checksum }
}

/// A disk with one segment whose records were written in groups of these sizes, each group synced before the next; and
/// where each record begins.
fn disk(groups: &[usize]) -> (Simulated, Vec<usize>) {
    let mut content = segment::page(JOURNAL, 1, 16_384);
    let mut base = Vec::new();
    index::encode_tails(&Tails::new(), &mut base);
    content.extend_from_slice(&made(Kind::Base, 0, FRAMES, 0, &base).bytes);
    let (mut offsets, mut chain) = (Vec::new(), 0);
    for &size in groups {
        let synced = content.len() as u64;
        for _ in 0..size {
            let frame = made(Kind::Record, offsets.len() as u64 + 1, synced, chain, b"some payload");
            chain = frame.checksum;
            offsets.push(content.len());
            content.extend_from_slice(&frame.bytes);
        }
    }
    content.resize(16_384, 0);
    let disk = Simulated::new();
    STATE.store(&disk).expect("stores");
    disk.create(&segment::name(1)).expect("creates");
    disk.overwrite(&segment::name(1), content);
    (disk, offsets)
}

/// Recovers after flipping a bit of a record, and says how far the log reaches or where it is damaged.
fn recover_with_flip(groups: &[usize], record: usize) -> Result<u64, u64> {
    let (disk, offsets) = disk(groups);
    let name = segment::name(1);
    let mut content = disk.content(&name).expect("is there");
    content[offsets[record - 1] + 30] ^= 4;
    disk.overwrite(&name, content.clone());
    match recover(&disk, &STATE) {
        Ok(recovered) => {
            let last = recovered.tails.get(&ShardId(5)).map_or(0, |tail| tail.last);
            let cut = disk.content(&name).expect("is there");
            let end = recovered.segments.last().map_or(0, |segment| segment.end as usize);
            assert!(cut[end..].iter().all(|&byte| byte == 0), "the torn tail is overwritten");
            Ok(last)
        }
        Err(Fault::Corrupt { file, offset, .. }) => {
            assert!(file.ends_with(&name), "{}", file.display());
            assert_eq!(disk.content(&name), Some(content), "a refused segment is not touched");
            Err(offsets.iter().position(|&at| at as u64 == offset).expect("the offset of a record") as u64 + 1)
        }
        Err(fault) => panic!("{fault}"),
    }
}

#[test]
fn a_bad_frame_before_good_ones_of_the_same_unsynced_group_is_a_torn_tail() {
    assert_eq!(recover_with_flip(&[2, 3], 3), Ok(2));
    assert_eq!(recover_with_flip(&[2, 3], 4), Ok(3));
    assert_eq!(recover_with_flip(&[2, 3], 5), Ok(4));
    assert_eq!(recover_with_flip(&[5], 1), Ok(0));
}

#[test]
fn a_bad_frame_before_a_good_one_of_a_later_group_is_damage() {
    assert_eq!(recover_with_flip(&[2, 3], 1), Err(1));
    assert_eq!(recover_with_flip(&[2, 3], 2), Err(2));
    assert_eq!(recover_with_flip(&[1, 1, 1], 2), Err(2));
}

/// Gives the frame at a place the checksum that its header should have.
fn seal_header(content: &mut [u8], at: usize) {
    let checksum = crc32c::crc32c_append(crc32c::crc32c(&content[at..at + 64]), &content[at + 68..at + 72]);
    content[at + 64..at + 68].copy_from_slice(&checksum.to_le_bytes());
}

#[test]
fn frames_of_another_journal_or_segment_prove_nothing() {
    let (disk, offsets) = disk(&[1, 1, 1]);
    let name = segment::name(1);
    let mut content = disk.content(&name).expect("is there");
    // The record after the bad one now looks like one of an earlier use of the file, and so like what follows the end.
    for (at, field) in [(offsets[1], 16), (offsets[2], 8)] {
        content[at + field] ^= 1;
        seal_header(&mut content, at);
    }
    disk.overwrite(&name, content);
    let recovered = recover(&disk, &STATE).expect("opens");
    assert_eq!(recovered.tails.get(&ShardId(5)).map(|tail| tail.last), Some(1));
}

#[test]
fn a_record_that_does_not_continue_the_chain_is_not_one() {
    let (disk, offsets) = disk(&[3]);
    let name = segment::name(1);
    let mut content = disk.content(&name).expect("is there");
    let at = offsets[1];
    content[at + 56] ^= 1;
    seal_header(&mut content, at);
    disk.overwrite(&name, content);
    let recovered = recover(&disk, &STATE).expect("opens");
    assert_eq!(recovered.tails.get(&ShardId(5)).map(|tail| tail.last), Some(1));
}

#[test]
fn after_a_clean_stop_the_last_record_cannot_be_torn() {
    let (disk, offsets) = disk(&[1, 1]);
    let name = segment::name(1);
    let end = offsets[1] as u64 + (offsets[1] - offsets[0]) as u64;
    let closed = State { clean: Some((1, end)), ..STATE };
    assert!(recover(&disk, &closed).is_ok());
    let mut content = disk.content(&name).expect("is there");
    content[offsets[1] + 80] ^= 1;
    disk.overwrite(&name, content);
    match recover(&disk, &closed) {
        Err(Fault::Corrupt { offset, .. }) => assert_eq!(offset, offsets[1] as u64),
        Err(fault) => panic!("{fault}"),
        Ok(_) => panic!("a record that was there at the stop is gone"),
    }
}

#[test]
fn a_snapshot_past_the_end_proves_damage() {
    let (disk, offsets) = disk(&[1, 1]);
    let name = segment::name(1);
    snapshot::save(&disk, &Keys::none(&disk, JOURNAL), ShardId(5), crate::Position(2), b"state", &|| false)
        .expect("saves");
    assert!(recover(&disk, &STATE).is_ok());
    let mut content = disk.content(&name).expect("is there");
    content[offsets[1] + 80] ^= 1;
    disk.overwrite(&name, content.clone());
    let refused = recover(&disk, &STATE).err();
    assert!(matches!(refused, Some(Fault::Corrupt { offset, .. }) if offset == offsets[1] as u64), "{refused:?}");
    assert_eq!(disk.content(&name), Some(content), "a refused segment is not touched");
}

#[test]
fn what_is_left_of_a_record_is_erased_even_if_its_beginning_is_not_there() {
    // Else the next record could be torn at the same place, and its beginning and the old rest be the old record again.
    let (disk, offsets) = disk(&[1; 70]);
    let begins_before_a_border = |at: &usize| (1..=24).contains(&(at.next_multiple_of(512) - at));
    let record = offsets.iter().position(begins_before_a_border).expect("some record lies across a border of sectors");
    let (at, name) = (offsets[record], segment::name(1));
    let border = at.next_multiple_of(512);
    let mut content = disk.content(&name).expect("is there");
    content[at..border].fill(0);
    content[offsets[record + 1]..].fill(0);
    disk.overwrite(&name, content);
    let recovered = recover(&disk, &STATE).expect("a torn tail is nothing bad");
    assert_eq!(recovered.tails[&ShardId(5)].last, record as u64);
    let left = disk.content(&name).expect("is there");
    assert!(left[at..].iter().all(|&byte| byte == 0), "the rest of the torn record is erased");
}

/// A file that counts the bytes that are read of it.
struct Counted {
    content: Vec<u8>,
    read: AtomicUsize,
}

impl DiskFile for Counted {
    fn write_at(&self, _: &mut [IoSlice<'_>], _: u64) -> io::Result<()> {
        Err(io::ErrorKind::PermissionDenied.into())
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let there = &self.content[(offset as usize).min(self.content.len())..];
        let read = there.len().min(buffer.len());
        buffer[..read].copy_from_slice(&there[..read]);
        self.read.fetch_add(read, Ordering::Relaxed);
        Ok(read)
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.content.len() as u64)
    }

    fn reserve(&self, _: u64) -> io::Result<bool> {
        Ok(false)
    }
}

#[test]
fn of_a_sealed_segment_a_start_reads_base_and_seal_and_none_of_the_records() {
    let mut page = segment::page(JOURNAL, 1, 0);
    let mut tails = Vec::new();
    index::encode_tails(&Tails::new(), &mut tails);
    let base = made(Kind::Base, 0, FRAMES, 0, &tails).bytes;
    let mut index = Index::default();
    let records: Vec<u8> =
        (1..=1000).flat_map(|position| made(Kind::Record, position, 0, 0, &[7; 4000]).bytes).collect();
    let (begin, end) = (FRAMES + base.len() as u64, FRAMES + (base.len() + records.len()) as u64);
    (1..=1000).for_each(|position| {
        index.note(ShardId(5), position, begin + (position - 1) * (records.len() as u64 / 1000));
    });
    index.encode(&mut tails);
    let seal = made(Kind::Seal, 0, end, 0, &tails).bytes;
    let pointer = segment::seal_pointer(JOURNAL, 1, end);
    page[segment::SEAL_AT as usize..][..pointer.len()].copy_from_slice(&pointer);
    let file = Arc::new(Counted { content: [page.clone(), base, records, seal].concat(), read: AtomicUsize::new(0) });
    let shared: Arc<dyn DiskFile> = file.clone();
    let content = load_sealed(&shared, JOURNAL, 1, &page).expect("reads").expect("the segment is sealed");
    assert_eq!((content.sealed, content.index == index), (true, true));
    let read = file.read.load(Ordering::Relaxed);
    assert!(read < 64 << 10, "{read} bytes of {} are read", file.content.len());
}
