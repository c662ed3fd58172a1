//! Every workload against a small server in this process, under both
//! protocols; and against the same server with one promise broken.

mod fake;

use clap::Parser;
use fake::{Fake, Fault};
use stanchion_bench::{Options, Report, Section, conduct};
use std::time::Duration;

#[derive(clap::Parser)]
struct Command {
    #[command(flatten)]
    options: Options,
}

fn options(fake: &Fake, arguments: &str) -> Options {
    let words = ["bench", "--endpoint", &fake.endpoint].into_iter().chain(arguments.split_whitespace());
    Command::try_parse_from(words).expect("valid arguments").options
}

/// Runs a workload against a new server. No run of these takes a minute.
async fn report(fault: Option<Fault>, arguments: &str) -> Report {
    let fake = Fake::start(fault).await;
    let run = conduct(options(&fake, arguments));
    let report = tokio::time::timeout(Duration::from_secs(60), run).await.expect("an end").expect("a report");
    assert_eq!(fake.service.queues().0, Vec::<String>::new(), "queues are left behind");
    report
}

fn section<'a>(report: &'a Report, name: &str) -> &'a Section {
    report.sections.iter().find(|section| section.name == name).expect("the section")
}

fn requests(report: &Report, section_name: &str, row: &str) -> u64 {
    let rows = &section(report, section_name).rows;
    rows.iter().find(|found| found.name == row).map_or(0, |row| row.requests)
}

