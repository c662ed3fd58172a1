//! `stanchion serve`.

use std::fmt;
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::process;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use stanchion_audit::Audit;
use stanchion_auth::Authenticator;
use stanchion_broker::{Broker, Caller, Secret};
use stanchion_http::{Access, Edge, Gatekeeper, Proxies, Refusals, Server, Tls};
use stanchion_keyring::service::LocalKeys;
use stanchion_wire::Origin;
use tokio::runtime::Builder;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::cli::Stop;
use crate::control::server::{Service, Socket};
use crate::credentials::Credentials;
use crate::settings::{Flags, Settings};
use crate::{declared, logging, session_key, storage};

/// How long the answers under way may take once the server has been told to stop. Long polls are handed back at
/// once, so what is left are clients that read slowly.
const STOP_PATIENCE: Duration = Duration::from_secs(20);
/// File descriptors that connections leave to everything else but segments that are read: those that are written and
/// prepared, snapshots, the listener, and what the runtime needs. While it drained a million and a half
/// messages, a server was seen to use 22, segments that are read included.
const DESCRIPTORS_KEPT: usize = 64;
/// How often it is looked whether there is a new certificate.
const CERTIFICATE_LOOK: Duration = Duration::from_secs(5);
/// How long the last lines of the audit trail may take.
const AUDIT_PATIENCE: Duration = Duration::from_secs(5);
/// How long clients have to take the answer that the server has failed.
const FAIL_PATIENCE: Duration = Duration::from_secs(2);

/// Serves until a signal or a failure.
pub(crate) fn run(flags: &Flags) -> Result<(), Stop> {
    let settings = Settings::load(flags).map_err(Stop::misused)?;
    logging::start(&settings.log_filter, settings.log_format);
    let connections_max = connections_max(settings.connections_max).map_err(Stop::failed)?;
    let settings = Settings { connections_max, ..settings };
    let mut builder = Builder::new_multi_thread();
    if let Some(threads) = settings.worker_threads {
        builder.worker_threads(threads);
    }
    let runtime = builder.enable_all().build().map_err(Stop::failed)?;
    let result = runtime.block_on(serve(&settings));
    // Whoever still waits for a client that reads slowly is not waited for.
    runtime.shutdown_background();
    result
}

async fn serve(settings: &Settings) -> Result<(), Stop> {
    // Caught from here on: a signal during a long replay must not be taken for the second one.
    let signals = Signals::catch().map_err(Stop::failed)?;
    let credentials = settings.credentials.as_deref().map(Credentials::load).transpose();
    let credentials = credentials.map_err(|error| Stop::misused(format_args!("setting credentials: {error}")))?;
    let data_dir = storage::prepare(&settings.data_dir).map_err(Stop::failed)?;
    let at = |error: &dyn fmt::Display| Stop::failed(format_args!("data directory {}: {error}", data_dir.display()));
    let (journal, keyring) = storage::open(&data_dir, settings).map_err(|error| at(&error))?;
    let local_keys = keyring.map(|keyring| Arc::new(LocalKeys::new(keyring)));
    let keys = storage::key_services(settings, local_keys.clone()).map_err(Stop::failed)?;
    let secret = Secret::load_or_create(&data_dir).map_err(|error| at(&error))?;
    let options = stanchion_broker::Options { keys: Some(Arc::new(keys)), ..storage::broker_options(settings) };
    let broker = Broker::open(journal.clone(), &secret, options).map_err(|error| at(&error))?;
    let broker = Arc::new(broker);

    let caller = Caller::anonymous(settings.account, settings.region.clone());
    declared::apply(&broker, &caller, &settings.queues).await.map_err(Stop::failed)?;

    let tls = settings.tls.as_ref().map(|(files, _)| Tls::load(files.clone())).transpose();
    let tls = tls.map_err(|error| Stop::failed(format_args!("setting tls_certificate: {error}")))?.map(Arc::new);
    let server = Server::bind(settings.listen)
        .map_err(|error| Stop::failed(format_args!("setting listen: cannot listen on {}: {error}", settings.listen)))?;
    let address = server.local_address().map_err(Stop::failed)?;
    let server = match (&tls, &settings.tls) {
        (Some(tls), Some((_, plain))) => {
            drop(tokio::spawn(tls.clone().watch(CERTIFICATE_LOOK)));
            server.secured(tls.clone(), *plain)
        }
        _ => server,
    };
    let keyring = settings.encryption.then(|| storage::keyring_source(&data_dir, settings));
    let audit = settings.audit.clone().map(Audit::start).transpose();
    let audit = audit.map_err(|error| Stop::failed(format_args!("setting audit: {error}")))?.map(Arc::new);
    let reopening = audit.as_ref().map(|audit| reopen_on_hangup(audit.clone())).transpose().map_err(Stop::failed)?;
    let refusals = Arc::<Refusals>::default();
    let credentials = match credentials {
        Some((file, directory)) => {
            let key = session_key::load_or_create(&data_dir, keyring.as_ref()).map_err(|error| at(&error))?;
            Some((file, directory, key))
        }
        None => None,
    };
    let service = Service {
        broker: broker.clone(),
        journal,
        caller: caller.clone(),
        keyring,
        local_keys,
        audit: audit.clone(),
        refusals: refusals.clone(),
        data_dir: data_dir.clone(),
    };
    let control = control_socket(&data_dir, service);
    announce(address, &data_dir, settings).map_err(Stop::failed)?;
    let (access, watching) = match credentials {
        Some((file, directory, session_key)) => {
            tracing::info!(keys = directory.len(), "only callers with a known key are let in");
            let authenticator = Authenticator::new(directory, settings.account, settings.region.clone());
            let authenticator = Arc::new(authenticator.with_sessions(session_key));
            let watching = tokio::spawn(file.watch(authenticator.clone()));
            (Access::Keys(Gatekeeper::new(authenticator)), Some(watching))
        }
        None if address.ip().is_loopback() => {
            tracing::info!("no credentials are asked for: anybody on this machine can use the queues");
            (Access::Anyone(caller), None)
        }
        None => {
            tracing::warn!(%address, "anybody who can reach this address can use the queues");
            (Access::Anyone(caller), None)
        }
    };

    let mut edge = Edge::new(broker.clone(), access);
    edge.origin = settings.public_url.as_deref().map(Origin::new);
    edge.options = stanchion_http::Options {
        connections_max: settings.connections_max,
        connections_per_source: settings.connections_per_source,
        body_bytes_max: settings.body_bytes_max,
        trusted_proxies: Proxies::new(settings.trusted_proxies.clone()),
        ..stanchion_http::Options::default()
    };
    (edge.audit, edge.refusals) = (audit.clone(), refusals);
    let result = run_until_stopped(server, edge, broker, signals).await;
    if let Some(watching) = watching {
        watching.abort();
    }
    if let Some(control) = control {
        control.abort();
        // The socket goes with the task.
        let _ = control.await;
    }
    if let Some(reopening) = reopening {
        reopening.abort();
    }
    if audit.is_some_and(|audit| !audit.close(AUDIT_PATIENCE)) {
        tracing::error!("the last lines of the audit trail were not written in time");
    }
    result
}

