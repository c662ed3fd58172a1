//! The control socket.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::Path;

use serde_json::{Value, json};

use crate::harness::{LONG, Server, directory};
use crate::{export, ok, refused, text};

fn ask(socket: &mut BufReader<UnixStream>, request: &[u8]) -> Value {
    socket.get_mut().write_all(request).expect("the request is sent");
    let mut answer = String::new();
    socket.read_line(&mut answer).expect("an answer");
    if answer.is_empty() { Value::Null } else { serde_json::from_str(&answer).expect("JSON") }
}

fn connect(data: &Path) -> BufReader<UnixStream> {
    let stream = UnixStream::connect(data.join("control.sock")).expect("the server accepts");
    stream.set_read_timeout(Some(LONG)).expect("a timeout");
    BufReader::new(stream)
}

#[test]
fn only_the_owner_can_reach_the_socket_and_it_goes_with_the_server() {
    let directory = directory();
    let data = directory.path().join("data");
    let socket = data.join("control.sock");
    let server = Server::start(directory.path(), &[]);
    let metadata = fs::metadata(&socket).expect("the socket is there");
    assert!(metadata.file_type().is_socket());
    assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
    server.kill();
    assert!(socket.exists(), "nobody was there to remove it");

    let error = refused(&["import", "-", "--data-dir", text(&data)]);
    assert!(error.contains("no server uses"), "{error}");
    let server = Server::start(directory.path(), &[]);
    server.create_and_send("q", "x");
    assert_eq!(export(&data).len(), 2, "the new server answers in place of the old one");
    assert_eq!(server.stop(), 0);
    assert!(!socket.exists());
}

#[test]
fn a_data_directory_may_lie_deeper_than_the_path_of_a_socket_may_be_long() {
    let directory = directory();
    let deep = directory.path().join("d".repeat(90)).join("e".repeat(90));
    fs::create_dir_all(&deep).expect("made");
    let server = Server::start(&deep, &[]);
    server.create_and_send("q", "x");
    assert_eq!(export(&deep.join("data")).len(), 2);
    assert_eq!(server.stop(), 0);
}

#[test]
fn requests_that_are_none_get_an_error_and_the_server_lives() {
    let directory = directory();
    let data = directory.path().join("data");
    let server = Server::start(directory.path(), &[]);
    let mut long = vec![b'x'; (16 << 20) + 1];
    long.push(b'\n');
    for (request, words) in [
        (b"\n".to_vec(), "no request"),
        (b"\xff\xfe\n".to_vec(), "no request"),
        (b"{}\n".to_vec(), "no request"),
        (br#"{"version":2,"do":"hold"}"#.to_vec(), "speaks version 1"),
        (br#"{"version":1,"do":"hold"}"#.to_vec(), "no request"),
        (br#"{"version":1,"do":"dance"}"#.to_vec(), "older than the command"),
        (br#"{"version":1,"do":"release"}"#.to_vec(), "nothing is held"),
        (br#"{"version":1,"do":"import","with":{"queue":"none","messages":[]}}"#.to_vec(), "does not exist"),
        (br#"{"version":1,"do":"import","with":{"queue":"/","messages":[]}}"#.to_vec(), "no name of a queue"),
    ] {
        let mut socket = connect(&data);
        let line = if request.ends_with(b"\n") { request.clone() } else { [&request[..], b"\n"].concat() };
        let answer = ask(&mut socket, &line);
        let error = answer["error"].as_str().unwrap_or_else(|| panic!("{answer} to {request:?}"));
        assert!(error.contains(words), "{error}");
    }
    let mut socket = connect(&data);
    // The server hangs up in the middle of a line without end.
    let _ = socket.get_mut().write_all(&long);
    server.create_and_send("q", "x");
    assert_eq!(server.receive("q"), ["x"]);
}

#[test]
fn a_hold_ends_with_its_connection() {
    let directory = directory();
    let data = directory.path().join("data");
    let server = Server::start(directory.path(), &["--segment-size", "4MiB", "--snapshot-interval", "2MiB"]);
    server.ok("CreateQueue", json!({ "QueueName": "q" }));
    let mut socket = connect(&data);
    let answer = ask(&mut socket, b"{\"version\":1,\"do\":\"hold\",\"with\":{\"snapshot\":false}}\n");
    assert!(answer["ok"]["end"].is_array(), "{answer}");
    let segments = || {
        let files = fs::read_dir(data.join("journal")).expect("a directory").flatten();
        files.filter(|file| file.path().extension().is_some_and(|extension| extension == "segment")).count()
    };
    let churn = |times: usize| {
        for _ in 0..times {
            server.ok("SendMessage", json!({ "QueueUrl": "q", "MessageBody": "x".repeat(900_000) }));
            let answer = server.ok("ReceiveMessage", json!({ "QueueUrl": "q" }));
            let handle = &answer["Messages"][0]["ReceiptHandle"];
            server.ok("DeleteMessage", json!({ "QueueUrl": "q", "ReceiptHandle": handle }));
        }
    };
    for _ in 0..12 {
        churn(5);
        // Who says nothing for too long loses its hold, and on a slow disk this takes long.
        assert_eq!(ask(&mut socket, b"{\"version\":1,\"do\":\"ping\"}\n"), json!({ "ok": {} }));
    }
    assert!(segments() > 10, "nothing goes while the files are held: {}", segments());
    drop(socket);
    let started = std::time::Instant::now();
    while segments() > 10 {
        assert!(started.elapsed() < 3 * LONG, "{} segments are left", segments());
        churn(5);
    }
    let vault = directory.path().join("vault");
    ok(&["backup", "--data-dir", text(&data), "--to", text(&vault)]);
}
