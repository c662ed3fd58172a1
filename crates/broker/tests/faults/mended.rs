//! Files that are gone or cut, and what a repair makes of them.

use stanchion_broker::Loss;

use crate::fixture::{FIFO, Fixture, World, runtime};
use crate::trial::{self, Outcome};

/// Breaks a directory, and says how a start on it goes.
fn broken(fixture: &Fixture, what: &str, damage: impl FnOnce(&mut Fixture)) -> (Outcome, trial::Mended) {
    let mut broken = fixture.clone();
    damage(&mut broken);
    (trial::open(&broken, false, what), trial::mend(&broken, what))
}

#[test]
fn a_missing_segment_is_refused_and_a_repair_saves_the_messages_of_all_others() {
    for clean in [true, false] {
        let fixture = Fixture::write(clean);
        let segments = fixture.segments();
        for (number, segment) in segments.iter().enumerate() {
            let what = format!("{segment} missing, clean {clean}");
            let (outcome, mended) = broken(&fixture, &what, |fixture| _ = fixture.files.remove(segment));
            assert_eq!(outcome, Outcome::Refused, "{what}");
            let all = fixture.left.len() + fixture.in_flight.len();
            let saved = mended.drained.messages.len();
            assert!(saved >= all / 2, "{what}: only {saved} saved");
            // The last one may hold nothing that a message needs.
            assert!(number + 1 == segments.len() || saved < all, "{what}: it held no message");
        }
    }
}

#[test]
fn a_segment_cut_anywhere_is_refused_and_a_repair_saves_what_is_before_the_cut() {
    for clean in [true, false] {
        let fixture = Fixture::write(clean);
        let segments = fixture.segments();
        for segment in [&segments[0], &segments[segments.len() / 2], &segments[segments.len() - 1]] {
            let length = fixture.files[segment].len();
            let mut lengths: Vec<usize> = (0..length).step_by(1822).collect();
            for (_, at, head, payload, bytes) in fixture.regions(segment) {
                lengths.extend([at, at + 1, at + head, at + head + payload, at + bytes].map(|length| length as usize));
            }
            for cut in lengths.into_iter().filter(|&cut| cut < length) {
                let what = format!("{segment} cut to {cut} bytes, clean {clean}");
                let mut broken = fixture.clone();
                broken.files.get_mut(segment).expect("a segment").truncate(cut);
                assert_eq!(trial::open(&broken, false, &what), Outcome::Refused, "{what}");
                trial::mend(&broken, &what);
            }
        }
    }
}

#[test]
fn a_damaged_snapshot_is_passed_over_as_long_as_the_records_reach_back_to_another() {
    let fixture = Fixture::write(true);
    let snapshots = fixture.snapshots();
    let newest = snapshots.last().expect("a snapshot");
    for cut in (0..fixture.files[newest].len()).step_by(97) {
        let what = format!("{newest} cut to {cut} bytes");
        let (outcome, mended) = broken(&fixture, &what, |fixture| {
            fixture.files.get_mut(newest).expect("a snapshot").truncate(cut);
        });
        assert_eq!(outcome, Outcome::Served, "{what}");
        assert_eq!(mended.drained.messages.len(), fixture.left.len() + fixture.in_flight.len(), "{what}");
    }
}

#[test]
fn without_any_snapshot_the_records_alone_are_replayed_if_they_are_all_there() {
    let fixture = Fixture::write(true);
    let all = fixture.left.len() + fixture.in_flight.len();
    let (outcome, mended) = broken(&fixture, "damaged snapshots", |fixture| {
        for snapshot in fixture.snapshots() {
            fixture.files.get_mut(&snapshot).expect("a snapshot")[60] ^= 1;
        }
    });
    assert_eq!(outcome, Outcome::Refused, "who knows what a damaged snapshot said");
    assert_eq!(mended.drained.messages.len(), all);
    assert!(mended.losses.iter().all(|loss| matches!(loss, Loss::Snapshot(_))), "{:?}", mended.losses);
}

#[test]
fn a_directory_without_its_state_file_is_refused_and_saved_whole() {
    let fixture = Fixture::write(true);
    let all = fixture.left.len() + fixture.in_flight.len();
    for length in [None, Some(0), Some(20)] {
        let what = format!("state cut to {length:?}");
        let (outcome, mended) = broken(&fixture, &what, |fixture| match length {
            None => _ = fixture.files.remove("journal/state"),
            Some(length) => fixture.files.get_mut("journal/state").expect("a state").truncate(length),
        });
        assert_eq!(outcome, Outcome::Refused, "{what}");
        assert_eq!(mended.drained.messages.len(), all, "{what}");
        assert!(mended.losses.is_empty(), "{what}: {:?}", mended.losses);
    }
}

#[test]
fn what_a_repair_has_written_goes_on_as_if_nothing_had_happened() {
    let fixture = Fixture::write(true);
    let mut broken = fixture.clone();
    broken.files.remove("journal/state");
    let new = trial::mend_files(&broken, "no state");
    // Numbers of messages, and with them sequence numbers, are never given again.
    let numbers = |disk: &_| {
        runtime().block_on(async {
            let world = World::open(disk).expect("opens");
            let number = world.send_numbered(FIFO, "z9999999 new".to_owned()).await;
            world.close().await;
            number
        })
    };
    let (before, after) = (numbers(&fixture.disk()), numbers(&new));
    assert!(after > before, "{after} after {before}");
    let drained = runtime().block_on(async { World::open(&new).expect("opens").drain().await });
    assert_eq!(drained.messages.len(), fixture.left.len() + fixture.in_flight.len() + 1);
}

#[test]
fn without_snapshots_a_lost_record_costs_what_was_sent_in_it_and_what_comes_again_was_not_known_to_be_deleted() {
    let mut fixture = Fixture::write(true);
    for snapshot in fixture.snapshots() {
        fixture.files.remove(&snapshot);
    }
    let all = fixture.left.len() + fixture.in_flight.len();
    let whole = trial::mend(&fixture, "no snapshots");
    assert_eq!((whole.drained.messages.len(), whole.losses.len()), (all, 0), "{:?}", whole.losses);
    let mut position = 0;
    for segment in fixture.segments() {
        for (kind, at, head, ..) in fixture.regions(&segment) {
            if kind != "record" {
                continue;
            }
            position += 1;
            let what = format!("record {position} lost, {segment} at {at}");
            let mut broken = fixture.clone();
            broken.files.get_mut(&segment).expect("a segment")[(at + head / 2) as usize] ^= 1;
            let mended = trial::mend(&broken, &what);
            let known = |message: &str| fixture.left.contains_key(message) || fixture.in_flight.contains_key(message);
            let saved = mended.drained.messages.keys().filter(|id| known(id)).count();
            let nameless: u64 = mended.losses.iter().map(sent_to_nameless).sum();
            assert!(saved + nameless as usize + 1 >= all, "{what}: {saved} of {all}, {:?}", mended.losses);
            let back = mended.drained.messages.len() - saved;
            assert!(back <= 1, "{what}: {back} deleted messages come again");
        }
    }
    assert!(position > 50, "{position} records");
}

fn sent_to_nameless(loss: &Loss) -> u64 {
    match loss {
        Loss::Nameless { messages, .. } => *messages,
        _ => 0,
    }
}
