//! The report as a picture: charts of figures that belong beside each other,
//! and one of all bounds.

use super::row::{Row, Verdict};
use super::table::number;
use std::fmt::Write;

const WIDTH: u32 = 1080;
const NAMES: u32 = 540;
/// The width of the figure that sets the scale; in the chart of bounds, of the
/// bound.
const SCALE: u32 = 220;
/// A bar that would be longer, in times of the scale, is cut; its number says
/// how long it is.
const BAR_MAX: f64 = 2.0;
const LINE: u32 = 22;
const TITLE: u32 = 40;

const FIRST: &str = "#36a";
const PLAIN: &str = "#9ab";
const WITHIN: &str = "#4a7";
const OVER: &str = "#c54";

/// One bar: its name, its share of the scale, what is written behind it.
struct Bar<'r> {
    name: &'r str,
    share: f64,
    text: String,
    color: &'static str,
}

/// This function draws the picture.
pub(super) fn svg(rows: &[Row]) -> String {
    let mut canvas = Canvas { drawn: String::new(), y: 0 };
    let mut titles: Vec<&str> = Vec::new();
    for (title, _) in rows.iter().filter_map(|row| row.chart.as_ref()) {
        if !titles.contains(&title.as_str()) {
            titles.push(title);
        }
    }
    for title in titles {
        canvas.chart(&side_by_side(rows, title));
    }
    let bounded = bounds(rows);
    if !bounded.is_empty() {
        let title = "share of its bound that each figure uses up (the line is the bound)".to_owned();
        canvas.chart(&Chart { title, bars: bounded, line: 1.0 });
    }
    canvas.finish()
}

/// Bars below each other.
struct Chart<'r> {
    title: String,
    bars: Vec<Bar<'r>>,
    /// Where the line is, as a share of the scale.
    line: f64,
}

/// A chart whose figures differ by more than this is logarithmic.
const LINEAR_MAX: f64 = 30.0;
/// The shortest bar of such a chart.
const SHORTEST: f64 = 0.1;

/// The figures of one chart; the line is at the first one.
fn side_by_side<'r>(rows: &'r [Row], title: &str) -> Chart<'r> {
    let charted = rows.iter().filter_map(|row| {
        let (chart, name) = row.chart.as_ref()?;
        (chart == title).then(|| (row, name.as_str(), row.figures.median()))
    });
    let charted: Vec<_> = charted.collect();
    let first = charted.first().map_or(1.0, |(_, _, median)| *median);
    let lowest = charted.iter().map(|(_, _, median)| *median).fold(f64::INFINITY, f64::min);
    let highest = charted.iter().map(|(_, _, median)| *median).fold(0.0, f64::max);
    let logarithmic = lowest > 0.0 && highest / lowest > LINEAR_MAX;
    let share = |median: f64| match logarithmic {
        false => median / first,
        true => SHORTEST + (BAR_MAX - SHORTEST) * (median / lowest).ln() / (highest / lowest).ln(),
    };
    let bars = charted.iter().enumerate().map(|(at, (row, name, median))| Bar {
        name,
        share: share(*median),
        text: format!("{} {}", number(*median), row.unit.name()),
        color: if at == 0 { FIRST } else { PLAIN },
    });
    let title = if logarithmic { format!("{title} (logarithmic)") } else { title.to_owned() };
    Chart { title, bars: bars.collect(), line: share(first) }
}

/// All figures that have a bound.
fn bounds(rows: &[Row]) -> Vec<Bar<'_>> {
    let bounded = rows.iter().filter_map(|row| Some((row, row.used()?, row.verdict()?)));
    bounded
        .map(|(row, used, verdict)| Bar {
            name: &row.name,
            share: used,
            text: if used.is_finite() { number(used) } else { "over".to_owned() },
            color: if verdict == Verdict::Within { WITHIN } else { OVER },
        })
        .collect()
}

struct Canvas {
    drawn: String,
    y: u32,
}

impl Canvas {
    fn chart(&mut self, chart: &Chart<'_>) {
        self.try_chart(chart).expect("writing to memory does not fail");
    }

