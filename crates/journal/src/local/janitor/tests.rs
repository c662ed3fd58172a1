use super::super::ranges::Ranges;
use super::super::simulated::{Operation, Simulated};
use super::*;

const BYTES: u64 = 16 << 10;

fn janitor(disk: &Simulated) -> Janitor {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    let state = State { journal: 7, opens: 1, first: 1, gone: Ranges::new(), clean: None };
    let reserve = Reserve::open(Arc::clone(&disk), 0, BYTES).expect("nothing is there");
    Janitor::new(disk, state, BYTES, None, reserve)
}

#[test]
fn when_the_writer_is_late_a_segment_has_its_space_and_no_zeros_were_written() {
    let disk = Simulated::new();
    let janitor = janitor(&disk);
    janitor.want(1, Zeros::Written);
    janitor.hurry();
    let file = janitor.prepare(1, BYTES).expect("is prepared");
    assert_eq!(file.length().ok(), Some(BYTES));
    assert_eq!(disk.asked(Operation::Write), 1, "the page");
    janitor.want(2, Zeros::Written);
    janitor.prepare(2, BYTES).expect("is prepared");
    assert_eq!(disk.asked(Operation::Write), 3, "the writer is not late for the one after it");
}

#[test]
fn a_late_writer_does_not_wait_until_many_segments_have_been_put_away() {
    let disk = Simulated::new();
    let janitor = janitor(&disk);
    for number in 1..=5 {
        janitor.prepare(number, BYTES).expect("is prepared");
    }
    let all: Vec<_> = (1..=4).map(|number| (number, BYTES)).collect();
    janitor.want(6, Zeros::Written);
    janitor.hurry();
    assert_eq!(janitor.put_away(&all), Ok(1), "one of them may be just what it needs");
    assert!(disk.content(&segment::name(2)).is_some());
    janitor.want(7, Zeros::Written);
    assert_eq!(janitor.put_away(&all[1..]), Ok(3));
    assert!((1..=4).all(|number| disk.content(&segment::name(number)).is_none()));
    assert!(disk.content(&segment::name(5)).is_some());
}
