//! What a person can ask for; the doc comments are the manual.

use crate::{Error, duration};
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// Loads an SQS endpoint and reports throughput, latency, CPU per message and,
/// for `produce-consume`, whether every message arrived.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// What to do with the queues.
    #[arg(value_enum, default_value = "send")]
    pub workload: WorkloadKind,

    /// Where the server listens, for example http://127.0.0.1:9324. Only plain
    /// HTTP; requests go here whatever host the server puts into queue URLs.
    #[arg(long, env = "AWS_ENDPOINT_URL_SQS", default_value = "http://127.0.0.1:9324")]
    pub endpoint: String,

    /// Which of the service's two wire protocols to speak.
    #[arg(long, value_enum, default_value = "json")]
    pub protocol: Protocol,

    /// First part of the queues' names; a number follows. A prefix of its own
    /// is made up for each run when this is left out.
    #[arg(long)]
    pub queue_prefix: Option<String>,

    /// How many queues to spread the load over; connection N uses queue N
    /// modulo this number, or takes turns through its share of them when there
    /// are more queues than connections. `long-poll` takes one queue for each
    /// connection.
    #[arg(long, default_value_t = 1)]
    pub queues: usize,

    /// Use FIFO queues; each message carries a deduplication id of its own.
    #[arg(long)]
    pub fifo: bool,

    /// How many message groups each FIFO queue has.
    #[arg(long, default_value_t = 1000)]
    pub groups: u32,

    /// Policy that the queues get when they are made, as JSON.
    #[arg(long, value_name = "JSON")]
    pub policy: Option<String>,

    /// How many connections to keep busy, each with one request at a time. In
    /// `produce-consume` the first half sends and the other half receives.
    #[arg(long, short = 'c', default_value_t = 16)]
    pub connections: usize,

    /// How many threads carry the connections. One is cheapest by message;
    /// more are needed only when one core cannot keep the server busy.
    #[arg(long, default_value_t = 1)]
    pub threads: usize,

    /// Stop after this many messages (for `empty-receive`: requests; for
    /// `receive` and `consume`: the backlog to build first, 100,000 when left out).
    #[arg(long, short = 'n')]
    pub messages: Option<u64>,

    /// Stop after this time: 500ms, 10s, 2m. Ten seconds when neither this nor
    /// --messages is given; when both are, the first one reached counts.
    #[arg(long, short = 'd', value_parser = duration::parse)]
    pub duration: Option<Duration>,

    /// Size of a message body in bytes.
    #[arg(long, default_value_t = 1024)]
    pub size: usize,

    /// Messages in a batch request, 1 to 10: sent together in `send-batch`,
    /// `receive` and `consume`, and asked for and deleted together by every consumer.
    #[arg(long, default_value_t = 10)]
    pub batch: usize,

    /// Arrivals a second in `open-loop`. Latency counts from the moment at
    /// which a request was due, so a slow server cannot hide behind the
    /// requests it kept from being made.
    #[arg(long, default_value_t = 1000.0)]
    pub rate: f64,

    /// Pause in `long-poll` between parking the receiver and sending to it.
    #[arg(long, value_parser = duration::parse, default_value = "20ms")]
    pub gap: Duration,

    /// Seconds without any message after which `produce-consume` calls what is
    /// still missing lost. Must be longer than the visibility timeout (30 s).
    #[arg(long, value_parser = duration::parse, default_value = "35s")]
    pub patience: Duration,

    /// Process id of the server, on this machine: adds its CPU per message and
    /// its resident memory to the report.
    #[arg(long)]
    pub server_pid: Option<u32>,

    /// An extra header for every request, NAME:VALUE; may be repeated. Servers
    /// that tell services apart by the credential scope need an Authorization.
    #[arg(long = "header", value_name = "NAME:VALUE")]
    pub headers: Vec<String>,

    /// Sign every request (SigV4) for this account, ACCESS_KEY:SECRET_KEY or
    /// ACCESS_KEY:SECRET_KEY:REGION; without a region, us-east-1.
    #[arg(long, value_name = "ACCESS_KEY:SECRET_KEY")]
    pub sign: Option<Credentials>,

    /// Write the report as JSON into this file, or to standard output for `-`
    /// (the table then goes to standard error).
    #[arg(long, value_name = "FILE|-")]
    pub json: Option<JsonTarget>,

    /// Show the progress line even when standard error is no terminal.
    #[arg(long)]
    pub progress: bool,

    /// Leave the queues and what is in them behind.
    #[arg(long)]
    pub keep: bool,
}

