//! Child processes: run with a bound in time, and stopped by their own id.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// How often a bounded wait looks again.
const GLANCE: Duration = Duration::from_millis(50);

/// The repository's root: this crate lives two levels below it.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_path_buf()
}

/// The directory that cargo builds the workspace into.
pub(crate) fn target() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(directory) => root().join(directory),
        None => root().join("target"),
    }
}

/// The cargo that runs this program.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

/// This function runs a command to its end and shows what it prints.
///
/// # Errors
///
/// A sentence when it does not start, fails, or takes longer than `bound`.
pub(crate) fn run(mut command: Command, bound: Duration) -> Result<(), String> {
    let shown = show(&command);
    let mut child = spawn(&mut command)?;
    let status = wait(&mut child, bound).ok_or_else(|| format!("{shown}: no end in {bound:?}"))?;
    if status.success() { Ok(()) } else { Err(format!("{shown}: {status}")) }
}

/// What a command printed, and how it ended.
pub(crate) struct Output {
    /// Standard output and standard error, line by line as they came.
    pub(crate) lines: Vec<String>,
    /// `None` when it had to be stopped.
    pub(crate) status: Option<ExitStatus>,
}

impl Output {
    /// This function tells whether the command ended by itself and well.
    pub(crate) fn succeeded(&self) -> bool {
        self.status.is_some_and(|status| status.success())
    }
}

/// This function runs a command and hands each line to `each` as it comes.
///
/// # Errors
///
/// A sentence when it does not start.
pub(crate) fn capture(mut command: Command, bound: Duration, mut each: impl FnMut(&str)) -> Result<Output, String> {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = spawn(&mut command)?;
    let (sender, lines) = mpsc::channel();
    if let Some(stdout) = child.stdout.take() {
        forward(stdout, sender.clone());
    }
    if let Some(stderr) = child.stderr.take() {
        forward(stderr, sender.clone());
    }
    drop(sender);

    let deadline = Instant::now() + bound;
    let mut seen = Vec::new();
    let mut status = None;
    loop {
        match lines.recv_timeout(GLANCE) {
            Ok(line) => {
                each(&line);
                seen.push(line);
                continue;
            }
            // Both pipes are closed: nothing more will come.
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                status = wait(&mut child, deadline.saturating_duration_since(Instant::now()));
                break;
            }
            Err(mpsc::RecvTimeoutError::Timeout) => {}
        }
        // A grandchild may hold the pipes open; the end of the child itself is what counts.
        if let Ok(Some(ended)) = child.try_wait() {
            status = Some(ended);
            for line in lines.try_iter() {
                each(&line);
                seen.push(line);
            }
            break;
        }
        if Instant::now() >= deadline {
            break;
        }
    }
    if status.is_none() {
        stop(&mut child);
    }
    Ok(Output { lines: seen, status })
}

/// This function waits for the end of a child, at most for `bound`; `None` after stopping it.
pub(crate) fn wait(child: &mut Child, bound: Duration) -> Option<ExitStatus> {
    let deadline = Instant::now() + bound;
    loop {
        if let Ok(Some(status)) = child.try_wait() {
            return Some(status);
        }
        if Instant::now() >= deadline {
            stop(child);
            return None;
        }
        thread::sleep(GLANCE);
    }
}

/// This function asks a child to end with SIGTERM and ends it after ten seconds.
pub(crate) fn stop(child: &mut Child) {
    // The standard library has no gentle way; `kill` is part of every system that runs this.
    let asked = Command::new("kill").arg("-TERM").arg(child.id().to_string()).status();
    if asked.is_ok_and(|status| status.success()) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while Instant::now() < deadline {
            if let Ok(Some(_)) = child.try_wait() {
                return;
            }
            thread::sleep(GLANCE);
        }
    }
    // Both fail only when the child has ended already.
    let _ = child.kill();
    let _ = child.wait();
}

/// This function starts a child without input.
///
/// # Errors
///
/// A sentence that names the command and the reason.
pub(crate) fn spawn(command: &mut Command) -> Result<Child, String> {
    command.stdin(Stdio::null());
    command.spawn().map_err(|source| format!("{}: {source}", show(command)))
}

/// A command as a person would type it.
pub(crate) fn show(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy().into_owned()];
    words.extend(command.get_args().map(|word| word.to_string_lossy().into_owned()));
    words.join(" ")
}

fn forward(from: impl std::io::Read + Send + 'static, to: mpsc::Sender<String>) {
    thread::spawn(move || {
        let mut reader = BufReader::new(from);
        let mut bytes = Vec::new();
        while reader.read_until(b'\n', &mut bytes).is_ok_and(|count| count > 0) {
            let line = String::from_utf8_lossy(&bytes);
            if to.send(line.trim_end().to_owned()).is_err() {
                return;
            }
            bytes.clear();
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_and_the_end_of_a_command_are_seen() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo one; echo two >&2; exit 3"]);
        let output = capture(command, Duration::from_secs(20), |_| {}).expect("sh starts");
        let mut lines = output.lines.clone();
        lines.sort();
        assert_eq!(lines, ["one", "two"]);
        assert!(!output.succeeded());
    }

    #[test]
    fn a_command_without_an_end_is_stopped() {
        let mut command = Command::new("sleep");
        command.arg("600");
        let started = Instant::now();
        let output = capture(command, Duration::from_millis(100), |_| {}).expect("sleep starts");
        assert!(output.status.is_none());
        assert!(started.elapsed() < Duration::from_secs(300));
    }

    #[test]
    fn a_command_that_is_not_there_is_named() {
        let command = Command::new("no-such-command-anywhere");
        let message = run(command, Duration::from_secs(1)).expect_err("it cannot start");
        assert!(message.contains("no-such-command-anywhere"));
    }
}
