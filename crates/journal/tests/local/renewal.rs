//! A data key seals so much and no more.

use stanchion_journal::local::Options;
use stanchion_journal::local::simulated::Simulated;
use stanchion_journal::{Journal, Position};

use crate::harness::{SMALL, append, frames, open, replayed};

const LENGTH: usize = 3000;
const BOUND: u64 = 40_000;

/// Returns from which segment on each data key was used, as the file of data keys lists them.
fn begins(disk: &Simulated) -> Vec<u64> {
    let text = String::from_utf8(disk.content("journal/keys").expect("the file of data keys")).expect("text");
    let once = &text[..text.len() / 2];
    let from = |line: &str| line.strip_prefix("key ")?.split(' ').nth(2)?.parse().ok();
    once.lines().filter_map(from).collect()
}

#[test]
fn a_data_key_that_has_sealed_its_share_is_followed_by_another_with_the_next_segment() {
    let disk = Simulated::new();
    let options = Options { sealed_bytes_max: BOUND, ..SMALL };
    let journal = open(&disk, options).expect("opens");
    append(&journal, 60, LENGTH);
    let begins = begins(&disk);
    assert!(begins.len() >= 3, "180,000 bytes take more than one key: {begins:?}");
    let frames = frames(&disk);
    for pair in begins.windows(2) {
        let sealed = |until: u64| {
            let records = frames.iter().filter(|(segment, _, _)| (pair[0]..until).contains(segment)).count();
            (records * LENGTH) as u64
        };
        // How long the last of its segments is depends on how soon there is another to write to.
        let (all, but_the_last) = (sealed(pair[1]), sealed(pair[1] - 1));
        assert!(all >= BOUND && but_the_last < BOUND, "{but_the_last} and {all} bytes in segments {pair:?}");
    }
    journal.close().expect("closes");
    let journal = open(&disk, SMALL).expect("opens again");
    assert_eq!(replayed(&journal, 1, LENGTH), Position(60), "what each of them sealed is read");
}
