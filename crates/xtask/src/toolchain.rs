//! Toolchains that the suites need: whether they are there, and how to get them.

use std::fmt;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::process;

/// A toolchain that some suite needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Toolchain {
    /// Python with virtual environments, and what makes the certificates on pages of the documentation.
    Python,
    /// Node.js with npm.
    Node,
    /// A JDK with Maven.
    Java,
    /// Go.
    Go,
    /// Rust's cargo, which runs this very program.
    Cargo,
    /// What sets the clock of a server and makes file systems to cut the power of. Without it those tests say that they
    /// prove nothing.
    Faults,
    /// What counts the instructions of the server.
    Valgrind,
}

/// A program, the argument that makes it tell its version, and the oldest one that will do.
struct Program {
    name: &'static str,
    version: &'static [&'static str],
    minimum: Version,
}

/// Major and minor version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version(pub(crate) u32, pub(crate) u32);

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

impl Toolchain {
    /// What is looked for. The oldest versions are those that the pinned clients accept, and
    /// Debian 12 and later have them.
    fn programs(self) -> &'static [Program] {
        const fn program(name: &'static str, version: &'static [&'static str], minimum: Version) -> Program {
            Program { name, version, minimum }
        }
        const PYTHON: &[Program] =
            &[program("python3", &["--version"], Version(3, 10)), program("openssl", &["version"], Version(1, 1))];
        const NODE: &[Program] =
            &[program("node", &["--version"], Version(18, 15)), program("npm", &["--version"], Version(8, 0))];
        const JAVA: &[Program] =
            &[program("javac", &["-version"], Version(11, 0)), program("mvn", &["--version"], Version(3, 6))];
        const GO: &[Program] = &[program("go", &["version"], Version(1, 19))];
        const CARGO: &[Program] = &[program("cargo", &["--version"], Version(1, 95))];
        const FAULTS: &[Program] = &[
            program("faketime", &["--version"], Version(0, 0)),
            program("mkfs.ext4", &["-V"], Version(0, 0)),
            program("mkfs.xfs", &["-V"], Version(0, 0)),
            program("python3", &["--version"], Version(3, 0)),
        ];
        const VALGRIND: &[Program] = &[program("valgrind", &["--version"], Version(3, 16))];
        match self {
            Self::Python => PYTHON,
            Self::Node => NODE,
            Self::Java => JAVA,
            Self::Go => GO,
            Self::Cargo => CARGO,
            Self::Faults => FAULTS,
            Self::Valgrind => VALGRIND,
        }
    }

    /// The packages of Debian and its kin that hold it.
    fn packages(self) -> &'static [&'static str] {
        match self {
            Self::Python => &["python3", "python3-venv", "openssl"],
            Self::Node => &["nodejs", "npm"],
            Self::Java => &["default-jdk-headless", "maven"],
            Self::Go => &["golang-go"],
            Self::Cargo => &[],
            Self::Faults => &["faketime", "e2fsprogs", "xfsprogs", "python3"],
            Self::Valgrind => &["valgrind"],
        }
    }

    /// This function tells what is missing, in words for the user.
    ///
    /// # Errors
    ///
    /// A sentence that names the program, what was found, and how to get it.
    pub(crate) fn check(self) -> Result<(), String> {
        for program in self.programs() {
            let Some(found) = version_of(program.name, program.version) else {
                return Err(format!("`{}` was not found; {}", program.name, self.remedy()));
            };
            if found < program.minimum {
                return Err(format!(
                    "`{}` is version {found}, {} or later is needed; {}",
                    program.name,
                    program.minimum,
                    self.remedy()
                ));
            }
        }
        // Debian splits the part that fills a virtual environment into a package of its own.
        if self == Self::Python && !succeeds("python3", &["-c", "import ensurepip, venv"]) {
            return Err(format!("python3 cannot make virtual environments; {}", self.remedy()));
        }
        Ok(())
    }

    fn remedy(self) -> String {
        if self.packages().is_empty() {
            return "get it with rustup".to_owned();
        }
        format!("get it with: apt-get install -y {}", self.packages().join(" "))
    }
}

/// This function installs what is missing with Debian's package manager, where it is there and
/// may be used without asking anyone. What could not be installed shows in the next check.
pub(crate) fn install(toolchains: &[Toolchain]) {
    let missing: Vec<_> = toolchains.iter().filter(|one| one.check().is_err()).collect();
    let packages: Vec<_> = missing.iter().flat_map(|one| one.packages()).copied().collect();
    get(&packages);
}

