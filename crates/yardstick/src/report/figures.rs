//! Figures of several rounds.

/// One figure by round.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Series(Vec<f64>);

impl Series {
    /// This function takes the figures in the order of their rounds, at least
    /// one.
    pub(super) fn new(figures: Vec<f64>) -> Self {
        assert!(!figures.is_empty(), "a series has a round");
        Self(figures)
    }

    /// This function gives the figure in the middle; of an even number, the
    /// mean of the two in the middle.
    pub(super) fn median(&self) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let middle = sorted.len() / 2;
        if sorted.len().is_multiple_of(2) { f64::midpoint(sorted[middle - 1], sorted[middle]) } else { sorted[middle] }
    }

    /// This function gives the lowest and the highest figure.
    pub(super) fn spread(&self) -> (f64, f64) {
        let lowest = self.0.iter().copied().fold(f64::INFINITY, f64::min);
        let highest = self.0.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        (lowest, highest)
    }

    /// This function divides round by round.
    pub(super) fn over(&self, other: &Self) -> Self {
        assert_eq!(self.0.len(), other.0.len(), "both sides take part in every round");
        Self(self.0.iter().zip(&other.0).map(|(figure, other)| figure / other).collect())
    }

    /// This function multiplies every figure.
    pub(super) fn times(&self, factor: f64) -> Self {
        Self(self.0.iter().map(|figure| figure * factor).collect())
    }

    /// This function subtracts round by round.
    pub(super) fn less(&self, other: &Self) -> Self {
        assert_eq!(self.0.len(), other.0.len(), "both sides take part in every round");
        Self(self.0.iter().zip(&other.0).map(|(figure, other)| figure - other).collect())
    }

    /// This function replaces every figure that is higher.
    pub(super) fn at_most(&self, most: f64) -> Self {
        Self(self.0.iter().map(|figure| figure.min(most)).collect())
    }

    /// This function counts the rounds in which this figure is the lower one.
    pub(super) fn rounds_below(&self, other: &Self) -> usize {
        assert_eq!(self.0.len(), other.0.len(), "both sides take part in every round");
        self.0.iter().zip(&other.0).filter(|(figure, other)| figure < other).count()
    }

    /// This function takes the lower figure round by round.
    pub(super) fn lower(&self, other: &Self) -> Self {
        assert_eq!(self.0.len(), other.0.len(), "both sides take part in every round");
        Self(self.0.iter().zip(&other.0).map(|(figure, other)| figure.min(*other)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::Series;

    fn series(figures: &[f64]) -> Series {
        Series::new(figures.to_vec())
    }

    #[test]
    fn the_median_is_the_figure_in_the_middle() {
        for (figures, expected) in [
            (&[7.0][..], 7.0),
            (&[9.0, 1.0, 5.0], 5.0),
            (&[9.0, 1.0, 5.0, 6.0], 5.5),
            (&[1.0, 1.0, 1.0, 1.0, 1000.0], 1.0),
        ] {
            assert_eq!(series(figures).median(), expected, "{figures:?}");
        }
    }

    #[test]
    fn the_spread_is_the_lowest_and_the_highest() {
        assert_eq!(series(&[3.0, 9.0, 1.0, 5.0]).spread(), (1.0, 9.0));
        assert_eq!(series(&[3.0]).spread(), (3.0, 3.0));
    }

    #[test]
    fn ratios_are_taken_within_a_round_so_that_a_slow_round_does_not_count() {
        // The machine was three times as slow in the last two rounds.
        let ratio = series(&[10.0, 33.0, 30.0]).over(&series(&[8.0, 24.0, 24.0]));
        assert_eq!(ratio, series(&[1.25, 1.375, 1.25]));
        assert_eq!(ratio.median(), 1.25);
    }

    #[test]
    fn whichever_binds_is_found_round_by_round() {
        assert_eq!(series(&[1.0, 5.0]).lower(&series(&[2.0, 3.0])), series(&[1.0, 3.0]));
        assert_eq!(series(&[1.0, 5.0]).times(2.0), series(&[2.0, 10.0]));
        assert_eq!(series(&[7.0, 15.0]).at_most(12.0), series(&[7.0, 12.0]));
        assert_eq!(series(&[7.0, 5.0]).less(&series(&[2.0, 6.0])), series(&[5.0, -1.0]));
    }
}
