//! A server for the suites: the release binary on a port the system picks, with its own data.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::keys::Keys;
use crate::process;

/// How long the server may take to tell its address.
const START: Duration = Duration::from_secs(30);
/// What the server prints before its address.
const MARK: &str = "endpoint: ";

/// This function names the release binary.
pub(crate) fn binary() -> PathBuf {
    process::target().join("release").join("stanchion")
}

/// This function builds the release binary.
///
/// # Errors
///
/// A sentence when it cannot be built.
pub(crate) fn build() -> Result<(), String> {
    let mut build = process::cargo();
    build.args(["build", "--release", "--quiet", "--package", "stanchion"]);
    process::run(build, Duration::from_secs(1800))
}

/// A running server; dropping it stops the process and removes its data.
pub(crate) struct Server {
    child: Child,
    data: PathBuf,
    log: PathBuf,
    endpoint: String,
}

impl Server {
    /// This function starts the binary with a fresh data directory. With `keys` every request must be signed; without,
    /// everybody is let in.
    ///
    /// # Errors
    ///
    /// A sentence when it cannot be started, or does not tell its address in time.
    pub(crate) fn start(directory: &Path, keys: Option<&Keys>) -> Result<Self, String> {
        let kind = if keys.is_some() { "signed" } else { "anonymous" };
        let data = directory.join(format!("data-{kind}-{}", std::process::id()));
        let log = directory.join(format!("server-{kind}.log"));
        let at = |source| format!("{}: {source}", directory.display());
        fs::create_dir_all(&data).map_err(at)?;
        let file = File::create(&log).map_err(at)?;
        let copy = file.try_clone().map_err(at)?;

        let mut command = Command::new(binary());
        command.args(["serve", "--listen", "127.0.0.1:0", "--sixty-second-rules=off"]);
        if let Some(keys) = keys {
            command.arg("--credentials").arg(keys.file());
        }
        // Away from the settings file of whoever runs this.
        command.arg("--data-dir").arg(&data).current_dir(directory);
        command.stdout(Stdio::piped()).stderr(copy);
        let mut child = process::spawn(&mut command)?;
        let address = address(&mut child, file);
        let mut server = Self { child, data, log, endpoint: String::new() };
        server.endpoint = address.ok_or_else(|| {
            let said = fs::read_to_string(&server.log).unwrap_or_default();
            format!("the server did not tell its address within {START:?}; it said:\n{said}")
        })?;
        Ok(server)
    }

    /// This function gives the address, such as `http://127.0.0.1:41234`.
    pub(crate) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// This function tells whether the process is still there; a crash fails the suite it is in.
    pub(crate) fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// This function counts the queues that there are, whoever owns them, to see that a suite has left none behind. It
    /// looks at the disk, which needs no signature: whatever was answered is there.
    ///
    /// # Errors
    ///
    /// A sentence when the data directory cannot be read.
    pub(crate) fn queues(&self) -> Result<usize, String> {
        let mut command = Command::new(binary());
        command.args(["inspect", "queues", "--data-dir"]).arg(&self.data);
        let output = process::capture(command, START, |_| {})?;
        if !output.succeeded() {
            return Err(format!("inspect queues: {}", output.lines.join("\n")));
        }
        Ok(count_queues(&output.lines.join("\n")))
    }

    /// This function names the file with what the server printed.
    pub(crate) fn log(&self) -> &Path {
        &self.log
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        process::stop(&mut self.child);
        // Left-over data is a nuisance, not a failure; the directory is below the target directory.
        let _ = fs::remove_dir_all(&self.data);
    }
}

/// Reads the server's output until the address, and goes on copying it into the log.
fn address(child: &mut Child, mut log: File) -> Option<String> {
    let stdout = child.stdout.take()?;
    let (sender, found) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            // Neither a full disk nor a reader that has gone may stop the pipe from being emptied.
            let _ = writeln!(log, "{line}");
            if let Some(address) = line.trim().strip_prefix(MARK) {
                let _ = sender.send(address.trim().to_owned());
            }
        }
    });
    found.recv_timeout(START).ok()
}

/// Counts the queues in what `stanchion inspect queues` prints.
fn count_queues(printed: &str) -> usize {
    printed.matches("arn:aws:sqs:").count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queues_are_counted_by_their_arns() {
        let printed = "shard 0: 2 queues\n  arn:aws:sqs:us-east-1:000000000000:a\n    messages: 0 visible\n  \
                       arn:aws:sqs:us-east-1:000000000000:b\n";
        assert_eq!(count_queues(printed), 2);
        assert_eq!(count_queues("shard 0: no queues\n"), 0);
    }
}
