//! A server of the benchmark's own: started, stopped, killed, started again on
//! the same directory. Any program will do that prints its address.

use crate::Error;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use std::fs;
use std::io::{self, BufRead, BufReader};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

/// A start may take this long, replay included; what takes longer is broken.
const START_MAX: Duration = Duration::from_secs(600);
/// The same for a clean stop.
const STOP_MAX: Duration = Duration::from_secs(120);

/// The same for programs of others.
const READY_MAX: Duration = Duration::from_secs(120);
/// How long to wait before asking again whether one is ready.
const READY_PAUSE: Duration = Duration::from_millis(100);

/// Before the address in a server's output.
const MARK: &str = "endpoint: ";

/// A directory that goes with this value.
#[derive(Debug)]
pub struct Home {
    path: PathBuf,
}

impl Home {
    /// This function makes an empty directory below `parent`.
    ///
    /// # Errors
    ///
    /// The system's reason; it names `--dir`.
    pub fn make(parent: &Path, name: &str) -> Result<Self, Error> {
        let path = parent.join(format!("stanchion-bench-{}-{name}", std::process::id()));
        let at = |source| Error::Option(format!("--dir: {}: {source}", path.display()));
        fs::create_dir_all(&path).map_err(at)?;
        let path = path.canonicalize().map_err(at)?;
        Ok(Self { path })
    }

    /// This function gives the directory's path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens the file for what a program says.
    fn log(&self) -> io::Result<fs::File> {
        fs::File::options().create(true).append(true).open(self.path.join("log"))
    }

    /// This function counts the bytes that the files below take on the disk.
    pub fn disk_bytes(&self) -> u64 {
        allocated(&self.path)
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.path) {
            eprintln!("{} stays behind: {error}", self.path.display());
        }
    }
}

/// A file that goes while it is looked at takes no room any more.
fn allocated(path: &Path) -> u64 {
    let Ok(metadata) = fs::symlink_metadata(path) else { return 0 };
    if !metadata.is_dir() {
        return metadata.blocks() * 512;
    }
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    entries.map(|entry| allocated(&entry.path())).sum()
}

/// A running server; it is killed with this value.
#[derive(Debug)]
pub struct Server {
    child: Child,
    /// Whether processes that it started are killed with it.
    leads_group: bool,
    /// Such as `http://127.0.0.1:41234`.
    pub endpoint: String,
    /// When the process was started.
    pub started: Instant,
}

impl Server {
    /// This function starts the queue server `binary` on the directory and
    /// waits until it says where it listens.
    ///
    /// # Errors
    ///
    /// As [`Server::launch`].
    pub fn start(binary: &Path, arguments: &[String], home: &Home) -> Result<Self, Error> {
        let mut command = Command::new(binary);
        // Neither the settings nor the file of whoever runs this apply.
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("STANCHION_")) {
            command.env_remove(name);
        }
        command.args(["serve", "--listen", "127.0.0.1:0", "--sixty-second-rules=off", "--data-dir"]);
        command.arg(home.path.join("data")).args(arguments);
        Self::launch(command, home)
    }

    /// This function starts a program in the directory and waits until it
    /// prints its address, as `endpoint: http://127.0.0.1:41234`. What it
    /// says on standard error goes to the file `log` there.
    ///
    /// # Errors
    ///
    /// It does not start, ends, or takes longer than ten minutes.
    pub fn launch(mut command: Command, home: &Home) -> Result<Self, Error> {
        let program = Path::new(command.get_program()).display().to_string();
        let failed = |what: String| Error::Endpoint(format!("the server {program}: {what}"));
        let log = home.log().map_err(|source| failed(source.to_string()))?;
        command.current_dir(&home.path).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
        let started = Instant::now();
        let mut child = command.spawn().map_err(|source| failed(source.to_string()))?;
        let stdout = child.stdout.take().expect("its output is piped");
        let (sender, lines) = channel();
        // Ends with the process, which closes its output.
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                // Nobody reads on once the address is known.
                let _ = sender.send(line);
            }
        });
        let mut server = Self { child, leads_group: false, endpoint: String::new(), started };
        loop {
            let left = START_MAX.saturating_sub(started.elapsed());
            let Ok(line) = lines.recv_timeout(left) else {
                let log = fs::read_to_string(home.path.join("log")).unwrap_or_default();
                return Err(failed(format!("did not start within {START_MAX:?}, or ended:\n{log}")));
            };
            if let Some(endpoint) = line.trim().strip_prefix(MARK) {
                server.endpoint = endpoint.to_owned();
                return Ok(server);
            }
        }
    }

    /// This function starts a program of others in the directory and waits until `ready` says that it does its work;
    /// it does not tell where it listens, so `endpoint` says that. Processes that it starts are killed with it. What
    /// it says goes to the file `log` there.
    ///
    /// # Errors
    ///
    /// It does not start, ends, or takes longer than two minutes.
    pub fn launch_until(
        mut command: Command,
        home: &Home,
        endpoint: String,
        ready: impl Fn() -> bool,
    ) -> Result<Self, Error> {
        let words: Vec<_> = command.get_args().map(|word| word.to_string_lossy().into_owned()).collect();
        let failed = |what: String| Error::Endpoint(format!("the server `{}`: {what}", words.join(" ")));
        let io_failed = |source: io::Error| failed(source.to_string());
        let log = home.log().map_err(io_failed)?;
        let copy = log.try_clone().map_err(io_failed)?;
        command.current_dir(&home.path).stdin(Stdio::null()).stdout(copy).stderr(log).process_group(0);
        let started = Instant::now();
        let child = command.spawn().map_err(io_failed)?;
        let mut server = Self { child, leads_group: true, endpoint, started };
        while started.elapsed() < READY_MAX {
            if ready() {
                return Ok(server);
            }
            if let Ok(Some(status)) = server.child.try_wait() {
                let log = fs::read_to_string(home.path.join("log")).unwrap_or_default();
                return Err(failed(format!("{status}:\n{log}")));
            }
            thread::sleep(READY_PAUSE);
        }
        let log = fs::read_to_string(home.path.join("log")).unwrap_or_default();
        Err(failed(format!("does not do its work within {READY_MAX:?}:\n{log}")))
    }

    /// This function gives the id of the process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// This function asks the server to stop and waits until it has.
    ///
    /// # Errors
    ///
    /// It ends with a failure, or takes longer than two minutes.
    pub fn stop(mut self) -> Result<(), Error> {
        let stuck = |what: &str| Error::Endpoint(format!("the server {what}"));
        let pid = Pid::from_child(&self.child);
        kill_process(pid, Signal::TERM).map_err(|source| stuck(&format!("cannot be stopped: {source}")))?;
        let asked = Instant::now();
        while asked.elapsed() < STOP_MAX {
            match self.child.try_wait() {
                Ok(Some(status)) if status.success() => return Ok(()),
                Ok(Some(status)) => return Err(stuck(&format!("did not stop cleanly: {status}"))),
                Ok(None) => thread::sleep(Duration::from_millis(5)),
                Err(source) => return Err(stuck(&format!("cannot be waited for: {source}"))),
            }
        }
        Err(stuck(&format!("does not stop within {STOP_MAX:?}")))
    }

    /// This function kills the server without a word.
    ///
    /// # Errors
    ///
    /// The system's reason; there should be none.
    pub fn kill(mut self) -> io::Result<()> {
        self.child.kill()?;
        self.child.wait().map(drop)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Ended already, or the benchmark is failing: nothing to report.
        if self.leads_group {
            let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
