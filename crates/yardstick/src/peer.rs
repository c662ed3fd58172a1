//! Other queue servers, which the report shows beside this one.
//!
//! Each runs as its makers ship it, on one machine, with the settings that make an acknowledgement mean as much as it
//! can there. What it means differs, so the report says so beside the figures.

mod load;
mod start;

pub(crate) use load::{Effort, Task, load};
pub(crate) use start::{AUTHORIZATION, Software};

/// A server that somebody might use instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Peer {
    Moto,
    LocalStack,
    ElasticMq,
    GoAws,
    RabbitMq,
    PostgreSql,
    Redis,
}

impl Peer {
    /// All of them, in the order of the report.
    pub(crate) const ALL: [Self; 7] =
        [Self::ElasticMq, Self::GoAws, Self::LocalStack, Self::Moto, Self::RabbitMq, Self::PostgreSql, Self::Redis];

    /// This function gives the name that the report uses.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Moto => "moto",
            Self::LocalStack => "LocalStack",
            Self::ElasticMq => "ElasticMQ",
            Self::GoAws => "GoAWS",
            Self::RabbitMq => "RabbitMQ",
            Self::PostgreSql => "PostgreSQL",
            Self::Redis => "Redis",
        }
    }

    /// This function tells whether it speaks the SQS API; the others are loaded through clients of their own.
    pub(crate) fn speaks_sqs(self) -> bool {
        !matches!(self, Self::RabbitMq | Self::PostgreSql | Self::Redis)
    }

    /// This function says what the server has done when it answers, and how it is used.
    pub(crate) fn promise(self) -> &'static str {
        match self {
            Self::Moto | Self::LocalStack | Self::ElasticMq | Self::GoAws => {
                "in memory, as it comes: nothing is written, and a restart forgets every message"
            }
            Self::RabbitMq => {
                "quorum queue of one node, persistent messages, publisher confirms: synced before the confirm. \
                 Consumers take ten at a time and acknowledge them together, which is not answered"
            }
            Self::PostgreSql => {
                "a row for each message, one transaction for each request, its default settings: synced before the \
                 answer. Ten rows are selected with SKIP LOCKED, deleted and committed"
            }
            Self::Redis => {
                "stream, `appendfsync always`: synced before the answer. A consumer group reads ten, acknowledges and \
                 deletes them"
            }
        }
    }
}
