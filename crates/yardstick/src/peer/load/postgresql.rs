//! PostgreSQL with the table that people use as a queue.

use super::Client;
use tokio_postgres::{NoTls, Statement};

pub(super) struct Connection {
    client: tokio_postgres::Client,
    /// Prepared when the table is there.
    statements: Option<Statements>,
}

struct Statements {
    send: Statement,
    select: Statement,
    delete: Statement,
}

const MAKE: &str =
    "DROP TABLE IF EXISTS messages; CREATE TABLE messages (id bigserial PRIMARY KEY, body text NOT NULL)";
const SEND: &str = "INSERT INTO messages (body) SELECT unnest($1::text[])";
const SELECT: &str = "SELECT id, body FROM messages ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED";
const DELETE: &str = "DELETE FROM messages WHERE id = ANY($1::bigint[])";

fn said(error: tokio_postgres::Error) -> String {
    format!("PostgreSQL: {error}")
}

impl Connection {
    async fn statements(&mut self) -> Result<&Statements, String> {
        if self.statements.is_none() {
            let [send, select, delete] =
                [self.client.prepare(SEND).await, self.client.prepare(SELECT).await, self.client.prepare(DELETE).await];
            let (send, select, delete) = (send.map_err(said)?, select.map_err(said)?, delete.map_err(said)?);
            self.statements = Some(Statements { send, select, delete });
        }
        Ok(self.statements.as_ref().expect("just made"))
    }
}

impl Client for Connection {
    async fn open(address: &str) -> Result<Self, String> {
        let (host, port) = address.split_once(':').unwrap_or((address, "5432"));
        let words = format!("host={host} port={port} user=postgres dbname=postgres");
        let (client, connection) = tokio_postgres::connect(&words, NoTls).await.map_err(said)?;
        // Ends with the client; what went wrong, the client says as well.
        drop(tokio::task::spawn_local(async move { drop(connection.await) }));
        Ok(Self { client, statements: None })
    }

    async fn prepare(&mut self) -> Result<(), String> {
        self.client.batch_execute(MAKE).await.map_err(said)
    }

    async fn send(&mut self, body: &str, count: usize) -> Result<(), String> {
        let statement = self.statements().await?.send.clone();
        let bodies = vec![body; count];
        self.client.execute(&statement, &[&bodies]).await.map(drop).map_err(said)
    }

    async fn consume(&mut self, most: usize) -> Result<usize, String> {
        let statements = self.statements().await?;
        let (select, delete) = (statements.select.clone(), statements.delete.clone());
        let transaction = self.client.transaction().await.map_err(said)?;
        let rows = transaction.query(&select, &[&(most as i64)]).await.map_err(said)?;
        let ids: Vec<i64> = rows.iter().map(|row| row.get(0)).collect();
        if !ids.is_empty() {
            transaction.execute(&delete, &[&ids]).await.map_err(said)?;
        }
        transaction.commit().await.map_err(said)?;
        Ok(ids.len())
    }
}
