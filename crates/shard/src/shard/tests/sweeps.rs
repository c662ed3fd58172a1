//! What becomes of the few messages that keep a part of the journal alive.

use bytes::Bytes;
use stanchion_engine::command::{Command, Delivery, Receive, Reply, Submission};
use stanchion_engine::ids::QueueId;
use stanchion_types::Timestamp;

use super::driven::Driven;
use super::script::arn;
use crate::{Input, Options, Space};

/// A queue whose pages are read at once, and clients of it.
struct Desk {
    driven: Driven,
}

impl Desk {
    /// Every record is a bucket and a file of its own, and nothing dead is put up with. A window of one message and pages
    /// of two.
    fn new() -> Desk {
        Desk::with_slack(0)
    }

    /// As [`Desk::new`], but so many dead bytes are put up with.
    fn with_slack(slack_bytes: u64) -> Desk {
        let mut options = Options::default();
        let engine = &mut options.engine;
        (engine.window_standard, engine.page_messages) = (1, 2);
        (engine.usage.bucket_bytes, engine.usage.segment_bytes) = (1, 1);
        (engine.usage.slack_bytes, engine.usage.step_bytes) = (slack_bytes, 1);
        let mut desk = Desk { driven: Driven::new(options, Timestamp::from_millis(1_000_000)) };
        desk.ask(Command::CreateQueue { arn: arn("q"), attributes: Vec::new(), tags: Vec::new() });
        desk
    }

    fn queue(&self) -> QueueId {
        self.driven.queue("q").expect("the queue exists")
    }

    fn ask(&mut self, command: Command) -> Reply {
        self.driven.ask(command);
        self.read();
        let (_, reply) = self.driven.replies.pop().expect("a journal that is durable at once answers at once");
        reply
    }

    fn send(&mut self, bodies: &[&'static str]) {
        let submission = |body: &&'static str| Submission {
            size: body.len(),
            delay_seconds: None,
            group: None,
            deduplication: None,
            content: Bytes::from_static(body.as_bytes()),
        };
        self.ask(Command::Send { queue: self.queue(), messages: bodies.iter().map(submission).collect() });
    }

    fn receive(&mut self, max_messages: usize) -> Vec<Delivery> {
        let queue = self.queue();
        let receive = Receive { queue, max_messages, visibility_seconds: None, wait_seconds: Some(0), attempt: None };
        match self.ask(Command::Receive(receive)) {
            Reply::Received(deliveries) => deliveries,
            other => panic!("{other:?}"),
        }
    }

    fn delete(&mut self, deliveries: &[Delivery]) {
        let receipts = deliveries.iter().map(|delivery| delivery.receipt).collect();
        self.ask(Command::Delete { queue: self.queue(), receipts });
    }

    fn handle(&mut self, input: Input) {
        self.driven.handle(input);
        self.read();
    }

    fn read(&mut self) {
        while !self.driven.reads.is_empty() {
            self.driven.answer_read();
        }
    }

    /// Lets a second pass, and answers one fetch, if there is one.
    fn step(&mut self, fails: bool) {
        self.driven.pass(1);
        self.read();
        let Some((read, _, pieces)) = self.driven.fetches.pop() else { return };
        self.handle(Input::Fetched { read, pieces: (!fails).then_some(pieces) });
    }

    /// Lets the journal give back what was freed so far.
    fn give_back(&mut self) {
        let freed = self.driven.shard.engine().usage().freed();
        self.handle(Input::Returned(freed));
    }

    /// Returns what is received until there is no more, by content.
    fn bodies(&mut self) -> Vec<Bytes> {
        let mut bodies = Vec::new();
        loop {
            let deliveries = self.receive(10);
            if deliveries.is_empty() {
                return bodies;
            }
            bodies.extend(deliveries.iter().map(|delivery| self.driven.content(delivery.content)));
        }
    }
}

const LONG: &str = "a body that is much longer than all the others, so that most of its record is dead without it";

#[test]
fn a_message_that_stays_is_written_again_and_the_part_it_was_in_forgotten() {
    let mut desk = Desk::new();
    desk.send(&[LONG, "stays"]);
    let deliveries = desk.receive(1);
    desk.delete(&deliveries);
    let before = desk.driven.shard.low_water();
    assert_eq!(before, 2);
    (0..20).for_each(|_| desk.step(false));
    assert!(desk.driven.shard.low_water() > 4, "{} is still needed", desk.driven.shard.low_water());
    assert_eq!(desk.bodies(), ["stays"]);
}

