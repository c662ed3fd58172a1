use super::*;

fn group(number: u64) -> LaneKey {
    Some(GroupKey(number))
}

fn lanes(locking: bool, messages: &[(LaneKey, u64)]) -> Lanes {
    let mut lanes = Lanes::new(locking, Lengths { low: 2, high: 8 });
    for &(lane, order) in messages {
        lanes.insert(lane, order, MessageKey(order));
    }
    lanes
}

fn order(lanes: &Lanes) -> Vec<u64> {
    lanes.next().map(|key| key.0).collect()
}

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_millis(seconds * 1000)
}

/// Takes the first message as a receive does.
fn receive(lanes: &mut Lanes, lane: LaneKey, order: u64, now: Timestamp) {
    lanes.remove(lane, order);
    lanes.started(lane, now);
}

#[test]
fn a_standard_queue_merges_all_groups_by_order() {
    let lanes = lanes(false, &[(group(1), 5), (None, 2), (group(2), 3), (group(1), 1), (None, 4), (group(2), 6)]);
    assert_eq!(order(&lanes), [1, 2, 3, 4, 5, 6]);
}

#[test]
fn a_fifo_queue_finishes_a_group_before_the_next() {
    let lanes = lanes(true, &[(group(1), 5), (group(2), 3), (group(1), 1), (group(2), 6)]);
    assert_eq!(order(&lanes), [1, 5, 3, 6]);
}

#[test]
fn a_lane_is_locked_until_its_last_message_has_left_flight() {
    let mut lanes = lanes(true, &[(group(1), 1), (group(1), 2), (group(1), 3), (group(2), 4)]);
    receive(&mut lanes, group(1), 1, at(0));
    receive(&mut lanes, group(1), 2, at(0));
    assert_eq!(order(&lanes), [4]);
    lanes.ended(group(1), at(0), at(1));
    assert_eq!(order(&lanes), [4]);
    lanes.ended(group(1), at(0), at(1));
    assert_eq!(order(&lanes), [3, 4]);
}

#[test]
fn a_group_with_thirty_in_flight_and_a_tenth_of_all_is_served_last() {
    let backlog: Vec<_> = (0..100).map(|order| (group(1), order)).chain([(group(2), 100), (None, 101)]).collect();
    let mut lanes = lanes(false, &backlog);
    for order in 0..29 {
        receive(&mut lanes, group(1), order, at(0));
    }
    assert_eq!(order(&lanes)[0], 29);
    receive(&mut lanes, group(1), 29, at(0));
    assert_eq!(order(&lanes)[..3], [100, 101, 30]);
    // Nothing else waits: the noisy group is served.
    lanes.remove(group(2), 100);
    lanes.remove(None, 101);
    assert_eq!(order(&lanes)[0], 30);
}

#[test]
fn of_several_noisy_groups_the_one_with_fewer_in_flight_goes_first() {
    let backlog: Vec<_> = (0..100).map(|order| (group(order % 2), order)).collect();
    let mut lanes = lanes(false, &backlog);
    for order in 0..80 {
        receive(&mut lanes, group(order % 2), order, at(0));
    }
    lanes.ended(group(1), at(0), at(0));
    assert_eq!(order(&lanes)[..2], [81, 83]);
}

#[test]
fn a_noisy_group_is_quiet_after_five_idle_minutes() {
    let backlog: Vec<_> = (0..100).map(|order| (group(1), order)).chain([(group(2), 100), (group(2), 101)]).collect();
    let mut lanes = lanes(false, &backlog);
    for order in 0..30 {
        receive(&mut lanes, group(1), order, at(0));
    }
    for _ in 0..30 {
        lanes.ended(group(1), at(0), at(1));
    }
    assert_eq!(order(&lanes)[0], 100);
    receive(&mut lanes, group(2), 100, at(300));
    assert_eq!(order(&lanes)[0], 101);
    lanes.insert(group(2), 102, MessageKey(102));
    receive(&mut lanes, group(2), 101, at(301));
    assert_eq!(order(&lanes)[0], 30);
}

#[test]
fn a_group_that_keeps_consumers_busy_is_noisy_with_few_messages() {
    let mut lanes = lanes(false, &[(group(1), 1), (group(1), 2), (group(1), 3), (group(2), 4), (group(2), 5)]);
    receive(&mut lanes, group(1), 1, at(0));
    assert_eq!(order(&lanes)[0], 2);
    // Forty seconds for one message, and a second one under way.
    lanes.ended(group(1), at(0), at(40));
    receive(&mut lanes, group(1), 2, at(40));
    assert_eq!(order(&lanes), [4, 5, 3]);
}

#[test]
fn what_is_served_last_is_given_up_first() {
    let lanes = lanes(true, &[(group(1), 1), (group(1), 5), (group(2), 2), (group(2), 3)]);
    let keys: Vec<u64> = lanes.last(3).into_iter().map(|key| key.0).collect();
    assert_eq!(keys, [3, 2, 5]);
}

