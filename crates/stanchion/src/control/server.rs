//! The server's end.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::value::RawValue;
use serde_json::{Value, json};
use stanchion_audit::{Audit, Moment, Record};
use stanchion_broker::{Broker, Caller};
use stanchion_http::{Refusals, Refused as Kind};
use stanchion_journal::local::Hold;
use stanchion_journal::{Journal, Local, Room};
use stanchion_keyring::Source;
use stanchion_keyring::service::LocalKeys;
use stanchion_types::request::{Action, Envelope, Request as ServiceRequest, SetQueueAttributes};
use stanchion_types::{Error, QueueArn, QueueLocator, QueueName};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::{
    Answer, Created, Door, Held, Import, LINE_MAX, NAME, Redrive, Refused, Request, Rewrapped, SILENCE_MAX, VERSION,
    WithHold,
};
use crate::clock::now;
use crate::exchange::line::{Line, QueueLine};
use crate::session_key;

/// Most connections at once; who comes later waits.
const CONNECTIONS_MAX: usize = 16;
/// How much of an unknown action the audit trail keeps.
const ACTION_BYTES_MAX: usize = 64;
/// Where the socket is made before it gets its name.
const NEW: &str = "control.sock.new";

/// A socket that goes with this value.
pub(crate) struct Socket {
    listener: UnixListener,
    path: PathBuf,
}

/// What requests are answered from.
pub(crate) struct Service {
    pub(crate) broker: Arc<Broker>,
    pub(crate) journal: Arc<Local>,
    pub(crate) caller: Caller,
    /// Where the keyring comes from, if anything is encrypted.
    pub(crate) keyring: Option<Source>,
    /// The keys of the keyring that queues name.
    pub(crate) local_keys: Option<Arc<LocalKeys>>,
    /// The audit trail, if there is one.
    pub(crate) audit: Option<Arc<Audit>>,
    pub(crate) refusals: Arc<Refusals>,
    /// The data directory.
    pub(crate) data_dir: PathBuf,
}

impl Socket {
    /// Makes the socket of a data directory, in place of one that a crash has left. Only the owner can connect.
    ///
    /// # Errors
    /// The system's refusal.
    pub(crate) fn bind(data_dir: &Path) -> io::Result<Socket> {
        let (new, path) = (data_dir.join(NEW), data_dir.join(NAME));
        let _ = fs::remove_file(&new);
        let door = Door::to(data_dir, NEW)?;
        let listener = UnixListener::bind(&door.path)?;
        fs::set_permissions(&new, Permissions::from_mode(0o600))?;
        fs::rename(&new, &path)?;
        Ok(Socket { listener, path })
    }

