//! A server process with a directory of its own, and just enough of a client.

use std::fs;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

/// Longer than anything takes here; a test that waits this long has failed.
pub(crate) const LONG: Duration = Duration::from_secs(60);

/// Returns the command that runs the binary, without a variable that could change what it does.
pub(crate) fn stanchion(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stanchion"));
    for (variable, _) in std::env::vars().filter(|(variable, _)| variable.starts_with("STANCHION_")) {
        command.env_remove(variable);
    }
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs a command that ends by itself: exit code, standard output, standard error.
pub(crate) fn run(mut command: Command) -> (i32, String, String) {
    let output = command.output().expect("the binary runs");
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("output is UTF-8");
    (output.status.code().expect("an exit code"), text(&output.stdout), text(&output.stderr))
}

/// A server process. It is killed with this value.
pub(crate) struct Server {
    child: Child,
    log: PathBuf,
    pub(crate) address: SocketAddr,
    /// What it printed before it was ready.
    pub(crate) lines: Vec<String>,
}

impl Server {
    /// Starts a server on a directory, with further arguments.
    pub(crate) fn start(directory: &Path, arguments: &[&str]) -> Self {
        Server::start_in(directory, arguments, &[])
    }

    /// Starts a server as [`Server::start`] does, with variables in its environment.
    pub(crate) fn start_in(directory: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut command = stanchion(&[]);
        command.envs(environment.iter().copied());
        Server::launch(directory, command, arguments)
    }

    /// Starts a server that may have so many files open and no more.
    pub(crate) fn start_with_descriptors(directory: &Path, count: u64) -> Self {
        let binary = stanchion(&[]).get_program().to_owned();
        let mut command = Command::new("sh");
        command.args(["-c", &format!("ulimit -n {count}; exec \"$0\" \"$@\"")]).arg(binary);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        Server::launch(directory, command, &[])
    }

    /// Starts a server on a disk that takes this long for every sync. It is `strace` that makes it slow; where that is
    /// not installed, or may not trace, there is no server.
    pub(crate) fn start_on_slow_disk(directory: &Path, sync: Duration) -> Option<Self> {
        let slow = ["-f", "-qq", "-e", "trace=fdatasync", "-e"];
        let inject = format!("inject=fdatasync:delay_enter={}", sync.as_micros());
        let tries = Command::new("strace").args(slow).args([&inject, "-o", "/dev/null", "true"]).output();
        if !tries.is_ok_and(|output| output.status.success()) {
            println!("skipped: strace is not installed or may not trace, so there is no slow disk");
            return None;
        }
        let binary = stanchion(&[]).get_program().to_owned();
        let mut command = Command::new("strace");
        // Detached, so that the child is the server and not its tracer.
        command.args(["-D", "--seccomp-bpf"]).args(slow).args([&inject, "-o", "/dev/null"]).arg(binary);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        Some(Server::launch(directory, command, &[]))
    }

    /// Starts a server with a command to which the words after its name are added.
    fn launch(directory: &Path, mut command: Command, arguments: &[&str]) -> Self {
        let data = directory.join("data");
        let base = ["serve", "--listen", "127.0.0.1:0", "--data-dir", data.to_str().expect("a path in UTF-8")];
        command.args(base).args(arguments);
        // The file that is read by default lies in the working directory.
        command.current_dir(directory);
        let log = directory.join("log");
        let stderr = fs::OpenOptions::new().create(true).append(true).open(&log).expect("a log file");
        let mut child = command.stderr(stderr).spawn().expect("the binary runs");
        let mut out = BufReader::new(child.stdout.take().expect("standard output is piped"));
        let mut lines = Vec::new();
        while lines.len() < 3 {
            let mut line = String::new();
            let read = out.read_line(&mut line).expect("the server prints");
            assert!(read > 0, "the server ended: {}", fs::read_to_string(&log).unwrap_or_default());
            lines.push(line.trim_end().to_owned());
        }
        let endpoint = lines[0].strip_prefix("endpoint: http://").expect("the first line is the endpoint");
        Server { child, log, address: endpoint.parse().expect("an address"), lines }
    }

    /// Waits until the server has logged a text.
    pub(crate) fn wait_for_log(&self, text: &str) {
        let started = Instant::now();
        while !fs::read_to_string(&self.log).expect("the log can be read").contains(text) {
            assert!(started.elapsed() < LONG, "the server does not log {text:?}");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).expect("the server can be signalled");
    }

    /// Waits for the process to end.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("the server can be waited for") {
                return status;
            }
            assert!(started.elapsed() < LONG, "the server does not end");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Returns the resident memory in bytes and the processor time so far.
    pub(crate) fn usage(&self) -> (u64, Duration) {
        let read = |file: &str| {
            fs::read_to_string(format!("/proc/{}/{file}", self.child.id())).expect("a file of the process")
        };
        let number = |text: Option<&str>| text.and_then(|text| text.parse::<u64>().ok()).expect("a number");
        let pages = number(read("statm").split(' ').nth(1));
        let stat = read("stat");
        // The name of the program, in brackets, may hold anything.
        let fields: Vec<&str> = stat.rsplit(") ").next().expect("fields after the name").split(' ').collect();
        let ticks = number(fields.get(11).copied()) + number(fields.get(12).copied());
        let (page, tick) = (rustix::param::page_size() as u64, rustix::param::clock_ticks_per_second());
        (pages * page, Duration::from_millis(ticks * 1000 / tick))
    }

    /// Asks the server to stop and waits for it.
    pub(crate) fn stop(mut self) -> i32 {
        self.signal(Signal::TERM);
        self.wait().code().expect("an exit code")
    }

    /// Kills the server without a word.
    pub(crate) fn kill(mut self) {
        self.signal(Signal::KILL);
        self.wait();
    }

    /// Opens a connection on which nothing waits for ever.
    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).expect("the server accepts");
        stream.set_read_timeout(Some(LONG)).expect("a timeout");
        stream.set_write_timeout(Some(LONG)).expect("a timeout");
        stream
    }

    /// Sends bytes on a new connection, and returns the answers to them when the server has read the bytes.
    pub(crate) fn has_read(&self, bytes: &[u8]) -> Answers {
        let mut stream = self.connect();
        // They come in one piece with a request before them, and whoever answers that one has them.
        stream.write_all(&[&request("ListQueues", "{}"), bytes].concat()).expect("the requests are sent");
        let mut answers = Answers::new(stream);
        assert_eq!(answers.next().map(|(status, _)| status), Some(200));
        answers
    }

    /// Calls an action in JSON: status and body.
    pub(crate) fn call(&self, action: &str, body: Value) -> (u16, Value) {
        let mut stream = self.connect();
        stream.write_all(&request(action, &body.to_string())).expect("the request is sent");
        let (status, body) = Answers::new(stream).next().expect("an answer");
        (status, if body.is_empty() { Value::Null } else { serde_json::from_slice(&body).expect("JSON") })
    }

    /// Calls an action that must succeed.
    pub(crate) fn ok(&self, action: &str, body: Value) -> Value {
        let (status, body) = self.call(action, body);
        assert_eq!(status, 200, "{action}: {body}");
        body
    }

    /// Creates a queue and sends a message to it.
    pub(crate) fn create_and_send(&self, queue: &str, body: &str) {
        self.ok("CreateQueue", json!({ "QueueName": queue }));
        self.ok("SendMessage", json!({ "QueueUrl": queue, "MessageBody": body }));
    }

    /// Receives without waiting; returns the bodies.
    pub(crate) fn receive(&self, queue: &str) -> Vec<String> {
        let answer = self.ok("ReceiveMessage", json!({ "QueueUrl": queue, "MaxNumberOfMessages": 10 }));
        let messages = answer["Messages"].as_array().cloned().unwrap_or_default();
        messages.iter().map(|message| message["Body"].as_str().expect("a body").to_owned()).collect()
    }

    /// Sends bytes and returns everything that comes back until the server closes the connection.
    pub(crate) fn exchange(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect();
        // The server may well close the connection before it has read everything.
        let _ = stream.write_all(bytes);
        read_rest(stream)
    }

    /// Sends bytes, sends no more, and returns everything that comes back.
    pub(crate) fn break_off(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect();
        let _ = stream.write_all(bytes);
        let _ = stream.shutdown(Shutdown::Write);
        read_rest(stream)
    }
}

