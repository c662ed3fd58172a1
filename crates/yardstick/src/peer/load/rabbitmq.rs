//! RabbitMQ with a quorum queue and publisher confirms.

use super::Client;
use amqprs::callbacks::ChannelCallback;
use amqprs::channel::{
    BasicAckArguments, BasicConsumeArguments, BasicPublishArguments, BasicQosArguments, Channel,
    ConfirmSelectArguments, ConsumerMessage, QueueDeclareArguments, QueueDeleteArguments,
};
use amqprs::connection::OpenConnectionArguments;
use amqprs::{
    Ack, BasicProperties, Cancel, CloseChannel, DELIVERY_MODE_PERSISTENT, FieldTable, FieldValue, LongStr, Nack, Return,
};
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

pub(super) struct Connection {
    // Dropped first, as long as its connection is there.
    channel: Channel,
    _connection: amqprs::connection::Connection,
    confirmed: UnboundedReceiver<Confirm>,
    /// How many messages were published, and the numbers of those that are not confirmed.
    published: u64,
    unconfirmed: BTreeSet<u64>,
    deliveries: Option<UnboundedReceiver<ConsumerMessage>>,
}

const QUEUE: &str = "messages";
/// How long a delivery may take until there seems to be none.
const DELIVERY: Duration = Duration::from_millis(100);

fn said(error: amqprs::error::Error) -> String {
    format!("RabbitMQ: {error}")
}

/// What the server says of messages that were published: those up to a number, or the one with it.
struct Confirm {
    number: u64,
    multiple: bool,
    kept: bool,
}

/// Passes confirms on.
struct Confirms(UnboundedSender<Confirm>);

#[async_trait::async_trait]
impl ChannelCallback for Confirms {
    async fn close(&mut self, _: &Channel, _: CloseChannel) -> Result<(), amqprs::error::Error> {
        Ok(())
    }

    async fn cancel(&mut self, _: &Channel, _: Cancel) -> Result<(), amqprs::error::Error> {
        Ok(())
    }

    async fn flow(&mut self, _: &Channel, active: bool) -> Result<bool, amqprs::error::Error> {
        Ok(active)
    }

    async fn publish_ack(&mut self, _: &Channel, ack: Ack) {
        // Nobody listens any more when the connection ends.
        let _ = self.0.send(Confirm { number: ack.delivery_tag(), multiple: ack.mutiple(), kept: true });
    }

    async fn publish_nack(&mut self, _: &Channel, nack: Nack) {
        let _ = self.0.send(Confirm { number: nack.delivery_tag(), multiple: nack.multiple(), kept: false });
    }

    async fn publish_return(&mut self, _: &Channel, _: Return, _: BasicProperties, _: Vec<u8>) {}
}

impl Connection {
    /// Waits until everything that was published is confirmed.
    async fn confirmed(&mut self) -> Result<(), String> {
        while !self.unconfirmed.is_empty() {
            let confirm = self.confirmed.recv().await.ok_or("RabbitMQ: the channel is closed")?;
            if !confirm.kept {
                return Err("RabbitMQ: a message was not taken".to_owned());
            }
            if confirm.multiple {
                self.unconfirmed.retain(|number| *number > confirm.number);
            } else {
                self.unconfirmed.remove(&confirm.number);
            }
        }
        Ok(())
    }

    async fn deliveries(&mut self) -> Result<&mut UnboundedReceiver<ConsumerMessage>, String> {
        if self.deliveries.is_none() {
            self.channel.basic_qos(BasicQosArguments::new(0, 10, false)).await.map_err(said)?;
            let arguments = BasicConsumeArguments::new(QUEUE, "");
            let (_, deliveries) = self.channel.basic_consume_rx(arguments).await.map_err(said)?;
            self.deliveries = Some(deliveries);
        }
        Ok(self.deliveries.as_mut().expect("just made"))
    }
}

impl Client for Connection {
    async fn open(address: &str) -> Result<Self, String> {
        let (host, port) = address.split_once(':').unwrap_or((address, "5672"));
        let port = port.parse().map_err(|_| format!("no port: {address}"))?;
        let arguments = OpenConnectionArguments::new(host, port, "guest", "guest");
        let connection = amqprs::connection::Connection::open(&arguments).await.map_err(said)?;
        let channel = connection.open_channel(None).await.map_err(said)?;
        let (sender, confirmed) = unbounded_channel();
        channel.register_callback(Confirms(sender)).await.map_err(said)?;
        channel.confirm_select(ConfirmSelectArguments::new(false)).await.map_err(said)?;
        Ok(Self {
            channel,
            _connection: connection,
            confirmed,
            published: 0,
            unconfirmed: BTreeSet::new(),
            deliveries: None,
        })
    }

    async fn prepare(&mut self) -> Result<(), String> {
        self.channel.queue_delete(QueueDeleteArguments::new(QUEUE)).await.map_err(said)?;
        let mut table = FieldTable::new();
        let kind: LongStr = "quorum".try_into().expect("it is short");
        table.insert("x-queue-type".try_into().expect("it is short"), FieldValue::S(kind));
        let mut arguments = QueueDeclareArguments::durable_client_named(QUEUE);
        arguments.arguments(table);
        self.channel.queue_declare(arguments).await.map(drop).map_err(said)
    }

    async fn send(&mut self, body: &str, count: usize) -> Result<(), String> {
        for _ in 0..count {
            let properties = BasicProperties::default().with_delivery_mode(DELIVERY_MODE_PERSISTENT).finish();
            let arguments = BasicPublishArguments::new("", QUEUE);
            let content = body.as_bytes().to_vec();
            self.channel.basic_publish(properties, content, arguments).await.map_err(said)?;
            self.published += 1;
            self.unconfirmed.insert(self.published);
        }
        self.confirmed().await
    }

    async fn consume(&mut self, most: usize) -> Result<usize, String> {
        let deliveries = self.deliveries().await?;
        let mut last = None;
        let mut count = 0;
        while count < most {
            let next = if count == 0 {
                tokio::time::timeout(DELIVERY, deliveries.recv()).await.ok().flatten()
            } else {
                deliveries.try_recv().ok()
            };
            let Some(message) = next else { break };
            last = message.deliver.map(|deliver| deliver.delivery_tag());
            count += 1;
        }
        if let Some(last) = last {
            self.channel.basic_ack(BasicAckArguments::new(last, true)).await.map_err(said)?;
        }
        Ok(count)
    }

    async fn settle(&mut self) -> Result<(), String> {
        // Answered when everything before it on the channel was looked at.
        let mut arguments = QueueDeclareArguments::new(QUEUE);
        arguments.passive(true);
        self.channel.queue_declare(arguments).await.map(drop).map_err(said)
    }
}
