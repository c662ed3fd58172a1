//! Checks that every package the workspace is built from may be used under terms that fit ours.

use crate::arguments::Arguments;
use crate::process;

/// Permissive licences that go together with Apache-2.0.
const ALLOWED: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "ISC",
    "MIT",
    "MIT-0",
    "OpenSSL",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// This function reads the licences of all packages in the lock file, tests and build scripts
/// included, and prints those that do not fit; `false` when there are any.
///
/// # Errors
///
/// A sentence when cargo cannot tell.
pub(crate) fn check(_: &Arguments) -> Result<bool, String> {
    let mut command = process::cargo();
    command.args(["tree", "--workspace", "--locked", "--prefix", "none"]);
    command.args(["--edges", "normal,build,dev", "--target", "all", "--format", "{l}\t{p}"]);
    let output = command.output().map_err(|source| format!("cargo tree: {source}"))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let text = String::from_utf8_lossy(&output.stdout);
    // A package that was printed before is marked with a star; once is enough.
    let mut lines: Vec<_> = text.lines().map(|line| line.trim_end_matches(" (*)")).collect();
    lines.retain(|line| !line.is_empty());
    lines.sort_unstable();
    lines.dedup();
    let strangers = strangers(&lines);
    for stranger in &strangers {
        println!("no permissive licence: {stranger}");
    }
    println!("{} packages, {} with a licence that does not fit", lines.len(), strangers.len());
    Ok(strangers.is_empty() && !lines.is_empty())
}

fn strangers<'a>(lines: &[&'a str]) -> Vec<&'a str> {
    let fits = |line: &str| line.split_once('\t').is_some_and(|(terms, _)| is_allowed(terms));
    lines.iter().copied().filter(|line| !fits(line)).collect()
}

/// Whether an expression such as `MIT OR (Apache-2.0 AND Zlib)` can be satisfied.
fn is_allowed(expression: &str) -> bool {
    // Before there were expressions, a slash stood for "or".
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = words.as_slice();
    let allowed = alternatives(&mut rest);
    allowed == Some(true) && rest.is_empty()
}

/// `all OR all ...`; `None` when it is malformed.
fn alternatives(rest: &mut &[&str]) -> Option<bool> {
    let mut allowed = conjunction(rest)?;
    while let ["OR", after @ ..] = *rest {
        *rest = after;
        allowed |= conjunction(rest)?;
    }
    Some(allowed)
}

/// `term AND term ...`; `None` when it is malformed.
fn conjunction(rest: &mut &[&str]) -> Option<bool> {
    let mut allowed = term(rest)?;
    while let ["AND", after @ ..] = *rest {
        *rest = after;
        allowed &= term(rest)?;
    }
    Some(allowed)
}

/// A licence, one with an exception (which only ever permits more), or something in brackets.
fn term(rest: &mut &[&str]) -> Option<bool> {
    match *rest {
        ["(", after @ ..] => {
            *rest = after;
            let inner = alternatives(rest)?;
            let [")", after @ ..] = *rest else {
                return None;
            };
            *rest = after;
            Some(inner)
        }
        [name, "WITH", _, after @ ..] | [name, after @ ..] => {
            *rest = after;
            Some(ALLOWED.contains(name))
        }
        [] => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expression_is_allowed_when_it_can_be_satisfied() {
        for (expression, allowed) in [
            ("MIT", true),
            ("MIT OR GPL-3.0-only", true),
            ("MIT/Apache-2.0", true),
            ("Apache-2.0 WITH LLVM-exception OR Apache-2.0 OR MIT", true),
            ("(MIT OR Apache-2.0) AND Unicode-3.0", true),
            ("ISC AND (Apache-2.0 OR ISC) AND OpenSSL", true),
            ("GPL-3.0-only", false),
            ("MIT AND GPL-3.0-only", false),
            ("(GPL-3.0-only OR MPL-2.0) AND MIT", false),
            ("", false),
            ("(MIT", false),
            ("MIT Apache-2.0", false),
        ] {
            assert_eq!(is_allowed(expression), allowed, "{expression}");
        }
    }

    #[test]
    fn a_package_without_a_licence_is_a_stranger() {
        let lines = ["MIT\tgood v1", "\tbare v1", "GPL-3.0-only\tcopyleft v1"];
        assert_eq!(strangers(&lines), ["\tbare v1", "GPL-3.0-only\tcopyleft v1"]);
    }
}
