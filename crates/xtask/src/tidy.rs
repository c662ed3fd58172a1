//! Checks what the compiler does not: the walls between the crates, words that must not stay, the length of files, and
//! that the files named in the documents exist. Each rule is a line of a table.

use std::fs;
use std::process::Command;

use crate::arguments::Arguments;
use crate::process;

/// What a crate may depend on, its tests aside: crates of ours, and for the pure ones of others too.
struct Wall {
    name: &'static str,
    ours: &'static [&'static str],
    others: Option<&'static [&'static str]>,
}

/// The map of `ARCHITECTURE.md`. A crate that is not here may not exist.
#[rustfmt::skip] // one line each
const WALLS: &[Wall] = &[
    wall("types", &[], Some(&[])),
    wall("policy", &["types"], None),
    wall("audit", &["types"], None),
    wall("auth", &["types", "policy", "keyring"], None),
    wall("wire", &["types", "policy"], None),
    wall("sts", &["types", "policy", "auth", "wire"], None),
    wall("engine", &["types"], Some(&["bytes", "foldhash", "hashbrown"])),
    wall("shard", &["types", "engine"], Some(&["bytes"])),
    wall("keyring", &[], None),
    wall("kms", &["types", "keyring"], None),
    wall("journal", &["keyring"], None),
    wall("broker", &["types", "policy", "engine", "shard", "keyring", "journal"], None),
    wall("http", &["types", "policy", "audit", "auth", "wire", "sts", "broker"], None),
    wall("bench", &[], None),
    wall("yardstick", &["bench"], None),
    wall("sim", &["types", "engine", "shard", "journal"], Some(&["bytes"])),
    wall(
        "stanchion",
        &["types", "policy", "audit", "auth", "wire", "engine", "shard", "keyring", "kms", "journal", "broker", "http", "bench"],
        None,
    ),
    wall("xtask", &[], Some(&[])),
];

