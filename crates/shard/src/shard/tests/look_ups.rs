//! What becomes of a send while the deduplication ids that it needs are being read.

use bytes::Bytes;
use stanchion_engine::command::{Command, Deduplication, Reply, Submission};
use stanchion_engine::ids::{DeduplicationHash, GroupKey, QueueId};
use stanchion_types::attributes::AttributeChange;
use stanchion_types::{Code, Timestamp};

use super::driven::Driven;
use super::script::arn;
use crate::{Input, Options, Shard, Ticket};

/// A FIFO queue, and clients that send to it.
struct Desk {
    driven: Driven,
}

impl Desk {
    /// Keeps no id in memory, and of every id on disk enough to tell it from the others.
    fn new() -> Desk {
        let mut driven = Driven::new(options(), Timestamp::from_millis(1_000_000));
        let attributes = vec![AttributeChange::FifoQueue(true)];
        driven.ask(Command::CreateQueue { arn: arn("q.fifo"), attributes, tags: Vec::new() });
        driven.replies.clear();
        Desk { driven }
    }

    fn queue(&self) -> QueueId {
        self.driven.queue("q.fifo").expect("the queue exists")
    }

    fn pass(&mut self, seconds: u32) {
        self.driven.pass(seconds);
    }

    fn ask(&mut self, command: Command) -> Ticket {
        self.driven.ask(command)
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

    /// Answers the first read with what is there.
    fn answer(&mut self) {
        self.driven.answer_read();
    }

    /// Lets the first read fail.
    fn fail(&mut self) {
        let (read, _) = self.driven.reads.remove(0);
        self.driven.handle(Input::Loaded { read, bytes: None });
    }

    /// Takes the replies since the last call: for each send whether its messages were duplicates, or why not.
    fn heard(&mut self) -> Vec<(Ticket, Result<Vec<bool>, Code>)> {
        let said = |reply| match reply {
            Reply::Sent(outcomes) => Ok(outcomes.into_iter().flatten().map(|accepted| accepted.duplicate).collect()),
            Reply::Refused(error) => Err(error.code),
            other => panic!("{other:?}"),
        };
        self.driven.replies.drain(..).map(|(ticket, reply)| (ticket, said(reply))).collect()
    }

    fn restart(&mut self) {
        let (_, bytes) = self.driven.shard.snapshot();
        self.driven.shard = Shard::restore(options(), &bytes).expect("a snapshot reads back");
        self.driven.reads.clear();
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
    assert!(desk.driven.shard.is_looking_up_for(again));
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
    assert_eq!(desk.driven.reads.len(), 1);
    desk.answer();
    assert_eq!(desk.heard(), sends.into_iter().map(|ticket| (ticket, Ok(vec![true]))).collect::<Vec<_>>());
}

#[test]
fn a_batch_reads_one_block_after_the_other_and_is_decided_once() {
    let mut desk = Desk::new();
    desk.send(&[1, 2, 3]);
    desk.heard();
    let records = desk.driven.records.len();
    let batch = desk.send(&[3, 4, 1, 2]);
    for _ in 0..3 {
        assert_eq!((desk.driven.reads.len(), desk.heard().len()), (1, 0));
        desk.answer();
    }
    assert_eq!(desk.heard(), [(batch, Ok(vec![true, false, true, true]))]);
    assert_eq!((desk.driven.reads.len(), desk.driven.records.len()), (0, records + 1));
}

#[test]
fn a_block_that_cannot_be_read_refuses_the_send_and_the_next_send_tries_again() {
    let mut desk = Desk::new();
    desk.send(&[1]);
    desk.heard();
    let records = desk.driven.records.len();
    let (again, both) = (desk.send(&[1]), desk.send(&[1, 2]));
    desk.fail();
    assert_eq!(desk.heard(), [(again, Err(Code::InternalFailure)), (both, Err(Code::InternalFailure))]);
    assert_eq!(desk.driven.records.len(), records, "a refused send leaves nothing behind");
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
    let (read, at) = desk.driven.reads.remove(0);
    desk.driven.handle(Input::Loaded { read, bytes: Some(Bytes::from(vec![7; at.length as usize])) });
    assert_eq!(desk.heard(), [(again, Err(Code::InternalFailure))]);
}

#[test]
fn a_send_whose_chunk_is_dropped_while_it_waits_needs_the_block_no_more() {
    let mut desk = Desk::new();
    desk.send(&[1]);
    desk.heard();
    let again = desk.send(&[1]);
    let records = desk.driven.records.len();
    desk.pass(300);
    assert_eq!(desk.driven.records.len(), records + 1, "a record says that the chunk is gone");
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
    desk.driven.handle(Input::Tick);
    for _ in 0..3 {
        assert_eq!(desk.driven.reads.len(), 1);
        desk.answer();
    }
    assert_eq!(desk.driven.reads.len(), 0);
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
    while !desk.driven.reads.is_empty() {
        assert!(heard.is_empty() || desk.driven.reads.len() == 1);
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
    assert_eq!(desk.driven.reads.len(), 0);
    desk.pass(1);
    desk.answer();
    let new = desk.send(&[2]);
    assert_eq!(desk.heard(), [(new, Ok(vec![false]))]);
}