#[test]
fn a_page_is_written_again_with_the_new_places_of_its_messages() {
    let mut desk = Desk::new();
    desk.send(&[LONG, "b", "c", "d", "e", "f", "g"]);
    let deliveries = desk.receive(1);
    desk.delete(&deliveries);
    (0..60).for_each(|_| desk.step(false));
    assert!(desk.driven.shard.low_water() > 4, "{} is still needed", desk.driven.shard.low_water());
    assert_eq!(desk.bodies(), ["b", "c", "d", "e", "f", "g"]);
}

#[test]
fn what_is_deleted_while_it_is_read_is_not_written_again() {
    let mut desk = Desk::new();
    desk.send(&[LONG, "x"]);
    let first = desk.receive(1);
    let second = desk.receive(1);
    desk.delete(&first);
    // Of the first there is nothing to move any more when it has been read.
    desk.step(false);
    desk.driven.now = desk.driven.now.plus_seconds(1);
    desk.handle(Input::Tick);
    let wanted: Vec<_> = desk.driven.fetches.iter().flat_map(|(_, contents, _)| contents).copied().collect();
    assert_eq!(wanted, [second[0].content]);
    desk.delete(&second);
    let tail = desk.driven.shard.tail();
    desk.step(false);
    assert_eq!(desk.driven.shard.tail(), tail, "nothing is left to write");
    assert_eq!(desk.driven.shard.low_water(), tail + 1);
}

#[test]
fn what_cannot_be_read_stays_where_it_is_and_is_tried_again_later() {
    let mut desk = Desk::new();
    desk.send(&[LONG, "stays"]);
    let deliveries = desk.receive(1);
    desk.delete(&deliveries);
    (0..5).for_each(|_| desk.step(true));
    assert_eq!(desk.driven.shard.low_water(), 2);
    (0..40).for_each(|_| desk.step(false));
    assert!(desk.driven.shard.low_water() > 4, "{} is still needed", desk.driven.shard.low_water());
    assert_eq!(desk.bodies(), ["stays"]);
}

/// More than all that these tests write.
const MUCH: u64 = 1 << 20;

#[test]
fn what_is_put_up_with_while_there_is_space_is_moved_when_it_is_scarce() {
    for space in [Space::Scarce, Space::Last] {
        let mut desk = Desk::with_slack(MUCH);
        desk.send(&[LONG, "stays"]);
        let deliveries = desk.receive(1);
        desk.delete(&deliveries);
        desk.give_back();
        (0..20).for_each(|_| desk.step(false));
        assert_eq!((desk.driven.shard.low_water(), desk.driven.shard.tail()), (2, 4), "there is plenty of space");
        desk.handle(Input::Space(space));
        (0..5).for_each(|_| desk.step(false));
        assert!(desk.driven.shard.low_water() > 4, "{space:?}: {} is still needed", desk.driven.shard.low_water());
        assert_eq!(desk.bodies(), ["stays"]);
    }
}

#[test]
fn while_space_is_scarce_a_pass_waits_until_what_the_last_one_freed_was_given_back() {
    let mut desk = Desk::with_slack(MUCH);
    for pair in [[LONG, "a"], [LONG, "b"]] {
        desk.send(&pair);
    }
    while let [delivery] = &desk.receive(1)[..] {
        if desk.driven.content(delivery.content) == LONG {
            desk.delete(std::slice::from_ref(delivery));
        }
    }
    desk.handle(Input::Space(Space::Scarce));
    // What died by itself has to be given back before the first pass, too.
    for low_water in [2, 3] {
        (0..20).for_each(|_| desk.step(false));
        assert_eq!(desk.driven.shard.low_water(), low_water);
        desk.give_back();
    }
    (0..20).for_each(|_| desk.step(false));
    assert!(desk.driven.shard.low_water() > 3, "{} is still needed", desk.driven.shard.low_water());
    desk.driven.now = desk.driven.now.plus_seconds(60);
    let mut left = desk.bodies();
    left.sort();
    assert_eq!(left, ["a", "b"]);
}

#[test]
fn a_pass_is_given_up_when_less_space_is_left_than_it_was_chosen_for() {
    let mut desk = Desk::with_slack(MUCH);
    desk.send(&[LONG, LONG]);
    let deliveries = desk.receive(1);
    desk.delete(&deliveries);
    desk.give_back();
    desk.handle(Input::Space(Space::Scarce));
    assert_eq!(desk.driven.fetches.len(), 1, "half of the record is dead");
    // It is read, but the second is not looked for.
    desk.handle(Input::Space(Space::Last));
    (0..20).for_each(|_| desk.step(true));
    assert_eq!(desk.driven.shard.low_water(), 2, "too much of it is needed");
    desk.handle(Input::Space(Space::Scarce));
    (0..20).for_each(|_| desk.step(false));
    assert!(desk.driven.shard.low_water() > 4, "{} is still needed", desk.driven.shard.low_water());
}
