//! How much of the journal is still needed, and where.
//!
//! The journal is looked at in *buckets*: runs of records of some megabytes. A bucket knows how many bytes were
//! written to it and how many of them somebody still needs, so nobody has to look at every message to know what can
//! be trimmed. A bucket that is full and of which nothing is needed is forgotten; what is not in a bucket is dead.
//!
//! ```text
//!   dead   | bucket | bucket |  dead, a gap  | bucket | open bucket
//!          ^ low water                                            ^ tail
//! ```
//!
//! Everything here follows from the events alone, so that replay comes to the same.

mod ledger;
mod space;
mod victims;

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

pub(crate) use ledger::{Ledger, contents_by_bucket};
pub use space::Space;

use crate::event::codec::{Damage, Get, Put};

/// Bytes that a record takes in the journal besides its payload: its frame.
const RECORD_BYTES: u64 = 72;

/// Bytes that a message needs in the journal besides its content: its event around it, which says nothing any more
/// but is not dead before the content is.
const MESSAGE_BYTES: u64 = 24;

/// Settings of the accounting, which also say how much dead space there may be.
#[derive(Clone, Debug)]
pub struct Options {
    /// Bytes after which a new bucket begins. Default 4 MiB.
    pub bucket_bytes: u64,
    /// Bytes that the journal gives back at once, when all of them are dead: the size of its files. Default 64 MiB.
    pub segment_bytes: u64,
    /// Dead bytes that are nobody's business, whatever the number of live ones; the newest of the journal, in which most
    /// messages die by themselves, are left alone. Default 256 MiB.
    pub slack_bytes: u64,
    /// Most bytes of survivors that are moved in one step, unless a single content is larger; some times as many while no
    /// client asks for anything. Default 256 KiB.
    pub step_bytes: u64,
}

impl Default for Options {
    fn default() -> Self {
        Options { bucket_bytes: 4 << 20, segment_bytes: 64 << 20, slack_bytes: 256 << 20, step_bytes: 256 << 10 }
    }
}

/// A run of records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Bucket {
    /// Its last position so far.
    last: u64,
    /// Bytes written to it.
    written: u64,
    /// Bytes of it that are needed.
    live: u64,
    /// Bytes between the bucket before and this one, all dead; 0 in the first bucket.
    gap: u64,
}

/// The buckets of a shard's journal.
#[derive(Clone, Debug)]
pub struct Usage {
    options: Options,
    /// Buckets that take no more records, by first position.
    closed: BTreeMap<u64, Bucket>,
    /// The first position of the bucket that takes records.
    open_first: u64,
    open: Bucket,
    /// Buckets of which nothing was needed at some moment since the last record ended.
    emptied: Vec<u64>,
    live: u64,
    held: u64,
    freed: u64,
}

impl Usage {
    /// Makes the accounting of an empty journal.
    pub(crate) fn new(options: Options) -> Self {
        Usage {
            options,
            closed: BTreeMap::new(),
            open_first: 1,
            open: Bucket::default(),
            emptied: Vec::new(),
            live: 0,
            held: 0,
            freed: 0,
        }
    }

    /// Returns the settings.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Returns how many bytes are needed: of contents, of lists of pages and chunks, and a little around each content.
    pub fn live(&self) -> u64 {
        self.live
    }

    /// Returns about how many bytes the journal cannot give back: those of buckets of which something is needed, and of
    /// gaps that are too small for a file of the journal.
    pub fn held(&self) -> u64 {
        self.held
    }

    /// Returns how many bytes were in buckets that nobody needs any more, from the first record on. It only grows.
    pub fn freed(&self) -> u64 {
        self.freed
    }

    /// Returns how many more bytes the journal holds than it may: half of what it needs on top, and the slack. Without
    /// plenty of space whatever is dead is too much, if it fills a file.
    pub fn excess(&self, space: Space) -> u64 {
        let dead = self.held.saturating_sub(self.live);
        match space {
            Space::Plenty => dead.saturating_sub(self.live / 2).saturating_sub(self.options.slack_bytes),
            Space::Scarce | Space::Last => dead.saturating_sub(self.options.segment_bytes),
        }
    }

    /// Tells how pressing the excess is: 0 at the bound from which survivors are moved, 100 where the journal is twice
    /// as large as what it needs, and the slack twice used up, and whenever there is not plenty of space.
    pub fn pressure(&self, space: Space) -> u64 {
        if space != Space::Plenty {
            return 100;
        }
        let room = self.live / 2 + self.options.slack_bytes;
        (u128::from(self.excess(space)) * 100 / u128::from(room.max(1))).min(100) as u64
    }

    /// Returns the first position that is needed; everything below can be trimmed.
    pub fn low_water(&self) -> u64 {
        match self.closed.first_key_value() {
            Some((first, _)) => *first,
            None if self.open.live > 0 => self.open_first,
            None => self.open.last + 1,
        }
    }

    /// Lists the runs of positions above [`Usage::low_water`] that nobody needs, in order.
    pub fn gaps(&self) -> Vec<RangeInclusive<u64>> {
        let mut gaps = Vec::new();
        let mut next = None;
        let spans = self.closed.iter().map(|(first, bucket)| (*first, bucket.last));
        for (first, last) in spans.chain([(self.open_first, self.open.last)]) {
            if let Some(next) = next.filter(|next| *next < first) {
                gaps.push(next..=first - 1);
            }
            next = Some(last + 1);
        }
        gaps
    }

