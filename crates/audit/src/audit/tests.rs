//! A disk that is slow, and one that is full.

use std::fs;
use std::io::Write;
use std::path::Path;

use serde_json::Value;

use super::*;
use crate::trail::Rotation;

/// Longer than anything takes; a test that waits this long has failed.
const LONG: Duration = Duration::from_secs(30);

fn record(action: &str) -> Record {
    Record { action: Some(action.into()), outcome: "Success".into(), ..Record::default() }
}

fn lines(text: &[u8]) -> Vec<Value> {
    String::from_utf8_lossy(text).lines().map(|line| serde_json::from_str(line).expect("whole lines")).collect()
}

/// A stream that takes nothing until it is let.
#[derive(Clone, Default)]
struct Stream {
    written: Arc<Mutex<Vec<u8>>>,
    gate: Arc<Mutex<()>>,
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _open = self.gate.lock().unwrap();
        self.written.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn every_record_is_a_line_in_order_and_closing_waits_for_the_last() {
    let stream = Stream::default();
    let audit = Audit::on(Trail::Stream(Box::new(stream.clone()))).unwrap();
    for number in 0..1000 {
        audit.note(&record(&number.to_string()));
    }
    assert!(audit.close(LONG));
    let lines = lines(&stream.written.lock().unwrap());
    let actions: Vec<_> = lines.iter().map(|line| line["action"].as_str().unwrap().to_owned()).collect();
    assert_eq!(actions, (0..1000).map(|number| number.to_string()).collect::<Vec<_>>());
    audit.note(&record("late"));
    assert_eq!(audit.dropped(), 1, "nothing is taken that would not be written");
}

#[test]
fn a_disk_that_stands_still_makes_nobody_wait_and_the_trail_says_what_it_lacks() {
    let stream = Stream::default();
    let audit = Audit::on(Trail::Stream(Box::new(stream.clone()))).unwrap();
    let shut = stream.gate.lock().unwrap();
    let sent = 3 * LINES_MAX as u64;
    for _ in 0..sent {
        audit.note(&record("x"));
    }
    let dropped = audit.dropped();
    assert!(dropped > 0 && dropped < sent, "{dropped}");
    assert!(!audit.close(Duration::from_millis(10)), "the disk stands still");
    drop(shut);
    assert!(audit.close(LONG));
    let lines = lines(&stream.written.lock().unwrap());
    let gaps: u64 = lines.iter().filter_map(|line| line["dropped"].as_u64()).sum();
    let records = lines.iter().filter(|line| line["action"] == "x").count() as u64;
    assert_eq!((gaps, records), (dropped, sent - dropped), "every record is a line or is counted");
}

#[test]
fn lines_that_wait_have_a_bound_in_bytes_as_well() {
    let stream = Stream::default();
    let audit = Audit::on(Trail::Stream(Box::new(stream.clone()))).unwrap();
    let shut = stream.gate.lock().unwrap();
    let large = record(&"x".repeat(100_000));
    for _ in 0..2 * BYTES_MAX / 100_000 {
        audit.note(&large);
    }
    let dropped = audit.dropped();
    assert!(dropped >= BYTES_MAX as u64 / 100_000 - 2, "{dropped}");
    drop(shut);
    assert!(audit.close(LONG));
}

#[test]
fn a_full_disk_costs_the_lines_of_its_time_and_their_number_is_told_afterwards() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    std::os::unix::fs::symlink(Path::new("/dev/full"), &path).unwrap();
    let audit = Audit::start(Place::File(path.clone(), Rotation { bytes: 1 << 20, files: 1 })).unwrap();
    for _ in 0..5 {
        audit.note(&record("lost"));
    }
    let started = Instant::now();
    while audit.dropped() < 5 {
        assert!(started.elapsed() < LONG, "the disk is full");
        thread::sleep(Duration::from_millis(1));
    }
    fs::remove_file(&path).unwrap();
    audit.reopen();
    audit.note(&record("kept"));
    assert!(audit.close(LONG));
    let lines = lines(&fs::read(&path).unwrap());
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert_eq!((&lines[0]["dropped"], &lines[1]["action"]), (&5.into(), &"kept".into()));
}

#[test]
fn a_line_that_would_be_too_long_goes_without_its_parameters() {
    let stream = Stream::default();
    let audit = Audit::on(Trail::Stream(Box::new(stream.clone()))).unwrap();
    let parameters = Some(Value::from("x".repeat(LINE_BYTES_MAX)));
    audit.note(&Record { parameters, ..record("large") });
    assert!(audit.close(LONG));
    let lines = lines(&stream.written.lock().unwrap());
    assert_eq!(lines[0]["action"], "large");
    assert!(lines[0]["parameters"]["omitted_bytes"].as_u64().unwrap() > LINE_BYTES_MAX as u64);
}