/// A kind of load.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum WorkloadKind {
    /// One SendMessage after the other on each connection.
    Send,
    /// SendMessageBatch with --batch messages each.
    SendBatch,
    /// Build a backlog, then drain it: receives and deletes, measured apart.
    Receive,
    /// Build a backlog, then drain it: each receive is followed by the delete.
    Consume,
    /// Short polls of empty queues.
    EmptyReceive,
    /// Send one, receive one, delete it.
    RoundTrip,
    /// Producers beside consumers; checks that nothing is lost, altered or out
    /// of order.
    ProduceConsume,
    /// How long after the acknowledgement of a send a waiting receiver gets
    /// its answer.
    LongPoll,
    /// SendMessage at a fixed rate of arrivals.
    OpenLoop,
}

/// A wire protocol of the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Protocol {
    /// AWS JSON 1.0.
    Json,
    /// Forms in, XML out.
    Query,
}

/// An account that requests are signed for.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// What the request says whose it is.
    pub access_key: String,
    /// What only the account and the server know.
    pub secret_key: String,
    /// The region in the signature.
    pub region: String,
}

// The secret stays out of logs.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("access_key", &self.access_key).finish_non_exhaustive()
    }
}

impl FromStr for Credentials {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = text.split(':');
        let (access_key, secret_key) = (parts.next().unwrap_or(""), parts.next().unwrap_or(""));
        let region = parts.next().unwrap_or("us-east-1");
        let printable = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_graphic());
        if parts.next().is_some() || ![access_key, secret_key, region].into_iter().all(printable) {
            return Err("must be ACCESS_KEY:SECRET_KEY or ACCESS_KEY:SECRET_KEY:REGION".into());
        }
        Ok(Self { access_key: access_key.into(), secret_key: secret_key.into(), region: region.into() })
    }
}

/// Where the JSON report goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JsonTarget {
    /// Standard output.
    Stdout,
    /// A file, replaced if it exists.
    File(PathBuf),
}

impl FromStr for JsonTarget {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "-" => Self::Stdout,
            path => Self::File(path.into()),
        })
    }
}

/// The shortest body that still has room for its number and checksum.
pub(crate) const SIZE_MIN: usize = crate::payload::HEADER_BYTES;
/// The service's largest message.
const SIZE_MAX: usize = 1024 * 1024;

impl Options {
    /// This function checks what the types cannot; the error names the option.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let refuse = |text: String| Err(Error::Option(text));
        if self.connections == 0 || self.threads == 0 || self.queues == 0 || self.groups == 0 {
            return refuse("--connections, --threads, --queues and --groups must be at least 1".into());
        }
        if self.workload == WorkloadKind::ProduceConsume && self.connections < 2 {
            return refuse("--connections must be at least 2: one to send, one to receive".into());
        }
        if !(SIZE_MIN..=SIZE_MAX).contains(&self.size) {
            return refuse(format!("--size must be between {SIZE_MIN} and {SIZE_MAX}"));
        }
        if !(1..=10).contains(&self.batch) {
            return refuse("--batch must be between 1 and 10".into());
        }
        if self.batch * self.size > SIZE_MAX && self.sends_batches() {
            return refuse(format!("--batch times --size must not exceed {SIZE_MAX} bytes"));
        }
        if !(self.rate > 0.0 && self.rate <= 10_000_000.0) {
            return refuse("--rate must be above 0 and at most 10000000".into());
        }
        let drains = matches!(self.workload, WorkloadKind::Receive | WorkloadKind::Consume);
        if drains && self.duration.is_some() {
            return refuse("--duration does not go with a backlog, which ends when its --messages are drained".into());
        }
        for header in &self.headers {
            let name_ends = header.find(':').unwrap_or(0);
            if name_ends == 0 || header.contains(['\r', '\n']) {
                return refuse(format!("--header {header:?} is not NAME:VALUE"));
            }
        }
        Ok(())
    }

    /// This function says whether the workload sends by SendMessageBatch.
    fn sends_batches(&self) -> bool {
        matches!(self.workload, WorkloadKind::SendBatch | WorkloadKind::Receive | WorkloadKind::Consume)
    }
}
