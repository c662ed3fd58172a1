//! What signatures, policies and encryption cost, on single sends.

use super::send::cheaper;
use crate::ladder::{Rung, Syncing};
use crate::report::figures::Series;
use crate::report::row::{Row, Unit};
use crate::report::stage::{Load, Stage};
use crate::report::subject::{Settings, Subject};

/// Microseconds that all of them together may cost, if a bare request does not cost less.
const TOGETHER_US: f64 = 12.0;

const SUBJECTS: [Subject; 9] = [
    BARE,
    Subject::Rung(Rung::Parsed, Syncing::Serving),
    Subject::Rung(Rung::Signed, Syncing::Serving),
    Subject::Stanchion(Settings::PLAIN),
    Subject::Stanchion(Settings::USUAL),
    Subject::Stanchion(Settings::SIGNED),
    Subject::Stanchion(Settings::LOCKED),
    FULL[0],
    FULL[1],
];
/// A request with nothing behind it.
const BARE: Subject = Subject::Rung(Rung::Hyper, Syncing::Serving);
const FULL: [Subject; 2] = [Subject::Rung(Rung::Full, Syncing::Serving), Subject::Rung(Rung::Full, Syncing::Thread)];

/// This function measures sends to servers that differ in their defences only.
pub(super) fn measure(stage: &Stage<'_>) -> Result<Vec<Row>, String> {
    let running = stage.start_all(SUBJECTS)?;
    let load = Load::new("send", stage.options.messages);
    let turns = stage.take_turns(running.each_ref().map(|running| (running, load.clone())))?;
    let (full, full_cpu) = cheaper("send", (FULL[0], &turns[7]), (FULL[1], &turns[8]));
    let [bare, parsed, verified, plain, usual, signed, locked, _, _] = turns.map(|turns| turns.cpu("send"));
    let rung = |number: usize| SUBJECTS[number].name();
    let cost = |what: &str| format!("SendMessage: what {what} cost");
    let costs = |what: &str| format!("SendMessage: what {what} costs");
    Ok(vec![
        Row::at_most_times(
            cost("signature, policies and encryption together"),
            Unit::Micros,
            locked.less(&plain),
            1.0,
            bound(&bare),
        ),
        Row::compared(
            cost("signature and policies"),
            Unit::Micros,
            signed.less(&plain),
            ("rung 4 less rung 3, a signature alone", verified.less(&parsed)),
        ),
        Row::shown(costs("encryption"), Unit::Micros, usual.less(&plain)),
        Row::compared(
            "SendMessage, signed with policies, encryption off",
            Unit::Micros,
            signed,
            (&full, full_cpu.clone()),
        ),
        Row::compared("SendMessage, signed with policies, encrypted", Unit::Micros, locked, (&full, full_cpu)),
        Row::shown("SendMessage, unsigned, encryption off", Unit::Micros, plain),
        Row::shown("SendMessage, unsigned, encrypted", Unit::Micros, usual),
        Row::compared(format!("SendMessage: {}", rung(2)), Unit::Micros, verified, (&rung(1), parsed)),
    ])
}

/// The lower one of both bounds, by round.
fn bound(bare: &Series) -> (&'static str, Series) {
    ("rung 2, hyper, or 12 us if that is less", bare.at_most(TOGETHER_US))
}
