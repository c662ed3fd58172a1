//! The small file that says what the segments must look like.
//!
//! Text, so that a person can read it; replaced as a whole, so that it is never half of anything:
//!
//! ```text
//! stanchion journal 1
//! id 5f0c3a9d1b7e2468
//! opens 3
//! first 1
//! clean 4 81920
//! checksum 1a2b3c4d
//! ```
//!
//! `opens` counts how often the journal has been opened, and is the upper part of every epoch. `first` is the lowest
//! segment that must be there: it is raised before segments are deleted. `clean` is the segment and offset at which the
//! log ended when it was closed, and is missing while the journal is open, so that after a clean stop even a damaged last
//! record cannot be mistaken for a torn one.

use std::io::IoSlice;

use super::disk::{Access, Disk};
use crate::Fault;

pub(crate) const NAME: &str = "journal/state";
const NEW: &str = "journal/state.new";
const TITLE: &str = "stanchion journal 1";

/// What the file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) journal: u64,
    pub(crate) opens: u64,
    pub(crate) first: u64,
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
        // Ours is below 200 bytes; whatever is longer than the buffer fails the check.
        let mut bytes = [0; 1024];
        let length = file.read_at(&mut bytes, 0).map_err(|error| Fault::io("read", &path, &error))?;
        let text = std::str::from_utf8(&bytes[..length]).ok();
        let state = text.and_then(State::parse);
        state.map(Some).ok_or_else(|| Fault::corrupt(path, 0, "the state of the journal fails its check"))
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

    fn print(&self) -> String {
        let clean = self.clean.map_or(String::new(), |(segment, offset)| format!("clean {segment} {offset}\n"));
        let State { journal, opens, first, .. } = self;
        let text = format!("{TITLE}\nid {journal:016x}\nopens {opens}\nfirst {first}\n{clean}");
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
        let first = lines.next()?.strip_prefix("first ")?.parse().ok()?;
        let clean = match lines.next()?.strip_prefix("clean ") {
            Some(clean) => {
                let (segment, offset) = clean.split_once(' ')?;
                Some((segment.parse().ok()?, offset.parse().ok()?))
            }
            None => None,
        };
        let state = State { journal, opens, first, clean };
        // Printing again covers the checksum, the order and every stray byte.
        (state.print() == text).then_some(state)
    }
}

#[cfg(test)]
mod tests {
    use super::State;

    #[test]
    fn what_is_printed_is_read_back_and_nothing_else_is() {
        for clean in [None, Some((4, 81_920))] {
            let state = State { journal: 0x5f0c_3a9d, opens: 3, first: 1, clean };
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
}
