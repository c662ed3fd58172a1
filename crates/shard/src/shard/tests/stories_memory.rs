//! The same promises with next to no memory: everything beyond a few messages is on pages.

use stanchion_engine as engine;

use super::script::check_with;
use crate::Options;

/// A window of four messages, pages of two, and two delayed messages in memory.
fn tiny() -> Options {
    // Buckets of a record or two, so that pages reach over many.
    let usage = engine::usage::Options { bucket_bytes: 150, ..Default::default() };
    let engine = engine::Options {
        window_standard: 4,
        window_fifo: 4,
        page_messages: 2,
        delayed_max: 2,
        usage,
        ..engine::Options::default()
    };
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
        0s receive q.fifo n=2 => b.1 b.2
        10s receive q.fifo n=3 => a.1#2 a.2#2 a.3
        10s delete q.fifo a.1 a.2 a.3 => ok ok ok
        10s receive q.fifo n=1 => a.4
        10s receive q.fifo n=2 => b.1#2 b.2#2
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

#[test]
fn a_delayed_message_on_a_page_becomes_visible_on_time() {
    check_with(
        tiny(),
        "
        0s create q
        0s send q a delay=900
        0s send q b c d e delay=60 => ok ok ok ok
        0s send q f g delay=10 => ok ok
        0s send q h
        0s count q => 1/0/7
        9999ms count q => 1/0/7
        10s count q => 3/0/5
        59999ms receive q n=4 => h f g
        60s count q => 4/3/1
        60s receive q n=4 => b c d e
        60s delete q b c d e f g h => ok ok ok ok ok ok ok
        899s receive q => nothing
        900s receive q => a
        ",
    );
}

#[test]
fn a_delayed_message_on_a_page_expires_is_purged_and_is_deleted_with_its_queue() {
    check_with(
        tiny(),
        "
        0s create q retention=60
        0s send q a b c d e f delay=50 => ok ok ok ok ok ok
        5s send q g h i j k l delay=300 => ok ok ok ok ok ok
        59s count q => 6/0/6
        60s count q => 0/0/6
        65s count q => 0/0/0
        70s send q m n o p q r delay=20 => ok ok ok ok ok ok
        71s purge q
        71s count q => 0/0/0
        90s receive q => nothing
        91s send q s t u v w x delay=20 => ok ok ok ok ok ok
        92s drop q
        93s create q2
        93s count q2 => 0/0/0
        ",
    );
}

#[test]
fn the_delay_of_a_fifo_queue_can_change_while_messages_are_on_pages() {
    check_with(
        tiny(),
        "
        0s create q.fifo content=true delay=100
        0s send q.fifo a.1 b.1 a.2 b.2 a.3 b.3 a.4 b.4 => ok ok ok ok ok ok ok ok
        1s send q.fifo a.5
        50s count q.fifo => 0/0/9
        50s set q.fifo delay=200
        100s count q.fifo => 0/0/9
        110s set q.fifo delay=110
        110s count q.fifo => 8/0/1
        111s count q.fifo => 9/0/0
        111s send q.fifo a.6
        112s set q.fifo delay=0
        112s send q.fifo a.7
        112s receive q.fifo n=4 => a.1 a.2 b.1 b.2
        112s delete q.fifo a.1 a.2 => ok ok
        112s receive q.fifo n=2 => a.3 a.4
        112s delete q.fifo a.3 a.4 b.1 b.2 => ok ok ok ok
        112s receive q.fifo n=2 => b.3 b.4
        112s receive q.fifo n=3 => a.5 a.6 a.7
        ",
    );
}

#[test]
fn a_dead_letter_does_not_overtake_delayed_messages_that_are_on_pages() {
    check_with(
        tiny(),
        "
        0s create d.fifo content=true delay=30
        0s create q.fifo content=true visibility=0 dlq=d.fifo/1
        0s send d.fifo a.1 a.2 a.3 a.4 a.5 a.6 => ok ok ok ok ok ok
        1s send q.fifo a.7
        1s receive q.fifo => a.7
        2s receive q.fifo => nothing
        29s count d.fifo => 0/0/7
        30s count d.fifo => 6/0/1
        30s receive d.fifo => a.1 a.2 a.3 a.4
        30s delete d.fifo a.1 a.2 a.3 a.4 => ok ok ok ok
        30s receive d.fifo => a.5 a.6
        30s delete d.fifo a.5 a.6 => ok ok
        32s receive d.fifo => a.7#2<q.fifo@2s
        ",
    );
}

#[test]
fn an_import_waits_for_overdue_messages_on_pages_and_no_longer() {
    check_with(
        tiny(),
        "
        0s create d.fifo content=true delay=30
        0s create q.fifo content=true visibility=0 dlq=d.fifo/1
        0s send d.fifo a.1 a.2 a.3 a.4 a.5 a.6 => ok ok ok ok ok ok
        1s send q.fifo a.7
        1s receive q.fifo => a.7
        40s disk stalls
        40s receive q.fifo => nothing
        41s import d.fifo a.8 ago=60
        41s import d.fifo a.9 ago=5
        41s import d.fifo a.10 ago=60
        41s disk goes on
        41s tick
        41s count d.fifo => 8/0/2
        41s receive d.fifo n=1 => a.1
        41s delete d.fifo a.1 => ok
        65s count d.fifo => 7/0/2
        66s count d.fifo => 9/0/0
        ",
    );
}

#[test]
fn a_move_task_moves_delayed_messages_from_pages_when_they_are_visible() {
    check_with(
        tiny(),
        "
        0s create d
        0s create q dlq=d/1
        0s send d a b c d e f delay=5 => ok ok ok ok ok ok
        0s move d to=q
        4s tick
        4s count d => 0/0/6
        5s tick
        6s tick
        7s tick
        7s count d => 0/0/0
        7s receive q n=4 => a b c d
        ",
    );
}

/// As [`tiny`], and two messages of a group in memory.
fn short_lanes() -> Options {
    let mut options = tiny();
    options.engine.lane_max = 2;
    options
}

#[test]
fn a_locked_group_with_many_messages_does_not_hide_the_others() {
    check_with(
        short_lanes(),
        "
        0s create q.fifo content=true visibility=100
        0s send q.fifo a.1
        0s receive q.fifo => a.1
        1s send q.fifo a.2 a.3 a.4 a.5 a.6 a.7 a.8 a.9 => ok ok ok ok ok ok ok ok
        2s send q.fifo a.10 a.11 a.12 a.13 b.1 c.1 a.14 b.2 => ok ok ok ok ok ok ok ok
        3s count q.fifo => 16/1/0
        3s receive q.fifo => b.1 b.2 c.1
        4s delete q.fifo a.1 => ok
        4s receive q.fifo n=2 => a.2 a.3
        5s receive q.fifo => nothing
        6s hide q.fifo a.3 a.2 for=0 => ok ok
        6s receive q.fifo n=1 => a.2#2
        7s delete q.fifo a.2 => ok
        7s receive q.fifo n=2 => a.3#2 a.4
        8s delete q.fifo a.3 a.4 => ok ok
        8s receive q.fifo n=1 => a.5
        8s delete q.fifo a.5 => ok
        9s receive q.fifo n=2 => a.6 a.7
        9s delete q.fifo a.6 a.7 => ok ok
        9s count q.fifo => 7/3/0
        ",
    );
}

#[test]
fn a_group_on_pages_of_its_own_expires_and_is_purged() {
    check_with(
        short_lanes(),
        "
        0s create q.fifo content=true visibility=1000 retention=60
        0s send q.fifo a.1
        0s receive q.fifo => a.1
        1s send q.fifo a.2 a.3 a.4 a.5 a.6 a.7 => ok ok ok ok ok ok
        9s send q.fifo a.8 a.9 => ok ok
        60s count q.fifo => 8/0/0
        61s count q.fifo => 2/0/0
        61s receive q.fifo n=1 => a.8
        62s send q.fifo a.10 a.11 a.12 a.13 a.14 a.15 => ok ok ok ok ok ok
        63s purge q.fifo
        63s count q.fifo => 0/0/0
        64s send q.fifo a.16
        64s receive q.fifo => a.16
        ",
    );
}

#[test]
fn all_queues_together_keep_to_the_budget_and_lose_nothing() {
    let mut options = tiny();
    options.engine.warm_max = 6;
    check_with(
        options,
        "
        0s create p
        0s create q
        0s create r
        0s send p a b c d => ok ok ok ok
        0s send q e f g h => ok ok ok ok
        0s send r i j k l => ok ok ok ok
        1s count p => 4/0/0
        1s receive q n=2 => e f
        1s receive q n=2 => g h
        1s receive p n=1 => a
        1s receive p n=2 => b c
        1s receive r n=2 => i j
        1s receive p n=2 => d
        1s receive r n=2 => k l
        2s delete p a b c d => ok ok ok ok
        31s count r => 4/0/0
        ",
    );
}
