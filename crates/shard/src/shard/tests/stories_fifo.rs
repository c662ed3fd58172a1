use super::script::check;

#[test]
fn a_group_is_locked_while_a_message_of_it_is_in_flight() {
    check(
        "
        0s create q.fifo content=true visibility=30
        0s send q.fifo a.1 a.2 b.1 => ok ok ok
        0s receive q.fifo n=1 => a.1
        0s receive q.fifo n=1 => b.1
        0s receive q.fifo => nothing
        1s delete q.fifo a.1 => ok
        1s receive q.fifo => a.2
        ",
    );
}

#[test]
fn a_receive_fills_from_one_group_and_goes_on_with_the_next() {
    check(
        "
        0s create q.fifo content=true
        0s send q.fifo a.1 b.1 a.2 c.1 b.2 => ok ok ok ok ok
        0s receive q.fifo n=3 => a.1 a.2 b.1
        0s receive q.fifo => c.1
        ",
    );
}

#[test]
fn half_a_batch_deleted_keeps_the_group_locked() {
    check(
        "
        0s create q.fifo content=true visibility=30
        0s send q.fifo a.1 a.2 a.3 => ok ok ok
        0s receive q.fifo n=2 => a.1 a.2
        1s delete q.fifo a.1 => ok
        1s receive q.fifo => nothing
        1s delete q.fifo a.2 => ok
        1s receive q.fifo => a.3
        ",
    );
}

#[test]
fn a_message_made_visible_waits_for_its_siblings_in_flight() {
    check(
        "
        0s create q.fifo content=true visibility=30
        0s send q.fifo a.1 a.2 => ok ok
        0s receive q.fifo => a.1 a.2
        1s hide q.fifo a.1 for=0 => ok
        1s receive q.fifo => nothing
        2s hide q.fifo a.2 for=0 => ok
        2s receive q.fifo => a.1#2 a.2#2
        ",
    );
}

#[test]
fn a_timeout_returns_a_message_to_the_head_of_its_group() {
    check(
        "
        0s create q.fifo content=true visibility=10
        0s send q.fifo a.1 a.2 => ok ok
        0s receive q.fifo n=1 => a.1
        10s receive q.fifo n=1 => a.1#2
        10s delete q.fifo a.1' => expired
        20s delete q.fifo a.1 => expired
        20s hide q.fifo a.1 for=5 => expired
        20s receive q.fifo => a.1#3 a.2
        20s delete q.fifo a.1 a.2 => ok ok
        20s delete q.fifo a.1 => ok
        20s hide q.fifo a.1 for=5 => gone
        ",
    );
}

#[test]
fn timeout_zero_expires_the_receipt_at_once() {
    check(
        "
        0s create q.fifo content=true
        0s send q.fifo a.1
        0s receive q.fifo visibility=0 => a.1
        0s delete q.fifo a.1 => expired
        0s receive q.fifo => a.1#2
        ",
    );
}

#[test]
fn a_deduplication_id_is_taken_for_five_minutes() {
    check(
        "
        0s create q.fifo content=true
        0s send q.fifo a.1 => ok
        1s send q.fifo a.1 => duplicate
        2s receive q.fifo => a.1
        2s delete q.fifo a.1 => ok
        3s send q.fifo a.1 => duplicate
        299999ms send q.fifo a.1 => duplicate
        300s send q.fifo a.1 => ok
        301s send q.fifo a.1 => duplicate
        ",
    );
}

#[test]
fn duplicates_within_a_batch_are_found() {
    check(
        "
        0s create q.fifo content=true
        0s send q.fifo a.1 a.1 a.2 => ok duplicate ok
        0s count q.fifo => 2/0/0
        ",
    );
}

#[test]
fn the_scope_says_where_an_id_is_unique() {
    check(
        "
        0s create q.fifo
        0s send q.fifo x group=a dedup=1 => ok
        0s send q.fifo x group=b dedup=1 => duplicate
        0s set q.fifo scope=group
        0s send q.fifo x group=b dedup=1 => ok
        0s send q.fifo x group=b dedup=1 => duplicate
        0s send q.fifo x group=c dedup=1 => ok
        ",
    );
}

#[test]
fn content_is_an_id_only_where_the_queue_says_so() {
    check(
        "
        0s create q.fifo
        0s send q.fifo a.1 => InvalidParameterValue
        0s send q.fifo a.1 dedup=1 => ok
        0s set q.fifo content=true
        0s send q.fifo a.1 => ok
        0s send q.fifo a.2 dedup=1 => duplicate
        ",
    );
}

#[test]
fn a_purge_unlocks_groups_and_keeps_deduplication_ids() {
    check(
        "
        0s create q.fifo content=true
        0s send q.fifo a.1 a.2 => ok ok
        0s receive q.fifo n=1 => a.1
        1s purge q.fifo
        1s count q.fifo => 0/0/0
        1s send q.fifo a.1 => duplicate
        1s send q.fifo a.3 => ok
        1s receive q.fifo => a.3
        1s delete q.fifo a.1 => ok
        ",
    );
}

#[test]
fn a_repeated_attempt_returns_the_same_messages_and_receipts() {
    check(
        "
        0s create q.fifo content=true visibility=30
        0s send q.fifo a.1 a.2 b.1 => ok ok ok
        0s receive q.fifo n=2 attempt=x => a.1 a.2
        9s receive q.fifo n=9 attempt=x => a.1 a.2
        38s receive q.fifo n=9 => b.1
        38s delete q.fifo a.1' => ok
        38s receive q.fifo n=9 attempt=x => nothing
        39s receive q.fifo n=9 => a.2#2
        ",
    );
}

#[test]
fn the_delay_of_the_queue_applies_to_all_messages_also_when_it_changes() {
    check(
        "
        0s create q.fifo content=true delay=10
        0s send q.fifo a.1
        5s send q.fifo a.2
        5s count q.fifo => 0/0/2
        10s receive q.fifo => a.1
        10s delete q.fifo a.1 => ok
        11s set q.fifo delay=60
        15s receive q.fifo => nothing
        16s set q.fifo delay=0
        16s receive q.fifo => a.2
        ",
    );
}

#[test]
fn long_polls_are_woken_when_a_group_unlocks() {
    check(
        "
        0s create q.fifo content=true
        0s send q.fifo a.1 a.2 => ok ok
        0s receive q.fifo n=1 => a.1
        0s receive q.fifo wait=20 => waits
        3s delete q.fifo a.1 => ok, w1: a.2
        ",
    );
}

#[test]
fn a_change_of_the_queue_delay_wakes_long_polls() {
    check(
        "
        0s create q.fifo content=true delay=100
        0s send q.fifo a.1
        0s receive q.fifo wait=20 => waits
        3s set q.fifo delay=0 => ok, w1: a.1
        ",
    );
}
