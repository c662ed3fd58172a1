use super::script::check;

#[test]
fn creating_a_queue_again_compares_what_is_given() {
    check(
        "
        0s create q delay=5
        0s create q
        0s create q delay=5
        0s create q delay=6 => QueueNameExists
        0s create q visibility=30
        ",
    );
}

#[test]
fn a_deleted_queue_rests_for_a_minute() {
    check(
        "
        0s create q
        0s drop q
        0s drop q => no queue
        59s create q => QueueDeletedRecently
        60s create q
        ",
    );
}

#[test]
fn a_queue_is_purged_once_a_minute() {
    check(
        "
        0s create q visibility=100
        0s send q a b => ok ok
        0s send q c delay=500
        0s receive q n=1 => a
        0s count q => 1/1/1
        1s purge q
        1s count q => 0/0/0
        1s delete q a => ok
        2s purge q => PurgeQueueInProgress
        61s purge q
        ",
    );
}

#[test]
fn queues_are_listed_by_name_in_pages() {
    check(
        "
        0s create b
        0s create a1
        0s create a2
        0s create a3
        0s list => a1 a2 a3 b
        0s list a => a1 a2 a3
        0s list a limit=2 => a1 a2 ...
        0s list a limit=2 after=a2 => a3
        0s list c =>
        ",
    );
}

#[test]
fn the_kind_of_a_queue_is_fixed() {
    check(
        "
        0s create q
        0s set q fifo=true => InvalidAttributeValue
        0s set q fifo=false => InvalidAttributeName
        0s set q content=true => InvalidAttributeName
        0s create q.fifo fifo=true
        0s set q.fifo fifo=true
        0s set q.fifo fifo=false => InvalidAttributeValue
        ",
    );
}

#[test]
fn a_refused_change_changes_nothing() {
    check(
        "
        0s create q delay=1
        0s set q delay=2 dlq=nowhere/1 => InvalidParameterValue
        0s create q delay=1
        ",
    );
}

#[test]
fn a_key_ends_managed_encryption_and_the_other_way_round() {
    check(
        "
        0s create q
        0s create q sse=true
        0s set q key=k
        0s create q sse=false
        0s create q key=k
        0s set q sse=true
        0s create q key=k => QueueNameExists
        0s set q key=k
        0s set q key=none
        0s create q sse=false
        ",
    );
}

#[test]
fn creating_a_queue_again_asks_for_nothing_that_it_has() {
    check(
        "
        0s create d
        0s create q dlq=d/3
        0s drop d
        0s create q dlq=d/3
        0s create q dlq=d/4 => QueueNameExists
        ",
    );
}

#[test]
fn high_throughput_needs_deduplication_within_groups() {
    check(
        "
        0s create q.fifo throughput=group             => InvalidAttributeValue
        0s create q.fifo throughput=group scope=group
        0s create q.fifo throughput=group
        0s create q.fifo scope=queue                  => QueueNameExists
        0s set q.fifo scope=queue                     => InvalidAttributeValue
        0s set q.fifo scope=queue throughput=queue
        ",
    );
}
