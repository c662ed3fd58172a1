//! Puts bugs into a copy of the sources, one at a time, and runs seeds until the judge finds each.
//!
//! `planted-bugs [--only NAME]... [--sample N] [--seconds S] [--check]`

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Instant, SystemTime, UNIX_EPOCH};
use std::{env, fs, io};

use stanchion_sim::bugs::Bug;
use stanchion_sim::chance::Chance;

const USAGE: &str = "\
Usage: planted-bugs [OPTIONS]
  --only NAME   only this bug (may be repeated)
  --sample N    only so many, drawn at random
  --seconds S   give a bug up that is not found in so many seconds (120)
  --check       only see that each compiles; run nothing
";

/// The crates that the simulator is built from.
const CRATES: &[&str] = &["types", "engine", "shard", "keyring", "journal", "sim"];

/// What a line of the simulator begins with that tells of a failure in figures.
const FOUND: &str = "found: ";

fn main() -> ExitCode {
    match arguments().and_then(|arguments| run(&arguments)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::from(2)
        }
    }
}

struct Arguments {
    only: Vec<String>,
    sample: usize,
    seconds: u64,
    check: bool,
}

fn arguments() -> Result<Arguments, String> {
    let mut arguments = Arguments { only: Vec::new(), sample: usize::MAX, seconds: 120, check: false };
    let mut words = env::args().skip(1);
    while let Some(word) = words.next() {
        if word == "--check" {
            arguments.check = true;
            continue;
        }
        let value = words.next().ok_or_else(|| format!("`{word}` needs a value\n\n{USAGE}"))?;
        let number = || value.parse().map_err(|_| format!("`{value}` is no number\n\n{USAGE}"));
        match word.as_str() {
            "--only" => arguments.only.push(value),
            "--sample" => arguments.sample = number()? as usize,
            "--seconds" => arguments.seconds = number()?,
            _ => return Err(format!("unknown option `{word}`\n\n{USAGE}")),
        }
    }
    Ok(arguments)
}

fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_path_buf()
}

/// Plants the bugs that were asked for; tells whether all were found.
fn run(arguments: &Arguments) -> Result<bool, String> {
    let mut bugs = read_bugs(&root().join("crates/sim/bugs"))?;
    if let Some(stranger) = arguments.only.iter().find(|name| bugs.iter().all(|bug| bug.name != **name)) {
        return Err(format!("there is no bug `{stranger}`"));
    }
    bugs.retain(|bug| arguments.only.is_empty() || arguments.only.contains(&bug.name));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64);
    let mut chance = Chance::new(now);
    while bugs.len() > arguments.sample {
        bugs.remove(chance.below(bugs.len() as u64) as usize);
    }
    let copy = Sources::copy()?;
    if arguments.check {
        return check(&copy, &bugs);
    }
    let mut survivors = Vec::new();
    println!(
        "| bug | seeds | steps | seconds | shortest | rule that it breaks |\n| --- | ---: | ---: | ---: | ---: | --- |"
    );
    for bug in &bugs {
        let row = match copy.plant(bug, arguments.seconds) {
            Ok(Some(row)) => row,
            Ok(None) => {
                survivors.push(bug.name.as_str());
                "| | | | NOT FOUND".to_owned()
            }
            Err(message) => {
                eprintln!("{message}");
                survivors.push(bug.name.as_str());
                "| | | | not planted".to_owned()
            }
        };
        println!("| {} | {row} |", bug.name.replace('-', " "));
    }
    if !survivors.is_empty() {
        eprintln!("not found: {}", survivors.join(", "));
    }
    Ok(survivors.is_empty())
}

/// Compiles each bug; tells whether all can be.
fn check(copy: &Sources, bugs: &[Bug]) -> Result<bool, String> {
    let mut broken = 0;
    for bug in bugs {
        if let Err(message) = copy.with(bug, || copy.compile(&bug.name)) {
            eprintln!("{message}");
            broken += 1;
        }
    }
    println!("{} bugs, {broken} do not compile", bugs.len());
    Ok(broken == 0)
}

/// Reads all descriptions, by name.
fn read_bugs(directory: &Path) -> Result<Vec<Bug>, String> {
    let failed = |error: io::Error| format!("{}: {error}", directory.display());
    let mut bugs = Vec::new();
    for entry in fs::read_dir(directory).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        bugs.push(Bug::parse(&name, &fs::read_to_string(&path).map_err(failed)?)?);
    }
    bugs.sort_by(|one, two| one.name.cmp(&two.name));
    Ok(bugs)
}

/// A copy of the sources that the simulator is built from, in the build directory.
struct Sources {
    directory: PathBuf,
    texts: BTreeMap<String, String>,
}

