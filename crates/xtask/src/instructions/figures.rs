//! The committed figures: a page with a table, and what becomes of new figures beside it.

use std::fmt;
use std::process::Command;

/// How much dearer a request may become.
const DEARER_MAX: f64 = 0.05;

/// What a request costs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Figure {
    pub(super) name: String,
    pub(super) instructions: u64,
}

/// What became of a request's cost.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Verdict {
    /// The change is below what counts, or for the better; a share of the committed figure.
    Well(f64),
    /// The change is for the worse and counts.
    Dearer(f64),
    /// Nothing is committed to compare with.
    Unknown,
}

impl Verdict {
    pub(super) fn is_well(&self) -> bool {
        matches!(self, Self::Well(_))
    }

    pub(super) fn is_improvement(&self) -> bool {
        matches!(self, Self::Well(change) if *change < -DEARER_MAX)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Well(change) => write!(f, "{:+.1} %", change * 100.0),
            Self::Dearer(change) => write!(f, "{:+.1} %: FAILED, over {:.0} %", change * 100.0, DEARER_MAX * 100.0),
            Self::Unknown => write!(f, "FAILED: there is no committed figure"),
        }
    }
}

/// This function compares each figure with the committed one of its name.
pub(super) fn judge(known: &[Figure], counted: &[Figure]) -> Vec<Verdict> {
    let verdict = |figure: &Figure| match known.iter().find(|other| other.name == figure.name) {
        None => Verdict::Unknown,
        Some(other) => {
            let change = figure.instructions as f64 / other.instructions as f64 - 1.0;
            if change > DEARER_MAX { Verdict::Dearer(change) } else { Verdict::Well(change) }
        }
    };
    counted.iter().map(verdict).collect()
}

/// This function reads the table of the page.
///
/// # Errors
///
/// A sentence when a row has no number above 0, or there is no row.
pub(super) fn parse(page: &str) -> Result<Vec<Figure>, String> {
    let rows =
        page.lines().filter_map(|line| line.strip_prefix("| ")).skip_while(|row| !row.starts_with("---")).skip(1);
    let mut figures = Vec::new();
    for row in rows {
        let mut cells = row.split('|').map(str::trim);
        let (name, number) = (cells.next().unwrap_or_default(), cells.next().unwrap_or_default().replace(',', ""));
        let instructions = number.parse().ok().filter(|number| *number > 0);
        let instructions = instructions.ok_or_else(|| format!("docs/instructions.md: `{name}` has no number"))?;
        figures.push(Figure { name: name.to_owned(), instructions });
    }
    if figures.is_empty() { Err("docs/instructions.md has no figures".to_owned()) } else { Ok(figures) }
}

/// This function names what the figures depend on besides the server: the compiler, and what counts.
pub(super) fn tools() -> String {
    let said = |program: &str| {
        let output = Command::new(program).arg("--version").output().ok();
        output.map_or_else(String::new, |output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    format!("{} and {}", said("rustc"), said("valgrind"))
}

/// This function writes the page.
pub(super) fn page(figures: &[Figure]) -> String {
    let mut page = format!(
        "\
# Instructions by request

What the server executes for a request, from the first byte read to the last one written, the kernel left out: the
release binary under callgrind, one worker thread, one connection, one request at a time, each of them durable before
it is answered. `cargo xtask test --step instructions` counts again and fails when one of them has become more than
{} % dearer; `cargo xtask instructions --bless` writes this page. What a request costs in time, with many callers that
share a sync, is another matter: [bench.md](bench.md).

Written with {}.
Another compiler moves the figures, so with other tools the step leaves the comparison out and says so.

| request | instructions |
| --- | ---: |
",
        DEARER_MAX * 100.0,
        tools(),
    );
    for figure in figures {
        page.push_str(&format!("| {} | {} |\n", figure.name, grouped(figure.instructions)));
    }
    page
}

/// A number with commas between its thousands.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(name: &str, instructions: u64) -> Figure {
        Figure { name: name.to_owned(), instructions }
    }

    #[test]
    fn the_page_is_read_as_it_was_written() {
        let figures = [figure("SendMessage, 1 KiB", 31_234), figure("x", 7), figure("y", 1_000_000)];
        let page = page(&figures);
        assert!(page.contains("| SendMessage, 1 KiB | 31,234 |\n"), "{page}");
        assert_eq!(parse(&page), Ok(figures.to_vec()));
    }

    #[test]
    fn a_page_without_numbers_is_refused() {
        for (page, named) in [
            ("# Instructions\n", "no figures"),
            ("| request | instructions |\n| --- | ---: |\n| send | many |\n", "`send`"),
            ("| request | instructions |\n| --- | ---: |\n| send | 0 |\n", "`send`"),
        ] {
            assert!(parse(page).expect_err("no number").contains(named), "{page}");
        }
    }

    #[test]
    fn what_has_become_six_percent_dearer_fails_and_what_has_become_four_percent_dearer_does_not() {
        let known = [figure("send", 10_000)];
        let judged = |instructions| judge(&known, &[figure("send", instructions)])[0];
        for (instructions, well) in [(5_000, true), (10_000, true), (10_400, true), (10_600, false), (20_000, false)] {
            assert_eq!(judged(instructions).is_well(), well, "{instructions}");
        }
        assert!(judged(9_000).is_improvement() && !judged(9_900).is_improvement());
        assert!(judged(10_600).to_string().contains("+6.0 %: FAILED"));
    }

    #[test]
    fn what_nothing_is_known_of_fails() {
        let judged = judge(&[figure("send", 1)], &[figure("receive", 1)]);
        assert!(!judged[0].is_well());
    }
}
