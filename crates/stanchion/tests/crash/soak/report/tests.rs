use super::super::look::{Disk, Look};
use super::{Calls, Round, judge_growth, slope, thirds, totals};

fn rounds(count: u64, resident: impl Fn(u64) -> u64) -> Vec<Round> {
    let round = |number: u64| {
        let disk = Disk { segments: 60 << 20, kept: 30 << 20, snapshots: 9 << 20, other: 1 << 20 };
        let look = Look { resident: resident(number) << 20, disk };
        Round { settled: true, top: look, rest: look, ..Round::default() }
    };
    (0..count).map(round).collect()
}

#[test]
fn memory_that_grows_steadily_is_found_and_memory_that_only_sways_is_not() {
    assert!(judge_growth(&rounds(30, |number| 50 + 2 * number)).grows);
    let verdict = judge_growth(&rounds(30, |number| 50 + number % 7));
    assert!(!verdict.grows && verdict.text.contains("| flat |"), "{}", verdict.text);
}

#[test]
fn a_row_of_the_verdict_says_what_it_rests_on() {
    let text = judge_growth(&rounds(31, |number| 50 + 2 * number)).text;
    let row = "| one process, resident at rest | 30 | 61.0 | 101.0 | 79.1 | +2.00 | GROWS |";
    assert!(text.contains(row), "{text}");
    assert!(text.contains("| one process, disk at rest | 30 | 100.0 | 100.0 | 238.0 | +0.00 | flat |"), "{text}");
    assert!(text.contains("| with restarts, disk at rest | 0 | | | | | none: too few rounds |"), "{text}");
}

#[test]
fn neither_the_first_round_counts_nor_those_before_the_state_is_full() {
    assert!(!judge_growth(&rounds(9, |number| if number == 0 { 5 } else { 80 })).grows);
    let mut filling = rounds(9, |number| if number < 4 { 5 } else { 80 });
    assert!(judge_growth(&filling).grows);
    filling.iter_mut().take(4).for_each(|round| round.settled = false);
    assert!(!judge_growth(&filling).grows);
    assert_eq!(thirds(&[1, 2, 3, 4, 5, 60]), (1, 32));
    assert_eq!(thirds(&[1, 2]), (1, 2));
}

#[test]
fn the_slope_is_that_of_the_closest_line() {
    assert_eq!([slope(&[7]), slope(&[3, 5, 7]), slope(&[4, 2, 6, 4])], [0.0, 2.0, 0.4]);
}

#[test]
fn the_totals_are_those_of_all_rounds() {
    let calls = Calls { noted: 9, sent: 5, received: 4, deleted: 3, unknown: 1 };
    let one = || Round { calls, kills: 2, ..Round::default() };
    let text = totals(&[Round { restarting: true, violations: 1, ..one() }, one(), one()]);
    for row in [
        "| rounds with restarts | 1 |",
        "| rounds of one process | 2 |",
        "| kills (`kill -9`) | 6 |",
        "| messages sent | 15 |",
        "| messages deleted | 9 |",
        "| promises that it found broken | 1 |",
    ] {
        assert!(text.contains(row), "{row}: {text}");
    }
}