impl Sources {
    fn copy() -> Result<Sources, String> {
        let root = root();
        let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |given| root.join(given));
        let mut texts = BTreeMap::new();
        for name in CRATES {
            read_tree(&root, &format!("crates/{name}"), &mut texts)?;
        }
        for name in ["Cargo.toml", "Cargo.lock"] {
            let text = fs::read_to_string(root.join(name)).map_err(|error| format!("{name}: {error}"))?;
            let lines = text.lines().filter(|line| !line.starts_with("default-members"));
            texts.insert(name.to_owned(), lines.collect::<Vec<_>>().join("\n") + "\n");
        }
        let sources = Sources { directory: target.join("planted-bugs"), texts };
        // What is there from another time may be a crate or a file that is gone by now.
        let _ = fs::remove_dir_all(sources.directory.join("sources/crates"));
        for (file, text) in &sources.texts {
            sources.write(file, text)?;
        }
        Ok(sources)
    }

    fn write(&self, file: &str, text: &str) -> Result<(), String> {
        let path = self.directory.join("sources").join(file);
        let failed = |error: io::Error| format!("{}: {error}", path.display());
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(failed)?;
        }
        fs::write(&path, text).map_err(failed)
    }

    /// Makes a bug's edits, builds, runs, and takes the edits back; returns the figures if it was found.
    fn plant(&self, bug: &Bug, seconds: u64) -> Result<Option<String>, String> {
        self.with(bug, || self.build(&bug.name).and_then(|()| self.search(&bug.run, seconds)))
    }

    /// Does something while a bug's edits are made.
    fn with<T>(&self, bug: &Bug, act: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
        let mut changed: BTreeMap<&str, String> = BTreeMap::new();
        for edit in &bug.edits {
            let file = edit.file.as_str();
            let before = changed.get(file).or_else(|| self.texts.get(file));
            let before = before.ok_or_else(|| format!("bug `{}`: there is no {file}", bug.name))?;
            let after = edit.apply(before).map_err(|error| format!("bug `{}`: {error}", bug.name))?;
            changed.insert(file, after);
        }
        for (file, text) in &changed {
            self.write(file, text)?;
        }
        let done = act();
        for file in changed.keys() {
            self.write(file, &self.texts[*file])?;
        }
        done
    }

    /// Builds the simulator, for quick building rather than for speed.
    fn build(&self, bug: &str) -> Result<(), String> {
        let mut build = self.cargo("build");
        build.args(["--release", "--package", "stanchion-sim", "--bin", "stanchion-sim"]);
        build.env("CARGO_PROFILE_RELEASE_LTO", "off").env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16");
        build.env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1");
        finish(build, bug)
    }

    /// Sees whether the simulator compiles.
    fn compile(&self, bug: &str) -> Result<(), String> {
        let mut check = self.cargo("check");
        check.args(["--package", "stanchion-sim", "--bin", "stanchion-sim"]);
        finish(check, bug)
    }

    fn cargo(&self, command: &str) -> Command {
        let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.current_dir(self.directory.join("sources")).args([command, "--quiet"]);
        cargo.env("CARGO_TARGET_DIR", self.directory.join("target")).env("CARGO_INCREMENTAL", "1");
        cargo.env("RUSTFLAGS", "-Awarnings");
        cargo
    }

    /// Runs seeds on one thread, so that the figures are the same each time.
    fn search(&self, run: &str, seconds: u64) -> Result<Option<String>, String> {
        let mut sim = Command::new(self.directory.join("target/release/stanchion-sim"));
        sim.args(run.split_whitespace()).args([
            "--start",
            "1",
            "--jobs",
            "1",
            "--failures",
            "1",
            "--seconds",
            &seconds.to_string(),
        ]);
        let began = Instant::now();
        let output = sim.output().map_err(|error| format!("the simulator does not start: {error}"))?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let found = text.lines().find_map(|line| line.strip_prefix(FOUND)).map(str::to_owned);
        if found.is_none() && began.elapsed().as_secs() + 1 < seconds {
            return Err(format!("the simulator ended early:\n{}", String::from_utf8_lossy(&output.stderr)));
        }
        Ok(found)
    }
}

fn finish(mut cargo: Command, bug: &str) -> Result<(), String> {
    let output = cargo.output().map_err(|error| format!("cargo: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("bug `{bug}` does not compile:\n{}", String::from_utf8_lossy(&output.stderr)))
}

/// Reads the files below a directory, by their path from the root.
fn read_tree(root: &Path, below: &str, texts: &mut BTreeMap<String, String>) -> Result<(), String> {
    let failed = |error: io::Error| format!("{below}: {error}");
    for entry in fs::read_dir(root.join(below)).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let path = format!("{below}/{}", entry.file_name().to_string_lossy());
        if entry.file_type().map_err(failed)?.is_dir() {
            read_tree(root, &path, texts)?;
        } else if path.ends_with(".rs") || path.ends_with(".toml") {
            texts.insert(path, fs::read_to_string(entry.path()).map_err(failed)?);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_simulator_is_built_from_is_copied_whole() {
        for name in CRATES {
            let manifest = fs::read_to_string(root().join(format!("crates/{name}/Cargo.toml"))).expect("a manifest");
            let ours = manifest.lines().filter_map(|line| line.strip_prefix("stanchion-"));
            for other in ours.filter_map(|line| line.split(['.', ' ']).next()) {
                assert!(CRATES.contains(&other), "{name} depends on {other}");
            }
        }
    }
}
