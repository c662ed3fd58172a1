//! The Rust SDK against a running server.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::{BehaviorVersion, Credentials, Region, retry::RetryConfig};
use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sqs::primitives::Blob;
use aws_sdk_sqs::types::{
    DeleteMessageBatchRequestEntry, Message, MessageAttributeValue, MessageSystemAttributeName, QueueAttributeName,
    SendMessageBatchRequestEntry,
};

/// A stock client of the server under test, over plain HTTP.
fn client() -> Client {
    let variable = |name: &str| std::env::var(name).unwrap_or_else(|_| panic!("set {name}"));
    let key = Credentials::new(variable("AWS_ACCESS_KEY_ID"), variable("AWS_SECRET_ACCESS_KEY"), None, None, "tests");
    let config = aws_sdk_sqs::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(variable("STANCHION_ENDPOINT"))
        .region(Region::new("us-east-1"))
        .credentials_provider(key)
        .retry_config(RetryConfig::disabled())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    Client::from_conf(config)
}

/// Runs a story against a fresh queue and removes the queue, whatever comes of the story.
async fn with_queue<F, S>(attributes: &[(QueueAttributeName, &str)], story: F)
where
    F: FnOnce(Client, String) -> S,
    S: Future<Output = ()> + Send + 'static,
{
    let client = client();
    let url = create(&client, attributes).await;
    let outcome = tokio::spawn(story(client.clone(), url.clone())).await;
    let deleted = client.delete_queue().queue_url(&url).send().await;
    if let Err(panic) = outcome {
        std::panic::resume_unwind(panic.into_panic());
    }
    deleted.expect("the queue is deleted");
}

async fn create(client: &Client, attributes: &[(QueueAttributeName, &str)]) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let started = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_micros();
    let mut name = format!("rust-{started}-{}", NEXT.fetch_add(1, Ordering::Relaxed));
    if attributes.iter().any(|(key, _)| *key == QueueAttributeName::FifoQueue) {
        name.push_str(".fifo");
    }
    let mut request = client.create_queue().queue_name(name);
    for (key, value) in attributes {
        request = request.attributes(key.clone(), *value);
    }
    request.send().await.expect("the queue is created").queue_url.expect("with a URL")
}

/// The messages of one receive call, with all attributes asked for.
async fn receive(client: &Client, url: &str, count: i32, wait: i32) -> Vec<Message> {
    let reply = client
        .receive_message()
        .queue_url(url)
        .max_number_of_messages(count)
        .wait_time_seconds(wait)
        .message_attribute_names("All")
        .message_system_attribute_names(MessageSystemAttributeName::All)
        .send()
        .await
        .expect("a receive succeeds");
    reply.messages.unwrap_or_default()
}

fn bodies(messages: &[Message]) -> Vec<&str> {
    messages.iter().filter_map(Message::body).collect()
}

async fn attribute(client: &Client, url: &str, name: QueueAttributeName) -> String {
    let reply = client
        .get_queue_attributes()
        .queue_url(url)
        .attribute_names(name.clone())
        .send()
        .await
        .expect("attributes are read");
    reply.attributes.expect("attributes").remove(&name).expect("the attribute asked for")
}

fn text(value: &str) -> MessageAttributeValue {
    MessageAttributeValue::builder().data_type("String").string_value(value).build().expect("a data type")
}

#[tokio::test]
async fn a_queue_is_found_listed_changed_and_tagged() {
    with_queue(&[(QueueAttributeName::VisibilityTimeout, "7")], |client, url| async move {
        let name = url.rsplit('/').next().expect("a name");
        let found = client.get_queue_url().queue_name(name).send().await.expect("found");
        assert_eq!(found.queue_url(), Some(url.as_str()));

        let mut pages = client.list_queues().queue_name_prefix(name).into_paginator().page_size(1).send();
        let mut listed = Vec::new();
        while let Some(page) = pages.next().await {
            listed.extend(page.expect("a page").queue_urls.unwrap_or_default());
        }
        assert_eq!(listed, std::slice::from_ref(&url));

        let set = client.set_queue_attributes().queue_url(&url);
        set.attributes(QueueAttributeName::DelaySeconds, "3").send().await.expect("set");
        assert_eq!(attribute(&client, &url, QueueAttributeName::DelaySeconds).await, "3");
        assert_eq!(attribute(&client, &url, QueueAttributeName::VisibilityTimeout).await, "7");

        client.tag_queue().queue_url(&url).tags("a", "1").tags("b", "2").send().await.expect("tag");
        client.untag_queue().queue_url(&url).tag_keys("a").send().await.expect("untag");
        let tags = client.list_queue_tags().queue_url(&url).send().await.expect("tags");
        assert_eq!(tags.tags.expect("one is left"), [("b".to_owned(), "2".to_owned())].into());
    })
    .await;
}

