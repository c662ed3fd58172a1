//! Messages that were handed out and did not reach who asked.

use super::script::check;

#[test]
fn a_message_that_is_given_back_is_visible_at_once_and_was_not_received_that_time() {
    check(
        "
        0s create q visibility=30
        0s send q a
        0s receive q => a
        1s return q a => ok
        1s count q => 1/0/0
        1s receive q => a
        2s return q a => ok
        3s receive q => a
        33s receive q => a#2
        34s return q a => ok
        34s receive q => a#2
        ",
    );
}

#[test]
fn a_message_that_is_given_back_never_becomes_a_dead_letter_for_it() {
    check(
        "
        0s create d
        0s create q dlq=d/1 visibility=30
        0s send q a
        0s receive q => a
        0s return q a => ok
        1s receive q => a
        1s return q a => ok
        2s receive q => a
        40s receive q => nothing
        40s receive d => a#2<q@0s
        ",
    );
}

#[test]
fn on_a_standard_queue_what_is_given_back_goes_behind_the_others() {
    check(
        "
        0s create q
        0s send q a b c => ok ok ok
        0s receive q n=1 => a
        0s return q a => ok
        0s receive q => b c a
        ",
    );
}

#[test]
fn on_a_fifo_queue_what_is_given_back_keeps_its_place() {
    check(
        "
        0s create q.fifo fifo=true content=true
        0s send q.fifo a.1 a.2 a.3 b.1 => ok ok ok ok
        0s receive q.fifo n=2 => a.1 a.2
        0s return q.fifo a.1 a.2 => ok ok
        0s receive q.fifo n=4 => a.1 a.2 a.3 b.1
        ",
    );
}

#[test]
fn an_attempt_does_not_bring_again_what_was_given_back() {
    check(
        "
        0s create q.fifo fifo=true content=true visibility=30
        0s send q.fifo a.1 b.1 => ok ok
        0s receive q.fifo attempt=x => a.1 b.1
        1s return q.fifo a.1 attempt=x => ok
        2s receive q.fifo attempt=x => b.1
        2s receive q.fifo => a.1
        ",
    );
}

#[test]
fn a_receipt_that_nobody_was_given_deletes_nothing() {
    check(
        "
        0s create q.fifo fifo=true content=true visibility=30
        0s send q.fifo a.1 => ok
        0s receive q.fifo => a.1
        1s return q.fifo a.1 => ok
        1s delete q.fifo a.1 => ok
        2s receive q.fifo => a.1
        2s delete q.fifo a.1 => ok
        3s receive q.fifo => nothing
        ",
    );
}

#[test]
fn only_the_last_receive_of_a_message_in_flight_can_be_given_back() {
    check(
        "
        0s create q visibility=30
        0s send q a
        0s receive q => a
        1s delete q a => ok
        1s return q a => gone
        2s send q b
        2s receive q => b
        3s hide q b for=0 => ok
        3s return q b => gone
        3s return q b b => gone gone
        4s receive q => b#2
        4s return q b b => ok gone
        ",
    );
}
