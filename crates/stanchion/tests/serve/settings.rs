//! Settings as the process sees them.

use std::fs;

use serde_json::json;

use crate::harness::{Server, directory, run, settings_file, stanchion};

#[test]
fn a_wrong_setting_ends_the_start_with_code_2_and_touches_nothing() {
    let directory = directory();
    let data = directory.path().join("data");
    let (code, out, error) =
        run(stanchion(&["serve", "--data-dir", data.to_str().unwrap(), "--durability", "sometimes"]));
    assert_eq!((code, out.as_str()), (2, ""));
    assert_eq!(
        error,
        "stanchion: setting durability: \"sometimes\" must be sync, interval=MS or memory (flag --durability)\n"
    );
    assert!(!data.exists());
}

#[test]
fn another_address_than_loopback_is_refused_unless_told_so() {
    let directory = directory();
    let data = directory.path().join("data");
    let (code, _, error) = run(stanchion(&["serve", "--data-dir", data.to_str().unwrap(), "--listen", "0.0.0.0:0"]));
    assert_eq!(code, 2);
    assert!(error.contains("setting listen") && error.contains("--insecure-anonymous"), "{error}");
    assert!(!data.exists());
}

#[test]
fn check_prints_every_setting_with_its_source() {
    let directory = directory();
    let file = settings_file(directory.path(), "region = \"eu-west-1\"\n[[queue]]\nname = \"jobs\"\n");
    let file = file.to_str().unwrap();
    let data = directory.path().join("data");
    let mut command = stanchion(&["check", "--config", file, "--data-dir", data.to_str().unwrap()]);
    command.env("STANCHION_ACCOUNT", "123456789012").env("STANCHION_DATADIR", "x");
    let (code, out, error) = run(command);
    assert_eq!(code, 0, "{error}");
    let line = |key: &str| {
        let line =
            out.lines().find(|line| line.split_whitespace().next() == Some(key)).expect("a line for the setting");
        line.split_whitespace().skip(1).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(line("region"), format!("eu-west-1 (file {file})"));
    assert_eq!(line("account"), "123456789012 (environment variable STANCHION_ACCOUNT)");
    assert_eq!(line("durability"), "sync (default)");
    assert!(line("data_dir").ends_with("(flag --data-dir)"));
    assert!(out.contains("declares queue jobs"), "{out}");
    assert!(out.contains("environment variable STANCHION_DATADIR: is no setting"), "{out}");
    assert!(!data.exists(), "a check changes nothing");
}

#[test]
fn the_file_in_the_working_directory_is_read_by_default() {
    let directory = directory();
    fs::write(directory.path().join("stanchion.toml"), "account = \"123456789012\"").unwrap();
    let server = Server::start(directory.path(), &[]);
    let created = server.ok("CreateQueue", json!({ "QueueName": "q" }));
    assert!(created["QueueUrl"].as_str().unwrap().ends_with("/123456789012/q"), "{created}");
}

#[test]
fn help_names_each_setting_and_its_variable() {
    let (code, out, _) = run(stanchion(&["serve", "--help"]));
    assert_eq!(code, 0);
    for word in
        ["--data-dir", "STANCHION_DATA_DIR", "--durability", "--sixty-second-rules", "[default: 127.0.0.1:9324]"]
    {
        assert!(out.contains(word), "{word}: {out}");
    }
    for command in ["check", "inspect", "bench"] {
        assert_eq!(run(stanchion(&[command, "--help"])).0, 0, "{command}");
    }
}

#[test]
fn the_sixty_second_rules_can_be_switched_off() {
    for (rules, status) in [("on", 400), ("off", 200)] {
        let directory = directory();
        let server = Server::start(directory.path(), &["--sixty-second-rules", rules]);
        server.ok("CreateQueue", json!({ "QueueName": "q" }));
        server.ok("PurgeQueue", json!({ "QueueUrl": "q" }));
        let purged_again = server.call("PurgeQueue", json!({ "QueueUrl": "q" })).0;
        assert_eq!(purged_again == 200, rules == "off");
        server.ok("DeleteQueue", json!({ "QueueUrl": "q" }));
        assert_eq!(server.call("CreateQueue", json!({ "QueueName": "q" })).0, status, "{rules}");
    }
}
