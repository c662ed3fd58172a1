//! Ids of requests.

use std::cell::RefCell;

use stanchion_types::RequestId;
use stanchion_types::ids::uuid_v4;

/// How many bytes a thread asks the operating system for at once: 64 ids.
const POOL_BYTES: usize = 1024;

thread_local! {
    static POOL: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Makes an id: a random UUID.
pub(crate) fn new() -> RequestId {
    POOL.with_borrow_mut(|pool| {
        if pool.is_empty() {
            pool.resize(POOL_BYTES, 0);
            // An id only names a request in logs. Without random bytes it is a poor name, but no reason to refuse.
            let _ = getrandom::fill(pool);
        }
        let bits = *pool.last_chunk::<16>().expect("the pool is a whole number of ids");
        pool.truncate(pool.len() - bits.len());
        RequestId(uuid_v4(bits))
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_are_random_uuids_and_differ() {
        let ids: HashSet<String> = (0..1000).map(|_| new().to_string()).collect();
        assert_eq!(ids.len(), 1000);
        assert!(ids.iter().all(|id| id.len() == 36 && id.as_bytes()[14] == b'4'));
    }
}
