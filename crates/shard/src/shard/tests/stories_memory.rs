//! The same promises with next to no memory: everything beyond a few messages is on pages.

use stanchion_engine as engine;

use super::script::check_with;
use crate::Options;

/// A window of four messages and pages of two.
fn tiny() -> Options {
    // Buckets of a record or two, so that pages reach over many.
    let usage = engine::usage::Options { bucket_bytes: 150, ..Default::default() };
    let engine =
        engine::Options { window_standard: 4, window_fifo: 4, page_messages: 2, usage, ..engine::Options::default() };
    Options { engine, seed: 1 }
}

#[test]
fn a_backlog_on_pages_is_counted_and_served_in_order() {
    check_with(
        tiny(),
        "
        0s create q
        0s send q a b c d e f g h i j k l => ok ok ok ok ok ok ok ok ok ok ok ok
        0s count q => 12/0/0
        0s receive q n=3 => a b c
        0s receive q n=4 => d e f g
        0s receive q n=4 => h i j k
        0s receive q n=4 => l
        0s count q => 0/12/0
        30s count q => 12/0/0
        30s receive q n=1 => a#2
        30s receive q n=4 => b#2 c#2 d#2 e#2
        30s receive q n=4 => f#2 g#2 h#2 i#2
        ",
    );
}

#[test]
fn what_came_back_and_turned_cold_can_still_be_deleted() {
    check_with(
        tiny(),
        "
        0s create q visibility=10
        0s send q a b c d e f g h i j => ok ok ok ok ok ok ok ok ok ok
        0s receive q n=4 => a b c d
        0s receive q n=4 => e f g h
        0s receive q n=4 => i j
        10s count q => 10/0/0
        11s hide q j for=5 => visible
        11s delete q j a e => ok ok ok
        11s delete q j => ok
        11s count q => 7/0/0
        11s receive q n=4 => b#2 c#2 d#2 f#2
        11s receive q n=4 => g#2 h#2 i#2
        ",
    );
}

#[test]
fn cold_messages_expire_on_time() {
    check_with(
        tiny(),
        "
        0s create q retention=60
        0s send q a b c d e => ok ok ok ok ok
        5s send q f g h i j k => ok ok ok ok ok ok
        59s count q => 11/0/0
        60s count q => 6/0/0
        61s receive q n=4 => f g h i
        61s receive q n=4 => j k
        64s set q retention=1000
        65s count q => 0/6/0
        ",
    );
}

#[test]
fn groups_stay_in_order_across_pages() {
    check_with(
        tiny(),
        "
        0s create q.fifo content=true visibility=10
        0s send q.fifo a.1 a.2 a.3 a.4 b.1 b.2 a.5 a.6 b.3 a.7 => ok ok ok ok ok ok ok ok ok ok
        0s receive q.fifo n=2 => a.1 a.2
        0s receive q.fifo n=4 => b.1 b.2
        10s receive q.fifo n=3 => a.1#2 a.2#2 a.3
        10s delete q.fifo a.1 a.2 a.3 => ok ok ok
        10s receive q.fifo n=1 => a.4
        10s receive q.fifo n=4 => b.1#2 b.2#2
        10s delete q.fifo a.4 => ok
        10s receive q.fifo n=4 => a.5 a.6 a.7
        10s count q.fifo => 1/5/0
        ",
    );
}

#[test]
fn a_cold_queue_can_be_purged_and_deleted() {
    check_with(
        tiny(),
        "
        0s create q
        0s send q a b c d e f g h => ok ok ok ok ok ok ok ok
        1s purge q
        1s count q => 0/0/0
        1s send q i j k l m n o p => ok ok ok ok ok ok ok ok
        1s receive q n=2 => i j
        1s drop q
        ",
    );
}

#[test]
fn a_move_task_empties_a_cold_queue() {
    check_with(
        tiny(),
        "
        0s create d
        0s create q dlq=d/1
        0s send d a b c d e f g h i j => ok ok ok ok ok ok ok ok ok ok
        0s move d to=q
        1s tick
        2s tick
        3s tick
        4s tick
        4s count d => 0/0/0
        4s count q => 10/0/0
        4s tasks d => COMPLETED 10/10
        4s receive q n=4 => a b c d
        ",
    );
}

#[test]
fn a_page_gives_nothing_that_grew_too_old_on_it() {
    check_with(
        tiny(),
        "
        0s create q retention=60
        0s send q a b c d => ok ok ok ok
        1s send q e f => ok ok
        50s send q g h i j => ok ok ok ok
        60s receive q n=4 => e f g h
        61s receive q n=4 => i j
        ",
    );
}
