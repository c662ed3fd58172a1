//! The client suites: what each needs, how it is prepared and run, how its results are counted.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use std::{fs, iter};

use crate::process;
use crate::toolchain::{Toolchain, Version, version_of};

/// How long fetching and building the parts of one suite may take.
const PREPARE: Duration = Duration::from_secs(900);
/// The first Go that the current SDK accepts; older ones use the older lock file.
const GO_OF_CURRENT_SDK: Version = Version(1, 24);

/// Which server a suite drives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Drives {
    /// The one that all share, which checks signatures.
    Shared,
    /// One that lets everybody in.
    Anonymous,
    /// It starts its own, with the file of credentials that it is given.
    Own,
}

/// One suite.
pub(crate) struct Suite {
    /// The name on the command line.
    pub(crate) name: &'static str,
    /// What it drives, in words.
    pub(crate) what: &'static str,
    /// Which server it drives.
    pub(crate) drives: Drives,
    /// What it needs.
    pub(crate) toolchain: Toolchain,
    /// Fetches and builds what it needs; quick when nothing has changed.
    pub(crate) prepare: fn(&Places) -> Result<(), String>,
    /// The command that runs it.
    pub(crate) command: fn(&Places) -> Command,
    /// Reads the results from the lines that its test runner printed.
    pub(crate) count: fn(&[String]) -> Tally,
}

/// All suites, in the order in which they run.
pub(crate) const SUITES: &[Suite] = &[
    Suite {
        name: "boto3",
        what: "boto3 current (JSON), and both protocols by hand",
        drives: Drives::Shared,
        toolchain: Toolchain::Python,
        prepare: |places| venv(places, "current"),
        command: |places| pytest(places, "current", &["sdk", "wire", "signer"]),
        count: count_pytest,
    },
    Suite {
        name: "boto3-query",
        what: "boto3 1.28.80 with botocore 1.31.80 (Query)",
        drives: Drives::Shared,
        toolchain: Toolchain::Python,
        prepare: |places| venv(places, "query"),
        command: |places| pytest(places, "query", &["sdk"]),
        count: count_pytest,
    },
    Suite {
        name: "aws-cli",
        what: "the aws command line",
        drives: Drives::Shared,
        toolchain: Toolchain::Python,
        prepare: |places| venv(places, "current"),
        command: |places| pytest(places, "current", &["cli"]),
        count: count_pytest,
    },
    Suite {
        name: "tls",
        what: "boto3 and the aws command line by HTTPS, on a server of their own",
        drives: Drives::Own,
        toolchain: Toolchain::Python,
        prepare: |places| venv(places, "current"),
        command: |places| pytest(places, "current", &["tls"]),
        count: count_pytest,
    },
    Suite {
        name: "signed",
        what: "who gets in and who does not, with boto3, on a server of its own with several accounts",
        drives: Drives::Own,
        toolchain: Toolchain::Python,
        prepare: |places| venv(places, "current"),
        command: |places| pytest(places, "current", &["signed"]),
        count: count_pytest,
    },
    Suite {
        name: "anonymous",
        what: "both protocols by hand, on a server that lets everybody in",
        drives: Drives::Anonymous,
        toolchain: Toolchain::Python,
        prepare: |places| venv(places, "current"),
        command: |places| pytest(places, "current", &["wire"]),
        count: count_pytest,
    },
    Suite {
        name: "pages",
        what: "the commands of the documentation, as written there, on servers of their own",
        drives: Drives::Own,
        toolchain: Toolchain::Python,
        prepare: |places| venv(places, "current"),
        command: |places| pytest(places, "current", &["pages"]),
        count: count_pytest,
    },
    Suite {
        name: "kms",
        what: "boto3 on a server of its own whose queues have keys in moto's KMS",
        drives: Drives::Own,
        toolchain: Toolchain::Python,
        prepare: |places| venv(places, "current"),
        command: |places| pytest(places, "current", &["keys"]),
        count: count_pytest,
    },
    Suite {
        name: "celery",
        what: "Celery with a real worker",
        drives: Drives::Shared,
        toolchain: Toolchain::Python,
        prepare: |places| venv(places, "current"),
        command: |places| pytest(places, "current", &["worker"]),
        count: count_pytest,
    },
    Suite {
        name: "extended",
        what: "the Python extended client with payloads in an S3 server",
        drives: Drives::Shared,
        toolchain: Toolchain::Python,
        prepare: |places| venv(places, "current"),
        command: |places| pytest(places, "current", &["payloads"]),
        count: count_pytest,
    },
    Suite {
        name: "javascript",
        what: "the JavaScript SDK v3, sqs-consumer and sqs-producer",
        drives: Drives::Shared,
        toolchain: Toolchain::Node,
        prepare: node_modules,
        command: |places| {
            let mut command = Command::new("npm");
            command.current_dir(places.clients.join("js")).args(["test", "--silent"]);
            command
        },
        count: count_tap,
    },
    Suite {
        name: "java",
        what: "the Java SDK v2, its batch manager, and temporary queues",
        drives: Drives::Shared,
        toolchain: Toolchain::Java,
        prepare: |places| process::run(maven(places, &["-q", "test-compile"]), PREPARE),
        command: |places| maven(places, &["test"]),
        count: count_surefire,
    },
    Suite {
        name: "go",
        what: "the Go SDK v2",
        drives: Drives::Shared,
        toolchain: Toolchain::Go,
        prepare: go_binary,
        command: |places| {
            let mut command = Command::new(places.output.join("go").join("sqs.test"));
            command.current_dir(places.clients.join("go")).args(["-test.v", "-test.timeout=80s"]);
            command
        },
        count: count_go,
    },
    Suite {
        name: "rust",
        what: "the Rust SDK",
        drives: Drives::Shared,
        toolchain: Toolchain::Cargo,
        prepare: |places| process::run(cargo_test(places, &["--no-run"]), PREPARE),
        command: |places| cargo_test(places, &[]),
        count: count_cargo,
    },
];