    /// Returns the name of the bucket that holds a position: its first position.
    pub(crate) fn bucket(&self, position: u64) -> u64 {
        if position >= self.open_first {
            return self.open_first;
        }
        let found = self.closed.range(..=position).next_back();
        found.map(|(first, _)| *first).expect("a position that is needed is in a bucket")
    }

    /// Counts what came and went at some positions.
    ///
    /// # Errors
    /// The position that is in no bucket, or of which more goes than there is.
    pub(crate) fn settle(&mut self, ledger: &mut Ledger) -> Result<(), u64> {
        ledger.drain(|position, change| self.change(position, change).ok_or(position))
    }

    fn change(&mut self, position: u64, change: i64) -> Option<()> {
        if position >= self.open_first {
            if position > self.open.last + 1 {
                return None;
            }
            self.open.live = self.open.live.checked_add_signed(change)?;
        } else {
            let (first, bucket) = self.closed.range_mut(..=position).next_back()?;
            if position > bucket.last {
                return None;
            }
            bucket.live = bucket.live.checked_add_signed(change)?;
            if bucket.live == 0 {
                self.emptied.push(*first);
            }
        }
        self.live = self.live.checked_add_signed(change)?;
        Some(())
    }

    /// Counts a record whose events have all happened.
    pub(crate) fn record_ended(&mut self, position: u64, payload_bytes: u64) {
        let bytes = payload_bytes + RECORD_BYTES;
        self.open.last = position;
        self.open.written += bytes;
        self.held += bytes;
        if self.open.written >= self.options.bucket_bytes {
            let full = std::mem::take(&mut self.open);
            self.closed.insert(self.open_first, full);
            if full.live == 0 {
                self.emptied.push(self.open_first);
            }
            self.open_first = position + 1;
            self.open.last = position;
        }
        for first in std::mem::take(&mut self.emptied) {
            // What left and came back within the record, as a page that returns to memory does, is needed.
            if self.closed.get(&first).is_some_and(|bucket| bucket.live == 0) {
                self.forget(first);
            }
        }
    }

    /// Turns a bucket into a part of the gap before the next.
    fn forget(&mut self, first: u64) {
        let gone = self.closed.remove(&first).expect("a bucket that is forgotten is known");
        let is_first = self.closed.range(..first).next().is_none();
        let segment = self.options.segment_bytes;
        let next = self.closed.range_mut(first..).next().map_or(&mut self.open, |(_, bucket)| bucket);
        self.freed += gone.written;
        self.held -= gone.written + gone.gap.min(segment) + next.gap.min(segment);
        next.gap = if is_first { 0 } else { next.gap + gone.gap + gone.written };
        self.held += next.gap.min(segment);
    }

    /// Writes what cannot be found out by looking at the messages.
    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        let closed: Vec<_> = self.closed.iter().map(|(first, bucket)| (*first, *bucket)).collect();
        out.list(&closed, put_bucket);
        put_bucket(out, &(self.open_first, self.open));
        out.u64(self.freed);
    }

    /// Reads what [`Usage::put`] wrote. What is needed of each bucket is counted again, by settling ledgers.
    pub(crate) fn get(options: Options, input: &mut Get<'_>) -> Result<Usage, Damage> {
        let mut usage = Usage::new(options);
        let mut after = 0;
        for (first, bucket) in input.list(get_bucket)? {
            if first <= after || bucket.last < first {
                return Err(input.damage("positions of bucket"));
            }
            after = bucket.last;
            usage.hold(&bucket).ok_or_else(|| input.damage("bytes of bucket"))?;
            usage.closed.insert(first, bucket);
        }
        let (first, open) = get_bucket(input)?;
        if first <= after || open.last < first - 1 || open.last == u64::MAX {
            return Err(input.damage("positions of open bucket"));
        }
        usage.hold(&open).ok_or_else(|| input.damage("bytes of open bucket"))?;
        (usage.open_first, usage.open) = (first, open);
        usage.freed = input.u64("freed bytes")?;
        Ok(usage)
    }

    fn hold(&mut self, bucket: &Bucket) -> Option<()> {
        let gap = bucket.gap.min(self.options.segment_bytes);
        self.held = self.held.checked_add(bucket.written)?.checked_add(gap)?;
        Some(())
    }

    /// Tells whether every bucket but the open one is needed, as it is between records.
    pub(crate) fn is_settled(&self) -> bool {
        self.emptied.is_empty() && self.closed.values().all(|bucket| bucket.live > 0)
    }

    /// Lists what is needed of each bucket, by first position; buckets of which nothing is needed are left out.
    pub fn by_bucket(&self) -> BTreeMap<u64, u64> {
        let closed = self.closed.iter().map(|(first, bucket)| (*first, bucket.live));
        closed.chain([(self.open_first, self.open.live)]).filter(|(_, live)| *live > 0).collect()
    }
}

fn put_bucket(out: &mut Vec<u8>, (first, bucket): &(u64, Bucket)) {
    out.u64(*first);
    out.u64(bucket.last);
    out.u64(bucket.written);
    out.u64(bucket.gap);
}

fn get_bucket(input: &mut Get<'_>) -> Result<(u64, Bucket), Damage> {
    let first = input.u64("first position of bucket")?;
    let last = input.u64("last position of bucket")?;
    let written = input.u64("bytes of bucket")?;
    Ok((first, Bucket { last, written, live: 0, gap: input.u64("gap before bucket")? }))
}

#[cfg(test)]
mod tests;