    /// Answers connections until the task is aborted.
    pub(crate) async fn serve(self, service: Service) {
        let (service, room) = (Arc::new(service), Arc::new(Semaphore::new(CONNECTIONS_MAX)));
        loop {
            let Ok(permit) = room.clone().acquire_owned().await else { return };
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    let service = service.clone();
                    tokio::spawn(async move {
                        let _permit = permit;
                        if let Err(error) = converse(stream, &service).await {
                            tracing::info!(%error, "a control connection ended");
                        }
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a control connection");
                    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                }
            }
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// Answers one connection until it ends, is silent for too long, or says something that is no request.
async fn converse(stream: UnixStream, service: &Service) -> io::Result<()> {
    let peer = stream.peer_cred()?.uid();
    let own = rustix::process::geteuid().as_raw();
    let (read, mut write) = stream.into_split();
    let mut read = BufReader::new(read);
    let mut hold = None;
    let mut line = Vec::new();
    loop {
        line.clear();
        let bytes = timeout(SILENCE_MAX, (&mut read).take(LINE_MAX).read_until(b'\n', &mut line)).await;
        let bytes = bytes.map_err(|_| io::Error::new(io::ErrorKind::TimedOut, "the client is silent"))??;
        if bytes == 0 {
            return Ok(());
        }
        let answer = if peer != own && peer != 0 {
            Err(Refusal::new("only the owner of the server may use its control socket"))
        } else if line.last() != Some(&b'\n') {
            Err(Refusal::new(format!("the line has no end, or more than {LINE_MAX} bytes")))
        } else {
            answer(&line, service, &mut hold).await
        };
        service.note(&line, peer, &answer);
        let last = matches!(&answer, Err(refusal) if refusal.last);
        let answer = match answer {
            Ok(value) => Answer { ok: Some(value), error: None, index: None },
            Err(refusal) => Answer { ok: None, error: Some(refusal.text), index: refusal.index },
        };
        let mut text = serde_json::to_vec(&answer)?;
        text.push(b'\n');
        timeout(SILENCE_MAX, write.write_all(&text)).await.map_err(|_| io::ErrorKind::TimedOut)??;
        if last {
            return Ok(());
        }
    }
}

/// Why a request is refused.
struct Refusal {
    text: String,
    index: Option<usize>,
    /// Nothing after it can be trusted to be a request.
    last: bool,
}

impl Refusal {
    fn new(text: impl Into<String>) -> Refusal {
        Refusal { text: text.into(), index: None, last: true }
    }

    fn of(text: impl ToString) -> Refusal {
        Refusal { text: text.to_string(), index: None, last: false }
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Refusal {
        Refusal::of(error.message)
    }
}

async fn answer(line: &[u8], service: &Service, hold: &mut Option<Hold>) -> Result<Value, Refusal> {
    let bad = |error: serde_json::Error| Refusal::new(format!("this is no request: {error}"));
    let Request { version, action, with } = serde_json::from_slice(line).map_err(bad)?;
    if version != VERSION {
        let text =
            format!("the server speaks version {VERSION} of the control protocol, the command version {version}");
        return Err(Refusal::new(text));
    }
    let with = with.map_or("null", RawValue::get);
    match action {
        super::HOLD => {
            let WithHold { snapshot } = serde_json::from_str(with).map_err(bad)?;
            if snapshot {
                service.broker.save_snapshots().await;
            }
            let journal = service.journal.clone();
            let held = tokio::task::spawn_blocking(move || journal.hold()).await.map_err(Refusal::of)?;
            let held = held.map_err(Refusal::of)?;
            tracing::info!(segment = held.end.0, offset = held.end.1, "the files of the journal are held for a copy");
            let shards = held.shards.iter().map(|(shard, position)| (shard.0, position.0)).collect();
            let answer = Held { end: held.end, shards };
            *hold = Some(held);
            Ok(json!(answer))
        }
        // No space comes back while files are held, and without any the journal ends. A copy can be made again.
        super::PING if hold.is_some() && service.journal.room() == Room::Full => {
            *hold = None;
            tracing::warn!("the disk is full: files that were held for a copy are given up");
            Err(Refusal::of("its disk is full, and it needs the space that they hold"))
        }
        super::PING => Ok(json!({})),
        super::RELEASE => match hold.take() {
            Some(_) => Ok(json!({})),
            None => Err(Refusal::of("nothing is held")),
        },
        super::CREATE_QUEUE => {
            let queue: QueueLine = serde_json::from_str(with).map_err(Refusal::of)?;
            service.create_queue(&queue).await.map(|created| json!(created))
        }
        super::REDRIVE => {
            let Redrive { queue, policy } = serde_json::from_str(with).map_err(bad)?;
            service.set_redrive(&queue, &policy).await.map(|()| json!({}))
        }
        super::IMPORT => {
            let Import { queue, messages } = serde_json::from_str(with).map_err(bad)?;
            service.import(&queue, &messages).await.map(|()| json!({}))
        }
        super::REWRAP => {
            let Some(source) = service.keyring.clone() else { return Err(Refusal::of("its encryption is off")) };
            let (journal, local_keys) = (service.journal.clone(), service.local_keys.clone());
            let data_dir = service.data_dir.clone();
            let rewrap = move || -> Result<Rewrapped, Refusal> {
                let keyring = Arc::new(source.load().map_err(Refusal::of)?);
                let primary = keyring.primary().to_owned();
                session_key::rewrap(&data_dir, &keyring).map_err(Refusal::of)?;
                let keys = journal.rewrap(keyring.clone()).map_err(Refusal::of)?;
                if let Some(local_keys) = local_keys {
                    local_keys.replace(keyring);
                }
                Ok(Rewrapped { keys, primary })
            };
            let done = tokio::task::spawn_blocking(rewrap).await.map_err(Refusal::of)??;
            tracing::info!(keys = done.keys, primary = done.primary, "the data keys are wrapped anew");
            Ok(json!(done))
        }
        super::REFUSED => {
            let counted = Kind::ALL.iter().zip(service.refusals.counts());
            let requests = counted.map(|(kind, count)| (kind.name().to_owned(), count)).collect();
            Ok(json!(Refused { requests, audit_dropped: service.audit.as_ref().map(|audit| audit.dropped()) }))
        }
        _ => Err(Refusal::of(format!("the server does not know {action:?}: it is older than the command"))),
    }
}

impl Service {
    /// Leaves a line in the audit trail of what an operator has told the server, unless it was a question.
    fn note(&self, line: &[u8], user: u32, answer: &Result<Value, Refusal>) {
        let Some(audit) = &self.audit else { return };
        let request = serde_json::from_slice::<Request<'_>>(line).ok();
        let action = request.as_ref().map(|request| request.action);
        if let Some(super::PING | super::REFUSED) = action {
            return;
        }
        let with = request.as_ref().and_then(|request| request.with);
        audit.note(&Record {
            time: Moment::now(),
            caller: Some(format!("operator, user id {user}")),
            action: action.map(|action| format!("control:{}", action.get(..ACTION_BYTES_MAX).unwrap_or(action))),
            outcome: if answer.is_ok() { "Success" } else { "Refused" }.to_owned(),
            parameters: match action {
                Some(super::HOLD | super::CREATE_QUEUE | super::REDRIVE) => {
                    with.and_then(|with| serde_json::from_str(with.get()).ok())
                }
                // Messages are the users' own.
                Some(super::IMPORT) => with
                    .and_then(|with| serde_json::from_str::<Import<'_>>(with.get()).ok())
                    .map(|import| json!({ "queue": import.queue, "messages": import.messages.len() })),
                _ => None,
            },
            protocol: "control",
            ..Record::default()
        });
    }

    async fn call(&self, queue: Option<QueueName>, request: ServiceRequest) -> Result<(), Error> {
        let locator = queue.map(|name| QueueLocator { account: None, name });
        let envelope = Envelope { action: request.action(), queue: locator, request: Ok(request) };
        self.broker.call(&self.caller, envelope).await.map(|_| ())
    }

    async fn create_queue(&self, line: &QueueLine) -> Result<Created, Refusal> {
        let name = queue_name(&line.queue_name)?;
        let home = QueueArn { region: self.caller.region.clone(), account: self.caller.account, name: name.clone() };
        let (request, redrive) = line.request(&home).map_err(Refusal::of)?;
        let action = Action::GetQueueUrl;
        let find = Envelope {
            action,
            queue: Some(QueueLocator { account: None, name }),
            request: Ok(stanchion_types::request::GetQueueUrl.into()),
        };
        if self.broker.call(&self.caller, find).await.is_ok() {
            return Ok(Created { created: false, redrive: None });
        }
        self.call(None, request.into()).await?;
        Ok(Created { created: true, redrive })
    }

    async fn set_redrive(&self, queue: &str, policy: &str) -> Result<(), Refusal> {
        let change = stanchion_wire::attributes::parse("RedrivePolicy", policy)?;
        let request = SetQueueAttributes { attributes: vec![change] };
        Ok(self.call(Some(queue_name(queue)?), request.into()).await?)
    }

    async fn import(&self, queue: &str, lines: &[&RawValue]) -> Result<(), Refusal> {
        let name = queue_name(queue)?;
        let now = now();
        let mut messages = Vec::with_capacity(lines.len());
        for (index, line) in lines.iter().enumerate() {
            let refused = |text: String| Refusal { index: Some(index), ..Refusal::of(text) };
            match Line::read(line.get()).map_err(refused)? {
                Line::Message(message) => messages.push(message.carried(now).map_err(refused)?),
                Line::Queue(_) => return Err(refused("a queue among messages".to_owned())),
            }
        }
        let imported = self.broker.import(&self.caller, &name, &messages).await;
        imported.map_err(|(index, error)| Refusal { index, ..Refusal::from(error) })
    }
}

fn queue_name(text: &str) -> Result<QueueName, Refusal> {
    QueueName::new(text).ok_or_else(|| Refusal::of(format!("{text:?} is no name of a queue")))
}
