//! How much space there is for survivors that are written again.

/// How much space the journal has for survivors, which need some before they give any back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Space {
    /// As much as it takes.
    #[default]
    Plenty,
    /// What was set aside for a full disk, of which as much as possible has to stay.
    Scarce,
    /// The last of that.
    Last,
}

impl Space {
    /// Returns how much of a run of the journal may be needed for it to be worth emptying, in hundredths.
    ///
    /// With plenty of space, only what gains next to nothing is left alone. Else a run of two files is to need no more than
    /// one, or half a file of the last, until it gives back what it has.
    pub(super) fn live_max(self) -> u128 {
        match self {
            Space::Plenty => 85,
            Space::Scarce => 50,
            Space::Last => 25,
        }
    }
}
