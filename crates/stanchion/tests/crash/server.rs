//! The server as a process: started, killed, started again.

use rustix::process::{Pid, Signal, kill_process};
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// Tells the clients where the server is, if it is anywhere.
#[derive(Default)]
pub(crate) struct Gate {
    state: Mutex<GateState>,
    changed: Condvar,
}

#[derive(Default)]
struct GateState {
    address: Option<SocketAddr>,
    over: bool,
    /// See [`Gate::count_backlog`].
    backlog: i64,
}

/// How long clients wait for a change before they look for themselves.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

impl Gate {
    /// This function says where the server is now.
    pub(crate) fn set(&self, address: Option<SocketAddr>) {
        self.state.lock().expect("the gate").address = address;
        self.changed.notify_all();
    }

    /// This function sends the clients home.
    pub(crate) fn end(&self) {
        self.state.lock().expect("the gate").over = true;
        self.changed.notify_all();
    }

    /// This function counts messages that were sent (or, below zero, deleted).
    pub(crate) fn count_backlog(&self, change: i64) {
        self.state.lock().expect("the gate").backlog += change;
    }

    /// This function gives the messages sent and not deleted, roughly.
    pub(crate) fn backlog(&self) -> i64 {
        self.state.lock().expect("the gate").backlog
    }

    pub(crate) fn is_over(&self) -> bool {
        self.state.lock().expect("the gate").over
    }

    /// This function waits for a server; `None` when the run is over instead.
    pub(crate) fn wait_until_open(&self) -> Option<SocketAddr> {
        let mut state = self.state.lock().expect("the gate");
        while state.address.is_none() && !state.over {
            state = self.changed.wait(state).expect("the gate");
        }
        state.address.filter(|_| !state.over)
    }

    /// This function waits a moment for the server to be elsewhere.
    pub(crate) fn wait_for_change(&self, from: SocketAddr) {
        let state = self.state.lock().expect("the gate");
        if state.address == Some(from) {
            drop(self.changed.wait_timeout(state, LOOK_INTERVAL).expect("the gate"));
        }
    }
}

/// A server process. It dies with this value.
pub(crate) struct Server {
    child: Child,
    address: Option<SocketAddr>,
    lines: Receiver<String>,
    log: PathBuf,
}

/// A start, replay included, must not take longer.
const START_MAX: Duration = Duration::from_secs(60);
/// How much of the server's log a failure shows.
const LOG_LINES_SHOWN: usize = 30;

impl Server {
    /// This function starts a server on `data`; its log is appended to `log`.
    pub(crate) fn start(data: &Path, log: &Path) -> Self {
        let errors: File = OpenOptions::new().create(true).append(true).open(log).expect("the log file");
        let mut child = Command::new(env!("CARGO_BIN_EXE_stanchion"))
            .args(["serve", "--listen", "127.0.0.1:0", "--sixty-second-rules=off"])
            // Small, so that a run sees many snapshots and segments come and go.
            .args(["--snapshot-interval", "256KiB", "--segment-size", "4MiB", "--cache-size", "8MiB", "--data-dir"])
            .arg(data)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(errors)
            .spawn()
            .expect("the server starts");
        let stdout = child.stdout.take().expect("its output");
        let (sender, lines) = channel();
        // Ends with the process, which closes its output.
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self { child, address: None, lines, log: log.to_owned() }
    }

    /// This function waits until the server says where it listens.
    pub(crate) fn wait_until_ready(&mut self) -> SocketAddr {
        let deadline = Instant::now() + START_MAX;
        while let Ok(line) = self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            if let Some(url) = line.trim().strip_prefix("endpoint:") {
                let address = url.trim().trim_start_matches("http://").trim_end_matches('/');
                let address = address.parse().expect("an address");
                self.address = Some(address);
                return address;
            }
        }
        panic!("the server did not get ready within {START_MAX:?}\n{}", self.log_tail());
    }

    /// This function gives the address of a server that is ready.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address.expect("the server is ready")
    }

    /// This function gives the process's id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// This function stops the process as an operator does, and waits for its clean end.
    pub(crate) fn stop(mut self) {
        self.ask_to_end();
        let deadline = Instant::now() + START_MAX;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait().expect("the process's state") {
                assert!(status.success(), "the server did not stop cleanly: {status}\n{}", self.log_tail());
                return;
            }
            thread::sleep(Duration::from_millis(5));
        }
        panic!("the server does not stop within {START_MAX:?}\n{}", self.log_tail());
    }

    /// This function kills the process without warning. It must have been
    /// alive until now.
    pub(crate) fn kill(mut self) {
        if let Some(status) = self.child.try_wait().expect("the process's state") {
            panic!("the server ended by itself: {status}\n{}", self.log_tail());
        }
        self.child.kill().expect("a kill");
        self.child.wait().expect("its end");
    }

    /// This function ends a process that may have ended by itself.
    pub(crate) fn end(mut self) {
        self.child.kill().expect("a kill");
        self.child.wait().expect("its end");
    }

    /// This function asks the process to end and kills it when `patience` is
    /// over, whatever it is doing then.
    pub(crate) fn terminate_and_kill(mut self, patience: Duration) {
        self.ask_to_end();
        let deadline = Instant::now() + patience;
        while Instant::now() < deadline {
            if self.child.try_wait().expect("the process's state").is_some() {
                return;
            }
            thread::sleep(Duration::from_millis(1));
        }
        self.child.kill().expect("a kill");
        self.child.wait().expect("its end");
    }

    fn ask_to_end(&self) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).expect("a process id");
        kill_process(pid, Signal::TERM).expect("a signal");
    }

    fn log_tail(&self) -> String {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..].join("\n")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Ended already, or the test is failing: nothing to report.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
