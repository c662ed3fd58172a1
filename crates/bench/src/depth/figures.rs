//! What a scenario brought, as JSON and as a row of the table.

use serde::Serialize;
use std::fmt::Write;
use std::time::Duration;

/// The figures of one scenario. Serialises to a line of the file that `--json`
/// names; a part that a scenario does not measure is null.
#[derive(Debug, Clone, Serialize)]
pub struct Figures {
    /// The scenario's name on the command line.
    pub scenario: String,
    /// Messages alive when the backlog was made.
    pub messages: u64,
    /// Bytes of a body.
    pub size: usize,
    /// Resident bytes of the server before anything was sent.
    pub resident_before: u64,
    /// Resident bytes with the backlog.
    pub resident_full: u64,
    /// The most that was ever resident, work at depth included.
    pub resident_peak: u64,
    /// Resident bytes after the last restart.
    pub resident_reopened: Option<u64>,
    /// Resident bytes that a million more messages cost, from the second half
    /// of the fill; null after a fill that was too small or too short to tell.
    pub resident_slope: Option<f64>,
    /// Resident bytes at 100 million messages if that slope stays.
    pub resident_extrapolated: Option<f64>,
    /// The same work on the empty queue and on the deep one.
    pub comparison: Option<Comparison>,
    /// What many queues cost while they are empty, in a scenario that has many.
    pub many: Option<Many>,
    /// Bytes on the disk, and bytes of the bodies that are alive.
    pub disk: Option<(u64, u64)>,
    /// Seconds from the start of the process to its first answer: after a
    /// clean stop, and after `kill -9`.
    pub reopen_seconds: Option<[f64; 2]>,
    /// What a purge or the deletion of the queue brought back.
    pub reclaimed: Option<Reclaimed>,
    /// What clients noticed while survivors were moved.
    pub moving: Option<Moving>,
}

/// The same work on the empty queue and on the deep one. CPU is of the server,
/// in microseconds by message of send, receive and delete; latency of a
/// receive in milliseconds, median and 99th percentile.
#[derive(Debug, Clone, Serialize)]
pub struct Comparison {
    /// CPU on the empty queue.
    pub empty_cpu_us: [f64; 3],
    /// CPU on the deep queue.
    pub deep_cpu_us: [f64; 3],
    /// Latency on the empty queue.
    pub empty_receive_ms: [f64; 2],
    /// Latency on the deep queue.
    pub deep_receive_ms: [f64; 2],
    /// The share of a core that the server used with the deep queue while
    /// nobody asked for anything; the CPU figures are without it.
    pub background: f64,
}

/// The same work on one empty queue and on many. CPU is of the server, in
/// microseconds by message of send, receive and delete.
#[derive(Debug, Clone, Serialize)]
pub struct Many {
    /// How many queues there are.
    pub queues: usize,
    /// CPU on one empty queue.
    pub one_cpu_us: [f64; 3],
    /// CPU on all the queues in turn, before they were filled.
    pub empty_cpu_us: [f64; 3],
}

/// How soon the space of a queue came back.
#[derive(Debug, Clone, Serialize)]
pub struct Reclaimed {
    /// Milliseconds until the request was answered.
    pub answer_ms: f64,
    /// Seconds until the disk held no more than its constant part; null when
    /// it took too long.
    pub space_seconds: Option<f64>,
    /// Bytes on the disk before.
    pub disk_before: u64,
    /// Bytes on the disk afterwards.
    pub disk_after: u64,
}

/// What clients noticed while the server moved survivors, and in the same
/// minutes while it did not.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Moving {
    /// While nothing was moved.
    pub quiet: Latencies,
    /// While survivors were moved.
    pub moving: Latencies,
    /// Bytes that the server wrote meanwhile beside its clients' work: the
    /// survivors, and what goes with them, as segments made in advance.
    pub bytes_written: u64,
    /// Bytes that came back to the disk.
    pub bytes_freed: u64,
}

/// Latencies of sends, receives and deletes of ten messages each, in
/// milliseconds, at a fixed rate of requests.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Latencies {
    /// How long was measured.
    pub seconds: f64,
    /// How many requests of each kind.
    pub requests: [u64; 3],
    /// The median.
    pub p50_ms: [f64; 3],
    /// The 99th percentile.
    pub p99_ms: [f64; 3],
}

const MILLION: f64 = 1e6;
const EXTRAPOLATED_TO: f64 = 100.0 * MILLION;
/// A smaller fill only fills caches, and a few pages of memory more or less
/// would be gigabytes at a hundred million messages.
const EXTRAPOLATED_FROM: f64 = 2.0 * MILLION;
/// How long a queue remembers deduplication ids.
const REMEMBERED: Duration = Duration::from_secs(300);
/// From then on a fill at an even rate forgets as many ids as it brings, so
/// its second half shows what follows the backlog.
pub(super) const REMEMBERED_TWICE: Duration = REMEMBERED.saturating_mul(2);

