//! Messages on their way in and out.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use data_encoding::HEXLOWER;
use stanchion_journal::{Journal as _, Position, ShardId};
use stanchion_types::attributes::{AttributeChange, RedrivePolicy};
use stanchion_types::message::{NameFilter, NewMessage, SystemAttribute, SystemAttributes};
use stanchion_types::request::{
    Action, BatchEntry, ChangeMessageVisibility, DeleteMessage, DeleteMessageBatch, Envelope, ReceiveMessage,
    SendMessageBatch, SetQueueAttributes,
};
use stanchion_types::response::{ReceivedMessage, Response};
use stanchion_types::{Error, QueueArn};

use crate::harness::{World, in_group, locator, message, receive, text_attribute};

fn bodies(messages: &[ReceivedMessage]) -> Vec<&str> {
    messages.iter().map(|message| message.body.as_str()).collect()
}

fn system(message: &ReceivedMessage, name: SystemAttribute) -> Option<&str> {
    message.system_attributes.iter().find(|(present, _)| *present == name).map(|(_, value)| value.as_str())
}

#[tokio::test]
async fn a_message_comes_out_as_it_went_in_until_it_is_deleted() {
    let world = World::new();
    world.create("q", Vec::new()).await;
    let mut sent = message("hello");
    sent.attributes = vec![text_attribute("a", "1"), text_attribute("b", "2")];
    sent.trace_header = Some("Root=1".into());
    let answer = world.send("q", sent.clone()).await.unwrap();

    let received = world.receive("q", 0).await.unwrap();
    assert_eq!(bodies(&received), ["hello"]);
    assert_eq!(HEXLOWER.encode(&answer.body_md5.0), "5d41402abc4b2a76b9719d911017c592");
    assert_eq!((received[0].message_id, received[0].body_md5), (answer.message_id, answer.body_md5));
    assert_eq!(received[0].attributes, sent.attributes);
    assert_eq!(system(&received[0], SystemAttribute::SenderId), Some("000000000000"));
    assert_eq!(system(&received[0], SystemAttribute::AWSTraceHeader), Some("Root=1"));
    assert_eq!(system(&received[0], SystemAttribute::ApproximateReceiveCount), Some("1"));
    assert_eq!(system(&received[0], SystemAttribute::SequenceNumber), None);

    assert_eq!(world.delete("q", &received[0].receipt_handle).await, Ok(Response::Done));
    assert_eq!(world.delete("q", &received[0].receipt_handle).await, Ok(Response::Done));
    assert_eq!(world.receive("q", 0).await.unwrap(), []);
}

#[tokio::test]
async fn a_receive_returns_only_what_was_asked_for() {
    let world = World::new();
    world.create("q", vec![AttributeChange::VisibilityTimeout(0)]).await;
    let mut sent = message("hello");
    sent.attributes = vec![text_attribute("a", "1"), text_attribute("bar.x", "2"), text_attribute("c", "3")];
    world.send("q", sent).await.unwrap();

    let mut asked = SystemAttributes::default();
    asked.insert(SystemAttribute::SentTimestamp);
    let filters = vec![NameFilter::new("bar.*"), NameFilter::new("c")];
    let wish = ReceiveMessage { system_attributes: asked, message_attributes: filters, ..receive(0) };
    let Response::Messages(received) = world.call("q", wish).await.unwrap() else { panic!("messages") };
    let names: Vec<_> = received[0].attributes.iter().map(|attribute| attribute.name.as_str()).collect();
    assert_eq!(names, ["bar.x", "c"]);
    let names: Vec<_> = received[0].system_attributes.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, [SystemAttribute::SentTimestamp]);

    let wish =
        ReceiveMessage { system_attributes: SystemAttributes::default(), message_attributes: Vec::new(), ..receive(0) };
    let Response::Messages(received) = world.call("q", wish).await.unwrap() else { panic!("messages") };
    assert!(received[0].attributes.is_empty() && received[0].system_attributes.is_empty());
}

