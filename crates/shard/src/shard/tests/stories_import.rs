//! Messages that come from elsewhere.

use super::script::check;

#[test]
fn imported_messages_stand_behind_what_is_there_and_keep_their_receive_counts() {
    check(
        "
        0s create q
        0s send q a => ok
        0s import q b c received=3
        0s count q => 3/0/0
        0s receive q => a b#4 c#4
        ",
    );
}

#[test]
fn an_imported_message_is_as_old_as_it_says() {
    check(
        "
        0s create q retention=60
        0s import q a b ago=50
        0s import q c ago=60
        0s count q => 2/0/0
        9s count q => 2/0/0
        10s count q => 0/0/0
        ",
    );
}

#[test]
fn what_was_hidden_on_a_standard_queue_stays_hidden_as_long() {
    check(
        "
        0s create q
        0s import q a hidden=20
        0s import q b hidden=100000
        0s count q => 0/0/2
        20s receive q => a
        43199s receive q => a#2
        43200s receive q => b
        ",
    );
}

#[test]
fn imported_fifo_messages_keep_their_order_whatever_hid_them() {
    check(
        "
        0s create q.fifo fifo=true content=true
        0s send q.fifo a.1 => ok
        0s import q.fifo a.2 hidden=20
        0s import q.fifo a.3 b.1
        0s receive q.fifo n=2 => a.1 a.2
        0s delete q.fifo a.1 a.2 => ok ok
        0s receive q.fifo => a.3 b.1
        ",
    );
}

#[test]
fn the_delay_of_a_fifo_queue_counts_from_when_an_imported_message_was_sent() {
    check(
        "
        0s create q.fifo fifo=true delay=30
        0s import q.fifo a.1 ago=20
        0s import q.fifo a.2 ago=5
        0s receive q.fifo => nothing
        10s receive q.fifo => a.1
        10s delete q.fifo a.1 => ok
        24s receive q.fifo => nothing
        25s receive q.fifo => a.2
        ",
    );
}

#[test]
fn an_import_with_one_bad_message_changes_nothing() {
    check(
        "
        0s create q size=1024
        0s create q.fifo fifo=true content=true
        0s import q.fifo a.1 b c.1 => 1: MissingParameter
        0s count q.fifo => 0/0/0
        0s import q.fifo a.1
        0s receive q.fifo => a.1
        ",
    );
}

#[test]
fn imported_messages_move_on_like_any_other() {
    check(
        "
        0s create dead
        0s create q dlq=dead/3
        0s import q a received=3
        0s receive q => nothing
        0s receive dead => a#4<q@0s
        0s import dead b source=q
        0s move dead
        0s receive q => b
        ",
    );
}
