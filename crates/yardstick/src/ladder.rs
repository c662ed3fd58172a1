//! The ladder: programs that do more of the work from rung to rung, each as
//! cheaply as can be done honestly.
//!
//! ```text
//! raw      TCP, httparse                        canned answer
//! hyper    hyper, body read                     canned answer
//! parsed   hyper, JSON parsed, MD5 of the body  answer built
//! signed   parsed, and the SigV4 signature verified
//! durable  parsed, and the message in a file and synced before the answer
//! full     signed and durable
//! ```
//!
//! They know SendMessage, SendMessageBatch, ReceiveMessage (there is never a
//! message) and, because a generator needs them, CreateQueue and DeleteQueue,
//! in the JSON protocol. There are no queues behind them.

mod action;
mod answer;
mod canned;
mod edge;
mod log;
mod raw;
mod request;
mod signature;

pub(crate) use log::Syncing;
pub(crate) use signature::Credentials;

use edge::Edge;
use log::Log;
use signature::Verifier;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use tokio::net::{TcpListener, TcpSocket};

/// One program of the ladder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Rung {
    /// TCP and httparse, a canned answer.
    Raw,
    /// hyper, the body read, a canned answer.
    Hyper,
    /// hyper, JSON parsed, MD5 of the body, the answer built.
    Parsed,
    /// Parsed, and the signature verified.
    Signed,
    /// Parsed, and the message synced to a file.
    Durable,
    /// Signed and durable.
    Full,
}

impl Rung {
    /// This function tells whether requests must be signed.
    pub(crate) fn verifies(self) -> bool {
        matches!(self, Self::Signed | Self::Full)
    }

    /// This function tells whether messages are written to a file.
    pub(crate) fn keeps(self) -> bool {
        matches!(self, Self::Durable | Self::Full)
    }
}

/// Which rung to serve, and how.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    /// The rung.
    #[arg(value_enum)]
    pub(crate) rung: Rung,

    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:0")]
    pub(crate) listen: SocketAddr,

    /// Directory of the file that the durable rungs write.
    #[arg(long, default_value = ".", value_name = "DIR")]
    pub(crate) dir: PathBuf,

    /// Who syncs that file.
    #[arg(long, value_enum, default_value = "serving")]
    pub(crate) sync: Syncing,

    /// Size of that file. It is written with zeros first, because a file that
    /// grows is dearer to sync, and written over from its start when it is
    /// full, as logs that are recycled are.
    #[arg(long, default_value_t = 256 << 20, value_name = "BYTES")]
    pub(crate) log_bytes: u64,

    /// The access key that signed requests must name.
    #[arg(long, default_value = "yardstick")]
    pub(crate) access_key: String,

    /// Its secret.
    #[arg(long, default_value = "yardstick-secret")]
    pub(crate) secret_key: String,
}

/// How many connections may wait to be accepted: the server's own number.
const BACKLOG: u32 = 4096;

/// A rung that is bound to an address and does not answer yet.
pub(crate) struct Site {
    listener: TcpListener,
    rung: Rung,
    edge: Edge,
}

impl Site {
    /// This function prepares a rung, within a tokio runtime.
    ///
    /// # Errors
    ///
    /// The system's reason, when the address or the file cannot be used.
    pub(crate) fn open(options: &Options) -> io::Result<Self> {
        let socket = if options.listen.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        socket.bind(options.listen)?;
        let listener = socket.listen(BACKLOG)?;
        let credentials =
            Credentials { access_key: options.access_key.clone(), secret_key: options.secret_key.clone() };
        let verifier = options.rung.verifies().then(|| Verifier::new(credentials));
        let log = match options.rung.keeps() {
            true => Some(Log::open(&log_path(&options.dir), options.log_bytes, options.sync)?),
            false => None,
        };
        let parses = options.rung != Rung::Hyper;
        Ok(Self { listener, rung: options.rung, edge: Edge::new(parses, verifier, log)? })
    }

    /// This function gives the address that the rung listens on.
    ///
    /// # Errors
    ///
    /// The system's reason; there should be none.
    pub(crate) fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// This function serves for ever.
    pub(crate) async fn serve(self) -> io::Error {
        // Lives as long as the process, so connections need no count of their
        // references.
        let edge: &'static Edge = Box::leak(Box::new(self.edge));
        loop {
            let stream = match self.listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => continue,
                Err(error) => return error,
            };
            // Answers are written whole; there is nothing to wait for.
            let _ = stream.set_nodelay(true);
            if self.rung == Rung::Raw {
                drop(tokio::spawn(raw::connection(stream)));
            } else {
                drop(tokio::spawn(edge::connection(stream, edge)));
            }
        }
    }
}

fn log_path(directory: &Path) -> PathBuf {
    directory.join(format!("messages-{}", std::process::id()))
}

/// This function serves a rung until the process is stopped, with the runtime
/// that the server has: as many threads as there are cores.
///
/// # Errors
///
/// The system's reason, when the rung cannot be served.
pub(crate) fn serve(options: &Options) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let site = Site::open(options)?;
        let mut out = io::stdout().lock();
        writeln!(out, "endpoint: http://{}", site.address()?)?;
        out.flush()?;
        drop(out);
        Err(site.serve().await)
    })
}

#[cfg(test)]
mod tests;