#[tokio::test]
async fn each_kind_of_queue_refuses_what_belongs_to_the_other() {
    let world = World::new();
    world.create("q", Vec::new()).await;
    world.create("q.fifo", Vec::new()).await;
    let refusal = async |queue: &str, message| world.send(queue, message).await.unwrap_err();

    let reason = "Reason: The request include parameter that is not valid for this queue type.";
    let mut with_id = message("x");
    with_id.deduplication_id = Some("d".into());
    let error = refusal("q", with_id).await;
    assert_eq!(error.message, format!("Value d for parameter MessageDeduplicationId is invalid. {reason}"));

    let mut delayed = in_group("x", "g", Some("d"));
    delayed.delay_seconds = Some(5);
    let error = refusal("q.fifo", delayed.clone()).await;
    assert_eq!(error.message, format!("Value 5 for parameter DelaySeconds is invalid. {reason}"));
    delayed.delay_seconds = Some(0);
    assert!(world.send("q.fifo", delayed).await.is_ok());

    assert_eq!(refusal("q.fifo", message("x")).await, Error::missing_parameter("MessageGroupId"));
    let error = refusal("q.fifo", in_group("x", "g", None)).await;
    assert_eq!(
        error.message,
        "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly"
    );
    // A group on a standard queue is a tenant, and welcome.
    assert!(world.send("q", in_group("x", "g", None)).await.is_ok());
}

#[tokio::test]
async fn a_computed_deduplication_id_is_an_id_like_any_other() {
    let world = World::new();
    world.create("q.fifo", vec![AttributeChange::ContentBasedDeduplication(true)]).await;
    let first = world.send("q.fifo", in_group("hello", "g", None)).await.unwrap();
    let digest = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
    let same = world.send("q.fifo", in_group("other", "g", Some(digest))).await.unwrap();
    assert_eq!((same.message_id, same.sequence_number), (first.message_id, first.sequence_number));
    let received = world.receive("q.fifo", 0).await.unwrap();
    assert_eq!(bodies(&received), ["hello"]);
    assert_eq!(system(&received[0], SystemAttribute::MessageDeduplicationId), Some(digest));
    assert_eq!(system(&received[0], SystemAttribute::MessageGroupId), Some("g"));
}

#[tokio::test]
async fn the_entries_of_a_batch_fail_alone_and_are_answered_in_order() {
    let world = World::new();
    world.create("q", Vec::new()).await;
    let mut wrong = message("x");
    wrong.deduplication_id = Some("d".into());
    let bad = Error::missing_parameter("MessageBody");
    let entries = [("a", Ok(message("1"))), ("b", Err(bad.clone())), ("c", Ok(wrong)), ("d", Ok(message("2")))];
    let entries = entries.into_iter().map(|(id, entry)| BatchEntry { id: id.into(), entry }).collect();
    let Response::SentBatch(results) = world.call("q", SendMessageBatch { entries }).await.unwrap() else {
        panic!("results of a batch");
    };
    let told: Vec<_> = results.iter().map(|result| (result.id.as_str(), result.outcome.is_ok())).collect();
    assert_eq!(told, [("a", true), ("b", false), ("c", false), ("d", true)]);
    assert_eq!(results[1].outcome, Err(bad));
    assert_eq!(results[2].outcome, Err(Error::wrong_queue_type("d", "MessageDeduplicationId").of_batch_entry()));

    let received = world.receive("q", 0).await.unwrap();
    assert_eq!(bodies(&received), ["1", "2"]);
    let handles: [&str; 4] =
        [&received[0].receipt_handle, "nonsense", &received[1].receipt_handle, &received[1].receipt_handle];
    let entry = |(id, handle): (usize, &str)| BatchEntry {
        id: id.to_string(),
        entry: Ok(DeleteMessage { receipt_handle: handle.into() }),
    };
    let entries = handles.into_iter().enumerate().map(entry).collect();
    let Response::Batch(results) = world.call("q", DeleteMessageBatch { entries }).await.unwrap() else {
        panic!("results of a batch");
    };
    let told: Vec<_> = results.iter().map(|result| result.outcome.is_ok()).collect();
    assert_eq!(told, [true, false, true, true]);
    assert_eq!(results[1].outcome, Err(Error::invalid_handle("nonsense")));
}

