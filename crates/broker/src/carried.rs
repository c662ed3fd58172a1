//! A message with all that can be said of it, on its way from one server to another.

use stanchion_engine::event::ColdMessage;
use stanchion_engine::queue::listing::Standing;
use stanchion_types::message::NewMessage;
use stanchion_types::response::SequenceNumber;
use stanchion_types::{MessageId, QueueArn, Timestamp};

use crate::content;

/// A message that leaves one server and may enter another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Carried {
    /// Its id; a message without one gets a new one where it enters.
    pub id: Option<MessageId>,
    /// What its sender said. Of a message that leaves, the digests of attributes and the delay are not filled in; the
    /// deduplication id is what receivers read.
    pub message: NewMessage,
    /// Who sent it; where it enters, `None` stands for who brings it.
    pub sender_id: Option<String>,
    /// When it was sent.
    pub sent_at: Timestamp,
    /// How often it was received.
    pub receive_count: u32,
    /// When it was received first; meaningless while the count is 0.
    pub first_received_at: Timestamp,
    /// Its number on the FIFO queue that it leaves. Where it enters it gets a new one.
    pub sequence_number: Option<SequenceNumber>,
    /// The queue that it was moved from as a dead letter.
    pub source: Option<QueueArn>,
    /// Where it stands.
    pub standing: Standing,
}

impl Carried {
    /// Puts a message together from what the engine knows of it and the bytes of its content.
    ///
    /// # Errors
    /// What is wrong with the bytes, if they are not the content of a message.
    pub fn read(message: &ColdMessage, standing: Standing, fifo: bool, bytes: &[u8]) -> Result<Carried, String> {
        let content = content::decode(bytes).map_err(|damage| format!("message {}: {damage}", message.id))?;
        let own_id = || message.id.to_string();
        Ok(Carried {
            id: Some(message.id),
            message: NewMessage {
                body: content.body.to_owned(),
                attributes: content.attributes.iter().copied().map(content::Attribute::to_owned).collect(),
                attributes_md5: None,
                trace_header: content.trace_header.map(str::to_owned),
                system_attributes_md5: None,
                delay_seconds: None,
                group_id: content.group_id.map(str::to_owned),
                deduplication_id: match message.id_replaces_deduplication_id {
                    true => Some(own_id()),
                    false => content.deduplication_id.map(str::to_owned),
                },
            },
            sender_id: Some(content.sender_id.to_owned()),
            sent_at: message.sent_at,
            receive_count: message.receives.count,
            first_received_at: message.receives.first_at,
            sequence_number: fifo.then_some(SequenceNumber(message.key.0)),
            source: message.source.clone(),
            standing,
        })
    }
}