/// What memory did while a backlog was made.
#[derive(Debug, Default)]
pub(super) struct Growth {
    /// Resident bytes by messages sent.
    pub(super) points: Vec<(u64, u64)>,
    /// How long it took.
    pub(super) took: Duration,
    /// Whether the messages have deduplication ids.
    pub(super) has_ids: bool,
}

impl Figures {
    pub(super) fn new(scenario: String, messages: u64, size: usize) -> Self {
        Self {
            scenario,
            messages,
            size,
            resident_before: 0,
            resident_full: 0,
            resident_peak: 0,
            resident_reopened: None,
            resident_slope: None,
            resident_extrapolated: None,
            comparison: None,
            many: None,
            disk: None,
            reopen_seconds: None,
            reclaimed: None,
            moving: None,
        }
    }

    /// This function takes in what memory did.
    pub(super) fn resident(&mut self, before: u64, full: u64, growth: &Growth) {
        self.resident_before = before;
        self.resident_full = full;
        let points = &growth.points;
        let sent = points.last().map_or(0, |(sent, _)| *sent) as f64;
        let is_too_short = growth.has_ids && growth.took < REMEMBERED_TWICE;
        if sent < EXTRAPOLATED_FROM || is_too_short {
            return;
        }
        // The first half fills caches of a fixed size; the second shows what follows the backlog.
        let slope = slope(&points[points.len() / 2..]);
        self.resident_slope = Some(slope * MILLION);
        self.resident_extrapolated = Some(full as f64 + slope.max(0.0) * (EXTRAPOLATED_TO - sent).max(0.0));
    }

    /// This function writes the figures as one line of JSON.
    pub(super) fn json(&self) -> String {
        serde_json::to_string(self).expect("figures are numbers and names")
    }
}

/// The slope of the straight line that fits the points best.
fn slope(points: &[(u64, u64)]) -> f64 {
    let count = points.len() as f64;
    let mean = |of: fn(&(u64, u64)) -> u64| points.iter().map(|point| of(point) as f64).sum::<f64>() / count;
    let (mean_x, mean_y) = (mean(|point| point.0), mean(|point| point.1));
    let (mut product, mut square) = (0.0, 0.0);
    for (x, y) in points {
        product += (*x as f64 - mean_x) * (*y as f64 - mean_y);
        square += (*x as f64 - mean_x).powi(2);
    }
    if square == 0.0 { 0.0 } else { product / square }
}

const HEAD: &str = "\
| scenario | messages | resident MiB: before, full, peak | MiB a million more; at 100 M | send us (x) | receive us (x) | delete us (x) \
| background % | receive ms p50, p99 (empty) | reopen s: clean, killed | disk, alive GiB (x) | space back |
| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
";

/// This function lays the figures out as a Markdown table.
pub(super) fn table(all: &[Figures]) -> String {
    let mut out = HEAD.to_owned();
    for figures in all {
        row(&mut out, figures).expect("writing to memory does not fail");
    }
    for (many, comparison) in all.iter().filter_map(|figures| figures.many.as_ref().zip(figures.comparison.as_ref())) {
        many_rows(&mut out, many, comparison).expect("writing to memory does not fail");
    }
    for moving in all.iter().filter_map(|figures| figures.moving.as_ref()) {
        out.push_str(MOVING_HEAD);
        moving_rows(&mut out, moving).expect("writing to memory does not fail");
    }
    out
}

fn many_rows(out: &mut String, many: &Many, comparison: &Comparison) -> std::fmt::Result {
    let queues = many.queues;
    writeln!(out, "\n| CPU in us | one empty queue | {queues} empty queues (x) | {queues} deep queues (x) |")?;
    writeln!(out, "| --- | ---: | ---: | ---: |")?;
    for (at, name) in WORKS.into_iter().enumerate() {
        let (one, empty, deep) = (many.one_cpu_us[at], many.empty_cpu_us[at], comparison.deep_cpu_us[at]);
        let times = |cpu: f64| cpu / one.max(f64::MIN_POSITIVE);
        writeln!(out, "| {name} | {one:.1} | {empty:.1} ({:.2}) | {deep:.1} ({:.2}) |", times(empty), times(deep))?;
    }
    Ok(())
}

/// What is measured, in the order of all figures.
const WORKS: [&str; 3] = ["send", "receive", "delete"];

const MOVING_HEAD: &str = "
| latency in ms | nothing to move: p50, p99 | while survivors are moved: p50, p99 | p50 x, p99 x |
| --- | ---: | ---: | ---: |
";

