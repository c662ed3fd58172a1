//! What becomes of a send while the deduplication ids that it needs are being read.

use bytes::Bytes;
use stanchion_engine::command::{Command, Deduplication, Reply, Submission};
use stanchion_engine::ids::{ContentAddress, DeduplicationHash, Entropy, GroupKey, QueueId};
use stanchion_types::attributes::AttributeChange;
use stanchion_types::{Code, Timestamp};

use super::script::arn;
use crate::{Input, Options, Output, ReadId, Record, Shard, Ticket};

/// A shard whose journal is durable at once, and whose reads wait until they are answered.
struct Desk {
    shard: Shard,
    now: Timestamp,
    records: Vec<Record>,
    reads: Vec<(ReadId, ContentAddress)>,
    replies: Vec<(Ticket, Reply)>,
    tickets: u64,
}

impl Desk {
    /// Keeps no id in memory, and of every id on disk enough to tell it from the others.
    fn new() -> Desk {
        let mut desk = Desk {
            shard: Shard::new(options()),
            now: Timestamp::from_millis(1_000_000),
            records: Vec::new(),
            reads: Vec::new(),
            replies: Vec::new(),
            tickets: 0,
        };
        let attributes = vec![AttributeChange::FifoQueue(true)];
        desk.ask(Command::CreateQueue { arn: arn("q.fifo"), attributes, tags: Vec::new() });
        desk.replies.clear();
        desk
    }

    fn queue(&self) -> QueueId {
        self.shard.find(&arn("q.fifo")).expect("the queue exists").id()
    }

    fn pass(&mut self, seconds: u32) {
        self.now = self.now.plus_seconds(seconds);
        self.handle(Input::Tick);
    }

    fn ask(&mut self, command: Command) -> Ticket {
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        let entropy = Entropy(u128::from(self.tickets));
        self.handle(Input::Command { ticket, command, entropy });
        ticket
    }

    fn send(&mut self, hashes: &[u128]) -> Ticket {
        let submission = |hash: &u128| Submission {
            size: 1,
            delay_seconds: None,
            group: Some(GroupKey(1)),
            deduplication: Some(Deduplication { hash: DeduplicationHash(*hash), explicit: true }),
            content: Bytes::from_static(b"x"),
        };
        let messages = hashes.iter().map(submission).collect();
        self.ask(Command::Send { queue: self.queue(), messages })
    }

    fn handle(&mut self, input: Input) {
        self.shard.handle(self.now, input);
        while let Some(output) = self.shard.poll_output() {
            match output {
                Output::Append(record) => {
                    self.shard.handle(self.now, Input::Durable(record.position));
                    self.records.push(record);
                }
                Output::Reply(ticket, reply) => self.replies.push((ticket, reply)),
                Output::Read(read, at) => self.reads.push((read, at)),
                Output::Fetch(..) => unreachable!("too little is dead to be moved"),
            }
        }
    }

    /// Answers the first read with what is there.
    fn answer(&mut self) {
        let (read, at) = self.reads.remove(0);
        let payload = &self.records[at.position as usize - 1].payload;
        let bytes = payload.slice(at.offset as usize..(at.offset + at.length) as usize);
        self.handle(Input::Loaded { read, bytes: Some(bytes) });
    }

    /// Lets the first read fail.
    fn fail(&mut self) {
        let (read, _) = self.reads.remove(0);
        self.handle(Input::Loaded { read, bytes: None });
    }

    /// Takes the replies since the last call: for each send whether its messages were duplicates, or why not.
    fn heard(&mut self) -> Vec<(Ticket, Result<Vec<bool>, Code>)> {
        let said = |reply| match reply {
            Reply::Sent(outcomes) => Ok(outcomes.into_iter().flatten().map(|accepted| accepted.duplicate).collect()),
            Reply::Refused(error) => Err(error.code),
            other => panic!("{other:?}"),
        };
        self.replies.drain(..).map(|(ticket, reply)| (ticket, said(reply))).collect()
    }

    fn restart(&mut self) {
        let (_, bytes) = self.shard.snapshot();
        self.shard = Shard::restore(options(), &bytes).expect("a snapshot reads back");
        self.reads.clear();
    }
}

fn options() -> Options {
    let engine =
        stanchion_engine::Options { originals_max: 0, chunk_originals: 1, ..stanchion_engine::Options::default() };
    Options { engine, seed: 1 }
}

#[test]
fn a_send_waits_for_the_block_that_may_list_its_id_and_a_new_id_waits_for_nothing() {
    let mut desk = Desk::new();
    let first = desk.send(&[1]);
    assert_eq!(desk.heard(), [(first, Ok(vec![false]))]);
    let again = desk.send(&[1]);
    assert!(desk.shard.is_looking_up_for(again));
    let new = desk.send(&[2]);
    assert_eq!(desk.heard(), [(new, Ok(vec![false]))]);
    desk.answer();
    assert_eq!(desk.heard(), [(again, Ok(vec![true]))]);
}

