use super::script::check;

#[test]
fn a_message_received_too_often_moves_on_the_next_attempt() {
    check(
        "
        0s create d
        0s create q dlq=d/2 visibility=10
        0s send q a
        0s receive q => a
        10s receive q => a#2
        20s count q => 1/0/0
        20s receive q => nothing
        20s count q => 0/0/0
        20s count d => 1/0/0
        20s delete q a => ok
        21s receive d => a#3<q@0s
        21s delete d a => ok
        21s count d => 0/0/0
        ",
    );
}

#[test]
fn dead_letters_make_way_for_the_next_messages() {
    check(
        "
        0s create d.fifo content=true
        0s create q.fifo content=true dlq=d.fifo/1 visibility=10
        0s send q.fifo a.1 a.2 => ok ok
        0s receive q.fifo n=1 => a.1
        10s receive q.fifo n=1 => a.2
        11s receive d.fifo => a.1#2<q.fifo@10s
        ",
    );
}

#[test]
fn a_long_poll_goes_on_when_only_dead_letters_were_left() {
    check(
        "
        0s create d
        0s create q dlq=d/1 visibility=5
        0s send q a
        0s receive q => a
        1s receive d wait=20 => waits
        1s receive q wait=20 => waits
        5s tick => w1: a#2<q@0s
        6s send q b => ok, w2: b
        ",
    );
}

#[test]
fn a_dead_letter_queue_that_is_gone_keeps_nothing_from_being_received() {
    check(
        "
        0s create d
        0s create q dlq=d/1 visibility=5
        0s send q a
        0s receive q => a
        1s drop d
        5s receive q => a#2
        10s receive q => a#3
        ",
    );
}

#[test]
fn the_clock_of_a_standard_dead_letter_keeps_running() {
    check(
        "
        0s create d retention=100
        0s create q dlq=d/1 visibility=5 retention=1000
        0s send q a
        0s receive q => a
        60s receive q => nothing
        99s count d => 1/0/0
        100s count d => 0/0/0
        ",
    );
}

#[test]
fn a_redrive_policy_needs_a_willing_queue_of_the_same_kind() {
    check(
        "
        0s create d allow=none
        0s create f.fifo
        0s create q dlq=nowhere/1 => InvalidParameterValue
        0s create q dlq=f.fifo/1 => InvalidParameterValue
        0s create q dlq=d/1 => InvalidParameterValue
        0s create q
        0s set q dlq=q/1 => InvalidParameterValue
        0s set d allow=q
        0s create p dlq=d/1 => InvalidParameterValue
        0s set q dlq=d/1
        0s sources d => q
        0s set q dlq=
        0s sources d =>
        ",
    );
}

#[test]
fn a_move_task_returns_messages_to_where_they_came_from() {
    check(
        "
        0s create d
        0s create q dlq=d/1 visibility=5
        0s send q a b => ok ok
        0s receive q => a b
        5s receive q => nothing
        6s receive d n=1 => a#2<q@0s
        6s move d
        7s tick
        7s tasks d => RUNNING 1/2
        7s receive q => b
        36s tick
        37s tick
        37s tasks d => COMPLETED 2/2
        37s receive q n=1 => a
        ",
    );
}

#[test]
fn a_move_task_keeps_its_pace() {
    check(
        "
        0s create d
        0s create q dlq=d/1
        0s create r
        0s send d a b c e => ok ok ok ok
        0s move d to=r rate=1
        0s move d to=r => InvalidParameterValue
        0s count r => 1/0/0
        999ms tick
        999ms count r => 1/0/0
        1s tick
        1s count r => 2/0/0
        2s tick
        2s cancel => moved 3
        2s cancel => ResourceNotFoundException
        60s tick
        60s count r => 3/0/0
        60s tasks d => CANCELLED 3/4
        60s move d to=r
        60s move q => InvalidParameterValue
        61s tick
        61s tasks d limit=1 => COMPLETED 1/1
        61s tasks d => COMPLETED 1/1 CANCELLED 3/4
        61s tasks nowhere => ResourceNotFoundException
        ",
    );
}

#[test]
fn a_message_of_unknown_origin_fails_a_task_without_destination() {
    check(
        "
        0s create d
        0s create q dlq=d/1
        0s send d a
        0s move d
        1s tick
        1s tasks d => FAILED 0/1 CouldNotDetermineMessageSource
        1s count d => 1/0/0
        ",
    );
}

#[test]
fn moving_wakes_long_polls_at_the_destination() {
    check(
        "
        0s create d
        0s create q dlq=d/1
        0s send d a
        0s receive q wait=20 => waits
        1s move d to=q => ok, w1: a
        ",
    );
}

#[test]
fn dead_letters_wait_behind_the_delayed_messages_of_their_group() {
    check(
        "
        0s create d.fifo content=true delay=100
        0s create q.fifo content=true dlq=d.fifo/1 visibility=5
        0s send d.fifo a.1
        0s send q.fifo a.2
        0s receive q.fifo => a.2
        5s receive q.fifo => nothing
        6s receive d.fifo => nothing
        105s receive d.fifo => a.1 a.2#2<q.fifo@5s
        ",
    );
}

#[test]
fn in_a_circle_of_dead_letter_queues_a_dead_letter_stays() {
    check(
        "
        0s create a
        0s create b dlq=a/1 visibility=5
        0s set a dlq=b/1 visibility=5
        0s send a x
        0s receive a => x
        1s receive a wait=20 => waits
        1s receive b wait=20 => waits
        5s tick => w2: x#2<a@0s
        ",
    );
}

#[test]
fn a_dead_letter_older_than_its_new_queue_keeps_is_never_handed_out() {
    check(
        "
        0s create d retention=60
        0s create q dlq=d/1 visibility=5
        0s send q a
        0s receive q => a
        100s receive d wait=20 => waits
        100s receive q => nothing
        101s count d => 0/0/0
        101s count q => 0/0/0
        ",
    );
}

#[test]
fn a_queue_that_is_made_anew_has_no_tasks_of_its_predecessor() {
    check(
        "
        0s  create d
        0s  create q dlq=d/1
        0s  move d
        0s  tasks d => COMPLETED 0/0
        0s  drop d
        60s create d
        60s tasks d =>
        ",
    );
}
