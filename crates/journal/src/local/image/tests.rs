use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::local::{Local, Options};
use crate::{Epoch, Journal, Listener};

struct Deaf;

impl Listener for Deaf {
    fn durable(&self, _: Position) {}
    fn failed(&self, _: Fault) {}
}

const SHARD: ShardId = ShardId(0);

fn disk(directory: &Path) -> Arc<dyn Disk> {
    let keyring = stanchion_keyring::Keyring::of("a", [3; 32].into());
    Arc::new(Directory::new(directory).with_keyring(Some(Arc::new(keyring))))
}

fn open_journal(directory: &Path) -> (Local, Epoch, u64) {
    let options = Options { segment_bytes: 16 * 1024, cache_bytes: 0, ..Options::default() };
    let journal = Local::open_on(disk(directory), options).expect("opens");
    let tenure = journal.acquire(SHARD, Arc::new(Deaf)).expect("acquires");
    (journal, tenure.epoch, tenure.last.0)
}

/// Appends a record that tells its position and waits until it is durable.
fn append(journal: &Local, epoch: Epoch, position: u64) {
    let payload = Bytes::from(vec![position as u8; 3000]);
    let record = Record { shard: SHARD, position: Position(position), clock_ms: position, count: 1, payload };
    journal.append(epoch, record).expect("appends");
    while journal.durable(SHARD) < Position(position) {
        std::thread::yield_now();
    }
}

fn replayed(image: &Image) -> Vec<u64> {
    let mut positions = Vec::new();
    let visit = &mut |record: Record| {
        assert!(record.payload.iter().all(|byte| *byte == record.position.0 as u8));
        positions.push(record.position.0);
        Ok(())
    };
    image.replay(SHARD, Position(1), visit).expect("replays");
    positions
}

fn segments(directory: &Path) -> usize {
    let files = std::fs::read_dir(directory.join("journal")).expect("a directory");
    files.filter(|file| file.as_ref().is_ok_and(|file| file.path().extension().is_some_and(|e| e == "segment"))).count()
}

#[test]
fn what_was_trimmed_before_a_hold_is_gone_before_it() {
    let directory = tempfile::tempdir().expect("a directory");
    let (journal, epoch, _) = open_journal(directory.path());
    // More than once: the segments go on a thread of their own, which may be quick by chance.
    for round in 1..=10 {
        let last = round * 40;
        (last - 39..=last).for_each(|position| append(&journal, epoch, position));
        journal.save_snapshot(SHARD, Position(last), Bytes::new()).expect("saves");
        journal.trim(SHARD, Position(last)).expect("trims");
        let hold = journal.hold().expect("holds");
        let image = Image::held(disk(directory.path()), hold.end).expect("reads");
        let bytes: u64 = image.parts().iter().map(|part| part.used).sum();
        assert!(bytes < 2 * 32 * 1024, "round {round}: {bytes} bytes are left to copy");
    }
}

#[test]
fn a_held_journal_shows_what_was_durable_and_nothing_later_and_keeps_what_is_trimmed() {
    let directory = tempfile::tempdir().expect("a directory");
    let (journal, epoch, _) = open_journal(directory.path());
    (1..=40).for_each(|position| append(&journal, epoch, position));
    let hold = journal.hold().expect("holds");
    assert_eq!(hold.shards, [(SHARD, Position(40))]);
    (41..=80).for_each(|position| append(&journal, epoch, position));
    for at in [39, 40, 60, 70] {
        journal.save_snapshot(SHARD, Position(at), Bytes::from(at.to_string())).expect("saves");
    }
    journal.trim(SHARD, Position(70)).expect("trims");
    journal.settle();
    let before = segments(directory.path());

    let mut image = Image::held(disk(directory.path()), hold.end).expect("an image");
    assert_eq!(image.shards(), [(SHARD, Position(40))]);
    assert_eq!(replayed(&image), (1..=40).collect::<Vec<_>>());
    assert_eq!(image.snapshot(SHARD).expect("reads"), Some((Position(40), Bytes::from("40"))));
    for position in [7, 8, 30, 3, 40, 1] {
        assert_eq!(image.record(SHARD, Position(position)).expect("reads").position, Position(position));
    }
    assert!(image.record(SHARD, Position(81)).is_err());

    drop(hold);
    journal.settle();
    assert!(segments(directory.path()) < before, "what was trimmed goes with the hold");
    journal.save_snapshot(SHARD, Position(80), Bytes::from("80")).expect("saves");
    assert_eq!(std::fs::read_dir(directory.path().join("snapshots")).expect("lists").count(), 2);
    journal.close().expect("closes");
}

#[test]
fn a_journal_that_is_open_has_no_still_image_and_a_closed_one_has() {
    let directory = tempfile::tempdir().expect("a directory");
    let (journal, epoch, _) = open_journal(directory.path());
    (1..=10).for_each(|position| append(&journal, epoch, position));
    assert!(matches!(Image::still(disk(directory.path())), Err(Fault::Locked { .. })));
    drop(journal);
    let image = Image::still(disk(directory.path())).expect("an image after a crash");
    assert_eq!(replayed(&image), (1..=10).collect::<Vec<_>>());
    assert!(matches!(Local::open(directory.path(), Options::default()), Err(Fault::Locked { .. })));
}

#[test]
fn a_directory_put_together_from_copies_opens_and_goes_on() {
    let (from, to) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let (journal, epoch, _) = open_journal(from.path());
    (1..=40).for_each(|position| append(&journal, epoch, position));
    let hold = journal.hold().expect("holds");
    (41..=60).for_each(|position| append(&journal, epoch, position));

    let image = Image::held(disk(from.path()), hold.end).expect("an image");
    for name in ["journal", "snapshots"] {
        std::fs::create_dir(to.path().join(name)).expect("makes");
    }
    for part in image.parts() {
        let path = to.path().join(Image::segment_file(part.number));
        let mut bytes = Vec::new();
        let take = &mut |piece: &[u8]| {
            bytes.extend_from_slice(piece);
            Ok::<(), Fault>(())
        };
        image.copy(part, take).expect("copies");
        std::fs::write(&path, &bytes).expect("writes");
        check_copy(&path, image.journal(), part).expect("the copy is whole");
        // Within the page, and half-way through the frames: what follows the page's checksum says nothing.
        for at in [10, (FRAMES + part.used) as usize / 2] {
            bytes[at] ^= 1;
            std::fs::write(&path, &bytes).expect("writes");
            assert!(matches!(check_copy(&path, image.journal(), part), Err(Fault::Corrupt { .. })), "byte {at}");
            bytes[at] ^= 1;
        }
        std::fs::write(&path, &bytes[..bytes.len() - 8]).expect("writes");
        assert!(matches!(check_copy(&path, image.journal(), part), Err(Fault::Corrupt { .. })));
        bytes.resize(part.length as usize, 0);
        std::fs::write(&path, &bytes).expect("writes");
    }
    std::fs::write(to.path().join(Image::state_file()), image.state()).expect("writes");
    let keys = image.data_keys().expect("reads").expect("the journal is sealed");
    std::fs::write(to.path().join(Image::data_keys_file()), keys).expect("writes");

    assert_eq!(replayed(&Image::still(disk(to.path())).expect("an image")), (1..=40).collect::<Vec<_>>());
    let (copy, epoch, last) = open_journal(to.path());
    assert_eq!(last, 40);
    (41..=50).for_each(|position| append(&copy, epoch, position));
    copy.close().expect("closes");
    assert_eq!(replayed(&Image::still(disk(to.path())).expect("an image")), (1..=50).collect::<Vec<_>>());
}
