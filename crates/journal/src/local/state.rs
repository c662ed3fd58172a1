//! The small file that says what the segments must look like.
//!
//! Text, so that a person can read it; replaced as a whole, so that it is never half of anything:
//!
//! ```text
//! stanchion journal 1
//! id 5f0c3a9d1b7e2468
//! opens 3
//! first 1
//! gone 3 7-9
//! clean 4 81920
//! checksum 1a2b3c4d
//! ```
//!
//! `opens` counts how often the journal has been opened, and is the upper part of every epoch. `first` is the lowest
//! segment that must be there, and `gone` are those above it that must not: numbers and ranges of numbers, in order,
//! missing if there are none. Both say so before segments are deleted. `clean` is the segment and offset at which the log
//! ended when it was closed, and is missing while the journal is open, so that after a clean stop even a damaged last
//! record cannot be mistaken for a torn one.

use std::io::IoSlice;

use super::disk::{Access, Disk};
use super::ranges::Ranges;
use crate::Fault;

pub(crate) const NAME: &str = "journal/state";
const NEW: &str = "journal/state.new";
const TITLE: &str = "stanchion journal 1";
/// A file of this length would list a hundred thousand holes; ours has a few dozen, so a longer one is not ours.
const BYTES_MAX: u64 = 2 << 20;

/// What the file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) journal: u64,
    pub(crate) opens: u64,
    pub(crate) first: u64,
    /// Segments above `first` that are not needed any more.
    pub(crate) gone: Ranges,
    pub(crate) clean: Option<(u64, u64)>,
}

impl State {
    /// Reads the file; `None` if there is none.
    pub(crate) fn load(disk: &dyn Disk) -> Result<Option<State>, Fault> {
        let path = disk.root().join(NAME);
        let file = match disk.open(NAME, Access::Read) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Fault::io("open", path, &error)),
        };
        let failed = |error: std::io::Error| Fault::io("read", &path, &error);
        let mut bytes = vec![0; file.length().map_err(failed)?.min(BYTES_MAX) as usize];
        let length = file.read_at(&mut bytes, 0).map_err(failed)?;
        let text = std::str::from_utf8(&bytes[..length]).ok();
        let state = text.and_then(State::parse);
        state.map(Some).ok_or_else(|| Fault::corrupt(path, 0, "the state of the journal fails its check"))
    }

    /// Notes that a segment is not needed any more.
    pub(crate) fn forget(&mut self, number: u64) {
        if number >= self.first {
            self.gone.insert(number, number);
        }
        self.first = self.after(self.first - 1);
        self.gone.drop_below(self.first);
    }

    /// Says whether a segment is not needed any more.
    pub(crate) fn is_forgotten(&self, number: u64) -> bool {
        number < self.first || self.gone.contains(number)
    }

    /// Returns the lowest segment after another one that must be there if any later one is.
    pub(crate) fn after(&self, number: u64) -> u64 {
        let next = number + 1;
        self.gone.iter().find(|&(first, last)| first <= next && next <= last).map_or(next, |(_, last)| last + 1)
    }

    /// Replaces the file, durably.
    pub(crate) fn store(&self, disk: &dyn Disk) -> Result<(), Fault> {
        let text = self.print();
        let path = disk.root().join(NAME);
        let file = disk.create(NEW).map_err(|error| Fault::io("create", disk.root().join(NEW), &error))?;
        file.write_at(&mut [IoSlice::new(text.as_bytes())], 0).map_err(|error| Fault::io("write", &path, &error))?;
        file.sync().map_err(|error| Fault::io("sync", &path, &error))?;
        disk.rename(NEW, NAME).map_err(|error| Fault::io("rename", &path, &error))?;
        disk.sync_directory("journal").map_err(|error| Fault::io("sync", disk.root().join("journal"), &error))
    }

    /// Returns the text of the file.
    pub(crate) fn print(&self) -> String {
        let clean = self.clean.map_or(String::new(), |(segment, offset)| format!("clean {segment} {offset}\n"));
        let mut gone = String::new();
        for (first, last) in self.gone.iter() {
            gone += &if first == last { format!(" {first}") } else { format!(" {first}-{last}") };
        }
        if !gone.is_empty() {
            gone = format!("gone{gone}\n");
        }
        let State { journal, opens, first, .. } = self;
        let text = format!("{TITLE}\nid {journal:016x}\nopens {opens}\nfirst {first}\n{gone}{clean}");
        let checksum = crc32c::crc32c(text.as_bytes());
        format!("{text}checksum {checksum:08x}\n")
    }

    fn parse(text: &str) -> Option<State> {
        let mut lines = text.lines();
        if lines.next()? != TITLE {
            return None;
        }
        let journal = u64::from_str_radix(lines.next()?.strip_prefix("id ")?, 16).ok()?;
        let opens = lines.next()?.strip_prefix("opens ")?.parse().ok()?;
        let lowest: u64 = lines.next()?.strip_prefix("first ")?.parse().ok()?;
        let mut line = lines.next()?;
        let mut gone = Ranges::default();
        if let Some(ranges) = line.strip_prefix("gone ") {
            for range in ranges.split(' ') {
                let (first, last) = range.split_once('-').unwrap_or((range, range));
                let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
                // The first one that is not gone is `first`, and somebody wrote the state after the last one.
                if first <= lowest || last == u64::MAX {
                    return None;
                }
                gone.insert(first, last);
            }
            line = lines.next()?;
        }
        let clean = match line.strip_prefix("clean ") {
            Some(clean) => {
                let (segment, offset) = clean.split_once(' ')?;
                Some((segment.parse().ok()?, offset.parse().ok()?))
            }
            None => None,
        };
        let state = State { journal, opens, first: lowest, gone, clean };
        // Printing again covers the checksum, the order and every stray byte.
        (state.print() == text).then_some(state)
    }
}