#[test]
fn what_is_remembered_of_a_group_does_not_depend_on_what_a_snapshot_leaves_out() {
    let messages: Vec<_> = (0..=NOISE.messages_min as u64 + 1).map(|order| (group(1), order)).collect();
    let mut live = lanes(false, &messages);
    // Received and given back within a millisecond: nothing that a snapshot would keep.
    receive(&mut live, group(1), 0, at(100));
    live.ended(group(1), at(100), at(100));
    assert_eq!(live.conduct(), []);
    let mut restored = lanes(false, &messages[1..]);
    for order in 1..=NOISE.messages_min as u64 {
        receive(&mut live, group(1), order, at(100));
        receive(&mut restored, group(1), order, at(100));
    }
    assert_eq!(live.conduct().len(), 1, "the group has become noisy");
    assert_eq!(live.conduct(), restored.conduct());
    assert_eq!(live.busy(), restored.busy());
}

/// Takes the last messages of a lane to a page.
fn chill(lanes: &mut Lanes, lane: LaneKey, orders: &[u64], page: u64) {
    for order in orders {
        lanes.remove(lane, *order);
    }
    lanes.put_page(lane, orders[0], PageId(page));
}

#[test]
fn what_stands_behind_a_page_of_its_lane_waits_for_it() {
    let mut lanes = lanes(true, &[(group(1), 1), (group(1), 2), (group(1), 3), (group(1), 4), (group(2), 6)]);
    chill(&mut lanes, group(1), &[3, 4], 7);
    lanes.insert(group(1), 5, MessageKey(5));
    assert_eq!(order(&lanes), [1, 2, 6]);
    assert_eq!((lanes.ready(), lanes.servable(), lanes.hungry()), (4, 3, None));
    receive(&mut lanes, group(1), 1, at(0));
    assert_eq!((order(&lanes), lanes.servable(), lanes.hungry()), (vec![6], 1, None));
    // One is left, so the lane wants its page as soon as it is not locked any more.
    lanes.ended(group(1), at(0), at(1));
    assert_eq!((lanes.hungry(), lanes.first_page(group(1))), (Some(PageId(7)), Some(PageId(7))));
    lanes.remove_page(group(1), 3, PageId(7));
    lanes.insert(group(1), 3, MessageKey(3));
    lanes.insert(group(1), 4, MessageKey(4));
    assert_eq!(order(&lanes), [2, 3, 4, 5, 6]);
    assert_eq!((lanes.servable(), lanes.hungry()), (5, None));
}

#[test]
fn pages_of_a_lane_return_in_order() {
    let mut lanes = lanes(true, &[(group(1), 1), (group(1), 2), (group(1), 3), (group(1), 4), (group(1), 9)]);
    chill(&mut lanes, group(1), &[3, 4], 7);
    chill(&mut lanes, group(1), &[2], 8);
    assert_eq!(order(&lanes), [1]);
    assert_eq!(lanes.hungry(), Some(PageId(8)));
    lanes.remove_page(group(1), 2, PageId(8));
    assert_eq!(lanes.hungry(), Some(PageId(7)));
    lanes.remove(group(1), 1);
    lanes.remove(group(1), 9);
    assert_eq!(order(&lanes), [] as [u64; 0]);
    assert_eq!(lanes.hungry(), Some(PageId(7)));
    lanes.remove_page(group(1), 3, PageId(7));
    assert_eq!((lanes.hungry(), lanes.lanes.len()), (None, 0));
}

#[test]
fn the_longest_lane_gives_up_its_back_half_and_a_lane_with_pages_nothing_to_others() {
    let long = (0..9).map(|order| (group(1), order));
    let short = (0..5).map(|order| (group(2), 10 + order));
    let mut lanes = lanes(true, &long.chain(short).collect::<Vec<_>>());
    let numbers = |keys: Vec<MessageKey>| keys.into_iter().map(|key| key.0).collect::<Vec<_>>();
    assert_eq!(numbers(lanes.back_of_longest(0, 10)), [8, 7, 6, 5]);
    assert_eq!(numbers(lanes.back_of_longest(9, 2)), [8, 7]);
    assert_eq!(numbers(lanes.back_of_longest(10, 2)), [] as [u64; 0]);
    chill(&mut lanes, group(1), &[5, 6, 7, 8], 7);
    assert_eq!(numbers(lanes.last(3)), [14, 13, 12]);
    assert_eq!(numbers(lanes.back_of_paged(10)), [4, 3]);
    // A lane that is not too long gives something up when it is locked.
    assert_eq!(numbers(lanes.back_of_longest(0, 10)), [] as [u64; 0]);
    receive(&mut lanes, group(2), 10, at(0));
    assert_eq!(numbers(lanes.back_of_longest(0, 10)), [14, 13]);
}
