//! Data directories to break.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{Server, directory, run, stanchion};

/// The smallest size of a segment, so that there are several.
pub(crate) const SEGMENT_SIZE: &str = "--segment-size=4MiB";

/// A directory with messages in it, and no server.
pub(crate) struct Broken {
    pub(crate) root: TempDir,
    pub(crate) bodies: Vec<String>,
}

impl Broken {
    /// Writes a directory with some segments and stops the server cleanly.
    pub(crate) fn new() -> Self {
        let root = directory();
        let server = Server::start(root.path(), &[SEGMENT_SIZE]);
        server.ok("CreateQueue", json!({ "QueueName": "orders" }));
        let bodies: Vec<_> = (0..30).map(|number| format!("{number:02}").repeat(128_000)).collect();
        for body in &bodies {
            server.ok("SendMessage", json!({ "QueueUrl": "orders", "MessageBody": body }));
        }
        assert_eq!(server.stop(), 0);
        Broken { root, bodies }
    }

    /// Returns the path of a file of the data directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.path().join("data").join(name)
    }

    /// Lists the segments that hold records.
    pub(crate) fn segments(&self) -> Vec<PathBuf> {
        let files = fs::read_dir(self.path("journal")).expect("a journal");
        let mut files: Vec<_> = files.map(|file| file.expect("a file").path()).collect();
        files.retain(|file| file.extension().is_some_and(|extension| extension == "segment"));
        files.retain(|file| fs::read(file).expect("a segment")[4096..].iter().any(|&byte| byte != 0));
        files.sort();
        assert!(files.len() >= 3, "{files:?}");
        files
    }

    /// Flips a bit where a body is; returns file and offset.
    pub(crate) fn flip_body(&self, body: &str) -> (PathBuf, usize) {
        let mut before = self.bodies.iter().position(|other| other == body).expect("one of the bodies");
        for file in self.segments() {
            let mut bytes = fs::read(&file).expect("a segment");
            for at in (4096..bytes.len()).step_by(8) {
                let Some(middle) = large_frame(&bytes[at..], body.len()) else { continue };
                if before == 0 {
                    bytes[at + middle] ^= 1;
                    fs::write(&file, bytes).expect("writes");
                    return (file, at + middle);
                }
                before -= 1;
            }
        }
        panic!("the body is in no segment");
    }

    /// Runs a command on the data directory: exit code, standard output, standard error.
    pub(crate) fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        let data = self.path("");
        run(stanchion(&[arguments, &["--data-dir", data.to_str().expect("a path in UTF-8")]].concat()))
    }

    /// Checks the directory: what is found, as JSON.
    pub(crate) fn check(&self) -> (i32, Value) {
        let (code, out, error) = self.run(&["check", "--json"]);
        (code, serde_json::from_str(&out).unwrap_or_else(|_| panic!("not JSON: {out}{error}")))
    }

    /// Repairs the directory and returns what was said; a check finds nothing after that.
    pub(crate) fn repair(&self) -> String {
        let (code, out, error) = self.run(&["check", "--repair", SEGMENT_SIZE]);
        assert_eq!(code, 0, "{out}{error}");
        assert!(out.ends_with("every byte that must be there is there\n"), "{out}");
        let (code, found) = self.check();
        assert_eq!((code, &found["damages"]["total"]), (0, &json!(0)), "{found}");
        out
    }

    /// Starts a server and receives everything: the bodies, sorted.
    pub(crate) fn serve(&self) -> Vec<String> {
        let server = Server::start(self.root.path(), &[SEGMENT_SIZE]);
        let mut bodies = receive_all(&server);
        bodies.sort();
        assert_eq!(server.stop(), 0);
        bodies
    }

    /// Tries to start a server that must refuse, and returns its words.
    pub(crate) fn refused(&self) -> String {
        let (code, out, error) = self.run(&["serve", "--listen", "127.0.0.1:0"]);
        assert_eq!((code, out.as_str()), (1, ""), "{error}");
        error
    }

    /// Returns all but some of the bodies.
    pub(crate) fn bodies_but(&self, lost: &[usize]) -> Vec<String> {
        let kept = self.bodies.iter().enumerate().filter(|(number, _)| !lost.contains(number));
        kept.map(|(_, body)| body.clone()).collect()
    }
}

/// Returns the middle of a frame that begins here and holds so much: bodies are encrypted, but in the order in which they
/// were sent.
fn large_frame(bytes: &[u8], body: usize) -> Option<usize> {
    let length = u32::from_le_bytes(bytes.get(52..56)?.try_into().ok()?) as usize;
    let table = 72 + 20 * length.div_ceil(4096);
    (bytes.starts_with(b"SJR1") && bytes[5] == 1 && length >= body).then_some(table + length / 2)
}

/// Receives until there is nothing more. What cannot be read is passed over.
pub(crate) fn receive_all(server: &Server) -> Vec<String> {
    let (mut bodies, mut empty) = (Vec::new(), 0);
    while empty < 3 {
        let input = json!({ "QueueUrl": "orders", "MaxNumberOfMessages": 10, "VisibilityTimeout": 600 });
        let (status, answer) = server.call("ReceiveMessage", input);
        let messages = answer["Messages"].as_array().cloned().unwrap_or_default();
        assert!(status == 200 || status == 500, "{status}: {answer}");
        empty = if messages.is_empty() { empty + 1 } else { 0 };
        bodies.extend(messages.iter().map(|message| message["Body"].as_str().expect("a body").to_owned()));
    }
    bodies
}

/// Returns the files and directories of a directory by name.
pub(crate) fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).expect("a directory");
    let mut names: Vec<_> =
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}
