use super::{Options, Scenario};
use clap::Parser;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    options: Options,
}

fn options(line: &str) -> Options {
    let words = std::iter::once("depth").chain(line.split_whitespace());
    Line::try_parse_from(words).expect(line).options
}

#[test]
fn the_other_scenarios_are_scaled_with_the_deepest() {
    let depth = options("--full").depth();
    assert_eq!(Scenario::Standard.messages(depth), 20_000_000);
    assert_eq!(Scenario::Scattered.messages(depth), 5_000_000);
    assert_eq!(Scenario::Purge.messages(depth), 10_000_000);
    assert!(Scenario::LockedGroup.messages(depth) > 1_200_000);
    assert_eq!(Scenario::Standard.messages(options("-n 20000").depth()), 20_000);
    // Half as many a cycle, of which all are there before a purge, and a part stays after each.
    assert_eq!(Scenario::Moving.messages(100_000), 50_000 + 90_000);
    assert_eq!(Scenario::Moving.messages(depth), 1_000_000 + 1_800_000);
}

#[test]
fn options_that_cannot_be_used_are_named() {
    for (line, named) in [("-n 9", "--messages"), ("--size 3", "--size"), ("-c 0", "--connections")] {
        let error = options(line).check().expect_err(line);
        assert!(error.to_string().contains(named), "{error}");
    }
    assert!(options("").check().is_ok());
}

#[test]
fn a_disk_without_room_is_an_error_that_says_how_much_is_needed() {
    let error = options("-n 1000000000000").check_room(&Scenario::all()).expect_err("nobody has that");
    assert!(error.to_string().contains("needed"), "{error}");
    assert!(options("-n 10000 --dir /no/such/directory").check_room(&[Scenario::Standard]).is_err());
}

#[test]
fn a_server_that_does_not_start_is_an_error() {
    let error =
        super::run(&options("-n 10000 --scenario standard --server /bin/false")).expect_err("it prints nothing");
    assert!(error.to_string().contains("/bin/false"), "{error}");
}
