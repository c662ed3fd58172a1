//! What becomes of the few messages that keep a part of the journal alive.

use bytes::Bytes;
use stanchion_engine::command::{Command, Delivery, Receive, Reply, Submission};
use stanchion_engine::ids::{ContentAddress, Entropy, QueueId};
use stanchion_types::Timestamp;

use super::script::arn;
use crate::{Input, Options, Output, ReadId, Record, Shard, Space, Ticket};

/// A shard whose journal is durable at once, and whose fetches wait until they are answered.
struct Desk {
    shard: Shard,
    now: Timestamp,
    records: Vec<Record>,
    /// What was asked for, and what was there at that moment.
    fetches: Vec<(ReadId, Vec<ContentAddress>, Vec<Bytes>)>,
    reply: Option<Reply>,
    tickets: u64,
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
        let now = Timestamp::from_millis(1_000_000);
        let (records, fetches) = (Vec::new(), Vec::new());
        let mut desk = Desk { shard: Shard::new(options), now, records, fetches, reply: None, tickets: 0 };
        desk.ask(Command::CreateQueue { arn: arn("q"), attributes: Vec::new(), tags: Vec::new() });
        desk
    }

    fn queue(&self) -> QueueId {
        self.shard.find(&arn("q")).expect("the queue exists").id()
    }

    fn ask(&mut self, command: Command) -> Reply {
        self.tickets += 1;
        let (ticket, entropy) = (Ticket(self.tickets), Entropy(u128::from(self.tickets)));
        self.handle(Input::Command { ticket, command, entropy });
        self.reply.take().expect("a journal that is durable at once answers at once")
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
        self.shard.handle(self.now, input);
        while let Some(output) = self.shard.poll_output() {
            match output {
                Output::Append(record) => {
                    self.shard.handle(self.now, Input::Durable(record.position));
                    self.records.push(record);
                }
                Output::Reply(_, reply) => self.reply = Some(reply),
                Output::Read(read, at) => {
                    let bytes = Some(self.content(at));
                    self.shard.handle(self.now, Input::Loaded { read, bytes });
                }
                Output::Fetch(read, contents) => {
                    let pieces = contents.iter().map(|at| self.content(*at)).collect();
                    self.fetches.push((read, contents, pieces));
                }
            }
        }
    }

    /// Lets a second pass, and answers one fetch, if there is one.
    fn step(&mut self, fails: bool) {
        self.now = self.now.plus_seconds(1);
        self.handle(Input::Tick);
        let Some((read, _, pieces)) = self.fetches.pop() else { return };
        self.handle(Input::Fetched { read, pieces: (!fails).then_some(pieces) });
    }

    /// Lets the journal give back what was freed so far.
    fn give_back(&mut self) {
        let freed = self.shard.engine().usage().freed();
        self.handle(Input::Returned(freed));
    }

    fn content(&self, at: ContentAddress) -> Bytes {
        assert!(at.position >= self.shard.low_water(), "{at:?} may be gone");
        let payload = &self.records[at.position as usize - 1].payload;
        payload.slice(at.offset as usize..(at.offset + at.length) as usize)
    }

    /// Returns what is received until there is no more, by content.
    fn bodies(&mut self) -> Vec<Bytes> {
        let mut bodies = Vec::new();
        loop {
            let deliveries = self.receive(10);
            if deliveries.is_empty() {
                return bodies;
            }
            bodies.extend(deliveries.iter().map(|delivery| self.content(delivery.content)));
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
    let before = desk.shard.low_water();
    assert_eq!(before, 2);
    (0..20).for_each(|_| desk.step(false));
    assert!(desk.shard.low_water() > 4, "{} is still needed", desk.shard.low_water());
    assert_eq!(desk.bodies(), ["stays"]);
}

#[test]
fn a_page_is_written_again_with_the_new_places_of_its_messages() {
    let mut desk = Desk::new();
    desk.send(&[LONG, "b", "c", "d", "e", "f", "g"]);
    let deliveries = desk.receive(1);
    desk.delete(&deliveries);
    (0..60).for_each(|_| desk.step(false));
    assert!(desk.shard.low_water() > 4, "{} is still needed", desk.shard.low_water());
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
    desk.now = desk.now.plus_seconds(1);
    desk.handle(Input::Tick);
    let wanted: Vec<_> = desk.fetches.iter().flat_map(|(_, contents, _)| contents).copied().collect();
    assert_eq!(wanted, [second[0].content]);
    desk.delete(&second);
    let tail = desk.shard.tail();
    desk.step(false);
    assert_eq!(desk.shard.tail(), tail, "nothing is left to write");
    assert_eq!(desk.shard.low_water(), tail + 1);
}

#[test]
fn what_cannot_be_read_stays_where_it_is_and_is_tried_again_later() {
    let mut desk = Desk::new();
    desk.send(&[LONG, "stays"]);
    let deliveries = desk.receive(1);
    desk.delete(&deliveries);
    (0..5).for_each(|_| desk.step(true));
    assert_eq!(desk.shard.low_water(), 2);
    (0..40).for_each(|_| desk.step(false));
    assert!(desk.shard.low_water() > 4, "{} is still needed", desk.shard.low_water());
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
        assert_eq!((desk.shard.low_water(), desk.shard.tail()), (2, 4), "there is plenty of space");
        desk.handle(Input::Space(space));
        (0..5).for_each(|_| desk.step(false));
        assert!(desk.shard.low_water() > 4, "{space:?}: {} is still needed", desk.shard.low_water());
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
        if desk.content(delivery.content) == LONG {
            desk.delete(std::slice::from_ref(delivery));
        }
    }
    desk.handle(Input::Space(Space::Scarce));
    // What died by itself has to be given back before the first pass, too.
    for low_water in [2, 3] {
        (0..20).for_each(|_| desk.step(false));
        assert_eq!(desk.shard.low_water(), low_water);
        desk.give_back();
    }
    (0..20).for_each(|_| desk.step(false));
    assert!(desk.shard.low_water() > 3, "{} is still needed", desk.shard.low_water());
    desk.now = desk.now.plus_seconds(60);
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
    assert_eq!(desk.fetches.len(), 1, "half of the record is dead");
    // It is read, but the second is not looked for.
    desk.handle(Input::Space(Space::Last));
    (0..20).for_each(|_| desk.step(true));
    assert_eq!(desk.shard.low_water(), 2, "too much of it is needed");
    desk.handle(Input::Space(Space::Scarce));
    (0..20).for_each(|_| desk.step(false));
    assert!(desk.shard.low_water() > 4, "{} is still needed", desk.shard.low_water());
}