#[tokio::test(flavor = "multi_thread")]
async fn each_workload_does_as_many_messages_as_asked_under_both_protocols() {
    for protocol in ["json", "query"] {
        for fifo in ["", "--fifo --groups 3"] {
            for (workload, row, requests_made) in [
                ("send", "SendMessage", 95),
                ("send-batch", "SendMessageBatch", 10),
                ("empty-receive", "ReceiveMessage", 95),
                ("round-trip", "round trip", 95),
                ("long-poll --gap 1ms", "wake-up", 95),
                ("open-loop --rate 5000", "SendMessage", 95),
                ("produce-consume", "SendMessage", 95),
            ] {
                let arguments = format!("{workload} --messages 95 --connections 4 --protocol {protocol} {fifo}");
                let report = report(None, &arguments).await;
                assert!(report.errors.is_empty(), "{arguments}: {:?}", report.errors);
                assert!(report.passed(), "{arguments}: {}", report.table());
                let name = report.sections[0].name;
                assert_eq!(section(&report, name).messages, 95, "{arguments}");
                assert_eq!(requests(&report, name, row), requests_made, "{arguments}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_receives_and_deletes_the_whole_backlog() {
    for protocol in ["json", "query"] {
        let arguments = format!("receive --messages 1234 --connections 3 --threads 2 --queues 2 --protocol {protocol}");
        let report = report(None, &arguments).await;
        assert!(report.errors.is_empty(), "{:?}", report.errors);
        for name in ["fill", "receive", "delete"] {
            assert_eq!(section(&report, name).messages, 1234, "{name}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_is_consumed_whole_however_queues_connections_and_groups_are_shared_out() {
    for arguments in ["", "--protocol query --batch 3", "--queues 2", "--queues 7", "--fifo --groups 5"] {
        let arguments = format!("consume --messages 1234 --connections 3 {arguments}");
        let report = report(None, &arguments).await;
        assert!(report.errors.is_empty(), "{arguments}: {:?}", report.errors);
        for name in ["fill", "consume"] {
            assert_eq!(section(&report, name).messages, 1234, "{arguments}: {name}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_queue_gets_its_share_also_when_there_are_more_queues_than_connections() {
    let fake = Fake::start(None).await;
    for arguments in ["send -n 100", "send-batch -n 100 --batch 2"] {
        conduct(options(&fake, &format!("{arguments} -c 2 --queues 5 --keep"))).await.expect("a report");
    }
    let depths = fake.service.depths();
    assert_eq!((depths.len(), depths.iter().sum::<usize>()), (10, 200));
    assert!(depths.iter().all(|depth| *depth > 0), "{depths:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn as_many_messages_are_in_the_queue_as_were_asked_for_also_when_the_last_batch_is_shorter() {
    for arguments in ["send", "send-batch", "send-batch --protocol query", "send-batch --batch 1"] {
        let fake = Fake::start(None).await;
        conduct(options(&fake, &format!("{arguments} -n 37 -c 2 --keep"))).await.expect("a report");
        assert_eq!(fake.service.waiting(), 37, "{arguments}");
    }
}

#[test]
fn an_account_to_sign_for_has_a_key_and_a_secret() {
    for (text, is_valid) in
        [("a:b", true), ("a:b:eu-west-1", true), ("a", false), ("a:", false), (":b", false), ("a:b:c:d", false)]
    {
        assert_eq!(Command::try_parse_from(["bench", "--sign", text]).is_ok(), is_valid, "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn producers_and_consumers_find_nothing_wrong_with_an_honest_server() {
    for arguments in [
        "produce-consume -n 3000 -c 8 --threads 2",
        "produce-consume -n 3000 -c 8 --queues 3",
        "produce-consume -n 3000 -c 3 --queues 5 --protocol query",
        "produce-consume -n 3000 -c 2 --fifo --groups 7 --size 100",
    ] {
        let report = report(None, arguments).await;
        let verification = report.verification.as_ref().expect("a verification");
        assert!(verification.passed(), "{}", report.table());
        assert_eq!((verification.acknowledged, verification.missing), (3000, 0), "{arguments}");
    }
}

/// What each broken promise must be reported as.
#[tokio::test(flavor = "multi_thread")]
async fn every_broken_promise_fails_the_verification_under_its_own_name() {
    for (fault, fifo, field) in [
        (Fault::Lose(50), "", "missing"),
        (Fault::Alter(50), "", "corrupt"),
        (Fault::Resurrect(50), "", "delivered_after_deletion"),
        (Fault::Overtake(200), "--fifo --groups 1 --batch 1", "reordered"),
    ] {
        let arguments = format!("produce-consume -n 300 -c 2 --patience 300ms {fifo}");
        let report = report(Some(fault), &arguments).await;
        assert!(!report.passed(), "{fault:?} went unseen: {}", report.table());
        let json: serde_json::Value = serde_json::from_str(&report.json()).expect("JSON");
        assert_ne!(json["verification"][field], 0, "{fault:?}: {}", report.table());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_send_is_an_error_by_its_code_and_not_a_lost_message() {
    for (protocol, code) in
        [("json", "SendMessage: 400 InvalidParameterValue"), ("query", "SendMessage: 400 InvalidParameterValue")]
    {
        let report =
            report(Some(Fault::Refuse(10)), &format!("produce-consume -n 100 -c 2 --protocol {protocol}")).await;
        assert_eq!(report.errors.get(code), Some(&10), "{:?}", report.errors);
        let verification = report.verification.as_ref().expect("a verification");
        assert_eq!((verification.acknowledged, verification.passed()), (90, true), "{}", report.table());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_entry_of_a_batch_is_an_error_by_its_code() {
    let report = report(Some(Fault::Refuse(10)), "send-batch -n 100 -c 1").await;
    assert_eq!(report.errors.get("SendMessageBatch entry: InvalidParameterValue"), Some(&10));
    assert_eq!(section(&report, "send-batch").messages, 90);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_whose_send_failed_on_the_server_s_side_may_come_or_not() {
    let report = report(Some(Fault::FailLate(50)), "produce-consume -n 100 -c 2").await;
    let verification = report.verification.as_ref().expect("a verification");
    assert_eq!((verification.unknown_outcome, verification.acknowledged), (1, 99));
    assert!(verification.passed(), "{}", report.table());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_loop_counts_the_wait_of_messages_that_a_slow_server_held_up() {
    // One connection, ten messages due within 10 ms, 20 ms for each answer:
    // the last is answered 180 ms after the first, and its own request took 20.
    let report = report(Some(Fault::Stall(20)), "open-loop -n 10 -c 1 --rate 1000").await;
    let rows = &section(&report, "open-loop").rows;
    let row = rows.iter().find(|row| row.name == "SendMessage").expect("the row");
    assert_eq!(row.requests, 10);
    assert!(row.latency_us.max > 160_000.0, "{:?}", row.latency_us);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_ends_when_its_time_is_over() {
    let report = report(None, "send --duration 200ms -c 2").await;
    let section = section(&report, "send");
    assert!(section.messages > 0);
    assert!((0.2..10.0).contains(&section.seconds), "{}", section.seconds);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_where_nobody_listens_is_an_error_that_names_it() {
    let fake = Fake::start(None).await;
    let mut options = options(&fake, "send -n 100 -c 1");
    // Bound, so that nobody else gets the port, and not listening.
    let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
    socket.bind(std::net::SocketAddr::from(([127, 0, 0, 1], 0))).expect("bind");
    let nobody = socket.local_addr().expect("address");
    options.endpoint = format!("http://{nobody}");
    let error = conduct(options).await.expect_err("nobody listens there");
    assert!(error.to_string().contains(&nobody.to_string()), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn kept_queues_stay_with_their_messages() {
    let fake = Fake::start(None).await;
    conduct(options(&fake, "send -n 10 -c 1 --keep --queue-prefix mine --fifo")).await.expect("a report");
    assert_eq!(fake.service.queues(), (vec!["mine-0.fifo".to_owned()], 0));
    assert_eq!(fake.service.waiting(), 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn cpu_and_memory_of_the_named_process_are_reported() {
    let report = report(None, &format!("send -n 2000 -c 4 --server-pid {}", std::process::id())).await;
    let section = section(&report, "send");
    assert!(section.server_resident_bytes.is_some_and(|bytes| bytes > 0));
    assert!(section.server_cpu_us_per_message.is_some());
    assert!(section.generator_cpu_us_per_message > 0.0);
    assert!(report.table().contains("CPU by message: server"), "{}", report.table());
}

#[tokio::test(flavor = "multi_thread")]
async fn options_that_cannot_be_used_are_refused_by_name() {
    let fake = Fake::start(None).await;
    for (arguments, name) in [
        ("--size 10", "--size"),
        ("--size 2000000", "--size"),
        ("--batch 11", "--batch"),
        ("--batch 0", "--batch"),
        ("send-batch --size 200000", "--batch"),
        ("--connections 0", "--connections"),
        ("produce-consume -c 1", "--connections"),
        ("open-loop --rate 0", "--rate"),
        ("open-loop --rate NaN", "--rate"),
        ("receive -d 1s", "--duration"),
        ("consume -d 1s", "--duration"),
        ("--header nonsense", "--header"),
        ("--endpoint https://x", "--endpoint"),
        ("--server-pid 4294967295 -n 1", "--server-pid"),
    ] {
        let error = conduct(options_of(&fake, arguments)).await.expect_err(arguments);
        assert!(error.to_string().contains(name), "{arguments}: {error}");
    }
}

/// Like [`options`], but lets the arguments name another endpoint.
fn options_of(fake: &Fake, arguments: &str) -> Options {
    if arguments.contains("--endpoint") {
        let words = ["bench"].into_iter().chain(arguments.split_whitespace());
        return Command::try_parse_from(words).expect("valid arguments").options;
    }
    options(fake, arguments)
}

#[test]
fn the_manual_explains_every_option_and_workload() {
    use clap::CommandFactory;

    let manual = include_str!("../../../docs/bench.md");
    let command = Command::command();
    let mut checked = 0;
    for argument in command.get_arguments().filter(|argument| argument.get_id() != "help") {
        if let Some(long) = argument.get_long() {
            // An option's row begins with it, or with its short form and then it.
            let is_row = |line: &&str| {
                line.starts_with("| `-")
                    && [format!("| `--{long}"), format!(", `--{long} ")].iter().any(|name| line.contains(name))
            };
            let row = manual.lines().find(is_row);
            let row = row.unwrap_or_else(|| panic!("--{long} is missing in docs/bench.md"));
            for default in argument.get_default_values() {
                let default = default.to_string_lossy();
                assert!(row.contains(&*default), "docs/bench.md does not say that --{long} is {default}: {row}");
            }
        } else {
            for workload in argument.get_possible_values() {
                let name = workload.get_name();
                assert!(manual.contains(&format!("| `{name}` |")), "{name} is missing in docs/bench.md");
            }
        }
        checked += 1;
    }
    assert!(checked > 15, "only {checked} options were found");
}
