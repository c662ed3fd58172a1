use std::fs;

use clap::Parser;
use stanchion_types::attributes::AttributeName;

use super::*;
use crate::cli::{Cli, Command};

/// Reads settings as `serve` does, from these flags, variables and this text of a file.
fn load(flags: &[&str], variables: &[(&str, &str)], file: &str) -> Result<Settings, String> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("settings.toml");
    fs::write(&path, file).unwrap();
    let arguments = ["stanchion", "serve", "--config", path.to_str().unwrap()].into_iter().chain(flags.iter().copied());
    let Command::Serve(flags) = Cli::try_parse_from(arguments).map_err(|error| error.to_string())?.command else {
        panic!("serve was asked for");
    };
    let variable =
        |name: &str| Ok(variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()));
    Settings::resolve(&flags, variable).map_err(|error| error.to_string().replace(path.to_str().unwrap(), "FILE"))
}

fn complaint(flags: &[&str], variables: &[(&str, &str)], file: &str) -> String {
    load(flags, variables, file).expect_err("these settings are wrong")
}

#[test]
fn flags_win_over_the_environment_and_that_over_the_file() {
    let file = "region = \"from-file\"\naccount = \"111111111111\"\nconnections_max = 7";
    let variables = [("STANCHION_REGION", "from-variable"), ("STANCHION_ACCOUNT", "222222222222")];
    let settings = load(&["--region", "from-flag"], &variables, file).unwrap();
    assert_eq!(settings.region.as_str(), "from-flag");
    assert_eq!(settings.account.as_str(), "222222222222");
    assert_eq!(settings.connections_max, 7);
    assert_eq!(settings.durability, Durability::Sync);
    let source = |key: &str| settings.shown.iter().find(|shown| shown.key == key).unwrap().source.to_string();
    assert_eq!(source("region"), "flag --region");
    assert_eq!(source("account"), "environment variable STANCHION_ACCOUNT");
    assert!(source("connections_max").starts_with("file "));
    assert_eq!(source("durability"), "default");
}

#[test]
fn the_defaults_are_those_of_the_table() {
    let settings = load(&[], &[], "").unwrap();
    assert_eq!(settings.data_dir, Path::new("./stanchion-data"));
    assert_eq!(settings.listen.to_string(), "127.0.0.1:9324");
    assert_eq!((settings.account, settings.region.as_str()), (AccountId::DEFAULT, "us-east-1"));
    assert_eq!(settings.body_bytes_max, 8 << 20);
    assert_eq!((settings.public_url, settings.worker_threads), (None, None));
    assert!(settings.sixty_second_rules && settings.queues.is_empty());
    let broker = stanchion_broker::Options::default();
    assert_eq!(settings.snapshot_bytes, broker.snapshot_bytes);
    let http = stanchion_http::Options::default();
    assert_eq!((settings.connections_max, settings.body_bytes_max), (http.connections_max, http.body_bytes_max));
    assert_eq!((settings.connections_per_source, settings.audit), (http.connections_per_source, None));
}

#[test]
fn an_error_names_the_setting_its_value_and_where_it_was_given() {
    assert_eq!(complaint(&["--account", "12"], &[], ""), "setting account: \"12\" must be 12 digits (flag --account)");
    assert_eq!(
        complaint(&[], &[("STANCHION_DURABILITY", "fast")], ""),
        "setting durability: \"fast\" must be sync, interval=MS or memory (environment variable STANCHION_DURABILITY)"
    );
    assert_eq!(
        complaint(&[], &[], "segment_size = 5"),
        "setting segment_size: \"5\" must be between 4MiB and 1GiB (file FILE)"
    );
}

#[test]
fn every_setting_refuses_a_value_that_it_cannot_have() {
    let wrong = [
        ("listen", "nowhere"),
        ("account", "1"),
        ("region", "US"),
        ("public_url", "queues"),
        ("durability", "no"),
        ("encryption", "maybe"),
        ("keyring", "env:"),
        ("kms_endpoint", "http://kms.example.com"),
        ("kms_region", "US"),
        ("kms_credentials", "command:"),
        ("kms_authorities", "alone.pem"),
        ("sixty_second_rules", "maybe"),
        ("segment_size", "tiny"),
        ("reserve_segments", "65"),
        ("cache_size", "-1"),
        ("snapshot_interval", "1"),
        ("body_limit", "1KiB"),
        ("connections_max", "0"),
        ("connections_per_source", "-1"),
        ("audit", "/"),
        ("audit_size", "1KiB"),
        ("audit_files", "0"),
        ("worker_threads", "0"),
        ("log_level", "a=b=c"),
        ("log_format", "xml"),
        ("credentials", "/"),
        ("trusted_proxies", "proxy.example.com"),
        ("insecure_anonymous", "2"),
        ("data_dir", ""),
        ("tls_certificate", "alone.pem"),
        ("tls_key", "alone.key"),
        ("tls_client_authorities", "alone.pem"),
        ("plain_http", "maybe"),
    ];
    for setting in &SETTINGS {
        let (_, value) = wrong.iter().find(|(key, _)| *key == setting.key).expect("a wrong value for each setting");
        let text = complaint(&[], &[(&setting.variable(), value)], "");
        let start = format!("setting {}: ", setting.key);
        assert!(text.starts_with(&start), "{text}");
    }
}

