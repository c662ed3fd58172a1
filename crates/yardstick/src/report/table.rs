//! The report as Markdown.

use super::beside::Part;
use super::machine::Machine;
use super::row::{Bound, Row, Unit, Verdict};
use super::{Beside, Found, Options};
use std::fmt::Write;

const HEAD: &str = "\
| work | median | lowest to highest | compared with | ratio | lowest to highest | bound | verdict |
| --- | ---: | ---: | --- | ---: | ---: | ---: | --- |
";

/// This function writes the whole page; `picture` is the name of the plot's file beside it.
pub(super) fn page(machine: &Machine, found: &Found, options: &Options, picture: &str) -> String {
    try_page(machine, found, options, picture).expect("writing to memory does not fail")
}

fn try_page(machine: &Machine, found: &Found, options: &Options, picture: &str) -> Result<String, std::fmt::Error> {
    let mut out = "# Benchmark report\n\n".to_owned();
    let counts = |verdict| found.rows.iter().filter(|row| row.verdict() == Some(verdict)).count();
    let (within, over) = (counts(Verdict::Within), counts(Verdict::Over));
    let rounds = if options.rounds == 1 { "1 round".to_owned() } else { format!("{} rounds", options.rounds) };
    writeln!(
        out,
        "Written by `just bench-report`; [bench.md](bench.md) explains it. {rounds}, {} messages in a run of single \
         sends; {within} figures within their bounds, {over} over.\n",
        options.messages
    )?;
    for (name, value) in &machine.0 {
        writeln!(out, "- {name}: {value}")?;
    }
    for failure in &found.failures {
        let line = failure.split_whitespace().collect::<Vec<_>>().join(" ");
        writeln!(out, "- **not measured**: {line}")?;
    }
    write!(out, "\n{}", markdown(&found.rows))?;
    if !found.besides.is_empty() {
        write!(out, "\n{}", beside(&found.besides)?)?;
    }
    write!(out, "\n![the figures beside their bounds]({picture})\n")?;
    Ok(out)
}

/// Other servers, what their answers mean, and what their work costs.
fn beside(besides: &[Beside]) -> Result<String, std::fmt::Error> {
    let mut out = "## Other servers\n\n\
        The same messages on as many connections, in turns with Stanchion. Those that speak SQS have the same \
        generator, the others clients of their own. CPU is that of all processes of a server, by message, in \
        microseconds. Not all of them do the same work, so first what an answer means:\n\n"
        .to_owned();
    for one in besides {
        writeln!(out, "- **{}**: {}.", one.name, one.promise)?;
    }
    write!(out, "\n| server |")?;
    for part in Part::ALL {
        write!(out, " {}: CPU | lowest to highest |{}", part.name(), if part.has_rate() { " a second |" } else { "" })?;
    }
    write!(out, "\n| --- |")?;
    for part in Part::ALL {
        write!(out, " ---: | ---: |{}", if part.has_rate() { " ---: |" } else { "" })?;
    }
    out.push('\n');
    for one in besides {
        write!(out, "| {} |", one.name)?;
        for (part, measure) in Part::ALL.into_iter().zip(&one.measures) {
            write!(out, " {} | {} |", number(measure.cpu.median()), spread(measure.cpu.spread()))?;
            if part.has_rate() {
                write!(out, " {:.0} |", measure.rate.median())?;
            }
        }
        out.push('\n');
    }
    Ok(out)
}

/// This function writes the table.
pub(super) fn markdown(rows: &[Row]) -> String {
    let mut out = HEAD.to_owned();
    for row in rows {
        line(&mut out, row).expect("writing to memory does not fail");
    }
    out
}

fn line(out: &mut String, row: &Row) -> std::fmt::Result {
    let figures = &row.figures;
    write!(out, "| {} | {} | {} |", row.name, figure(figures.median(), row.unit), spread(figures.spread()))?;
    match (&row.bound, row.ratio()) {
        (Bound::Beside(other) | Bound::AtMostTimes(_, other) | Bound::AtLeastTimes(_, other), Some(ratio)) => write!(
            out,
            " {}: {} | {:.2} | {} |",
            other.name,
            figure(other.figures.median(), row.unit),
            ratio.median(),
            spread(ratio.spread())
        )?,
        _ => write!(out, " | | |")?,
    }
    match &row.bound {
        Bound::Shown | Bound::Beside(_) => write!(out, " |")?,
        Bound::AtMostTimes(factor, _) => write!(out, " at most {factor} |")?,
        Bound::AtLeastTimes(factor, _) => write!(out, " at least {factor} |")?,
        Bound::AtMost(most) if *most > 0.0 => write!(out, " at most {most} {} |", row.unit.name())?,
        Bound::AtMost(_) => write!(out, " none |")?,
    }
    match row.verdict() {
        None => writeln!(out, " |"),
        Some(Verdict::Within) => writeln!(out, " within |"),
        Some(Verdict::Over) => writeln!(out, " **over** |"),
    }
}

