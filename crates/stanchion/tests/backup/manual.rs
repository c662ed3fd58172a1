//! The manual page: every command on it is run.

use crate::harness::{Server, directory, run, stanchion};

#[test]
fn every_command_of_the_page_on_backups_works_as_written() {
    let page = include_str!("../../../../docs/backup.md");
    let directory = directory();
    // The page speaks of ./stanchion-data, the default.
    std::os::unix::fs::symlink(directory.path().join("data"), directory.path().join("stanchion-data")).unwrap();
    let server = Server::start(directory.path(), &[]);
    server.create_and_send("orders", "x");
    let mut commands = 0;
    let blocks = page.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap_or_default());
    for line in blocks.flat_map(str::lines).filter(|line| !line.is_empty()) {
        let mut words = line.split(' ');
        assert_eq!(words.next(), Some("stanchion"), "{line}");
        let mut command = stanchion(&words.collect::<Vec<_>>());
        command.current_dir(directory.path());
        let (code, _, error) = run(command);
        assert_eq!(code, 0, "{line}: {error}");
        commands += 1;
    }
    assert!(commands >= 6, "{commands}");
    assert_eq!(server.receive("orders"), ["x", "x", "x"], "the imports of the page have added two");
}
