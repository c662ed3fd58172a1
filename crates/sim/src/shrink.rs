//! Makes a failing history short: leaves out steps that it does not take.

/// Most histories that are tried.
const TRIES: usize = 2_000;

/// Removes elements as long as what is left still `fails`. That returns the elements that were used up to the failure.
pub fn shrink<T: Clone>(all: Vec<T>, fails: impl Fn(&[T]) -> Option<Vec<T>>) -> Vec<T> {
    let mut kept = all;
    let mut size = kept.len() / 2;
    let mut tries = 0;
    while size > 0 && tries < TRIES {
        let mut start = 0;
        let before = kept.len();
        while start < kept.len() && tries < TRIES {
            tries += 1;
            let end = kept.len().min(start + size);
            let rest: Vec<T> = kept[..start].iter().chain(&kept[end..]).cloned().collect();
            match fails(&rest) {
                Some(used) => kept = used,
                None => start += size,
            }
        }
        // At the finest grain as often as it helps.
        if size > 1 || kept.len() == before {
            size /= 2;
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_steps_that_a_failure_takes_are_left() {
        let fails = |steps: &[u64]| {
            let last = steps.iter().position(|step| *step == 71)?;
            let used = &steps[..=last];
            (used.contains(&3) && used.contains(&40)).then(|| used.to_vec())
        };
        assert_eq!(shrink((0..600).collect(), fails), [3, 40, 71]);
    }
}