/// Opens the audit file anew at every SIGHUP, for those who move it away to keep it.
fn reopen_on_hangup(audit: Arc<Audit>) -> io::Result<JoinHandle<()>> {
    let mut hangups = signal(SignalKind::hangup())?;
    Ok(tokio::spawn(async move {
        while hangups.recv().await.is_some() {
            audit.reopen();
        }
    }))
}

/// Opens the control socket. A server without one serves all the same: not every file system can have sockets.
fn control_socket(data_dir: &Path, service: Service) -> Option<JoinHandle<()>> {
    match Socket::bind(data_dir) {
        Ok(socket) => Some(tokio::spawn(socket.serve(service))),
        Err(error) => {
            tracing::warn!(%error, "there is no control socket, so nobody can back up this server while it runs");
            None
        }
    }
}

async fn run_until_stopped(server: Server, edge: Edge, broker: Arc<Broker>, mut signals: Signals) -> Result<(), Stop> {
    let (stop, stopped) = oneshot::channel::<()>();
    let mut serving = tokio::spawn(server.serve(Arc::new(edge), async {
        // Dropping the sender means the same.
        let _ = stopped.await;
    }));
    let failure = tokio::select! {
        failure = broker.failed() => Some(failure),
        name = signals.next() => {
            tracing::info!("{name}: stopping");
            None
        }
    };
    drop(stop);
    let patience = if failure.is_some() { FAIL_PATIENCE } else { STOP_PATIENCE };
    broker.drain();
    let stopping = async {
        if tokio::time::timeout(patience, &mut serving).await.is_err() {
            tracing::warn!("some clients did not take their answers in time");
        }
        match failure {
            Some(failure) => Err(Stop::failed(failure)),
            None => broker.close().await.map_err(Stop::failed),
        }
    };
    tokio::select! {
        result = stopping => {
            if result.is_ok() {
                tracing::info!("stopped");
            }
            result
        }
        name = signals.next() => {
            tracing::warn!("{name} again: leaving at once");
            process::exit(1)
        }
    }
}

/// Prints the lines that people and tools read.
fn announce(address: SocketAddr, data_dir: &Path, settings: &Settings) -> io::Result<()> {
    let scheme = if settings.tls.is_some() { "https" } else { "http" };
    let endpoint = format!("{scheme}://{}", reachable(address));
    let mut out = io::stdout().lock();
    writeln!(out, "endpoint: {endpoint}")?;
    writeln!(out, "data directory: {}", data_dir.display())?;
    let key = match settings.credentials {
        None => "AWS_ACCESS_KEY_ID=any AWS_SECRET_ACCESS_KEY=any ",
        // Clients have theirs in the environment or in a file; one does not belong on a command line.
        Some(_) => "",
    };
    writeln!(
        out,
        "try it: {key}aws --region {} --endpoint-url {endpoint} sqs create-queue --queue-name hello",
        settings.region
    )?;
    out.flush()
}

/// Returns an address that this machine reaches the listener by: "every address" is none.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        ip if !ip.is_unspecified() => ip,
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    SocketAddr::new(ip, address.port())
}

/// Allows the process as many descriptors as the system lets it have, and returns how many connections that leaves
/// room for, at most `wanted`: each takes one, and the journal must never be without.
fn connections_max(wanted: usize) -> Result<usize, String> {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let allowed = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(error) => {
            tracing::warn!(%error, "could not raise the limit on open files");
            limit.current
        }
    };
    let Some(allowed) = allowed else { return Ok(wanted) };
    let kept = DESCRIPTORS_KEPT + storage::open_segments(Some(allowed));
    let room = usize::try_from(allowed).unwrap_or(usize::MAX).saturating_sub(kept);
    if room == 0 {
        return Err(format!("the limit on open files is {allowed}: the server needs more than {kept}"));
    }
    if room < wanted {
        tracing::warn!(allowed, connections_max = room, "the limit on open files leaves room for fewer connections");
    }
    Ok(room.min(wanted))
}

/// The signals that mean "stop".
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn catch() -> io::Result<Self> {
        Ok(Signals { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Waits for the next signal and returns its name.
    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}