#[test]
fn an_unknown_key_is_refused_with_the_nearest_one() {
    assert_eq!(
        complaint(&[], &[], "data-dir = \"x\""),
        "file FILE: there is no setting data-dir; did you mean data_dir?"
    );
    assert_eq!(complaint(&[], &[], "zzz = 1"), "file FILE: there is no setting zzz");
    assert!(complaint(&[], &[], "[[queues]]\nname = \"q\"").ends_with("did you mean queue?"));
    assert!(complaint(&["--lissten", "x"], &[], "").contains("--listen"));
}

#[test]
fn a_file_that_is_named_must_be_there_and_be_toml() {
    let flags = Flags { config: Some("/nonexistent/stanchion.toml".into()), ..Flags::default() };
    let error = Settings::resolve(&flags, |_| Ok(None)).unwrap_err().to_string();
    assert!(error.starts_with("file /nonexistent/stanchion.toml: "), "{error}");
    assert!(complaint(&[], &[], "region = ").starts_with("file FILE: "));
    assert!(complaint(&[], &[], "region = [1]").contains("setting region: must be text"));
}

#[test]
fn strangers_are_served_only_on_request() {
    let text = complaint(&["--listen", "0.0.0.0:9324"], &[], "");
    assert!(text.contains("--insecure-anonymous") && text.ends_with("(flag --listen)"), "{text}");
    for allowed in [&["--insecure-anonymous"][..], &["--insecure-anonymous=on"], &["--insecure-anonymous", "on"]] {
        assert!(load(&[&["--listen", "[::]:1"], allowed].concat(), &[], "").is_ok());
    }
    assert!(load(&["--listen", "0.0.0.0:1", "--credentials", "credentials.toml"], &[], "").is_ok());
    assert!(load(&["--listen", "[::1]:0"], &[], "").is_ok());
    assert!(load(&["--listen", "0.0.0.0:1", "--insecure-anonymous", "off"], &[], "").is_err());
}

#[test]
fn declared_queues_come_after_their_dead_letter_queues() {
    let file = r#"
        [[queue]]
        name = "orders"
        attributes = { VisibilityTimeout = 60, DelaySeconds = "5" }
        tags = { team = "shop", cost = 7 }
        dead_letter = { queue = "orders-dead", max_receive_count = 5 }

        [[queue]]
        name = "orders-dead"
        dead_letter = { queue = "graveyard", max_receive_count = 1000 }

        [[queue]]
        name = "graveyard"

        [[queue]]
        name = "events.fifo"
        attributes = { ContentBasedDeduplication = true }
    "#;
    let settings = load(&["--account", "123456789012"], &[], file).unwrap();
    let names: Vec<_> = settings.queues.iter().map(|queue| queue.name.as_str()).collect();
    assert_eq!(names, ["graveyard", "orders-dead", "orders", "events.fifo"]);
    let orders = &settings.queues[2];
    assert_eq!(orders.tags, [("cost".to_owned(), "7".to_owned()), ("team".to_owned(), "shop".to_owned())]);
    let attributes: Vec<_> = orders.attributes.iter().map(|change| change.name()).collect();
    assert!(attributes.contains(&AttributeName::RedrivePolicy) && attributes.len() == 3, "{attributes:?}");
    let target = format!("{:?}", orders.attributes);
    assert!(target.contains("arn:aws:sqs:us-east-1:123456789012:orders-dead"), "{target}");
    let fifo = settings.queues[3].attributes.iter().map(|change| change.name()).collect::<Vec<_>>();
    assert!(fifo.contains(&AttributeName::FifoQueue), "{fifo:?}");
}

#[test]
fn a_policy_can_be_written_as_a_table() {
    let file = r#"
        [[queue]]
        name = "q"
        [queue.attributes.Policy]
        Version = "2012-10-17"
        Statement = [{ Effect = "Allow", Principal = "*", Action = "sqs:SendMessage", Resource = "*" }]
    "#;
    let settings = load(&[], &[], file).unwrap();
    let text = format!("{:?}", settings.queues[0].attributes);
    assert!(text.contains("sqs:SendMessage"), "{text}");
}