#[cfg(test)]
mod tests {
    use super::State;
    use crate::local::ranges::Ranges;

    #[test]
    fn what_is_printed_is_read_back_and_nothing_else_is() {
        let mut holes = Ranges::default();
        for number in [3, 7, 8, 9, 4_000_000_000_000] {
            holes.insert(number, number);
        }
        for (gone, clean) in [
            (Ranges::default(), None),
            (Ranges::default(), Some((4, 81_920))),
            (holes.clone(), None),
            (holes, Some((4_000_000_000_001, 81_920))),
        ] {
            let state = State { journal: 0x5f0c_3a9d, opens: 3, first: 1, gone, clean };
            let text = state.print();
            assert_eq!(State::parse(&text), Some(state));
            for cut in 0..text.len() {
                assert_eq!(State::parse(&text[..cut]), None, "cut at {cut}");
            }
            for at in 0..text.len() {
                let mut bytes = text.clone().into_bytes();
                bytes[at] ^= 1;
                assert_eq!(State::parse(std::str::from_utf8(&bytes).expect("still text")), None, "flipped at {at}");
            }
        }
    }

    #[test]
    fn what_is_forgotten_from_the_front_raises_the_first_and_the_rest_is_a_hole() {
        let mut state = State { journal: 1, opens: 1, first: 3, gone: Ranges::default(), clean: None };
        for (number, first, gone) in [
            (6, 3, vec![(6, 6)]),
            (5, 3, vec![(5, 6)]),
            (2, 3, vec![(5, 6)]),
            (9, 3, vec![(5, 6), (9, 9)]),
            (3, 4, vec![(5, 6), (9, 9)]),
            (4, 7, vec![(9, 9)]),
        ] {
            state.forget(number);
            assert_eq!((state.first, state.gone.iter().collect::<Vec<_>>()), (first, gone), "after {number}");
            assert!(state.is_forgotten(number));
        }
        assert_eq!((state.after(7), state.after(8), state.after(9)), (8, 10, 10));
    }
}
