//! A row of the report: a figure and what it may be.

use super::figures::Series;

/// What a figure is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    /// Microseconds.
    Micros,
    /// Milliseconds.
    Millis,
    /// Mebibytes.
    Mib,
    /// Mebibytes a second.
    MibPerSecond,
    /// Something a second.
    PerSecond,
    /// Microseconds of CPU a second.
    MicrosPerSecond,
}

impl Unit {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Micros => "us",
            Self::Millis => "ms",
            Self::Mib => "MiB",
            Self::MibPerSecond => "MiB/s",
            Self::PerSecond => "/s",
            Self::MicrosPerSecond => "us/s",
        }
    }
}

/// What a figure may be.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Bound {
    /// Anything: it is shown for comparison.
    Shown,
    /// Anything: it is shown beside another figure.
    Beside(Other),
    /// At most so many times another figure.
    AtMostTimes(f64, Other),
    /// At least so many times another figure.
    AtLeastTimes(f64, Other),
    /// At most so much.
    AtMost(f64),
}

/// A figure to compare with.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Other {
    pub(super) name: String,
    pub(super) figures: Series,
}

/// Whether a figure is what it may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Within,
    Over,
}

/// One line of the table.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Row {
    pub(super) name: String,
    pub(super) unit: Unit,
    pub(super) figures: Series,
    pub(super) bound: Bound,
    /// The chart that the figure is drawn in beside others, and its name there.
    pub(super) chart: Option<(String, String)>,
}

impl Row {
    /// This function makes a row that has no bound.
    pub(super) fn shown(name: impl Into<String>, unit: Unit, figures: Series) -> Self {
        Self { name: name.into(), unit, figures, bound: Bound::Shown, chart: None }
    }

    /// This function makes a row that has no bound, and shows another figure beside.
    pub(super) fn compared(name: impl Into<String>, unit: Unit, figures: Series, other: (&str, Series)) -> Self {
        let other = Other { name: other.0.to_owned(), figures: other.1 };
        Self { name: name.into(), unit, figures, bound: Bound::Beside(other), chart: None }
    }

    /// This function makes a row whose figure may be `factor` times another.
    pub(super) fn at_most_times(
        name: impl Into<String>,
        unit: Unit,
        figures: Series,
        factor: f64,
        other: (&str, Series),
    ) -> Self {
        let other = Other { name: other.0.to_owned(), figures: other.1 };
        Self { name: name.into(), unit, figures, bound: Bound::AtMostTimes(factor, other), chart: None }
    }

    /// This function makes a row whose figure must be `factor` times another.
    pub(super) fn at_least_times(
        name: impl Into<String>,
        unit: Unit,
        figures: Series,
        factor: f64,
        other: (&str, Series),
    ) -> Self {
        let other = Other { name: other.0.to_owned(), figures: other.1 };
        Self { name: name.into(), unit, figures, bound: Bound::AtLeastTimes(factor, other), chart: None }
    }

    /// This function makes a row whose figure may be `most`.
    pub(super) fn at_most(name: impl Into<String>, unit: Unit, figures: Series, most: f64) -> Self {
        Self { name: name.into(), unit, figures, bound: Bound::AtMost(most), chart: None }
    }

    /// This function puts the figure into a chart, under a shorter name. The
    /// first one of a chart sets its scale.
    pub(super) fn charted(self, chart: &str, name: impl Into<String>) -> Self {
        Self { chart: Some((chart.to_owned(), name.into())), ..self }
    }

    /// This function gives the ratio to the other figure by round, if there is
    /// one.
    pub(super) fn ratio(&self) -> Option<Series> {
        match &self.bound {
            Bound::Beside(other) | Bound::AtMostTimes(_, other) | Bound::AtLeastTimes(_, other) => {
                Some(self.figures.over(&other.figures))
            }
            Bound::Shown | Bound::AtMost(_) => None,
        }
    }

    /// This function gives the share of the bound that is used up: above 1 is
    /// over it, wherever the bound lies.
    pub(super) fn used(&self) -> Option<f64> {
        let ratio = self.ratio().map(|ratio| ratio.median());
        match (&self.bound, ratio) {
            (Bound::AtMostTimes(factor, _), Some(ratio)) => Some(ratio / factor),
            (Bound::AtLeastTimes(factor, _), Some(ratio)) => Some(factor / ratio),
            (Bound::AtMost(most), _) if *most > 0.0 => Some(self.figures.median() / most),
            // Nothing at all is allowed: it is kept, or it is not.
            (Bound::AtMost(_), _) => Some(if self.figures.median() > 0.0 { f64::INFINITY } else { 0.0 }),
            _ => None,
        }
    }

    /// This function compares the median with the bound.
    pub(super) fn verdict(&self) -> Option<Verdict> {
        self.used().map(|used| if used <= 1.0 { Verdict::Within } else { Verdict::Over })
    }
}

#[cfg(test)]
mod tests {
    use super::{Row, Series, Unit, Verdict};

    fn series(figures: &[f64]) -> Series {
        Series::new(figures.to_vec())
    }

    #[test]
    fn a_figure_is_within_its_bound_up_to_the_bound_itself() {
        let row = |figure: f64| Row::at_most_times("x", Unit::Micros, series(&[figure]), 1.25, ("y", series(&[16.0])));
        assert_eq!(row(20.0).verdict(), Some(Verdict::Within));
        assert_eq!(row(20.1).verdict(), Some(Verdict::Over));
        assert_eq!(row(20.0).used(), Some(1.0));
        assert_eq!(row(10.0).ratio(), Some(series(&[0.625])));
    }

    #[test]
    fn what_must_be_large_is_over_its_bound_when_it_is_small() {
        let row =
            |figure: f64| Row::at_least_times("x", Unit::MibPerSecond, series(&[figure]), 0.7, ("y", series(&[100.0])));
        assert_eq!(row(70.0).verdict(), Some(Verdict::Within));
        assert_eq!(row(69.0).verdict(), Some(Verdict::Over));
        assert_eq!(row(140.0).used(), Some(0.5));
    }

    #[test]
    fn the_median_decides_and_not_the_worst_round() {
        let row = Row::at_most("x", Unit::Mib, series(&[24.0, 60.0, 25.0]), 25.0);
        assert_eq!((row.verdict(), row.ratio()), (Some(Verdict::Within), None));
        assert_eq!(Row::at_most("x", Unit::Mib, series(&[24.0, 60.0, 26.0]), 25.0).verdict(), Some(Verdict::Over));
    }

    #[test]
    fn a_bound_of_nothing_is_kept_by_nothing_only() {
        let row = |figure: f64| Row::at_most("x", Unit::MicrosPerSecond, series(&[figure]), 0.0).verdict();
        assert_eq!((row(0.0), row(0.1)), (Some(Verdict::Within), Some(Verdict::Over)));
    }

    #[test]
    fn what_is_only_shown_has_no_verdict() {
        assert_eq!(Row::shown("x", Unit::Micros, series(&[1.0])).verdict(), None);
        let compared = Row::compared("x", Unit::Micros, series(&[1.0]), ("y", series(&[4.0])));
        assert_eq!((compared.verdict(), compared.ratio()), (None, Some(series(&[0.25]))));
    }
}
