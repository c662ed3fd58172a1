//! Very many connections that do nothing.

use std::net::TcpStream;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::json;

use crate::harness::{Server, directory};

const CONNECTIONS: usize = 10_000;
/// What the process needs besides.
const DESCRIPTORS_SPARE: u64 = 500;

#[test]
fn ten_thousand_idle_connections_leave_room_for_work() {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum }).expect("a raised limit");
    let allowed = limit.maximum.unwrap_or(u64::MAX).saturating_sub(DESCRIPTORS_SPARE);
    let count = CONNECTIONS.min(usize::try_from(allowed).unwrap_or(usize::MAX));
    if count < CONNECTIONS {
        println!("the limit on open files allows only {count} of {CONNECTIONS} connections");
    }
    let directory = directory();
    let server = Server::start(directory.path(), &[]);
    let idle: Vec<_> = (0..count).map(|_| TcpStream::connect(server.address).expect("the server accepts")).collect();
    server.create_and_send("q", "x");
    assert_eq!(server.receive("q"), ["x"]);
    let (status, _) = server.call("ListQueues", json!({}));
    assert_eq!(status, 200);
    drop(idle);
    assert_eq!(server.stop(), 0);
}
