//! The report as a picture: one bar for each figure that has a bound, as long
//! as the share of the bound that it uses up, and the bound as a line.

use super::row::{Row, Verdict};
use super::table::number;
use std::fmt::Write;

const WIDTH: u32 = 1000;
const NAMES: u32 = 470;
const LINE: u32 = 22;
const TOP: u32 = 46;
/// Where the bound is drawn, in pixels behind the names.
const BOUND: u32 = 300;
/// A bar that would be longer is cut; its number says how long.
const BAR_MAX: f64 = 1.6;

/// This function draws the picture.
pub(super) fn svg(rows: &[Row]) -> String {
    let bounded: Vec<_> = rows.iter().filter_map(|row| Some((row, row.used()?, row.verdict()?))).collect();
    let height = TOP + LINE * u32::try_from(bounded.len()).unwrap_or(0) + 16;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" \
         viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{WIDTH}\" height=\"{height}\" fill=\"white\"/>\n\
         <text x=\"10\" y=\"20\" font-size=\"14\" font-weight=\"bold\">Share of its bound that each figure uses up</text>\n"
    );
    for (index, (row, used, verdict)) in bounded.iter().enumerate() {
        let y = TOP + LINE * u32::try_from(index).unwrap_or(0);
        bar(&mut out, y, &row.name, *used, *verdict).expect("writing to memory does not fail");
    }
    let (x, end) = (NAMES + BOUND, height - 10);
    let line = format!(
        "<line x1=\"{x}\" y1=\"30\" x2=\"{x}\" y2=\"{end}\" stroke=\"black\" stroke-dasharray=\"4 3\"/>\n\
         <text x=\"{x}\" y=\"26\" text-anchor=\"middle\">the bound</text>\n</svg>\n"
    );
    out + &line
}

fn bar(out: &mut String, y: u32, name: &str, used: f64, verdict: Verdict) -> std::fmt::Result {
    let color = match verdict {
        Verdict::Within => "#4a7",
        Verdict::Over => "#c54",
    };
    let length = used.clamp(0.0, BAR_MAX) * f64::from(BOUND);
    let (text_y, bar_y, bar_height) = (y + 14, y + 3, LINE - 6);
    writeln!(out, "<text x=\"{}\" y=\"{text_y}\" text-anchor=\"end\">{}</text>", NAMES - 8, escaped(name))?;
    writeln!(
        out,
        "<rect x=\"{NAMES}\" y=\"{bar_y}\" width=\"{length:.1}\" height=\"{bar_height}\" fill=\"{color}\"/>"
    )?;
    let text = if used.is_finite() { number(used) } else { "over".to_owned() };
    writeln!(out, "<text x=\"{:.1}\" y=\"{text_y}\">{text}</text>", f64::from(NAMES) + length + 6.0)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::{Row, svg};
    use crate::report::figures::Series;
    use crate::report::row::Unit;

    #[test]
    fn every_bounded_figure_has_a_bar_of_its_share() {
        let row = |name: &str, figure| Row::at_most(name, Unit::Millis, Series::new(vec![figure]), 100.0);
        let shown = Row::shown("no bound", Unit::Millis, Series::new(vec![1.0]));
        let nothing = Row::at_most("none", Unit::Millis, Series::new(vec![1.0]), 0.0);
        let picture = svg(&[row("half & <half>", 50.0), shown, row("much", 900.0), nothing]);
        assert_eq!(picture.matches("<rect").count(), 4, "the paper and three bars: {picture}");
        for expected in [
            "half &amp; &lt;half&gt;",
            "width=\"150.0\"",
            "width=\"480.0\"",
            ">9.00<",
            ">0.50<",
            ">over<",
            "#4a7",
            "#c54",
        ] {
            assert!(picture.contains(expected), "{expected}: {picture}");
        }
        assert!(!picture.contains("no bound") && picture.ends_with("</svg>\n"));
    }
}
