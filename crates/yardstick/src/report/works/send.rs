//! Sends, on every rung of the ladder.

use super::DURABLE;
use crate::ladder::{Rung, Syncing};
use crate::report::figures::Series;
use crate::report::row::{Row, Unit};
use crate::report::stage::{Load, Stage, Turns};
use crate::report::subject::{Settings, Subject};

const PLAIN: Subject = Subject::Stanchion(Settings::PLAIN);
const USUAL: Subject = Subject::Stanchion(Settings::USUAL);

/// What a batch may cost beside the fifth rung, and a single message.
const BATCH_FACTOR: f64 = 1.5;
const SINGLE_FACTOR: f64 = 1.25;

/// The ladder from its bottom, and the server in the middle of the turns: as the fifth rung does not encrypt, the bound is
/// for the server without encryption, and with it is shown beside.
const SUBJECTS: [Subject; 10] = [
    Subject::Rung(Rung::Raw, Syncing::Serving),
    Subject::Rung(Rung::Hyper, Syncing::Serving),
    Subject::Rung(Rung::Parsed, Syncing::Serving),
    Subject::Rung(Rung::Signed, Syncing::Serving),
    DURABLE[0],
    PLAIN,
    USUAL,
    DURABLE[1],
    Subject::Rung(Rung::Full, Syncing::Serving),
    Subject::Rung(Rung::Full, Syncing::Thread),
];

/// This function measures single sends.
pub(super) fn single(stage: &Stage<'_>) -> Result<Vec<Row>, String> {
    let load = Load::new("send", stage.options.messages);
    measure(stage, "send", &load, ("SendMessage, 64 connections", SINGLE_FACTOR))
}

/// This function measures batches of ten.
pub(super) fn batch(stage: &Stage<'_>) -> Result<Vec<Row>, String> {
    let load = Load::new("send-batch", 3 * stage.options.messages);
    measure(stage, "send-batch", &load, ("SendMessageBatch of 10, 64 connections, by message", BATCH_FACTOR))
}

fn measure(stage: &Stage<'_>, section: &str, load: &Load, (name, factor): (&str, f64)) -> Result<Vec<Row>, String> {
    let running = stage.start_all(SUBJECTS)?;
    let turns = stage.take_turns(running.each_ref().map(|running| (running, load.clone())))?;
    let [raw, .., serving, plain, usual, thread, _, _] = &turns;
    let generator = raw.generator_cpu(section);
    let (chosen, limit) = cheaper(section, (DURABLE[0], serving), (DURABLE[1], thread));
    let chart = format!("{name}: CPU of the server");
    let mut rows = vec![
        Row::at_most_times(
            format!("{name}, encryption off"),
            Unit::Micros,
            plain.cpu(section),
            factor,
            (&chosen, limit.clone()),
        )
        .charted(&chart, PLAIN.name()),
        Row::compared(format!("{name}, encrypted"), Unit::Micros, usual.cpu(section), (&chosen, limit))
            .charted(&chart, USUAL.name()),
        Row::at_most_times(
            format!("{name}: the load generator"),
            Unit::Micros,
            generator,
            1.0,
            (&SUBJECTS[0].name(), raw.cpu(section)),
        ),
    ];
    for (subject, turns) in SUBJECTS.iter().zip(&turns).filter(|(subject, _)| ![PLAIN, USUAL].contains(subject)) {
        let subject = subject.name();
        let row = Row::shown(format!("{name}: {subject}"), Unit::Micros, turns.cpu(section));
        rows.push(row.charted(&chart, subject));
    }
    Ok(rows)
}

/// This function gives the name and the CPU by message of the program that
/// needs less.
pub(super) fn cheaper(section: &str, one: (Subject, &Turns), other: (Subject, &Turns)) -> (String, Series) {
    let [one, other] = [one, other].map(|(subject, turns)| (subject.name(), turns.cpu(section)));
    lower(one, other)
}

/// This function gives the name and the figures with the lower median.
pub(super) fn lower(one: (String, Series), other: (String, Series)) -> (String, Series) {
    if other.1.median() < one.1.median() { other } else { one }
}

#[cfg(test)]
mod tests {
    use super::{Series, lower};

    #[test]
    fn the_limit_is_the_figure_with_the_lower_median() {
        let one = ("one".to_owned(), Series::new(vec![5.0, 1.0, 9.0]));
        let other = ("other".to_owned(), Series::new(vec![4.0, 4.0, 90.0]));
        assert_eq!(lower(one.clone(), other.clone()).0, "other");
        assert_eq!(lower(other, one).0, "other");
    }
}