/// This function installs those of Debian's packages that are not there, where it may. Services that they bring are not
/// started.
pub(crate) fn install_packages(packages: &[&'static str]) {
    let missing: Vec<_> = packages.iter().filter(|package| !succeeds("dpkg", &["-s", package])).copied().collect();
    get(&missing);
}

fn get(packages: &[&'static str]) {
    if packages.is_empty() {
        return;
    }
    let Some(prefix) = administrator() else {
        return;
    };
    println!("installing {}", packages.join(" "));
    let mut update = prefix.to_vec();
    update.extend(["apt-get", "update", "-qq"]);
    let mut install = prefix.to_vec();
    install.extend(["apt-get", "install", "-y", "-qq", "--no-install-recommends"]);
    install.extend(packages);
    for words in [update, install] {
        let mut command = Command::new(words[0]);
        // The run level keeps Debian's tools from starting what is installed.
        command.args(&words[1..]).env("DEBIAN_FRONTEND", "noninteractive").env("RUNLEVEL", "1").stdout(Stdio::null());
        if let Err(message) = process::run(command, Duration::from_secs(900)) {
            eprintln!("{message}");
            return;
        }
    }
}

/// This function adds the parts of the Rust toolchain that a minimal installation leaves out. What
/// could not be added shows in the step that needs it.
pub(crate) fn add_components() {
    for (component, probe) in [("rustfmt", "fmt"), ("clippy", "clippy")] {
        if !succeeds("cargo", &[probe, "--version"]) {
            println!("adding {component}");
            succeeds("rustup", &["component", "add", component]);
        }
    }
}

/// The words before `apt-get`, or `None` when it cannot be used.
fn administrator() -> Option<&'static [&'static str]> {
    if !succeeds("apt-get", &["--version"]) {
        return None;
    }
    let id = Command::new("id").arg("-u").stderr(Stdio::null()).output().ok()?;
    if id.stdout.trim_ascii() == b"0" {
        return Some(&["env"]);
    }
    succeeds("sudo", &["-n", "true"]).then_some(&["sudo", "-n"])
}

fn succeeds(program: &str, arguments: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// This function asks a program for its version; `None` when it is not there or does not say.
pub(crate) fn version_of(program: &str, arguments: &[&str]) -> Option<Version> {
    let mut command = Command::new(program);
    let output = command.args(arguments).stdin(Stdio::null()).output().ok()?;
    if !output.status.success() {
        return None;
    }
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    find_version(&text)
}

/// The first word that is a version: `3.11.7`, `v20.20.2`, `go1.26.8`, or a lone `21`, whose minor
/// number is 0. Digits elsewhere do not count: some programs print colours.
fn find_version(text: &str) -> Option<Version> {
    text.split_whitespace().find_map(|word| {
        let digits = word.trim_start_matches("go").trim_start_matches("valgrind-").trim_start_matches('v');
        let end = digits.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(digits.len());
        let mut parts = digits[..end].split('.');
        let major = parts.next()?.parse().ok()?;
        let minor = parts.next().and_then(|part| part.parse().ok()).unwrap_or(0);
        Some(Version(major, minor))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_in_what_programs_print() {
        for (text, version) in [
            ("Python 3.11.7\n", Version(3, 11)),
            ("v20.20.2\n", Version(20, 20)),
            ("javac 17.0.15", Version(17, 0)),
            ("javac 21", Version(21, 0)),
            ("\u{1b}[1mApache Maven 3.8.7\u{1b}[m\nMaven home", Version(3, 8)),
            ("go version go1.26.8 linux/amd64", Version(1, 26)),
            ("valgrind-3.19.0\n", Version(3, 19)),
            ("cargo 1.95.0 (f2d3ce0bd 2026-03-21)", Version(1, 95)),
        ] {
            assert_eq!(find_version(text), Some(version), "{text}");
        }
        assert_eq!(find_version("no digits"), None);
    }

    #[test]
    fn versions_are_ordered_as_numbers() {
        assert!(Version(1, 19) > Version(1, 9));
        assert!(Version(2, 0) > Version(1, 99));
    }

    #[test]
    fn the_cargo_that_runs_this_is_there() {
        assert_eq!(Toolchain::Cargo.check(), Ok(()));
    }

    #[test]
    fn a_missing_toolchain_says_how_to_get_it() {
        assert!(Toolchain::Go.remedy().contains("apt-get install -y golang-go"));
    }
}