#[test]
fn a_wrong_declaration_names_the_queue_and_the_part() {
    for (file, expected) in [
        ("queue = 1", "queue: must be a list, each queue under [[queue]]"),
        ("[[queue]]\nnam = 1", "queue 1: has no name"),
        ("[[queue]]\nname = \"a b\"", "queue a b: the name must be"),
        ("[[queue]]\nname = \"q\"\n[[queue]]\nname = \"q\"", "queue q: is declared twice"),
        ("[[queue]]\nname = \"q\"\ntag = 1", "queue q: there is no tag; did you mean tags?"),
        ("[[queue]]\nname = \"q\"\ntags = 1", "queue q: tags: must be a table"),
        ("[[queue]]\nname = \"q\"\nattributes = { Foo = 1 }", "queue q: Unknown Attribute Foo."),
        (
            "[[queue]]\nname = \"q\"\nattributes = { DelaySeconds = 901 }",
            "queue q: Invalid value for the parameter DelaySeconds.",
        ),
        (
            "[[queue]]\nname = \"q\"\ndead_letter = { queue = \"d\", max_receive_count = 0 }",
            "queue q: dead_letter: max_receive_count must be 1 to 1000",
        ),
        (
            "[[queue]]\nname = \"q\"\ndead_letter = { max_receive_count = 1 }",
            "queue q: dead_letter: queue must be the name of a queue",
        ),
        (
            "[[queue]]\nname = \"q\"\ndead_letter = { queue = \"q\", max_receive_count = 1 }",
            "queue q: its dead letters come back to itself",
        ),
    ] {
        let text = complaint(&[], &[], file);
        assert!(text.starts_with(&format!("file FILE: {expected}")), "{text}");
    }
}

#[test]
fn dead_letters_that_go_in_a_circle_are_refused() {
    let link = |from: &str, to: &str| {
        format!("[[queue]]\nname = \"{from}\"\ndead_letter = {{ queue = \"{to}\", max_receive_count = 1 }}\n")
    };
    let file = link("a", "b") + &link("b", "c") + &link("c", "a");
    assert!(complaint(&[], &[], &file).contains("its dead letters come back to itself"));
    // A target that is not declared may exist already.
    assert!(load(&[], &[], &link("a", "elsewhere")).is_ok());
}

#[test]
fn the_manual_mentions_every_setting() {
    let manual = include_str!("../../../../docs/settings.md");
    for setting in &SETTINGS {
        for name in
            [format!("`{}`", setting.key), format!("`--{}`", setting.flag()), format!("`{}`", setting.variable())]
        {
            assert!(manual.contains(&name), "{name} is missing in docs/settings.md");
        }
        assert!(setting.default.is_empty() || manual.contains(&format!("`{}`", setting.default)), "{}", setting.key);
    }
    for word in
        ["`[[queue]]`", "`name`", "`attributes`", "`tags`", "`dead_letter`", "`max_receive_count`", "`--config`"]
    {
        assert!(manual.contains(word), "{word} is missing in docs/settings.md");
    }
}

#[test]
fn the_example_in_the_manual_loads() {
    let manual = include_str!("../../../../docs/settings.md");
    let example = manual.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next());
    let settings = load(&[], &[], example.expect("the manual has an example")).unwrap();
    assert!(!settings.queues.is_empty());
}

#[test]
fn https_takes_a_certificate_and_its_key() {
    let settings = load(&["--tls-certificate", "a.pem", "--tls-key", "a.key"], &[], "plain_http = \"serve\"").unwrap();
    let files = TlsFiles { certificate: PathBuf::from("a.pem"), key: PathBuf::from("a.key"), client_authorities: None };
    assert_eq!(settings.tls, Some((files, PlainHttp::Serve)));
    assert_eq!(load(&[], &[], "").unwrap().tls, None);

    let without = "means nothing without tls_certificate and tls_key";
    for (key, value) in
        [("tls-certificate", "x"), ("tls-key", "x"), ("tls-client-authorities", "x"), ("plain-http", "serve")]
    {
        let complaint = complaint(&[&format!("--{key}"), value], &[], "");
        assert!(complaint.contains(&key.replace('-', "_")) && complaint.contains(without), "{complaint}");
    }
    let wrong = complaint(&["--plain-http", "maybe"], &[], "");
    assert_eq!(wrong, "setting plain_http: \"maybe\" must be refuse, redirect or serve (flag --plain-http)");
}
