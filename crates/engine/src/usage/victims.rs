//! Which part of the journal is worth emptying.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use super::{Bucket, Space, Usage};

/// A stretch of the journal as the choice sees it.
#[derive(Clone, Copy)]
struct Stretch {
    first: u64,
    last: u64,
    size: u64,
    live: u64,
}

impl Usage {
    /// Returns the run of buckets, long enough to give back files, of which the least is needed; among equals the oldest.
    ///
    /// The newest bytes are left out, as many as the slack has or, without plenty of space, a file: more than that is not
    /// left to die by itself then. Runs that contain a bucket to avoid are left out too. `None` if nothing is worth moving.
    pub fn sparsest(&self, space: Space, avoided: &BTreeSet<u64>) -> Option<RangeInclusive<u64>> {
        let segment = self.options.segment_bytes;
        let slack = self.options.slack_bytes;
        let left_alone = if space == Space::Plenty { slack } else { slack.min(segment) };
        let size = |bucket: &Bucket| bucket.written + bucket.gap.min(segment);
        let mut newest = size(&self.open);
        let old = self.closed.iter().rev().skip_while(|(_, bucket)| {
            newest += size(bucket);
            newest <= left_alone
        });
        let mut stretches: Vec<Stretch> = old
            .map(|(&first, bucket)| Stretch { first, last: bucket.last, size: size(bucket), live: bucket.live })
            .collect();
        stretches.reverse();
        let runs = stretches.split(|stretch| avoided.contains(&stretch.first));
        let runs = runs.filter_map(|run| sparsest_of(run, 2 * segment));
        let best = runs.reduce(|best, run| if is_sparser(&run, &best) { run } else { best })?;
        let worth_it = u128::from(best.live) * 100 <= u128::from(best.size) * space.live_max();
        worth_it.then_some(best.first..=best.last)
    }

    /// Lists the buckets that begin in a range of positions and of which something is needed, by first position.
    pub fn needed(&self, range: &RangeInclusive<u64>) -> impl Iterator<Item = u64> + '_ {
        self.closed.range(range.clone()).filter(|(_, bucket)| bucket.live > 0).map(|(first, _)| *first)
    }
}

/// Slides a window of at least `size` bytes over neighbours; all of them are the window if they are fewer.
fn sparsest_of(run: &[Stretch], size: u64) -> Option<Stretch> {
    let mut best: Option<Stretch> = None;
    let mut window = Stretch { first: run.first()?.first, last: 0, size: 0, live: 0 };
    let mut start = 0;
    for stretch in run {
        window.last = stretch.last;
        window.size += stretch.size;
        window.live += stretch.live;
        while window.size - run[start].size >= size {
            window.size -= run[start].size;
            window.live -= run[start].live;
            start += 1;
            window.first = run[start].first;
        }
        if window.size >= size && best.as_ref().is_none_or(|best| is_sparser(&window, best)) {
            best = Some(window);
        }
    }
    best.or(Some(window))
}

fn is_sparser(one: &Stretch, two: &Stretch) -> bool {
    u128::from(one.live) * u128::from(two.size) < u128::from(two.live) * u128::from(one.size)
}
