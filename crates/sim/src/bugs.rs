//! Bugs that could have been made in the engine and the shard, to prove that the simulator sees them.
//!
//! A bug is a small edit, described in a file of `crates/sim/bugs`. The program `planted-bugs` makes it in a copy of the
//! sources and runs seeds until the judge finds it.
//!
//! ```text
//! why: why somebody could write that
//! in: crates/engine/src/queue.rs
//! find:
//! text that stands in that file exactly once
//! put:
//! what stands there instead
//! ```
//!
//! `in`, `find` and `put` may be repeated. After `why` there may be a line `run: power-cuts` or the like: how the
//! simulator is to be started, if not in its plain way. A description whose text is not found exactly once is refused, so that a
//! change of the sources cannot turn a bug into nothing.

/// A bug.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bug {
    /// What it is called: the name of its file without the ending.
    pub name: String,
    /// Why somebody could write that.
    pub why: String,
    /// How the simulator is started to find it; plainly if empty.
    pub run: String,
    /// What it changes.
    pub edits: Vec<Edit>,
}

/// A change of one file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edit {
    /// The file, from the root of the sources.
    pub file: String,
    /// Text that stands in it exactly once.
    pub find: String,
    /// What stands there instead.
    pub put: String,
}

impl Bug {
    /// Reads a description.
    ///
    /// # Errors
    /// A sentence that says what is missing.
    pub fn parse(name: &str, text: &str) -> Result<Bug, String> {
        let wrong = |what: &str| format!("bug `{name}`: {what}");
        let mut bug = Bug { name: name.to_owned(), why: String::new(), run: String::new(), edits: Vec::new() };
        let mut lines = text.lines().peekable();
        bug.why = lines.next().and_then(|line| line.strip_prefix("why: ")).ok_or(wrong("no `why: `"))?.to_owned();
        if let Some(run) = lines.next_if(|line| line.starts_with("run: ")) {
            bug.run = run["run: ".len()..].to_owned();
        }
        while let Some(line) = lines.next() {
            let file = line.strip_prefix("in: ").ok_or_else(|| wrong(&format!("`{line}` instead of `in: `")))?;
            if lines.next() != Some("find:") {
                return Err(wrong("no `find:` after `in: `"));
            }
            let mut find: Vec<&str> = Vec::new();
            while let Some(line) = lines.next_if(|line| *line != "put:") {
                find.push(line);
            }
            lines.next().ok_or_else(|| wrong("no `put:` after `find:`"))?;
            let mut put: Vec<&str> = Vec::new();
            while let Some(line) = lines.next_if(|line| !line.starts_with("in: ")) {
                put.push(line);
            }
            bug.edits.push(Edit { file: file.to_owned(), find: find.join("\n"), put: put.join("\n") });
        }
        let changes = |edit: &Edit| !edit.find.is_empty() && edit.find != edit.put;
        if bug.edits.is_empty() || !bug.edits.iter().all(changes) {
            return Err(wrong("it changes nothing"));
        }
        Ok(bug)
    }
}

impl Edit {
    /// Makes the change in the text of its file.
    ///
    /// # Errors
    /// A sentence if the text to find is not there exactly once.
    pub fn apply(&self, text: &str) -> Result<String, String> {
        match text.matches(&self.find).count() {
            1 => Ok(text.replacen(&self.find, &self.put, 1)),
            count => Err(format!("{}: {count} times instead of once: {}", self.file, self.find)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str =
        "why: two ends\nrun: power-cuts\nin: a.rs\nfind:\nfirst()\n  .one\nput:\nlast()\nin: b.rs\nfind:\nx\nput:\n";

    #[test]
    fn a_description_is_read_and_its_edits_apply_exactly_once() {
        let bug = Bug::parse("ends", TEXT).expect("a good description");
        assert_eq!((bug.why.as_str(), bug.run.as_str(), bug.edits.len()), ("two ends", "power-cuts", 2));
        assert_eq!(bug.edits[0].apply("a first()\n  .one b").as_deref(), Ok("a last() b"));
        assert_eq!(bug.edits[1].apply("axb").as_deref(), Ok("ab"));
        assert!(bug.edits[1].apply("xx").unwrap_err().contains("2 times"));
        assert!(bug.edits[1].apply("y").unwrap_err().contains("0 times"));
    }

    #[test]
    fn a_description_that_lacks_something_is_refused() {
        for end in [0, 10, 30, 48, 60] {
            assert!(Bug::parse("cut", &TEXT[..end]).is_err(), "{}", &TEXT[..end]);
        }
        assert!(Bug::parse("same", "why: w\nin: a\nfind:\nx\nput:\nx\n").is_err());
    }
}
