//! The manual page: every command on it is run.

use crate::harness::{Server, directory, run, stanchion};

#[test]
fn every_command_of_the_page_on_encryption_works_as_written() {
    let page = include_str!("../../../../docs/encryption.md");
    let directory = directory();
    // The page speaks of ./stanchion-data, the default.
    std::os::unix::fs::symlink(directory.path().join("data"), directory.path().join("stanchion-data")).expect("a link");
    let (mut server, mut starts, mut commands): (Option<Server>, _, _) = (None, 0, 0);
    let blocks = page.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap_or_default());
    for line in blocks.flat_map(str::lines).filter(|line| !line.is_empty()) {
        let words: Vec<&str> = line.split(' ').collect();
        assert_eq!(words[0], "stanchion", "{line}");
        commands += 1;
        if words[1] == "serve" {
            if let Some(server) = server.take() {
                assert_eq!(server.stop(), 0);
            }
            server = Some(Server::start_in(directory.path(), &words[2..], &[]));
            starts += 1;
            continue;
        }
        let mut command = stanchion(&words[1..]);
        command.current_dir(directory.path());
        let (code, out, error) = run(command);
        assert_eq!(code, 0, "{line}: {out} {error}");
    }
    assert!(commands >= 4 && starts >= 2, "{commands} commands, {starts} of them start the server");
    let server = server.expect("the page starts one");
    server.create_and_send("q", "a");
    assert_eq!(server.receive("q"), ["a"]);
}