#[tokio::test]
async fn a_batch_for_a_fifo_queue_is_refused_as_a_whole_if_an_entry_lacks_an_id_it_needs() {
    let world = World::new();
    world.create("q.fifo", Vec::new()).await;
    world.create("content.fifo", vec![AttributeChange::ContentBasedDeduplication(true)]).await;
    let batch = |second: NewMessage| {
        let entries = [("a", in_group("1", "g", Some("1"))), ("b", second)];
        let entries = entries.into_iter().map(|(id, entry)| BatchEntry { id: id.into(), entry: Ok(entry) }).collect();
        SendMessageBatch { entries }
    };
    let no_group = world.call("q.fifo", batch(message("2"))).await;
    assert_eq!(no_group, Err(Error::missing_parameter("MessageGroupId")));
    let no_id = world.call("q.fifo", batch(in_group("2", "g", None))).await;
    assert_eq!(no_id, Err(Error::missing_deduplication_id()));
    assert_eq!(world.receive("q.fifo", 0).await.unwrap(), []);

    assert!(world.call("content.fifo", batch(in_group("2", "g", None))).await.is_ok());
    assert_eq!(bodies(&world.receive("content.fifo", 0).await.unwrap()), ["1", "2"]);
}

#[tokio::test]
async fn a_refused_redrive_policy_is_shown_as_the_client_wrote_it() {
    let world = World::new();
    world.create("q", Vec::new()).await;
    let policy = RedrivePolicy {
        target: QueueArn::parse("arn:aws:sqs:us-east-1:000000000000:gone").unwrap(),
        max_receive_count: 3,
        text: "compact".into(),
        given: "{ as given }".into(),
    };
    let attributes = vec![AttributeChange::RedrivePolicy(Some(policy))];
    let refusal = world.call("q", SetQueueAttributes { attributes }).await;
    let reason = "Dead letter target does not exist.";
    assert_eq!(refusal, Err(Error::invalid_value("{ as given }", "RedrivePolicy", reason)));
}

#[tokio::test]
async fn a_visible_message_stays_visible_whatever_its_last_handle_asks_for() {
    let world = World::new();
    world.create("q", Vec::new()).await;
    world.send("q", message("x")).await.unwrap();
    let handle = world.receive("q", 0).await.unwrap().remove(0).receipt_handle;
    let change = |visibility_seconds| ChangeMessageVisibility { receipt_handle: handle.clone(), visibility_seconds };
    for seconds in [0, 0, 60] {
        assert_eq!(world.call("q", change(seconds)).await, Ok(Response::Done));
    }
    assert_eq!(bodies(&world.receive("q", 0).await.unwrap()), ["x"]);
}

#[tokio::test]
async fn a_bad_attempt_id_matters_to_fifo_queues_only() {
    let world = World::new();
    world.create("q", Vec::new()).await;
    world.create("q.fifo", Vec::new()).await;
    let bad = Error::invalid_parameter("bad id");
    let wish = || ReceiveMessage { attempt_id: Some(Err(bad.clone())), ..receive(0) };
    assert_eq!(world.call("q", wish()).await, Ok(Response::Messages(Vec::new())));
    assert_eq!(world.call("q.fifo", wish()).await, Err(bad));
}

#[tokio::test]
async fn a_batch_in_which_every_entry_is_wrong_changes_nothing() {
    let world = World::new();
    world.create("q", Vec::new()).await;
    let entries = vec![BatchEntry { id: "a".into(), entry: Err(Error::missing_parameter("MessageBody")) }];
    let answer = world.call("q", SendMessageBatch { entries }).await.unwrap();
    assert!(matches!(answer, Response::SentBatch(results) if results[0].outcome.is_err()));
    assert_eq!(world.receive("q", 0).await.unwrap(), []);
}

