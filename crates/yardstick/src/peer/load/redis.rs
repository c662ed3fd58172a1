//! Redis with a stream and a consumer group.

use super::Client;
use redis::aio::MultiplexedConnection;
use redis::streams::StreamReadReply;
use redis::{RedisError, cmd, pipe};

pub(super) struct Connection {
    connection: MultiplexedConnection,
}

const STREAM: &str = "messages";
const GROUP: &str = "workers";
const FIELD: &str = "body";

fn said(error: RedisError) -> String {
    format!("Redis: {error}")
}

impl Client for Connection {
    async fn open(address: &str) -> Result<Self, String> {
        let client = redis::Client::open(format!("redis://{address}/")).map_err(said)?;
        let connection = client.get_multiplexed_async_connection().await.map_err(said)?;
        Ok(Self { connection })
    }

    async fn prepare(&mut self) -> Result<(), String> {
        let mut commands = pipe();
        commands.cmd("DEL").arg(STREAM).ignore();
        commands.cmd("XGROUP").arg("CREATE").arg(STREAM).arg(GROUP).arg("0").arg("MKSTREAM").ignore();
        commands.query_async::<()>(&mut self.connection).await.map_err(said)
    }

    async fn send(&mut self, body: &str, count: usize) -> Result<(), String> {
        let mut commands = pipe();
        for _ in 0..count {
            commands.cmd("XADD").arg(STREAM).arg("*").arg(FIELD).arg(body).ignore();
        }
        commands.query_async::<()>(&mut self.connection).await.map_err(said)
    }

    async fn consume(&mut self, most: usize) -> Result<usize, String> {
        let mut read = cmd("XREADGROUP");
        read.arg("GROUP").arg(GROUP).arg("worker").arg("COUNT").arg(most).arg("STREAMS").arg(STREAM).arg(">");
        let found: Option<StreamReadReply> = read.query_async(&mut self.connection).await.map_err(said)?;
        let entries = found.into_iter().flat_map(|reply| reply.keys).flat_map(|key| key.ids);
        let ids: Vec<String> = entries.map(|entry| entry.id).collect();
        if ids.is_empty() {
            return Ok(0);
        }
        let mut commands = pipe();
        commands.cmd("XACK").arg(STREAM).arg(GROUP).arg(&ids).ignore();
        commands.cmd("XDEL").arg(STREAM).arg(&ids).ignore();
        commands.query_async::<()>(&mut self.connection).await.map_err(said)?;
        Ok(ids.len())
    }
}