#[test]
fn many_duplicates_at_once_read_a_block_once() {
    let mut desk = Desk::new();
    desk.send(&[1]);
    desk.heard();
    let sends: Vec<Ticket> = (0..50).map(|_| desk.send(&[1])).collect();
    assert_eq!(desk.reads.len(), 1);
    desk.answer();
    assert_eq!(desk.heard(), sends.into_iter().map(|ticket| (ticket, Ok(vec![true]))).collect::<Vec<_>>());
}

#[test]
fn a_batch_reads_one_block_after_the_other_and_is_decided_once() {
    let mut desk = Desk::new();
    desk.send(&[1, 2, 3]);
    desk.heard();
    let records = desk.records.len();
    let batch = desk.send(&[3, 4, 1, 2]);
    for _ in 0..3 {
        assert_eq!((desk.reads.len(), desk.heard().len()), (1, 0));
        desk.answer();
    }
    assert_eq!(desk.heard(), [(batch, Ok(vec![true, false, true, true]))]);
    assert_eq!((desk.reads.len(), desk.records.len()), (0, records + 1));
}

#[test]
fn a_block_that_cannot_be_read_refuses_the_send_and_the_next_send_tries_again() {
    let mut desk = Desk::new();
    desk.send(&[1]);
    desk.heard();
    let records = desk.records.len();
    let (again, both) = (desk.send(&[1]), desk.send(&[1, 2]));
    desk.fail();
    assert_eq!(desk.heard(), [(again, Err(Code::InternalFailure)), (both, Err(Code::InternalFailure))]);
    assert_eq!(desk.records.len(), records, "a refused send leaves nothing behind");
    let later = desk.send(&[1]);
    desk.answer();
    assert_eq!(desk.heard(), [(later, Ok(vec![true]))]);
}

#[test]
fn a_block_that_is_not_what_was_filed_is_no_answer() {
    let mut desk = Desk::new();
    desk.send(&[1]);
    desk.heard();
    let again = desk.send(&[1]);
    let (read, at) = desk.reads.remove(0);
    desk.handle(Input::Loaded { read, bytes: Some(Bytes::from(vec![7; at.length as usize])) });
    assert_eq!(desk.heard(), [(again, Err(Code::InternalFailure))]);
}

#[test]
fn a_send_whose_chunk_is_dropped_while_it_waits_needs_the_block_no_more() {
    let mut desk = Desk::new();
    desk.send(&[1]);
    desk.heard();
    let again = desk.send(&[1]);
    let records = desk.records.len();
    desk.pass(300);
    assert_eq!(desk.records.len(), records + 1, "a record says that the chunk is gone");
    // By now the journal may have forgotten it.
    desk.fail();
    assert_eq!(desk.heard(), [(again, Ok(vec![false]))]);
}

#[test]
fn a_start_reads_the_marks_of_all_chunks_without_being_asked() {
    let mut desk = Desk::new();
    desk.send(&[1, 2, 3]);
    desk.heard();
    desk.restart();
    desk.handle(Input::Tick);
    for _ in 0..3 {
        assert_eq!(desk.reads.len(), 1);
        desk.answer();
    }
    assert_eq!(desk.reads.len(), 0);
    let new = desk.send(&[4]);
    assert_eq!(desk.heard(), [(new, Ok(vec![false]))]);
}

#[test]
fn a_send_right_after_a_start_waits_for_the_marks() {
    let mut desk = Desk::new();
    desk.send(&[1, 2]);
    desk.heard();
    desk.restart();
    let (new, again) = (desk.send(&[4]), desk.send(&[2]));
    let mut heard = Vec::new();
    while !desk.reads.is_empty() {
        assert!(heard.is_empty() || desk.reads.len() == 1);
        desk.answer();
        heard.extend(desk.heard());
    }
    assert_eq!(heard, [(new, Ok(vec![false])), (again, Ok(vec![true]))]);
}

#[test]
fn marks_that_cannot_be_read_refuse_sends_and_are_read_again_ten_seconds_later() {
    let mut desk = Desk::new();
    desk.send(&[1]);
    desk.heard();
    desk.restart();
    let new = desk.send(&[2]);
    desk.fail();
    assert_eq!(desk.heard(), [(new, Err(Code::InternalFailure))]);
    desk.pass(9);
    assert_eq!(desk.reads.len(), 0);
    desk.pass(1);
    desk.answer();
    let new = desk.send(&[2]);
    assert_eq!(desk.heard(), [(new, Ok(vec![false]))]);
}
