use super::script::check;

#[test]
fn a_received_message_stays_hidden_until_its_timeout() {
    check(
        "
        0s create q visibility=30
        0s send q a
        0s receive q => a
        0s count q => 0/1/0
        29999ms receive q => nothing
        30s count q => 1/0/0
        30s receive q => a#2
        ",
    );
}

#[test]
fn the_timeout_of_a_receive_is_its_own() {
    check(
        "
        0s create q visibility=30
        0s send q a
        0s receive q visibility=5 => a
        1s set q visibility=100
        5s receive q => a#2
        104s receive q => nothing
        105s receive q => a#3
        ",
    );
}

#[test]
fn a_receive_with_timeout_zero_leaves_the_message_visible() {
    check(
        "
        0s create q
        0s send q a
        0s receive q visibility=0 => a
        0s count q => 1/0/0
        0s receive q visibility=0 => a#2
        0s delete q a => ok
        0s receive q => nothing
        ",
    );
}

#[test]
fn a_deleted_message_never_comes_back() {
    check(
        "
        0s create q
        0s send q a b => ok ok
        0s receive q => a b
        1s delete q a b => ok ok
        1s delete q a => ok
        60s receive q => nothing
        60s count q => 0/0/0
        ",
    );
}

#[test]
fn a_late_delete_works_unless_the_message_was_received_again() {
    check(
        "
        0s create q visibility=10
        0s send q a b => ok ok
        0s receive q => a b
        11s delete q a => ok
        11s receive q => b#2
        11s delete q b' => ok
        21s receive q => b#3
        ",
    );
}

#[test]
fn a_receipt_deletes_for_twelve_hours() {
    check(
        "
        0s create q visibility=10
        0s send q a b => ok ok
        0s receive q => a b
        12h delete q a => ok
        43201s delete q b => expired
        43201s count q => 1/0/0
        ",
    );
}

#[test]
fn the_timeout_of_a_message_in_flight_can_change() {
    check(
        "
        0s create q visibility=10
        0s send q a
        0s receive q => a
        9s hide q a for=20 => ok
        28s receive q => nothing
        29s receive q => a#2
        29s hide q a' for=20 => gone
        39s hide q a for=20 => visible
        39s delete q a => ok
        39s hide q a for=20 => gone
        ",
    );
}

#[test]
fn twelve_hours_from_the_receive_are_the_ceiling() {
    check(
        "
        0s create q
        0s send q a
        0s receive q => a
        0s hide q a for=43200 => too-long
        1s hide q a for=43199 => ok
        2s hide q a for=43199 => too-long
        2s hide q a for=43198 => ok
        43199s receive q => nothing
        43200s receive q => a#2
        ",
    );
}

#[test]
fn timeout_zero_shows_a_message_at_once() {
    check(
        "
        0s create q visibility=30
        0s send q a
        0s receive q => a
        1s hide q a for=0 => ok
        1s hide q a for=5 => visible
        1s receive q => a#2
        ",
    );
}

#[test]
fn delays_hide_a_message_and_its_own_wins() {
    check(
        "
        0s create q delay=10
        0s send q a
        0s send q b delay=0
        0s send q c delay=20
        0s count q => 1/0/2
        0s receive q => b
        9999ms receive q => nothing
        10s receive q => a
        19s receive q => nothing
        20s receive q => c
        ",
    );
}

#[test]
fn a_change_of_the_delay_leaves_sent_messages_alone() {
    check(
        "
        0s create q delay=10
        0s send q a
        1s set q delay=0
        1s receive q => nothing
        10s receive q => a
        ",
    );
}

#[test]
fn retention_ends_messages_wherever_they_are() {
    check(
        "
        0s create q retention=60 visibility=100
        0s send q a
        0s receive q => a
        1s send q b
        2s send q c delay=500
        59s count q => 1/1/1
        60s count q => 1/0/1
        61s count q => 0/0/1
        62s count q => 0/0/0
        62s delete q a => ok
        200s receive q => nothing
        ",
    );
}

#[test]
fn a_change_of_the_retention_applies_to_stored_messages() {
    check(
        "
        0s create q retention=1000
        0s send q a
        50s set q retention=60
        59s count q => 1/0/0
        60s count q => 0/0/0
        ",
    );
}

#[test]
fn a_long_poll_is_woken_by_a_send() {
    check(
        "
        0s create q
        0s receive q wait=20 => waits
        5s send q a => ok, w1: a
        ",
    );
}

#[test]
fn a_long_poll_ends_empty_when_its_time_is_over() {
    check(
        "
        0s create q wait=20
        0s receive q wait=0 => nothing
        0s receive q => waits
        19999ms tick
        20s tick => w1: nothing
        ",
    );
}

#[test]
fn long_polls_are_served_in_order_of_arrival() {
    check(
        "
        0s create q
        0s receive q wait=20 n=1 => waits
        1s receive q wait=20 => waits
        2s send q a b c => ok ok ok, w1: a, w2: b c
        ",
    );
}

#[test]
fn long_polls_are_woken_by_delays_timeouts_and_timeout_zero() {
    check(
        "
        0s create q visibility=10
        0s send q a delay=5
        0s receive q wait=20 => waits
        5s tick => w1: a
        6s receive q wait=20 => waits
        15s tick => w2: a#2
        16s receive q wait=20 => waits
        17s hide q a for=0 => ok, w3: a#3
        ",
    );
}

#[test]
fn deleting_a_queue_ends_its_long_polls() {
    check(
        "
        0s create q
        0s receive q wait=20 => waits
        1s drop q => ok, w1: QueueDoesNotExist
        ",
    );
}

#[test]
fn a_message_received_three_times_goes_to_the_back() {
    check(
        "
        0s create q visibility=1
        0s send q a b => ok ok
        0s receive q n=1 => a
        1s receive q n=1 => a#2
        2s receive q n=1 => a#3
        3s receive q n=1 => b
        3s receive q n=1 => a#4
        ",
    );
}

#[test]
fn a_batch_that_makes_a_message_visible_finds_it_visible_after_that() {
    check(
        "
        0s create q
        0s send q a
        0s receive q => a
        1s hide q a a for=0 => ok visible
        ",
    );
}
