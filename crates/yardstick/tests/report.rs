//! The report as a person gets it, with a rung in the place of the server: it
//! is quick, and its own limit.

use std::fs;
use std::process::{Command, Output};
use tempfile::TempDir;

const YARDSTICK: &str = env!("CARGO_BIN_EXE_yardstick");
const DISGUISE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/disguise.sh");

fn report(rung: &str, words: &str) -> (Output, TempDir) {
    let directory = tempfile::tempdir().expect("a directory");
    let mut command = Command::new(YARDSTICK);
    command.env("YARDSTICK", YARDSTICK).env("RUNG", rung);
    command.args(["report", "--server", DISGUISE, "--dir"]).arg(directory.path());
    command.arg("--out").arg(directory.path().join("out"));
    let output = command.args(words.split_whitespace()).output().expect("the report starts");
    (output, directory)
}

#[test]
fn a_report_has_a_table_and_a_plot_and_leaves_nothing_else_behind() {
    let (output, directory) = report("parsed", "--only binary --only empty --rounds 2 --messages 1000");
    // A script is no binary that can be stripped; the work after it is measured all the same.
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("strip"), "{said}");
    let page = fs::read_to_string(directory.path().join("out.md")).expect("a page");
    let row = page.lines().find(|line| line.starts_with("| ReceiveMessage, nothing there")).expect("the row");
    assert!(row.contains("rung 3, parsed:") && (row.contains("within") || row.contains("**over**")), "{row}");
    for expected in [
        "2 rounds",
        "- **not measured**: binary: strip",
        "- machine:",
        "- kernel:",
        "- disk:",
        "- server: disguised\n",
        "- commit:",
        "](out.svg)",
    ] {
        assert!(page.contains(expected), "{expected}: {page}");
    }
    let plot = fs::read_to_string(directory.path().join("out.svg")).expect("a plot");
    assert!(plot.contains("ReceiveMessage, nothing there"), "{plot}");
    let mut left: Vec<_> = fs::read_dir(directory.path()).expect("readable").flatten().map(|e| e.file_name()).collect();
    left.sort();
    assert_eq!(left, ["out.md", "out.svg"]);
}

#[test]
fn a_server_that_refuses_requests_ends_the_report_with_what_it_said() {
    let (output, _directory) = report("signed", "--only empty --rounds 1 --messages 1000");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("InvalidSignatureException"), "{said}");
}

#[test]
fn words_that_cannot_be_used_are_named() {
    for (words, named) in [("--rounds 0", "--rounds"), ("--messages 1", "--messages"), ("--only flying", "--only")] {
        let (output, _directory) = report("parsed", words);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains(named), "{words}: {said}");
    }
}
