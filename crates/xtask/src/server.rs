//! A server for the suites: the release binary on a port the system picks, with its own data.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::process;

/// How long the server may take to tell its address.
const START: Duration = Duration::from_secs(30);
/// What the server prints before its address.
const MARK: &str = "endpoint: ";

/// A running server; dropping it stops the process and removes its data.
pub(crate) struct Server {
    child: Child,
    data: PathBuf,
    log: PathBuf,
    endpoint: String,
}

impl Server {
    /// This function builds the release binary and starts it with a fresh data directory.
    ///
    /// # Errors
    ///
    /// A sentence when it cannot be built or started, or does not tell its address in time.
    pub(crate) fn start(directory: &Path) -> Result<Self, String> {
        let mut build = process::cargo();
        build.args(["build", "--release", "--quiet", "--package", "stanchion"]);
        process::run(build, Duration::from_secs(1800))?;

        let data = directory.join(format!("data-{}", std::process::id()));
        let log = directory.join("server.log");
        let at = |source| format!("{}: {source}", directory.display());
        fs::create_dir_all(&data).map_err(at)?;
        let file = File::create(&log).map_err(at)?;
        let copy = file.try_clone().map_err(at)?;

        let mut command = Command::new(process::target().join("release").join("stanchion"));
        command.args(["serve", "--listen", "127.0.0.1:0", "--sixty-second-rules=off"]);
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

/// This function counts the queues of a server, to see that a suite has left none behind.
///
/// # Errors
///
/// A sentence when the server does not answer.
pub(crate) fn queues(endpoint: &str) -> Result<usize, String> {
    let address = endpoint.trim_start_matches("http://").trim_end_matches('/');
    let failed = |source: std::io::Error| format!("list queues of {endpoint}: {source}");
    let mut stream = TcpStream::connect(address).map_err(failed)?;
    stream.set_read_timeout(Some(Duration::from_secs(10))).map_err(failed)?;
    let query = "/?Action=ListQueues&Version=2012-11-05";
    let request = format!("GET {query} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).map_err(failed)?;
    let mut reply = String::new();
    stream.read_to_string(&mut reply).map_err(failed)?;
    if !reply.starts_with("HTTP/1.1 200") {
        let status = reply.lines().next().unwrap_or("no answer");
        return Err(format!("list queues of {endpoint}: {status}"));
    }
    Ok(reply.matches("<QueueUrl>").count())
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn answering(reply: &'static str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a client");
            // To the blank line: closing with anything unread would take the reply back.
            let request = BufReader::new(&stream).lines();
            let headers = request.map_while(Result::ok).take_while(|line| !line.is_empty()).count();
            assert_eq!(headers, 3, "the request, its host, and that the connection ends");
            stream.write_all(reply.as_bytes()).expect("the client listens");
        });
        format!("http://{address}")
    }

    #[test]
    fn queues_are_counted_in_the_reply() {
        let endpoint = answering("HTTP/1.1 200 OK\r\n\r\n<QueueUrl>http://a/0/b</QueueUrl><QueueUrl>c</QueueUrl>");
        assert_eq!(queues(&endpoint), Ok(2));
    }

    #[test]
    fn a_refusal_is_no_count() {
        let endpoint = answering("HTTP/1.1 403 Forbidden\r\n\r\n");
        assert!(queues(&endpoint).expect_err("refused").contains("403"));
    }
}