#[tokio::test]
async fn a_handle_is_good_for_its_own_queue_only() {
    let world = World::new();
    world.create("q", Vec::new()).await;
    world.create("other", Vec::new()).await;
    world.send("q", message("x")).await.unwrap();
    let handle = world.receive("q", 0).await.unwrap().remove(0).receipt_handle;
    assert_eq!(world.delete("other", &handle).await, Err(Error::handle_of_another_queue(&handle)));
    let change = ChangeMessageVisibility { receipt_handle: handle.clone(), visibility_seconds: 0 };
    assert_eq!(world.call("other", change.clone()).await, Err(Error::handle_of_another_queue(&handle)));

    assert_eq!(world.call("q", change.clone()).await, Ok(Response::Done));
    let beyond = ChangeMessageVisibility { receipt_handle: String::new(), visibility_seconds: 43_200 };
    let handle = world.receive("q", 0).await.unwrap().remove(0).receipt_handle;
    let error = world.call("q", ChangeMessageVisibility { receipt_handle: handle, ..beyond }).await.unwrap_err();
    assert_eq!(
        error.message,
        "Value 43200 for parameter VisibilityTimeout is invalid. Reason: Total VisibilityTimeout for the message is \
         beyond the limit [43200 seconds]"
    );
}

#[tokio::test]
async fn a_queue_that_is_not_there_is_told_before_a_bad_value() {
    let world = World::new();
    let envelope = |queue: &str| Envelope {
        action: Action::SendMessage,
        queue: Some(locator(queue)),
        request: Err(Error::missing_parameter("MessageBody")),
    };
    let missing = world.broker.call(&world.caller, envelope("q")).await;
    assert_eq!(missing, Err(Error::no_such_queue()));
    world.create("q", Vec::new()).await;
    let wrong = world.broker.call(&world.caller, envelope("q")).await;
    assert_eq!(wrong, Err(Error::missing_parameter("MessageBody")));
}

#[tokio::test]
async fn handles_and_messages_outlive_a_crash() {
    let world = World::new();
    world.create("q", Vec::new()).await;
    world.send("q", message("kept")).await.unwrap();
    world.send("q", message("deleted")).await.unwrap();
    let received = world.receive("q", 0).await.unwrap();
    let deleted = received.iter().find(|message| message.body == "deleted").unwrap();
    world.delete("q", &deleted.receipt_handle).await.unwrap();
    let kept = received.iter().find(|message| message.body == "kept").unwrap();

    let world = world.crash();
    assert_eq!(world.receive("q", 0).await.unwrap(), [], "it is still in flight");
    let change = ChangeMessageVisibility { receipt_handle: kept.receipt_handle.clone(), visibility_seconds: 0 };
    assert_eq!(world.call("q", change).await, Ok(Response::Done));
    let received = world.receive("q", 0).await.unwrap();
    assert_eq!(bodies(&received), ["kept"]);
    assert_eq!(system(&received[0], SystemAttribute::ApproximateReceiveCount), Some("2"));
}

#[tokio::test]
async fn a_large_group_is_written_although_callers_are_ready_to_add_to_it_and_a_small_one_waits_for_them() {
    let world = World::new();
    world.create("q", vec![]).await;
    for (bytes, commits) in [(256 << 10, 1), (1, 0)] {
        let (before, body) = (world.journal.commits(), "x".repeat(bytes));
        let mut sends = [pin!(world.send("q", message(&body))), pin!(world.send("q", message(&body)))];
        for send in &mut sends {
            let is_pending = poll_fn(|context| Poll::Ready(send.as_mut().poll(context).is_pending())).await;
            assert!(is_pending, "no answer before the record is durable");
        }
        // The task that writes gets one turn, in which this one is ready.
        tokio::task::yield_now().await;
        assert_eq!(world.journal.commits() - before, commits, "{bytes} bytes each");
        for send in sends {
            send.await.unwrap();
        }
    }
}

#[tokio::test]
async fn messages_that_are_sent_at_one_time_share_a_record_and_keep_their_own_digests() {
    let world = World::new();
    world.create("q", vec![]).await;
    let (first, second) = tokio::join!(world.send("q", message("hello")), world.send("q", message("world")));
    let digests = [first, second].map(|sent| HEXLOWER.encode(&sent.unwrap().body_md5.0));
    assert_eq!(digests, ["5d41402abc4b2a76b9719d911017c592", "7d793037a0760186574b0282f2f435e7"]);
    assert_eq!(world.journal.durable(ShardId(0)), Position(2), "one record for the queue, one for both messages");
    let received = world.receive("q", 0).await.unwrap();
    let told = received.iter().map(|message| (message.body.as_str(), HEXLOWER.encode(&message.body_md5.0)));
    assert!(told.eq([("hello", digests[0].clone()), ("world", digests[1].clone())]), "{received:?}");
}
