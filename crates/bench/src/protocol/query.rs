//! The Query protocol: forms in, XML out. In the answers `<` appears only in
//! markup, so elements are found by searching for their tags.

use super::{Call, FailedEntry, FifoIds, Head, Malformed, Outgoing};
use memchr::memmem;
use percent_encoding::{NON_ALPHANUMERIC, percent_encode};
use std::borrow::Cow;
use std::io::Write;

pub(super) fn encode(head: &Head, call: &Call<'_>, buffer: &mut Vec<u8>) {
    let path = match *call {
        Call::CreateQueue { .. } => "/",
        Call::DeleteQueue { queue }
        | Call::PurgeQueue { queue }
        | Call::Send { queue, .. }
        | Call::SendBatch { queue, .. }
        | Call::Receive { queue, .. }
        | Call::Delete { queue, .. }
        | Call::DeleteBatch { queue, .. } => &queue.path,
    };
    let begun = head.begin(buffer, path, "application/x-www-form-urlencoded", None);
    append(buffer, format_args!("Action={}&Version=2012-11-05", call.action().name()));
    match *call {
        Call::CreateQueue { name, fifo, policy } => {
            buffer.extend_from_slice(b"&QueueName=");
            value(buffer, name);
            let attributes = [("FifoQueue", fifo.then_some("true")), ("Policy", policy)];
            let given = attributes.into_iter().filter_map(|(name, value)| Some((name, value?)));
            for (number, (name, text)) in (1..).zip(given) {
                append(buffer, format_args!("&Attribute.{number}.Name={name}&Attribute.{number}.Value="));
                value(buffer, text);
            }
        }
        Call::DeleteQueue { .. } | Call::PurgeQueue { .. } => {}
        Call::Send { message, .. } => message_parameters(buffer, format_args!(""), message),
        Call::SendBatch { messages, .. } => {
            for (index, message) in messages.iter().enumerate() {
                let number = index + 1;
                append(buffer, format_args!("&SendMessageBatchRequestEntry.{number}.Id={index}"));
                message_parameters(buffer, format_args!("SendMessageBatchRequestEntry.{number}."), *message);
            }
        }
        Call::Receive { messages_max, wait_seconds, visibility_seconds, .. } => {
            append(buffer, format_args!("&MaxNumberOfMessages={messages_max}&WaitTimeSeconds={wait_seconds}"));
            if let Some(seconds) = visibility_seconds {
                append(buffer, format_args!("&VisibilityTimeout={seconds}"));
            }
        }
        Call::Delete { handle, .. } => {
            buffer.extend_from_slice(b"&ReceiptHandle=");
            value(buffer, handle);
        }
        Call::DeleteBatch { handles, .. } => {
            for (index, handle) in handles.iter().enumerate() {
                let number = index + 1;
                append(
                    buffer,
                    format_args!(
                        "&DeleteMessageBatchRequestEntry.{number}.Id={index}\
                         &DeleteMessageBatchRequestEntry.{number}.ReceiptHandle="
                    ),
                );
                value(buffer, handle);
            }
        }
    }
    head.finish(buffer, begun);
}

fn message_parameters(buffer: &mut Vec<u8>, prefix: std::fmt::Arguments<'_>, message: Outgoing<'_>) {
    if let Some(FifoIds { group, deduplication }) = message.fifo {
        append(buffer, format_args!("&{prefix}MessageGroupId={group}&{prefix}MessageDeduplicationId={deduplication}"));
    }
    if let Some(seconds) = message.delay_seconds {
        append(buffer, format_args!("&{prefix}DelaySeconds={seconds}"));
    }
    append(buffer, format_args!("&{prefix}MessageBody="));
    buffer.extend_from_slice(message.body);
}

fn value(buffer: &mut Vec<u8>, text: &str) {
    append(buffer, format_args!("{}", percent_encode(text.as_bytes(), NON_ALPHANUMERIC)));
}

fn append(buffer: &mut Vec<u8>, arguments: std::fmt::Arguments<'_>) {
    buffer.write_fmt(arguments).expect("writing to memory does not fail");
}

pub(super) fn error_code(body: &[u8]) -> Option<String> {
    let (code, _) = element(body, "Code").ok()??;
    String::from_utf8(code.to_vec()).ok()
}

pub(super) fn queue_url(body: &[u8]) -> Result<String, Malformed> {
    let (url, _) = element(body, "QueueUrl")?.ok_or(Malformed)?;
    Ok(text(url)?.into_owned())
}

pub(super) fn messages(body: &[u8], mut each: impl FnMut(&str, &[u8])) -> Result<usize, Malformed> {
    // An answer to something else must not pass for an empty receive.
    if memmem::find(body, b"ReceiveMessageResponse").is_none() {
        return Err(Malformed);
    }
    let mut count = 0;
    let mut rest = body;
    while let Some((message, after)) = element(rest, "Message")? {
        let (handle, _) = element(message, "ReceiptHandle")?.ok_or(Malformed)?;
        let (content, _) = element(message, "Body")?.ok_or(Malformed)?;
        each(&text(handle)?, text(content)?.as_bytes());
        count += 1;
        rest = after;
    }
    Ok(count)
}

pub(super) fn failed_entries(body: &[u8]) -> Result<Vec<FailedEntry>, Malformed> {
    let mut failed = Vec::new();
    let mut rest = body;
    while let Some((entry, after)) = element(rest, "BatchResultErrorEntry")? {
        let (id, _) = element(entry, "Id")?.ok_or(Malformed)?;
        let (code, _) = element(entry, "Code")?.ok_or(Malformed)?;
        let position = text(id)?.parse().map_err(|_| Malformed)?;
        failed.push((position, text(code)?.into_owned()));
        rest = after;
    }
    Ok(failed)
}

/// An element's content and what follows the element.
type Element<'a> = (&'a [u8], &'a [u8]);

/// The content of the first `<name>` element and what follows it.
fn element<'a>(xml: &'a [u8], name: &str) -> Result<Option<Element<'a>>, Malformed> {
    let open = format!("<{name}>");
    let Some(open_at) = memmem::find(xml, open.as_bytes()) else { return Ok(None) };
    let content = &xml[open_at + open.len()..];
    let close = format!("</{name}>");
    let close_at = memmem::find(content, close.as_bytes()).ok_or(Malformed)?;
    Ok(Some((&content[..close_at], &content[close_at + close.len()..])))
}

/// Character data with its references resolved.
fn text(raw: &[u8]) -> Result<Cow<'_, str>, Malformed> {
    let raw = std::str::from_utf8(raw).map_err(|_| Malformed)?;
    if !raw.contains('&') {
        return Ok(Cow::Borrowed(raw));
    }
    let mut resolved = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(at) = rest.find('&') {
        resolved.push_str(&rest[..at]);
        let (name, after) = rest[at + 1..].split_once(';').ok_or(Malformed)?;
        resolved.push(match name {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "apos" => '\'',
            _ => numbered_reference(name).ok_or(Malformed)?,
        });
        rest = after;
    }
    resolved.push_str(rest);
    Ok(Cow::Owned(resolved))
}

fn numbered_reference(name: &str) -> Option<char> {
    let number = name.strip_prefix('#')?;
    let code = match number.strip_prefix(['x', 'X']) {
        Some(hex) => u32::from_str_radix(hex, 16).ok()?,
        None => number.parse().ok()?,
    };
    char::from_u32(code)
}
