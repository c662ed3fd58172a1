//! Small messages, where the overhead counts, and large ones, where the disk
//! or the MD5 does.

use super::DURABLE;
use super::send::cheaper;
use crate::report::MESSAGES_USUAL;
use crate::report::disk;
use crate::report::figures::Series;
use crate::report::row::{Row, Unit};
use crate::report::stage::{Load, Stage};
use crate::report::subject::{Settings, Subject};

/// What a small message may cost beside the fifth rung.
const SMALL_FACTOR: f64 = 1.25;
/// How much of the disk's bandwidth, or one core's MD5, large ones must use.
const LARGE_FACTOR: f64 = 0.7;
/// Mebibytes sent in a round of large messages when there are as many messages
/// as usual.
const LARGE_MIB: u64 = 512;

/// This function measures messages of 64 bytes, 64 KiB and 1 MiB.
pub(super) fn measure(stage: &Stage<'_>) -> Result<Vec<Row>, String> {
    let mut rows = small(stage)?;
    for (size, name) in [(64 << 10, "64 KiB"), (1 << 20, "1 MiB")] {
        rows.push(large(stage, size, name)?);
    }
    Ok(rows)
}

fn small(stage: &Stage<'_>) -> Result<Vec<Row>, String> {
    let server = [Settings::PLAIN, Settings::USUAL].map(Subject::Stanchion);
    let running = stage.start_all([DURABLE[0], server[0], server[1], DURABLE[1]])?;
    let messages = stage.options.messages;
    let mut rows = Vec::new();
    for (section, messages, name) in [
        ("send", messages, "64 B: SendMessage"),
        ("send-batch", 3 * messages, "64 B: SendMessageBatch of 10, by message"),
    ] {
        let load = Load::new(format!("{section} --size 64"), messages);
        let [serving, plain, usual, thread] =
            stage.take_turns(running.each_ref().map(|running| (running, load.clone())))?;
        let (limit, figures) = cheaper(section, (DURABLE[0], &serving), (DURABLE[1], &thread));
        rows.push(Row::at_most_times(
            format!("{name}, encryption off"),
            Unit::Micros,
            plain.cpu(section),
            SMALL_FACTOR,
            (&limit, figures.clone()),
        ));
        rows.push(Row::compared(format!("{name}, encrypted"), Unit::Micros, usual.cpu(section), (&limit, figures)));
    }
    Ok(rows)
}

fn large(stage: &Stage<'_>, size: usize, name: &str) -> Result<Row, String> {
    let mebibytes = (LARGE_MIB * stage.options.messages / MESSAGES_USUAL).max(16);
    let messages = (mebibytes << 20) / size as u64;
    let load = Load::new(format!("send -c 16 --size {size}"), messages);
    let (mut sent, mut written, mut hashed) = (Vec::new(), Vec::new(), Vec::new());
    let mebibytes = u32::try_from(mebibytes).map_err(|_| "--messages is too large for large messages".to_owned())?;
    for round in 1..=stage.options.rounds {
        eprintln!("  round {round}: {name}");
        // No server runs meanwhile: one that was loaded just now may still have something to write.
        let disk = disk::sequential_write(&stage.options.dir, mebibytes);
        written.push(disk.map_err(|source| format!("--dir {}: {source}", stage.options.dir.display()))?);
        hashed.push(disk::md5_rate(size, mebibytes));
        let running = stage.start(Subject::Stanchion(Settings::USUAL))?;
        let report = stage.warm_up(&running, &load).and_then(|()| stage.bear(&running, &load))?;
        sent.push(report.sections[0].messages_per_second * size as f64 / f64::from(1 << 20));
    }
    let [written, hashed] = [written, hashed].map(Series::new);
    let binds = whichever(("the disk's sequential writes", &written), ("MD5 on one core", &hashed));
    let name = format!("{name}: SendMessage, 16 connections");
    Ok(Row::at_least_times(name, Unit::MibPerSecond, Series::new(sent), LARGE_FACTOR, (&binds, written.lower(&hashed))))
}

/// This function names what was lower; if not the same in all rounds, both and in how many.
fn whichever(one: (&str, &Series), other: (&str, &Series)) -> String {
    match (one.1.rounds_below(other.1), other.1.rounds_below(one.1)) {
        (0, _) => other.0.to_owned(),
        (_, 0) => one.0.to_owned(),
        (some, others) => format!("{} in {some} rounds, {} in {others}", one.0, other.0),
    }
}

#[cfg(test)]
mod tests {
    use super::{Series, whichever};

    #[test]
    fn what_binds_is_named_with_its_rounds_unless_it_binds_in_all() {
        let name = |one: [f64; 3], other: [f64; 3]| {
            whichever(("disk", &Series::new(one.to_vec())), ("core", &Series::new(other.to_vec())))
        };
        assert_eq!(name([1.0, 2.0, 3.0], [4.0, 4.0, 4.0]), "disk");
        assert_eq!(name([5.0, 6.0, 7.0], [4.0, 4.0, 4.0]), "core");
        assert_eq!(name([1.0, 6.0, 2.0], [4.0, 4.0, 4.0]), "disk in 2 rounds, core in 1");
    }
}
