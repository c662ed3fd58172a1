//! The connections of the benchmark, all on the caller's thread.

use crate::client::{Client, Failure};
use crate::http::Endpoint;
use crate::protocol::{Call, Head, Queue};
use crate::{Error, Protocol};
use std::rc::Rc;
use tokio::runtime::Runtime;
use tokio::task::LocalSet;

/// Connections to one server.
pub(super) struct Crew {
    runtime: Runtime,
    clients: Vec<Client>,
}

impl Crew {
    /// This function opens `connections` to the server at `url`.
    pub(super) fn open(url: &str, connections: usize) -> Result<Self, Error> {
        let endpoint = Endpoint::parse(url)?;
        let head = Head::new(&endpoint, &[], None);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|source| Error::Thread(format!("starting a runtime: {source}")))?;
        let opened = runtime.block_on(async {
            let mut clients = Vec::new();
            for _ in 0..connections {
                clients.push(Client::open(&endpoint, Protocol::Json, &head).await?);
            }
            Ok(clients)
        });
        let clients =
            opened.map_err(|source: std::io::Error| Error::Endpoint(format!("connecting to {url}: {source}")))?;
        Ok(Self { runtime, clients })
    }

    /// This function gives the number of connections.
    pub(super) fn len(&self) -> usize {
        self.clients.len()
    }

    /// This function lets every connection do `work`, which is given the
    /// connection's number, at the same time, and waits for all of them.
    pub(super) fn each<T, W>(&mut self, work: W) -> Result<Vec<T>, Error>
    where
        T: 'static,
        W: AsyncFn(usize, &mut Client) -> Result<T, Failure> + 'static,
    {
        let work = Rc::new(work);
        let tasks = LocalSet::new();
        let handles: Vec<_> = self
            .clients
            .drain(..)
            .enumerate()
            .map(|(number, mut client)| {
                let work = work.clone();
                tasks.spawn_local(async move {
                    let result = work(number, &mut client).await;
                    (client, result)
                })
            })
            .collect();
        self.runtime.block_on(tasks);
        let mut results = Vec::new();
        for handle in handles {
            let (client, result) = self.runtime.block_on(handle).map_err(|error| Error::Thread(error.to_string()))?;
            self.clients.push(client);
            results.push(result);
        }
        results.into_iter().map(|result| result.map_err(refused)).collect()
    }

    /// This function makes one call whose answer does not matter.
    pub(super) fn call(&mut self, call: &Call<'_>) -> Result<(), Error> {
        self.runtime.block_on(self.clients[0].call(call, |_, _| Ok(()))).map_err(refused)
    }

    /// This function creates a queue.
    pub(super) fn create(&mut self, name: &str, fifo: bool) -> Result<Queue, Error> {
        let call = Call::CreateQueue { name, fifo, policy: None };
        let url = self.runtime.block_on(self.clients[0].call(&call, |protocol, body| protocol.queue_url(body)));
        url.map(Queue::new).map_err(refused)
    }
}

fn refused(failure: Failure) -> Error {
    Error::Endpoint(format!("the server does not do what it must: {}", failure.code()))
}