fn moving_rows(out: &mut String, moving: &Moving) -> std::fmt::Result {
    let Moving { quiet, moving: busy, .. } = moving;
    for (at, name) in WORKS.into_iter().enumerate() {
        let [before, after] = [quiet, busy].map(|latencies| [latencies.p50_ms[at], latencies.p99_ms[at]]);
        let times = |at: usize| after[at] / before[at].max(f64::MIN_POSITIVE);
        let [p50, p99] = before;
        write!(out, "| {name} | {p50:.2}, {p99:.2} | {:.2}, {:.2} |", after[0], after[1])?;
        writeln!(out, " {:.2}, {:.2} |", times(0), times(1))?;
    }
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    writeln!(
        out,
        "| measured | {} requests in {:.0} s | {} requests in {:.0} s | {:.0} MiB written to move, {:.0} MiB came back |",
        quiet.requests.iter().sum::<u64>(),
        quiet.seconds,
        busy.requests.iter().sum::<u64>(),
        busy.seconds,
        mib(moving.bytes_written),
        mib(moving.bytes_freed)
    )
}

fn row(out: &mut String, figures: &Figures) -> std::fmt::Result {
    let mib = |bytes: f64| bytes / f64::from(1 << 20);
    let gib = |bytes: u64| bytes as f64 / f64::from(1 << 30);
    write!(
        out,
        "| {} | {} | {:.0}, {:.0}, {:.0} |",
        figures.scenario,
        figures.messages,
        mib(figures.resident_before as f64),
        mib(figures.resident_full as f64),
        mib(figures.resident_peak as f64),
    )?;
    match figures.resident_slope.zip(figures.resident_extrapolated) {
        None => write!(out, " |")?,
        Some((slope, extrapolated)) => write!(out, " {:.1}; {:.0} |", mib(slope), mib(extrapolated))?,
    }
    match &figures.comparison {
        None => write!(out, " | | | | |")?,
        Some(comparison) => {
            for (empty, deep) in comparison.empty_cpu_us.iter().zip(comparison.deep_cpu_us) {
                write!(out, " {deep:.1} ({:.2}) |", deep / empty.max(f64::MIN_POSITIVE))?;
            }
            write!(out, " {:.0} |", comparison.background * 100.0)?;
            let ([p50, p99], [empty_p50, empty_p99]) = (comparison.deep_receive_ms, comparison.empty_receive_ms);
            write!(out, " {p50:.2}, {p99:.2} ({empty_p50:.2}, {empty_p99:.2}) |")?;
        }
    }
    match figures.reopen_seconds {
        None => write!(out, " |")?,
        Some([clean, killed]) => write!(out, " {clean:.2}, {killed:.2} |")?,
    }
    match figures.disk {
        None => write!(out, " |")?,
        Some((disk, live)) => {
            let ratio = disk as f64 / live.max(1) as f64;
            write!(out, " {:.2}, {:.2} ({ratio:.1}) |", gib(disk), gib(live))?;
        }
    }
    match &figures.reclaimed {
        None => writeln!(out, " |"),
        Some(reclaimed) => {
            let space = match reclaimed.space_seconds {
                Some(seconds) => format!("after {seconds:.1} s"),
                None => "not in time".to_owned(),
            };
            writeln!(
                out,
                " answered in {:.1} ms, {:.2} to {:.2} GiB {space} |",
                reclaimed.answer_ms,
                gib(reclaimed.disk_before),
                gib(reclaimed.disk_after)
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Comparison, Figures, Growth, Latencies, Many, Moving, REMEMBERED_TWICE, slope, table};
    use std::time::Duration;

    const MIB: u64 = 1 << 20;

    #[test]
    fn memory_is_extrapolated_from_the_second_half_of_the_fill() {
        let mut figures = Figures::new("standard".into(), 10_000_000, 1024);
        // 100 MiB are caches; from then on a million messages take 2 MiB.
        let points = (1..=10).map(|million| (million * 1_000_000, (100 + 2 * million) * MIB)).collect();
        figures.resident(10 * MIB, 120 * MIB, &Growth { points, ..Growth::default() });
        let mib = |bytes: Option<f64>| bytes.expect("enough was sent") / MIB as f64;
        assert!((mib(figures.resident_slope) - 2.0).abs() < 1e-6);
        assert!((mib(figures.resident_extrapolated) - 300.0).abs() < 1e-3);
    }

    #[test]
    fn memory_that_shrinks_is_not_extrapolated_below_what_it_is() {
        let mut figures = Figures::new("standard".into(), 100, 1024);
        let points = vec![(1_000_000, 60 * MIB), (1_500_000, 55 * MIB), (2_000_000, 50 * MIB)];
        figures.resident(0, 50 * MIB, &Growth { points, ..Growth::default() });
        assert!((figures.resident_extrapolated.expect("enough was sent") - (50 * MIB) as f64).abs() < 1.0);
        assert!(slope(&[(1, 5)]).abs() < 1e-9);
    }

    #[test]
    fn a_fill_of_less_than_two_million_is_not_extrapolated() {
        let mut figures = Figures::new("standard".into(), 1_999_999, 1024);
        let points = vec![(1_000_000, 40 * MIB), (1_999_999, 50 * MIB)];
        figures.resident(0, 50 * MIB, &Growth { points, ..Growth::default() });
        assert_eq!((figures.resident_slope, figures.resident_extrapolated), (None, None));
    }

    #[test]
    fn a_fill_with_deduplication_ids_is_extrapolated_if_its_second_half_forgets_as_many_as_it_brings() {
        for (took, is_known) in [(REMEMBERED_TWICE, true), (REMEMBERED_TWICE - Duration::from_secs(1), false)] {
            let mut figures = Figures::new("fifo-million-groups".into(), 2_000_000, 1024);
            let points = vec![(1_000_000, 40 * MIB), (2_000_000, 50 * MIB)];
            figures.resident(0, 50 * MIB, &Growth { points, took, has_ids: true });
            assert_eq!(figures.resident_extrapolated.is_some(), is_known, "{took:?}");
        }
    }

    #[test]
    fn latencies_while_survivors_are_moved_have_a_table_of_their_own() {
        let mut figures = Figures::new("moving".into(), 1, 1);
        let latencies = |p50: f64, p99: f64| Latencies {
            seconds: 90.0,
            requests: [9000; 3],
            p50_ms: [p50; 3],
            p99_ms: [p99, 2.0 * p99, 3.0 * p99],
        };
        let (quiet, moving) = (latencies(1.0, 4.0), latencies(1.5, 6.0));
        figures.moving = Some(Moving { quiet, moving, bytes_written: 300 * MIB, bytes_freed: 700 * MIB });
        let table = table(&[figures]);
        assert!(table.contains("| send | 1.00, 4.00 | 1.50, 6.00 | 1.50, 1.50 |"), "{table}");
        assert!(table.contains("| delete | 1.00, 12.00 | 1.50, 18.00 | 1.50, 1.50 |"), "{table}");
        let last = "| measured | 27000 requests in 90 s | 27000 requests in 90 s | 300 MiB written to move, 700 MiB came back |";
        assert!(table.contains(last), "{table}");
    }

    #[test]
    fn many_queues_are_compared_with_one_in_a_table_of_their_own() {
        let mut figures = Figures::new("scattered".into(), 1, 1);
        figures.comparison = Some(Comparison {
            empty_cpu_us: [3.0, 6.0, 4.0],
            deep_cpu_us: [6.0, 9.0, 5.0],
            empty_receive_ms: [1.0; 2],
            deep_receive_ms: [1.0; 2],
            background: 0.0,
        });
        figures.many = Some(Many { queues: 500, one_cpu_us: [2.0, 4.0, 4.0], empty_cpu_us: [3.0, 6.0, 4.0] });
        let table = table(&[figures]);
        assert!(table.contains("| 6.0 (2.00) | 9.0 (1.50) | 5.0 (1.25) |"), "{table}");
        assert!(
            table.contains("| CPU in us | one empty queue | 500 empty queues (x) | 500 deep queues (x) |"),
            "{table}"
        );
        assert!(table.contains("| receive | 4.0 | 6.0 (1.50) | 9.0 (2.25) |"), "{table}");
    }

    #[test]
    fn every_row_has_a_cell_for_every_column() {
        let bare = Figures::new("purge".into(), 1, 1);
        let mut whole = Figures::new("standard".into(), 1, 1);
        whole.comparison = Some(Comparison {
            empty_cpu_us: [1.0, 2.0, 4.0],
            deep_cpu_us: [2.0, 2.0, 2.0],
            empty_receive_ms: [1.0, 2.0],
            deep_receive_ms: [3.0, 4.0],
            background: 0.25,
        });
        whole.disk = Some((3 << 30, 2 << 30));
        whole.reopen_seconds = Some([0.25, 1.5]);
        let table = table(&[bare, whole]);
        let cells: Vec<_> = table.lines().map(|line| line.matches('|').count()).collect();
        assert_eq!(cells, [13, 13, 13, 13], "{table}");
        let row = table.lines().last().expect("a row");
        assert!(
            row.contains(
                "2.0 (2.00) | 2.0 (1.00) | 2.0 (0.50) | 25 | 3.00, 4.00 (1.00, 2.00) | 0.25, 1.50 | 3.00, 2.00 (1.5)"
            ),
            "{row}"
        );
    }
}