/// Where things are.
pub(crate) struct Places {
    /// The directory of the suites.
    pub(crate) clients: PathBuf,
    /// The directory for everything they fetch, build and leave behind.
    pub(crate) output: PathBuf,
}

/// How many tests passed and failed.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Tests that passed.
    pub(crate) passed: u32,
    /// Tests that failed, errors included.
    pub(crate) failed: u32,
}

/// A virtual environment with the packages of `requirements-KIND.txt`.
fn venv(places: &Places, kind: &str) -> Result<(), String> {
    let requirements = places.clients.join("python").join(format!("requirements-{kind}.txt"));
    let directory = places.output.join(format!("python-{kind}"));
    once(&directory, &[&requirements], || {
        let mut make = Command::new("python3");
        make.args(["-m", "venv", "--clear"]).arg(&directory);
        process::run(make, PREPARE)?;
        let mut fill = Command::new(directory.join("bin").join("pip"));
        fill.args(["install", "--quiet", "--disable-pip-version-check", "--requirement"]);
        fill.arg(&requirements);
        process::run(fill, PREPARE)
    })
}

fn pytest(places: &Places, kind: &str, paths: &[&str]) -> Command {
    let python = places.output.join(format!("python-{kind}")).join("bin").join("python");
    let mut command = Command::new(python);
    command.current_dir(places.clients.join("python")).args(["-m", "pytest"]).args(paths);
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

fn node_modules(places: &Places) -> Result<(), String> {
    let directory = places.clients.join("js");
    let stamp = places.output.join("js");
    if !directory.join("node_modules").exists() {
        // Somebody has cleaned up there; the stamp alone would hide it.
        let _ = fs::remove_dir_all(&stamp);
    }
    once(&stamp, &[&directory.join("package-lock.json")], || {
        let mut install = Command::new("npm");
        install.current_dir(&directory).args(["ci", "--omit=dev", "--silent"]);
        process::run(install, PREPARE)
    })
}

fn maven(places: &Places, goals: &[&str]) -> Command {
    let mut command = Command::new("mvn");
    command.current_dir(places.clients.join("java")).args(["-B", "-ntp"]);
    command.arg(format!("-Doutput.directory={}", places.output.join("java").display()));
    command.args(goals);
    command
}

fn go_binary(places: &Places) -> Result<(), String> {
    let mut command = Command::new("go");
    command.current_dir(places.clients.join("go")).args(["test", "-c"]);
    if version_of("go", &["version"]).is_some_and(|found| found < GO_OF_CURRENT_SDK) {
        command.arg("-modfile=go.older.mod");
    }
    command.arg("-o").arg(places.output.join("go").join("sqs.test")).arg(".");
    process::run(command, PREPARE)
}

fn cargo_test(places: &Places, more: &[&str]) -> Command {
    let mut command = process::cargo();
    command.args(["test", "--quiet", "--locked", "--manifest-path"]);
    command.arg(places.clients.join("rust").join("Cargo.toml")).args(more);
    command.env("CARGO_TARGET_DIR", places.output.join("rust"));
    command
}

/// Does the work unless it was done before for the same contents of `sources`.
fn once(directory: &Path, sources: &[&Path], work: impl FnOnce() -> Result<(), String>) -> Result<(), String> {
    let mut hasher = DefaultHasher::new();
    for source in sources {
        let at = |error| format!("{}: {error}", source.display());
        fs::read(source).map_err(at)?.hash(&mut hasher);
    }
    let wanted = format!("{:016x}", hasher.finish());
    let stamp = directory.join("stamp");
    if fs::read_to_string(&stamp).is_ok_and(|found| found == wanted) {
        return Ok(());
    }
    work()?;
    let at = |error| format!("{}: {error}", stamp.display());
    fs::create_dir_all(directory).map_err(at)?;
    fs::write(&stamp, wanted).map_err(at)
}

/// `2 failed, 5 passed, 1 error in 1.20s`
fn count_pytest(lines: &[String]) -> Tally {
    let closing = lines.iter().rev().find(|line| line.contains(" in ") && line.contains("ed"));
    let Some(closing) = closing else {
        return Tally::default();
    };
    Tally {
        passed: number_before(closing, " passed"),
        failed: number_before(closing, " failed") + number_before(closing, " error"),
    }
}

/// `# pass 5` and `# fail 2`
fn count_tap(lines: &[String]) -> Tally {
    let number = |mark: &str| {
        let mut found = lines.iter().rev().filter_map(|line| line.strip_prefix(mark));
        found.find_map(|rest| rest.trim().parse().ok()).unwrap_or(0)
    };
    // A test cancelled by its time limit has failed as well.
    Tally { passed: number("# pass"), failed: number("# fail") + number("# cancelled") }
}

/// `Tests run: 11, Failures: 1, Errors: 0, Skipped: 0`, the last one being the sum
fn count_surefire(lines: &[String]) -> Tally {
    let sum = lines.iter().rev().find(|line| line.contains("Tests run:"));
    let Some(sum) = sum else {
        return Tally::default();
    };
    let number = |mark: &str| {
        let rest = sum.split_once(mark).map_or("", |(_, rest)| rest);
        leading_number(rest.trim_start())
    };
    let failed = number("Failures:") + number("Errors:");
    let quiet = failed + number("Skipped:");
    Tally { passed: number("Tests run:").saturating_sub(quiet), failed }
}

/// `--- PASS: TestName` and `--- FAIL: TestName`
fn count_go(lines: &[String]) -> Tally {
    let number = |mark: &str| {
        let count = lines.iter().filter(|line| line.starts_with(mark)).count();
        u32::try_from(count).unwrap_or(u32::MAX)
    };
    Tally { passed: number("--- PASS:"), failed: number("--- FAIL:") }
}

/// `test result: ok. 7 passed; 0 failed; ...`, once for each test binary
fn count_cargo(lines: &[String]) -> Tally {
    let mut tally = Tally::default();
    for line in lines.iter().filter(|line| line.starts_with("test result:")) {
        tally.passed += number_before(line, " passed");
        tally.failed += number_before(line, " failed");
    }
    tally
}

fn number_before(line: &str, word: &str) -> u32 {
    let before = line.split_once(word).map_or("", |(before, _)| before);
    let digits = before.len() - before.trim_end_matches(|c: char| c.is_ascii_digit()).len();
    leading_number(&before[before.len() - digits..])
}

fn leading_number(text: &str) -> u32 {
    let digits: String = text.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap_or(0)
}

/// This function gives the names of all suites.
pub(crate) fn names() -> Vec<&'static str> {
    SUITES.iter().map(|suite| suite.name).collect()
}

