//! What a shard tells its driver, and when.

use bytes::Bytes;
use stanchion_engine::command::{Command, Receive, Reply, Submission};
use stanchion_engine::ids::{Entropy, QueueId};
use stanchion_types::Timestamp;
use stanchion_types::attributes::AttributeChange;

use super::script::arn;
use crate::{Asked, Input, Options, Output, Shard, Ticket};

fn create(ticket: u64, name: &str) -> Input {
    let command = Command::CreateQueue { arn: arn(name), attributes: Vec::new(), tags: Vec::new() };
    Input::Command(Asked { ticket: Ticket(ticket), command, entropy: Entropy(0) })
}

fn outputs(shard: &mut Shard, input: Input) -> Vec<Output> {
    shard.handle(Timestamp::from_millis(1), input);
    std::iter::from_fn(|| shard.poll_output()).collect()
}

#[test]
fn commands_of_one_moment_share_a_record_in_which_each_sees_the_one_before() {
    let mut shard = Shard::new(Options::default());
    let asked = |ticket, command| Asked { ticket: Ticket(ticket), command, entropy: Entropy(u128::from(ticket)) };
    let create =
        |ticket, name| asked(ticket, Command::CreateQueue { arn: arn(name), attributes: Vec::new(), tags: Vec::new() });
    let describe = |ticket, queue| asked(ticket, Command::DescribeQueue { queue: QueueId(queue) });
    let together = vec![create(1, "q"), describe(2, 1), describe(3, 9), create(4, "r")];

    let written = outputs(&mut shard, Input::Commands(together));
    let [Output::Changed(one), Output::Changed(other), Output::Append(record)] = &written[..] else {
        panic!("{written:?}")
    };
    assert_eq!([one, other], [&arn("q"), &arn("r")]);
    assert_eq!((record.position, record.count), (1, 2));
    let heard: Vec<(u64, bool)> = outputs(&mut shard, Input::Durable(1))
        .into_iter()
        .map(|output| match output {
            Output::Reply(Ticket(ticket), reply) => (ticket, matches!(reply, Reply::Refused(_))),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(heard, [(1, false), (2, false), (3, true), (4, false)]);
}

#[test]
fn a_reply_leaves_when_its_record_is_durable_and_not_before() {
    let mut shard = Shard::new(Options::default());
    let first = outputs(&mut shard, create(1, "q"));
    assert!(matches!(&first[..], [Output::Changed(_), Output::Append(record)] if record.position == 1), "{first:?}");
    let replies = outputs(&mut shard, Input::Durable(1));
    assert!(matches!(&replies[..], [Output::Reply(Ticket(1), Reply::Queue(_))]), "{replies:?}");
}

#[test]
fn whoever_keeps_a_copy_of_a_queue_hears_when_it_comes_changes_and_goes() {
    let mut shard = Shard::new(Options::default());
    outputs(&mut shard, create(1, "q"));
    let queue = shard.find(&arn("q")).expect("the queue exists").id();
    let mut changed = |ticket, command| {
        let told = outputs(&mut shard, Input::Command(Asked { ticket: Ticket(ticket), command, entropy: Entropy(1) }));
        let told = told.into_iter().filter_map(|output| match output {
            Output::Changed(name) => Some(name),
            _ => None,
        });
        told.collect::<Vec<_>>()
    };
    let attributes = vec![AttributeChange::DelaySeconds(1)];
    assert_eq!(changed(2, Command::SetQueueAttributes { queue, attributes }), [arn("q")]);
    let set = vec![("team".to_owned(), "blue".to_owned())];
    assert_eq!(changed(3, Command::ChangeTags { queue, set, remove: Vec::new() }), [arn("q")]);
    let content = Bytes::from_static(b"one");
    let message = Submission { size: 3, delay_seconds: None, group: None, deduplication: None, content };
    assert_eq!(changed(4, Command::Send { queue, messages: vec![message] }), []);
    assert_eq!(changed(5, Command::DeleteQueue { queue }), [arn("q")]);
    assert!(shard.find(&arn("q")).is_none());
}

#[test]
fn an_answer_that_changes_nothing_waits_for_what_it_tells_of() {
    let mut shard = Shard::new(Options::default());
    outputs(&mut shard, create(1, "q"));
    let queue = shard.find(&arn("q")).expect("the queue exists").id();
    let purge = |ticket| {
        let command = Command::Purge { queue };
        Input::Command(Asked { ticket: Ticket(ticket), command, entropy: Entropy(0) })
    };
    assert_eq!(outputs(&mut shard, purge(2)).len(), 1);
    // The refusal tells of the purge before it, which a crash could still undo.
    assert_eq!(outputs(&mut shard, purge(3)), []);
    assert_eq!(outputs(&mut shard, Input::Durable(1)).len(), 1);
    let replies = outputs(&mut shard, Input::Durable(2));
    let [Output::Reply(Ticket(2), Reply::Done), Output::Reply(Ticket(3), Reply::Refused(_))] = &replies[..] else {
        panic!("{replies:?}")
    };
}

#[test]
fn receives_that_are_turned_away_get_no_message_that_comes_later() {
    let mut shard = Shard::new(Options::default());
    outputs(&mut shard, create(1, "q"));
    let queue = shard.find(&arn("q")).expect("the queue exists").id();
    for ticket in [2, 3] {
        let receive =
            Receive { queue, max_messages: 1, visibility_seconds: None, wait_seconds: Some(20), attempt: None };
        let command = Command::Receive(receive);
        assert_eq!(
            outputs(&mut shard, Input::Command(Asked { ticket: Ticket(ticket), command, entropy: Entropy(0) })),
            []
        );
    }
    assert_eq!(shard.turn_away(), [Ticket(2), Ticket(3)]);
    assert_eq!(shard.turn_away(), []);
    assert_eq!(shard.poll_timeout(), None, "nobody waits any more");
    let content = Bytes::from_static(b"one");
    let message = Submission { size: 3, delay_seconds: None, group: None, deduplication: None, content };
    let command = Command::Send { queue, messages: vec![message] };
    let sent = outputs(&mut shard, Input::Command(Asked { ticket: Ticket(4), command, entropy: Entropy(1) }));
    assert!(matches!(&sent[..], [Output::Append(record)] if record.count == 1), "{sent:?}");
}

#[test]
fn a_clock_that_goes_back_stands_still() {
    let mut shard = Shard::new(Options::default());
    shard.handle(Timestamp::from_millis(1000), create(1, "q"));
    shard.handle(Timestamp::from_millis(500), create(2, "p"));
    let outputs = std::iter::from_fn(|| shard.poll_output());
    let clocks = outputs.filter_map(|output| match output {
        Output::Append(record) => Some(record.clock),
        _ => None,
    });
    assert_eq!(clocks.collect::<Vec<_>>(), [Timestamp::from_millis(1000); 2]);
}

#[test]
fn a_snapshot_that_was_cut_is_refused() {
    let mut shard = Shard::new(Options::default());
    outputs(&mut shard, create(1, "q"));
    let (_, bytes) = shard.snapshot();
    for length in 0..bytes.len() {
        assert!(Shard::restore(Options::default(), &bytes[..length]).is_err(), "{length} bytes were taken for a whole");
    }
}

#[test]
fn a_snapshot_in_steps_is_the_state_at_its_beginning() {
    let mut shard = Shard::new(Options::default());
    for ticket in 1..=5 {
        outputs(&mut shard, create(ticket, &format!("q{ticket}")));
    }
    let (position, bytes) = shard.snapshot();
    assert_eq!(shard.begin_snapshot(), position);
    assert!(shard.continue_snapshot(1).is_none());
    // Of what was not written yet one queue goes and one changes; a new one comes.
    let [second, fourth] = ["q2", "q4"].map(|name| shard.find(&arn(name)).expect("the queue exists").id());
    let tags = vec![("team".to_owned(), "blue".to_owned())];
    let changes =
        [Command::DeleteQueue { queue: fourth }, Command::ChangeTags { queue: second, set: tags, remove: Vec::new() }];
    for (ticket, command) in (6..).zip(changes) {
        outputs(&mut shard, Input::Command(Asked { ticket: Ticket(ticket), command, entropy: Entropy(0) }));
    }
    outputs(&mut shard, create(8, "q8"));
    let written = std::iter::repeat_with(|| shard.continue_snapshot(1)).take(6).flatten().next();
    assert_eq!(written.expect("five queues are written in five steps").into_bytes(), bytes);
    assert_ne!(shard.snapshot().1, bytes);
}
