//! The command line.

use std::time::{SystemTime, UNIX_EPOCH};

pub(crate) const USAGE: &str = "\
Usage: stanchion-sim [OPTIONS]             random histories, one for each seed
       stanchion-sim power-cuts [OPTIONS]  the same on the real journal, on a disk that loses its power
       stanchion-sim exhaustive [OPTIONS]  every short sequence of operations

Options:
  --seeds N    so many seeds (1000)
  --minutes M  seeds for so many minutes instead
  --seconds S  the same in seconds
  --start S    the first seed (1; `fresh` takes one from the clock)
  --steps K    steps of a seed (600)
  --length L   operations of a sequence (6)
  --jobs J     threads (as many as there are processors)
  --failures F stop after so many failing seeds (10)
  --digest     print a digest of all that the shards put out
";

/// What to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Random histories.
    Seeds,
    /// Random histories on the real journal, with power cuts.
    PowerCuts,
    /// Every short sequence.
    Exhaustive,
}

/// The command line, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Arguments {
    pub(crate) mode: Mode,
    pub(crate) seeds: u64,
    pub(crate) seconds: Option<u64>,
    pub(crate) start: u64,
    pub(crate) steps: u64,
    pub(crate) length: usize,
    pub(crate) jobs: usize,
    pub(crate) failures: usize,
    pub(crate) digest: bool,
}

impl Arguments {
    /// Reads the words after the program's name.
    ///
    /// # Errors
    /// A sentence that names the word that is wrong.
    pub(crate) fn parse(words: impl Iterator<Item = String>) -> Result<Arguments, String> {
        let mut arguments = Arguments {
            mode: Mode::Seeds,
            seeds: 1000,
            seconds: None,
            start: 1,
            steps: 600,
            length: 6,
            jobs: std::thread::available_parallelism().map_or(1, usize::from),
            failures: 10,
            digest: false,
        };
        let mut words = words.peekable();
        for (name, mode) in [("exhaustive", Mode::Exhaustive), ("power-cuts", Mode::PowerCuts)] {
            if words.next_if(|word| word == name).is_some() {
                arguments.mode = mode;
            }
        }
        while let Some(word) = words.next() {
            if word == "--digest" {
                arguments.digest = true;
                continue;
            }
            let value = words.next().ok_or_else(|| format!("`{word}` needs a value"))?;
            let number = || value.parse::<u64>().map_err(|_| format!("`{value}` is no number for `{word}`"));
            match word.as_str() {
                "--seeds" => arguments.seeds = number()?,
                "--minutes" => arguments.seconds = Some(number()?.saturating_mul(60)),
                "--seconds" => arguments.seconds = Some(number()?),
                "--failures" => arguments.failures = number()?.max(1) as usize,
                "--start" if value == "fresh" => arguments.start = fresh(),
                "--start" => arguments.start = number()?,
                "--steps" => arguments.steps = number()?,
                "--length" => arguments.length = number()?.clamp(1, 9) as usize,
                "--jobs" => arguments.jobs = number()?.clamp(1, 1024) as usize,
                _ => return Err(format!("unknown option `{word}`")),
            }
        }
        Ok(arguments)
    }
}

/// Returns a seed that nobody has seen, with room behind it.
fn fresh() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(1, |since| since.as_secs().saturating_mul(100_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Arguments, String> {
        Arguments::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn options_are_read_into_their_fields() {
        let arguments = parse("--seeds 7 --start 8 --steps 9 --jobs 2 --digest").expect("a valid line");
        assert_eq!((arguments.mode, arguments.seconds), (Mode::Seeds, None));
        assert_eq!((arguments.seeds, arguments.start, arguments.steps, arguments.jobs), (7, 8, 9, 2));
        assert!(arguments.digest);
        assert_eq!(parse("power-cuts").map(|arguments| arguments.mode), Ok(Mode::PowerCuts));
        let arguments = parse("exhaustive --length 5").expect("a valid line");
        assert_eq!((arguments.mode, arguments.length), (Mode::Exhaustive, 5));
        assert!(parse("--start fresh").expect("a valid line").start > 1_000_000);
    }

    #[test]
    fn wrong_words_are_named() {
        assert!(parse("--seed 7").unwrap_err().contains("--seed"));
        assert!(parse("--seeds").unwrap_err().contains("needs a value"));
        assert!(parse("--seeds many").unwrap_err().contains("many"));
    }
}