const fn wall(name: &'static str, ours: &'static [&'static str], others: Option<&'static [&'static str]>) -> Wall {
    Wall { name, ours, others }
}

/// A word that must not stand in the files whose path begins with `below`.
struct Banned {
    word: &'static str,
    below: &'static str,
    why: &'static str,
}

/// The words are cut in two, so that this file may list them.
#[rustfmt::skip] // one line each
const BANNED: &[Banned] = &[
    banned(concat!("TO", "DO"), "", "finish it or leave it out"),
    banned(concat!("FIX", "ME"), "", "finish it or leave it out"),
    banned(concat!("XX", "X"), "", "finish it or leave it out"),
    banned(concat!("#[ign", "ore"), "", "a test that does not run proves nothing"),
    banned(concat!("/ho", "me/"), "", "a path of somebody's machine"),
    banned(concat!("/ro", "ot/"), "", "a path of somebody's machine"),
    banned(concat!("/Us", "ers/"), "", "a path of somebody's machine"),
    banned(concat!("std::", "fs"), "crates/engine/src/", "files belong to the journal"),
    banned(concat!("std::", "fs"), "crates/shard/src/", "files belong to the journal"),
    banned(concat!("std::", "thread"), "crates/engine/src/", "threads belong to the runtime"),
    banned(concat!("std::", "thread"), "crates/shard/src/", "threads belong to the runtime"),
    banned(concat!("std::", "time"), "crates/engine/src/", "time is an argument, `stanchion_types::Timestamp`"),
    banned(concat!("std::", "time"), "crates/shard/src/", "time is an argument, `stanchion_types::Timestamp`"),
];

const fn banned(word: &'static str, below: &'static str, why: &'static str) -> Banned {
    Banned { word, below, why }
}

/// The lines that a file may have; a longer one does two jobs.
const LINES_MAX: usize = 900;

/// The endings of the files that people write and read.
const WRITTEN: &[&str] = &["rs", "toml", "md", "py", "js", "mjs", "ts", "java", "go", "sh"];

/// The documents whose words in backticks that look like files are files.
const DOCUMENTS: &[&str] = &["ARCHITECTURE.md", "docs/compatibility.md"];

/// This function checks every file that git has or would take; `false` when it has named what breaks a rule.
///
/// # Errors
///
/// A sentence when git does not list the files, or one cannot be read.
pub(crate) fn check(_: &Arguments) -> Result<bool, String> {
    let root = process::root();
    let mut list = Command::new("git");
    list.current_dir(&root).args(["ls-files", "--cached", "--others", "--exclude-standard"]);
    let listed = list.output().map_err(|source| format!("git: {source}"))?;
    if !listed.status.success() {
        return Err(format!("git: {}", String::from_utf8_lossy(&listed.stderr).trim_end()));
    }
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();

    let mut findings = Vec::new();
    for path in listed.lines().filter(|path| is_written(path)) {
        // A file that was removed and not yet taken out of git's list is not there.
        let Ok(text) = fs::read_to_string(root.join(path)) else {
            continue;
        };
        findings.extend(look_at(path, &text));
        if DOCUMENTS.contains(&path) {
            let named = named_files(&text).into_iter();
            let missing = named.filter(|name| !root.join(name).exists() && !root.join("crates").join(name).exists());
            findings.extend(missing.map(|name| format!("{path}: there is no `{name}`")));
        }
    }
    for finding in &findings {
        eprintln!("{finding}");
    }
    Ok(findings.is_empty())
}

fn is_written(path: &str) -> bool {
    path.rsplit_once('.').is_some_and(|(_, ending)| WRITTEN.contains(&ending))
}

/// What breaks a rule in one file.
fn look_at(path: &str, text: &str) -> Vec<String> {
    let mut findings = Vec::new();
    for (line, number) in text.lines().zip(1..) {
        let found = BANNED.iter().filter(|banned| path.starts_with(banned.below) && line.contains(banned.word));
        findings.extend(found.map(|banned| format!("{path}:{number}: `{}`: {}", banned.word, banned.why)));
    }
    let lines = text.lines().count();
    if lines > LINES_MAX {
        findings.push(format!("{path}: {lines} lines, over {LINES_MAX}: split it"));
    }
    let crate_name = path.strip_prefix("crates/").and_then(|rest| rest.strip_suffix("/Cargo.toml"));
    if let Some(name) = crate_name {
        findings.extend(look_at_manifest(name, text).into_iter().map(|finding| format!("{path}: {finding}")));
    }
    findings
}

/// What breaks a rule in the manifest of the crate `name`.
fn look_at_manifest(name: &str, text: &str) -> Vec<String> {
    let Some(wall) = WALLS.iter().find(|wall| wall.name == name) else {
        return vec![format!("`{name}` is not in the table of walls")];
    };
    let mut findings = Vec::new();
    for dependency in dependencies(text) {
        let allowed = match (dependency.strip_prefix("stanchion-"), wall.others) {
            (Some(ours), _) => wall.ours.contains(&ours),
            (None, Some(others)) => others.contains(&dependency),
            (None, None) => true,
        };
        if !allowed {
            findings.push(format!("`{name}` must not know `{dependency}`"));
        }
    }
    if !text.contains("[lints]\nworkspace = true") {
        findings.push("the lints of the workspace are not in force".to_owned());
    }
    if !text.lines().any(|line| line.starts_with("description = \"") && line.len() > "description = \"\"".len()) {
        findings.push("no description".to_owned());
    }
    findings
}

/// The names below `[dependencies]` and `[build-dependencies]`.
fn dependencies(manifest: &str) -> Vec<&str> {
    let mut section = "";
    let mut names = Vec::new();
    for line in manifest.lines() {
        if line.starts_with('[') {
            section = line;
        } else if matches!(section, "[dependencies]" | "[build-dependencies]") {
            let end = line.find(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '_'));
            let name = &line[..end.unwrap_or(line.len())];
            names.extend((!name.is_empty()).then_some(name));
        }
    }
    names
}

/// The words in backticks with a slash that look like a file or directory; a pattern stands for its directory.
fn named_files(document: &str) -> Vec<&str> {
    let words = document.lines().flat_map(|line| line.split('`').skip(1).step_by(2));
    let paths = words.filter(|word| {
        let path = |c: char| c.is_ascii_alphanumeric() || "/_-.*".contains(c);
        word.contains('/') && word.starts_with(|c: char| c.is_ascii_lowercase()) && word.chars().all(path)
    });
    paths
        .map(|path| path.split_once('*').map_or(path, |(before, _)| &before[..before.rfind('/').unwrap_or(0)]))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: &str = "[package]\ndescription = \"Waits\"\n[dependencies]\nbytes.workspace = true\n\
        stanchion-engine.workspace = true\n[dev-dependencies]\ntokio = \"1\"\n[lints]\nworkspace = true\n";

    #[test]
    fn a_crate_depends_only_on_what_its_wall_lets_through() {
        assert_eq!(look_at_manifest("shard", MANIFEST), [""; 0]);
        assert_eq!(look_at_manifest("engine", MANIFEST), ["`engine` must not know `stanchion-engine`"]);
        let more = MANIFEST.replace("bytes.workspace = true", "tokio = { version = \"1\" }");
        assert_eq!(look_at_manifest("shard", &more), ["`shard` must not know `tokio`"]);
        assert_eq!(look_at_manifest("broker", &more), [""; 0]);
        assert_eq!(look_at_manifest("stray", MANIFEST), ["`stray` is not in the table of walls"]);
    }

    #[test]
    fn a_manifest_has_a_description_and_the_lints_of_the_workspace() {
        let bare = MANIFEST.replace("Waits", "").replace("[lints]\nworkspace = true\n", "");
        assert_eq!(look_at_manifest("shard", &bare), ["the lints of the workspace are not in force", "no description"]);
    }

    #[test]
    fn each_banned_word_is_found_where_it_is_banned_and_only_there() {
        for banned in BANNED {
            let path = format!("{}some/file.rs", banned.below);
            let text = format!("fn main() {{}}\n// {} later\n", banned.word);
            let findings = look_at(&path, &text);
            assert_eq!(findings.len(), 1, "{findings:?}");
            assert!(findings[0].starts_with(&format!("{path}:2: `{}`", banned.word)), "{findings:?}");
            if !banned.below.is_empty() {
                assert_eq!(look_at("crates/journal/src/file.rs", &text), [""; 0]);
            }
        }
    }

    #[test]
    fn a_file_of_more_lines_than_allowed_is_named() {
        let text = "line\n".repeat(LINES_MAX);
        assert_eq!(look_at("a.rs", &text), [""; 0]);
        assert_eq!(look_at("a.rs", &(text + "line\n")), ["a.rs: 901 lines, over 900: split it"]);
    }

    #[test]
    fn only_words_in_backticks_that_look_like_files_are_taken_for_files() {
        let text = "see `wire/src/op/` and docs/none.md, `a b/c`, `engine`,\n`/etc/x`, `shard/src/stories_*.rs`, `A/b`";
        assert_eq!(named_files(text), ["wire/src/op/", "shard/src"]);
    }
}