#[tokio::test]
async fn a_message_keeps_its_body_and_attributes() {
    with_queue(&[], |client, url| async move {
        let body = "line\r\n漢字 🦀";
        let number = MessageAttributeValue::builder().data_type("Number.int").string_value("42");
        let blob = MessageAttributeValue::builder().data_type("Binary.png").binary_value(Blob::new([0, 1, 2, 255]));
        let sent = client
            .send_message()
            .queue_url(&url)
            .message_body(body)
            .message_attributes("Count", number.build().expect("a data type"))
            .message_attributes("a", text("é"))
            .message_attributes("blob", blob.build().expect("a data type"))
            .send()
            .await
            .expect("sent");
        assert_eq!(sent.md5_of_message_attributes(), Some("b304a10c89ca9d80a53b51b7c3a5b46e"));

        let messages = receive(&client, &url, 10, 5).await;
        assert_eq!(bodies(&messages), [body]);
        assert_eq!(messages[0].message_id(), sent.message_id());
        let given = messages[0].message_attributes().expect("attributes");
        assert_eq!(given["blob"].binary_value().expect("bytes").as_ref(), [0, 1, 2, 255]);
        assert_eq!(given["a"], text("é"));

        let handle = messages[0].receipt_handle().expect("a handle");
        let change = client.change_message_visibility().queue_url(&url).receipt_handle(handle);
        change.visibility_timeout(0).send().await.expect("changed");
        let again = receive(&client, &url, 10, 5).await;
        let count = &again[0].attributes().expect("attributes")[&MessageSystemAttributeName::ApproximateReceiveCount];
        assert_eq!(count, "2");

        let handle = again[0].receipt_handle().expect("a handle");
        let delete = client.delete_message().queue_url(&url).receipt_handle(handle);
        delete.send().await.expect("deleted");
        client.purge_queue().queue_url(&url).send().await.expect("purged");
        assert!(receive(&client, &url, 10, 0).await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_batch_fails_entry_by_entry() {
    with_queue(&[], |client, url| async move {
        let entries = (0..10).map(|number| {
            SendMessageBatchRequestEntry::builder()
                .id(format!("e{number}"))
                .message_body(number.to_string())
                .delay_seconds(if number == 4 { 901 } else { 0 })
                .build()
                .expect("an entry")
        });
        let request = client.send_message_batch().queue_url(&url);
        let sent = request.set_entries(Some(entries.collect())).send().await.expect("sent");
        assert_eq!(sent.successful().len(), 9);
        assert_eq!(sent.failed().len(), 1);
        let failed = &sent.failed()[0];
        assert_eq!((failed.id(), failed.code()), ("e4", "InvalidParameterValue"));
        assert!(failed.sender_fault());

        let mut messages = Vec::new();
        for _ in 0..10 {
            if messages.len() < 9 {
                messages.extend(receive(&client, &url, 10, 5).await);
            }
        }
        assert_eq!(messages.len(), 9);
        let handles = messages.iter().filter_map(Message::receipt_handle).chain(["nonsense"]);
        let entries = handles.enumerate().map(|(number, handle)| {
            DeleteMessageBatchRequestEntry::builder()
                .id(format!("d{number}"))
                .receipt_handle(handle)
                .build()
                .expect("an entry")
        });
        let request = client.delete_message_batch().queue_url(&url);
        let deleted = request.set_entries(Some(entries.collect())).send().await.expect("deleted");
        assert_eq!(deleted.successful().len(), 9);
        assert_eq!(deleted.failed()[0].code(), "ReceiptHandleIsInvalid");
    })
    .await;
}

#[tokio::test]
async fn a_long_poll_is_answered_by_a_send() {
    with_queue(&[], |client, url| async move {
        let started = Instant::now();
        let send = client.send_message().queue_url(&url).message_body("m").delay_seconds(1).send();
        let (messages, sent) = tokio::join!(receive(&client, &url, 1, 20), send);
        sent.expect("sent");
        assert_eq!(bodies(&messages), ["m"]);
        assert!(started.elapsed() < Duration::from_secs(15), "it ended by itself");
    })
    .await;
}

#[tokio::test]
async fn a_fifo_queue_keeps_order_and_drops_duplicates() {
    let attributes = [(QueueAttributeName::FifoQueue, "true"), (QueueAttributeName::ContentBasedDeduplication, "true")];
    with_queue(&attributes, |client, url| async move {
        for body in ["a1", "a2", "b1", "a1"] {
            let send = client.send_message().queue_url(&url).message_body(body);
            let sent = send.message_group_id(&body[..1]).send().await.expect("sent");
            assert!(sent.sequence_number().is_some());
        }
        let first = receive(&client, &url, 1, 5).await;
        assert_eq!(bodies(&first), ["a1"]);
        assert_eq!(bodies(&receive(&client, &url, 10, 5).await), ["b1"]);
        let handle = first[0].receipt_handle().expect("a handle");
        let delete = client.delete_message().queue_url(&url).receipt_handle(handle);
        delete.send().await.expect("deleted");
        assert_eq!(bodies(&receive(&client, &url, 10, 5).await), ["a2"]);
    })
    .await;
}

#[tokio::test]
async fn a_dead_letter_queue_takes_and_returns_a_message() {
    with_queue(&[(QueueAttributeName::VisibilityTimeout, "0")], |_, source| async move {
        with_queue(&[], |client, dead| async move {
            let arn = attribute(&client, &dead, QueueAttributeName::QueueArn).await;
            let policy = format!(r#"{{"deadLetterTargetArn":"{arn}","maxReceiveCount":1}}"#);
            let set = client.set_queue_attributes().queue_url(&source);
            set.attributes(QueueAttributeName::RedrivePolicy, policy).send().await.expect("set");
            let sent = client.send_message().queue_url(&source).message_body("m").send().await;
            assert_eq!(receive(&client, &source, 1, 5).await.len(), 1);
            assert!(receive(&client, &source, 1, 0).await.is_empty());

            let listed = client.list_dead_letter_source_queues().queue_url(&dead).send().await;
            assert_eq!(listed.expect("listed").queue_urls(), std::slice::from_ref(&source));

            client.start_message_move_task().source_arn(&arn).send().await.expect("started");
            let back = receive(&client, &source, 1, 15).await;
            assert_eq!(bodies(&back), ["m"]);
            assert_ne!(back[0].message_id(), sent.expect("sent").message_id());
            let tasks = client.list_message_move_tasks().source_arn(&arn).send().await;
            assert_eq!(tasks.expect("listed").results()[0].source_arn(), Some(arn.as_str()));
        })
        .await;
    })
    .await;
}

/// The HTTP status, the code and the message that a user of the SDK sees.
fn seen<E>(error: &SdkError<E>) -> (u16, Option<&str>, Option<&str>)
where
    E: ProvideErrorMetadata,
{
    let status = error.raw_response().map_or(0, |reply| reply.status().as_u16());
    let metadata = error.as_service_error().map(ProvideErrorMetadata::meta);
    (status, metadata.and_then(|m| m.code()), metadata.and_then(|m| m.message()))
}

#[tokio::test]
async fn errors_have_the_clients_own_types() {
    with_queue(&[(QueueAttributeName::DelaySeconds, "1")], |client, url| async move {
        let send = client.send_message().queue_url(format!("{url}-missing")).message_body("m");
        let error = send.send().await.expect_err("no such queue");
        assert!(error.as_service_error().expect("a reply").is_queue_does_not_exist());
        assert_eq!(seen(&error).0, 400);

        let delete = client.delete_message().queue_url(&url).receipt_handle("abc");
        let error = delete.send().await.expect_err("no handle");
        assert!(error.as_service_error().expect("a reply").is_receipt_handle_is_invalid());
        assert_eq!(seen(&error).0, 404);

        let name = url.rsplit('/').next().expect("a name");
        let create = client.create_queue().queue_name(name);
        let error = create.attributes(QueueAttributeName::DelaySeconds, "2").send().await;
        let error = error.expect_err("another value");
        assert!(error.as_service_error().expect("a reply").is_queue_name_exists());

        let send = client.send_message().queue_url(&url).message_body("m").delay_seconds(901);
        let error = send.send().await.expect_err("out of range");
        let (status, code, message) = seen(&error);
        assert_eq!((status, code), (400, Some("InvalidParameterValue")));
        assert!(message.is_some_and(|text| text.contains("Value 901 for parameter DelaySeconds")));
    })
    .await;
}
