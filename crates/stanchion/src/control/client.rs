//! A command's end.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Answer, Door, HOLD, Held, LINE_MAX, NAME, PING, RELEASE, Request, VERSION, WithHold};

/// How long an answer may take. An import may wait for the disk for a minute.
const PATIENCE: Duration = Duration::from_secs(120);
/// How often a hold says that it is still needed.
const PING_EVERY: Duration = Duration::from_secs(10);

/// A connection to the server of a data directory.
pub(crate) struct Connection {
    stream: BufReader<UnixStream>,
}

/// Why a request was not granted.
#[derive(Debug)]
pub(crate) struct Refused {
    /// In words.
    pub(crate) text: String,
    /// Which of the things that were sent is meant.
    pub(crate) index: Option<usize>,
}

impl Connection {
    /// Connects to the server that uses a data directory; `None` if none answers there.
    ///
    /// # Errors
    /// What keeps this process from connecting, such as that the server belongs to somebody else.
    pub(crate) fn open(data_dir: &Path) -> Result<Option<Connection>, String> {
        let named = |error: io::Error| format!("cannot connect to {}: {error}", data_dir.join(NAME).display());
        let door = match Door::to(data_dir, NAME) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            door => door.map_err(named)?,
        };
        let stream = match UnixStream::connect(&door.path) {
            Ok(stream) => stream,
            // A server that was killed has left its socket.
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
                return Ok(None);
            }
            Err(error) => return Err(named(error)),
        };
        stream.set_read_timeout(Some(PATIENCE)).map_err(named)?;
        stream.set_write_timeout(Some(PATIENCE)).map_err(named)?;
        Ok(Some(Connection { stream: BufReader::new(stream) }))
    }

    /// Asks something and waits for the answer.
    ///
    /// # Errors
    /// The refusal, or that the connection ended.
    pub(crate) fn ask<T: DeserializeOwned>(&mut self, action: &str, with: &impl Serialize) -> Result<T, Refused> {
        let general = |text: String| Refused { text, index: None };
        let broken = |error: io::Error| match error.kind() {
            io::ErrorKind::WouldBlock => general("the server does not answer".to_owned()),
            _ => general(format!("the connection to the server ended: {error}")),
        };
        let with = serde_json::value::to_raw_value(with).map_err(|error| general(error.to_string()))?;
        let request = Request { version: VERSION, action, with: Some(&with) };
        let line = serde_json::to_string(&request).map_err(|error| general(error.to_string()))? + "\n";
        if line.len() as u64 > LINE_MAX {
            return Err(general(format!("the line is longer than {LINE_MAX} bytes")));
        }
        self.stream.get_mut().write_all(line.as_bytes()).map_err(broken)?;
        let mut text = String::new();
        let read = (&mut self.stream).take(LINE_MAX).read_line(&mut text).map_err(broken)?;
        if read == 0 {
            return Err(general("the connection to the server ended".to_owned()));
        }
        let foreign = |error: serde_json::Error| general(format!("the server's answer makes no sense: {error}"));
        match serde_json::from_str(&text).map_err(foreign)? {
            Answer { error: Some(text), index, .. } => Err(Refused { text, index }),
            Answer { ok, .. } => serde_json::from_value(ok.unwrap_or_default()).map_err(foreign),
        }
    }

    /// Asks the server to keep its files, and goes on asking until the hold is released.
    ///
    /// # Errors
    /// The refusal.
    pub(crate) fn hold(mut self, snapshot: bool) -> Result<HeldFiles, String> {
        let held: Held = self.ask(HOLD, &WithHold { snapshot }).map_err(|refused| refused.text)?;
        let (stop, stopped) = mpsc::channel();
        let keeper = thread::spawn(move || {
            loop {
                match stopped.recv_timeout(PING_EVERY) {
                    Err(RecvTimeoutError::Timeout) => {
                        let _: serde_json::Value = self.ask(PING, &())?;
                    }
                    Ok(()) | Err(RecvTimeoutError::Disconnected) => {
                        let _: serde_json::Value = self.ask(RELEASE, &())?;
                        return Ok(());
                    }
                }
            }
        });
        Ok(HeldFiles { held, stop, keeper })
    }
}

/// Files of a running server that stay as they are.
pub(crate) struct HeldFiles {
    /// Which part of them.
    pub(crate) held: Held,
    stop: Sender<()>,
    keeper: JoinHandle<Result<(), Refused>>,
}

impl HeldFiles {
    /// Ends the hold.
    ///
    /// # Errors
    /// That it did not last: then what was read meanwhile may be wrong.
    pub(crate) fn release(self) -> Result<(), String> {
        // The thread has ended by itself if the hold was lost.
        let _ = self.stop.send(());
        match self.keeper.join() {
            Ok(Ok(())) => Ok(()),
            Ok(Err(refused)) => Err(format!("the server did not keep its files until the end: {}", refused.text)),
            Err(_) => Err("the thread that kept the files has panicked".to_owned()),
        }
    }
}
