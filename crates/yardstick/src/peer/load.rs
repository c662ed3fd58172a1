//! Load on peers that do not speak SQS, through the clients that their users have.
//!
//! The shape is that of the SQS generator: so many connections, one request at a time each, on one thread.

mod postgresql;
mod rabbitmq;
mod redis;

use super::Peer;
use crate::report::{CONNECTIONS, SIZE};
use stanchion_bench::process;
use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::task::LocalSet;

/// What the connections do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Task {
    /// Make an empty queue.
    Prepare,
    /// Send one message after the other.
    Send,
    /// Send ten messages at a time.
    SendBatch,
    /// Receive ten and delete them, until there is none.
    Consume,
}

/// What came of it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Effort {
    pub(crate) messages: u64,
    pub(crate) elapsed: Duration,
    /// CPU time of the peer.
    pub(crate) server_cpu: Duration,
}

/// A connection to a peer with one queue.
trait Client: Sized {
    /// Connects.
    async fn open(address: &str) -> Result<Self, String>;
    /// Makes an empty queue, whatever was there before.
    async fn prepare(&mut self) -> Result<(), String>;
    /// Sends so many messages in one request, and returns when the peer has them for good.
    async fn send(&mut self, body: &str, count: usize) -> Result<(), String>;
    /// Receives up to so many messages and deletes them. None is no proof that there is none.
    async fn consume(&mut self, most: usize) -> Result<usize, String>;
    /// Returns when the peer has done what it was asked without an answer.
    async fn settle(&mut self) -> Result<(), String> {
        Ok(())
    }
}

/// Messages in a request.
const BATCH: u64 = 10;
/// Receives that find nothing, one after the other, until a connection gives up.
const EMPTY_MAX: u32 = 20;
/// How long it waits before the next.
const EMPTY_PAUSE: Duration = Duration::from_millis(20);
/// How long all of it may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// This function loads the peer at `address` with so many messages on so many connections; `pid` is its process.
///
/// # Errors
///
/// What the peer, or its client, has against it.
pub(crate) fn load(peer: Peer, address: &str, pid: u32, task: Task, messages: u64) -> Result<Effort, String> {
    match peer {
        Peer::RabbitMq => run::<rabbitmq::Connection>(address, pid, task, messages),
        Peer::PostgreSql => run::<postgresql::Connection>(address, pid, task, messages),
        Peer::Redis => run::<redis::Connection>(address, pid, task, messages),
        Peer::Moto | Peer::LocalStack | Peer::ElasticMq | Peer::GoAws => Err(format!("{} speaks SQS", peer.name())),
    }
}

fn run<C: Client + 'static>(address: &str, pid: u32, task: Task, messages: u64) -> Result<Effort, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| format!("starting a runtime: {source}"))?;
    let work = async {
        if task == Task::Prepare {
            C::open(address).await?.prepare().await?;
            return Ok(Effort::default());
        }
        all::<C>(address, pid, task, messages).await
    };
    let late = |_| format!("no end within {PATIENCE:?}");
    runtime.block_on(LocalSet::new().run_until(async { tokio::time::timeout(PATIENCE, work).await.map_err(late)? }))
}

async fn all<C: Client + 'static>(address: &str, pid: u32, task: Task, messages: u64) -> Result<Effort, String> {
    let mut clients = Vec::new();
    for _ in 0..CONNECTIONS {
        clients.push(C::open(address).await?);
    }
    let body: Rc<str> = ('a'..='z').cycle().take(SIZE).collect::<String>().into();
    // What may still be begun, and what is done.
    let (left, done) = (Rc::new(Cell::new(messages)), Rc::new(Cell::new(0)));
    let before = process::sample(pid).map_err(|error| error.to_string())?;
    let began = Instant::now();
    let running: Vec<_> = clients
        .into_iter()
        .map(|mut client| {
            let (left, done, body) = (left.clone(), done.clone(), body.clone());
            tokio::task::spawn_local(async move {
                match task {
                    Task::Consume => consume(&mut client, &left, &done).await?,
                    Task::SendBatch => send(&mut client, &body, BATCH, &left, &done).await?,
                    Task::Send | Task::Prepare => send(&mut client, &body, 1, &left, &done).await?,
                }
                client.settle().await?;
                Ok::<_, String>(client)
            })
        })
        .collect();
    let mut kept = Vec::new();
    for task in running {
        kept.push(task.await.map_err(|error| error.to_string())??);
    }
    let elapsed = began.elapsed();
    let after = process::sample(pid).map_err(|error| error.to_string())?;
    if done.get() < messages {
        return Err(format!("{} of {messages} messages", done.get()));
    }
    Ok(Effort { messages, elapsed, server_cpu: after.cpu_since(&before) })
}

async fn send(
    client: &mut impl Client,
    body: &str,
    batch: u64,
    left: &Cell<u64>,
    done: &Cell<u64>,
) -> Result<(), String> {
    while left.get() > 0 {
        let count = batch.min(left.get());
        left.set(left.get() - count);
        client.send(body, count as usize).await?;
        done.set(done.get() + count);
    }
    Ok(())
}

async fn consume(client: &mut impl Client, left: &Cell<u64>, done: &Cell<u64>) -> Result<(), String> {
    let mut empty = 0;
    while left.get() > 0 && empty < EMPTY_MAX {
        let count = client.consume(BATCH as usize).await? as u64;
        if count == 0 {
            empty += 1;
            tokio::time::sleep(EMPTY_PAUSE).await;
            continue;
        }
        empty = 0;
        left.set(left.get().saturating_sub(count));
        done.set(done.get() + count);
    }
    Ok(())
}