/// This function gives each toolchain that the chosen suites need, once.
pub(crate) fn toolchains(chosen: &[&Suite]) -> Vec<Toolchain> {
    let mut found: Vec<Toolchain> = Vec::new();
    for suite in chosen {
        if !found.contains(&suite.toolchain) {
            found.extend(iter::once(suite.toolchain));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn each_test_runner_is_counted_by_its_own_closing_lines() {
        type Count = fn(&[String]) -> Tally;
        let cases: &[(Count, &str, u32, u32)] = &[
            (count_pytest, "....\n156 passed in 44.55s", 156, 0),
            (count_pytest, "62 failed, 94 passed, 2 errors in 44.55s", 94, 64),
            (count_pytest, "no tests ran in 0.16s", 0, 0),
            (count_tap, "# tests 7\n# pass 5\n# fail 1\n# cancelled 1", 5, 2),
            (count_surefire, "[ERROR] Tests run: 11, Failures: 1, Errors: 2, Skipped: 3", 5, 3),
            (count_go, "--- PASS: TestA (0.1s)\n    x\n--- FAIL: TestB (0s)\nFAIL", 1, 1),
            (count_cargo, "test result: ok. 7 passed; 0 failed; 0 ignored", 7, 0),
            (count_cargo, "test result: FAILED. 4 passed; 3 failed; 0 ignored", 4, 3),
        ];
        for &(count, text, passed, failed) in cases {
            assert_eq!(count(&lines(text)), Tally { passed, failed }, "{text}");
        }
    }

    #[test]
    fn work_is_done_again_only_when_its_sources_change() {
        let directory = std::env::temp_dir().join(format!("xtask-once-{}", std::process::id()));
        fs::create_dir_all(&directory).expect("a directory");
        let source = directory.join("source");
        let runs = std::cell::Cell::new(0);
        let work = || {
            once(&directory, &[&source], || {
                runs.set(runs.get() + 1);
                Ok(())
            })
        };
        fs::write(&source, "one").expect("written");
        work().and_then(|()| work()).expect("done");
        assert_eq!(runs.get(), 1);
        fs::write(&source, "two").expect("written");
        work().expect("done");
        assert_eq!(runs.get(), 2);
        fs::remove_dir_all(&directory).expect("removed");
    }

    #[test]
    fn work_that_failed_is_tried_again() {
        let directory = std::env::temp_dir().join(format!("xtask-fail-{}", std::process::id()));
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
        for _ in 0..2 {
            let failed = once(&directory, &[&source], || Err("broken".to_owned()));
            assert_eq!(failed, Err("broken".to_owned()));
        }
    }

    #[test]
    fn the_names_of_the_suites_differ() {
        let mut found = names();
        found.sort_unstable();
        found.dedup();
        assert_eq!(found.len(), SUITES.len());
    }
}
