//! AWS JSON 1.0.

use super::{Call, FailedEntry, FifoIds, Head, Malformed, Outgoing, Queue};
use memchr::memchr;
use serde::Deserialize;
use std::borrow::Cow;
use std::io::Write;

pub(super) fn encode(head: &Head, call: &Call<'_>, buffer: &mut Vec<u8>) {
    let begun = head.begin(buffer, "/", "application/x-amz-json-1.0", Some(call.action()));
    match *call {
        Call::CreateQueue { name, fifo, policy } => {
            buffer.extend_from_slice(b"{\"QueueName\":");
            string(buffer, name);
            let attributes = [("FifoQueue", fifo.then_some("true")), ("Policy", policy)];
            let given = attributes.into_iter().filter_map(|(name, value)| Some((name, value?)));
            for (index, (name, value)) in given.clone().enumerate() {
                let before = if index == 0 { ",\"Attributes\":{" } else { "," };
                append(buffer, format_args!("{before}\"{name}\":"));
                string(buffer, value);
            }
            if given.count() > 0 {
                buffer.push(b'}');
            }
        }
        Call::DeleteQueue { queue } | Call::PurgeQueue { queue } => queue_url_member(buffer, queue),
        Call::Send { queue, message } => {
            queue_url_member(buffer, queue);
            buffer.push(b',');
            message_members(buffer, message);
        }
        Call::SendBatch { queue, messages } => {
            queue_url_member(buffer, queue);
            buffer.extend_from_slice(b",\"Entries\":[");
            for (index, message) in messages.iter().enumerate() {
                begin_entry(buffer, index);
                message_members(buffer, *message);
                buffer.push(b'}');
            }
            buffer.push(b']');
        }
        Call::Receive { queue, messages_max, wait_seconds, visibility_seconds } => {
            queue_url_member(buffer, queue);
            append(buffer, format_args!(",\"MaxNumberOfMessages\":{messages_max},\"WaitTimeSeconds\":{wait_seconds}"));
            if let Some(seconds) = visibility_seconds {
                append(buffer, format_args!(",\"VisibilityTimeout\":{seconds}"));
            }
        }
        Call::Delete { queue, handle } => {
            queue_url_member(buffer, queue);
            buffer.extend_from_slice(b",\"ReceiptHandle\":");
            string(buffer, handle);
        }
        Call::DeleteBatch { queue, handles } => {
            queue_url_member(buffer, queue);
            buffer.extend_from_slice(b",\"Entries\":[");
            for (index, handle) in handles.iter().enumerate() {
                begin_entry(buffer, index);
                buffer.extend_from_slice(b"\"ReceiptHandle\":");
                string(buffer, handle);
                buffer.push(b'}');
            }
            buffer.push(b']');
        }
    }
    buffer.push(b'}');
    head.finish(buffer, begun);
}

fn queue_url_member(buffer: &mut Vec<u8>, queue: &Queue) {
    buffer.extend_from_slice(b"{\"QueueUrl\":");
    string(buffer, &queue.url);
}

fn begin_entry(buffer: &mut Vec<u8>, index: usize) {
    if index > 0 {
        buffer.push(b',');
    }
    append(buffer, format_args!("{{\"Id\":\"{index}\","));
}

fn message_members(buffer: &mut Vec<u8>, message: Outgoing<'_>) {
    if let Some(FifoIds { group, deduplication }) = message.fifo {
        append(buffer, format_args!("\"MessageGroupId\":\"{group}\",\"MessageDeduplicationId\":\"{deduplication}\","));
    }
    if let Some(seconds) = message.delay_seconds {
        append(buffer, format_args!("\"DelaySeconds\":{seconds},"));
    }
    buffer.extend_from_slice(b"\"MessageBody\":\"");
    buffer.extend_from_slice(message.body);
    buffer.push(b'"');
}

fn string(buffer: &mut Vec<u8>, text: &str) {
    serde_json::to_writer(buffer, text).expect("writing text to memory does not fail");
}

fn append(buffer: &mut Vec<u8>, arguments: std::fmt::Arguments<'_>) {
    buffer.write_fmt(arguments).expect("writing to memory does not fail");
}

pub(super) fn error_code(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Refusal<'a> {
        #[serde(borrow, rename = "__type")]
        kind: Cow<'a, str>,
    }
    let refusal: Refusal<'_> = serde_json::from_slice(body).ok()?;
    let shape = refusal.kind.rsplit('#').next().unwrap_or("");
    Some(shape.split(':').next().unwrap_or("").to_owned())
}

/// Reads an object. Without the check serde would take an array as well.
fn object<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Malformed> {
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err(Malformed);
    }
    serde_json::from_slice(body).map_err(|_| Malformed)
}

pub(super) fn queue_url(body: &[u8]) -> Result<String, Malformed> {
    #[derive(Deserialize)]
    struct Created {
        #[serde(rename = "QueueUrl")]
        url: String,
    }
    let created: Created = object(body)?;
    Ok(created.url)
}

pub(super) fn messages(body: &[u8], mut each: impl FnMut(&str, &[u8])) -> Result<usize, Malformed> {
    #[derive(Deserialize)]
    struct Received<'a> {
        #[serde(borrow, default, rename = "Messages")]
        messages: Option<Vec<Message<'a>>>,
    }
    #[derive(Deserialize)]
    struct Message<'a> {
        #[serde(borrow, rename = "ReceiptHandle")]
        handle: Cow<'a, str>,
        #[serde(borrow, rename = "Body")]
        body: Cow<'a, str>,
    }
    let received: Received<'_> = object(body)?;
    let messages = received.messages.unwrap_or_default();
    for message in &messages {
        each(&message.handle, message.body.as_bytes());
    }
    Ok(messages.len())
}

pub(super) fn failed_entries(body: &[u8]) -> Result<Vec<FailedEntry>, Malformed> {
    // The usual answer has no failures; one search tells, without parsing: digests, and the ids of most servers, have no
    // capitals.
    if memchr(b'F', body).is_none() {
        return Ok(Vec::new());
    }
    #[derive(Deserialize)]
    struct Answer {
        #[serde(default, rename = "Failed")]
        failed: Option<Vec<Entry>>,
    }
    #[derive(Deserialize)]
    struct Entry {
        #[serde(rename = "Id")]
        id: String,
        #[serde(rename = "Code")]
        code: String,
    }
    let answer: Answer = object(body)?;
    let entries = answer.failed.unwrap_or_default();
    entries.into_iter().map(|entry| Ok((entry.id.parse().map_err(|_| Malformed)?, entry.code))).collect()
}