fn figure(value: f64, unit: Unit) -> String {
    format!("{} {}", number(value), unit.name())
}

fn spread((lowest, highest): (f64, f64)) -> String {
    format!("{} to {}", number(lowest), number(highest))
}

/// Three digits, and no more than two behind the point.
pub(super) fn number(value: f64) -> String {
    match value.abs() {
        size if size < 10.0 => format!("{value:.2}"),
        size if size < 100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::{Beside, Found, Machine, Options, Row, Unit, markdown, number, page};
    use crate::report::beside::Measure;
    use crate::report::figures::Series;
    use clap::Parser;

    fn rows() -> Vec<Row> {
        let series = |figures: &[f64]| Series::new(figures.to_vec());
        vec![
            Row::shown("rung 1", Unit::Micros, series(&[6.4, 6.0, 7.0])),
            Row::at_most_times(
                "send",
                Unit::Micros,
                series(&[18.0, 19.0, 40.0]),
                1.25,
                ("rung 5", series(&[16.0, 16.0, 32.0])),
            ),
            Row::at_least_times("large", Unit::MibPerSecond, series(&[500.0]), 0.7, ("disk", series(&[1000.0]))),
            Row::at_most("memory", Unit::Mib, series(&[19.5]), 25.0),
            Row::at_most("idle", Unit::MicrosPerSecond, series(&[0.0]), 0.0),
        ]
    }

    #[test]
    fn every_row_has_its_figures_its_bound_and_its_verdict() {
        let table = markdown(&rows());
        let lines: Vec<_> = table.lines().skip(2).collect();
        assert_eq!(
            lines,
            [
                "| rung 1 | 6.40 us | 6.00 to 7.00 | | | | | |",
                "| send | 19.0 us | 18.0 to 40.0 | rung 5: 16.0 us | 1.19 | 1.12 to 1.25 | at most 1.25 | within |",
                "| large | 500 MiB/s | 500 to 500 | disk: 1000 MiB/s | 0.50 | 0.50 to 0.50 | at least 0.7 | **over** |",
                "| memory | 19.5 MiB | 19.5 to 19.5 | | | | at most 25 MiB | within |",
                "| idle | 0.00 us/s | 0.00 to 0.00 | | | | none | within |",
            ]
        );
        for line in table.lines() {
            assert_eq!(line.matches('|').count(), 9, "{line}");
        }
    }

    fn other() -> Beside {
        let measure = |cpu: &[f64], rate| Measure { cpu: Series::new(cpu.to_vec()), rate: Series::new(vec![rate]) };
        let measures = vec![measure(&[1400.0, 1300.0, 1500.0], 700.0), measure(&[20.0], 9000.0), measure(&[30.0], 1.0)];
        Beside { name: "other 1.2".to_owned(), promise: "in memory", measures }
    }

    fn options() -> Options {
        #[derive(clap::Parser)]
        struct Words {
            #[command(flatten)]
            options: Options,
        }
        Words::parse_from(["report", "--server", "x"]).options
    }

    #[test]
    fn the_page_says_on_what_it_was_measured_and_how_it_went() {
        let machine = Machine(vec![("kernel", "Linux 1".to_owned())]);
        let failures = ["drain: the server\nended".to_owned()];
        let found = Found { rows: rows(), besides: vec![other()], failures: failures.to_vec() };
        let page = page(&machine, &found, &options(), "report.svg");
        for expected in [
            "- kernel: Linux 1\n",
            "- **not measured**: drain: the server ended\n",
            "5 rounds, 125000 messages in a run of single sends; 3 figures within their bounds, 1 over",
            "\n- **other 1.2**: in memory.\n",
            "\n| other 1.2 | 1400 | 1300 to 1500 | 700 | 20.0 | 20.0 to 20.0 | 9000 | 30.0 | 30.0 to 30.0 |\n",
            "](report.svg)",
        ] {
            assert!(page.contains(expected), "{expected}: {page}");
        }
    }

    #[test]
    fn numbers_have_three_digits() {
        let texts = [0.0, 1.234, 12.34, 123.4, 12345.6].map(number);
        assert_eq!(texts, ["0.00", "1.23", "12.3", "123", "12346"]);
    }
}