    fn try_chart(&mut self, chart: &Chart<'_>) -> std::fmt::Result {
        let out = &mut self.drawn;
        let text_y = self.y + 26;
        writeln!(
            out,
            "<text x=\"10\" y=\"{text_y}\" font-size=\"14\" font-weight=\"bold\">{}</text>",
            escaped(&chart.title)
        )?;
        self.y += TITLE;
        let (top, x) = (self.y, f64::from(NAMES) + chart.line * f64::from(SCALE));
        let mut texts = String::new();
        for bar in &chart.bars {
            let (text_y, bar_y, height) = (self.y + 14, self.y + 3, LINE - 6);
            let length = bar.share.clamp(0.0, BAR_MAX) * f64::from(SCALE);
            let end = f64::from(NAMES) + length + 6.0;
            writeln!(out, "<text x=\"{}\" y=\"{text_y}\" text-anchor=\"end\">{}</text>", NAMES - 8, escaped(bar.name))?;
            writeln!(
                out,
                "<rect x=\"{NAMES}\" y=\"{bar_y}\" width=\"{length:.1}\" height=\"{height}\" fill=\"{}\"/>",
                bar.color
            )?;
            // On white, so that the line does not cross them.
            writeln!(
                texts,
                "<text x=\"{end:.1}\" y=\"{text_y}\" stroke=\"white\" stroke-width=\"4\" paint-order=\"stroke\">{}</text>",
                bar.text
            )?;
            self.y += LINE;
        }
        writeln!(
            out,
            "<line x1=\"{x:.1}\" y1=\"{top}\" x2=\"{x:.1}\" y2=\"{}\" stroke=\"#444\" stroke-dasharray=\"4 3\"/>",
            self.y
        )?;
        out.push_str(&texts);
        Ok(())
    }

    fn finish(self) -> String {
        let height = self.y + 16;
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" \
             viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" font-size=\"12\">\n\
             <rect width=\"{WIDTH}\" height=\"{height}\" fill=\"white\"/>\n{}</svg>\n",
            self.drawn
        )
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::{Row, svg};
    use crate::report::figures::Series;
    use crate::report::row::Unit;

    fn one(figure: f64) -> Series {
        Series::new(vec![figure])
    }

    #[test]
    fn every_bounded_figure_has_a_bar_of_its_share() {
        let row = |name: &str, figure| Row::at_most(name, Unit::Millis, one(figure), 100.0);
        let shown = Row::shown("no bound", Unit::Millis, one(1.0));
        let nothing = Row::at_most("none", Unit::Millis, one(1.0), 0.0);
        let picture = svg(&[row("half & <half>", 50.0), shown, row("much", 900.0), nothing]);
        assert_eq!(picture.matches("<rect").count(), 4, "the paper and three bars: {picture}");
        for expected in [
            "half &amp; &lt;half&gt;",
            "width=\"110.0\"",
            "width=\"440.0\"",
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

    #[test]
    fn the_figures_of_a_chart_stand_beside_each_other_on_the_scale_of_the_first() {
        let row = |chart: &str, name: &str, figure| Row::shown("long", Unit::Micros, one(figure)).charted(chart, name);
        let rows = [row("a", "server", 20.0), row("a", "rung", 10.0), row("b", "server", 3.0), row("b", "peer", 6.0)];
        let picture = svg(&rows);
        assert_eq!(picture.matches("<rect").count(), 5, "the paper and four bars: {picture}");
        for expected in ["width=\"220.0\"", "width=\"110.0\"", "width=\"440.0\"", ">20.0 us<", ">6.00 us<", ">peer<"] {
            assert!(picture.contains(expected), "{expected}: {picture}");
        }
        let titles = [">a<", ">b<"].map(|title| picture.find(title).expect(title));
        assert!(titles.is_sorted() && !picture.contains("bound"), "{picture}");
    }

    #[test]
    fn a_chart_of_very_different_figures_is_logarithmic_and_says_so() {
        let row = |name: &str, figure| Row::shown("long", Unit::Micros, one(figure)).charted("a", name);
        let picture = svg(&[row("server", 10.0), row("low", 1.0), row("high", 100.0)]);
        // A tenth of the scale, twice the scale, and in the middle what is ten times the lowest.
        for expected in [">a (logarithmic)<", "width=\"22.0\"", "width=\"231.0\"", "width=\"440.0\"", "x1=\"771.0\""] {
            assert!(picture.contains(expected), "{expected}: {picture}");
        }
    }
}