fn read_rest(mut stream: TcpStream) -> String {
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Err(error) if error.kind() == ErrorKind::WouldBlock => panic!("the server does not close the connection"),
        // A reset closes the connection, too.
        Ok(_) | Err(_) => String::from_utf8_lossy(&answer).into_owned(),
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns the bytes of a JSON request.
pub(crate) fn request(action: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "POST / HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-amz-json-1.0\r\n\
         x-amz-target: AmazonSQS.{action}\r\ncontent-length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

/// The answers that arrive on a connection, in order.
pub(crate) struct Answers {
    stream: BufReader<TcpStream>,
}

impl Answers {
    pub(crate) fn new(stream: TcpStream) -> Self {
        Answers { stream: BufReader::new(stream) }
    }

    /// Says that the client sends no more, and waits until the server has closed the connection: then it has given up
    /// what it waited for in the client's name.
    pub(crate) fn leave(self) {
        let stream = self.stream.into_inner();
        stream.shutdown(Shutdown::Write).expect("the connection is open");
        assert_eq!(read_rest(stream), "");
    }
}

impl Iterator for Answers {
    type Item = (u16, Vec<u8>);

    /// Reads the next answer: status and body. `None` at the end of the connection.
    fn next(&mut self) -> Option<Self::Item> {
        let mut line = String::new();
        if self.stream.read_line(&mut line).unwrap_or(0) == 0 {
            return None;
        }
        let status = line.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        let mut length = 0;
        loop {
            line.clear();
            self.stream.read_line(&mut line).expect("a header");
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().expect("a length");
            }
            if line.trim().is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).expect("a body");
        Some((status, body))
    }
}

/// A directory that goes with this value.
pub(crate) fn directory() -> tempfile::TempDir {
    tempfile::tempdir().expect("a directory for the test")
}

/// Writes a settings file into a directory.
pub(crate) fn settings_file(directory: &Path, text: &str) -> PathBuf {
    let path = directory.join("settings.toml");
    fs::write(&path, text).expect("the file is written");
    path
}
