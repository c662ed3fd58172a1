//! The access key that the suites sign with.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::process;
use crate::server;

/// How long making a key may take.
const BOUND: Duration = Duration::from_secs(30);
/// Whose the queues of the suites are: a server's own account unless it is told another.
const ACCOUNT: &str = "000000000000";

/// An access key of an account that may do everything, and the file of credentials that knows it. Dropping it removes
/// the file.
pub(crate) struct Keys {
    file: PathBuf,
    id: String,
    secret: String,
}

impl Keys {
    /// This function makes a key with the product's own command for it.
    ///
    /// # Errors
    ///
    /// A sentence when the command fails or prints something else than a key.
    pub(crate) fn create(directory: &Path) -> Result<Self, String> {
        let file = directory.join(format!("credentials-{}.toml", std::process::id()));
        // One of a process that had the same number would be added to.
        let _ = fs::remove_file(&file);
        let mut command = Command::new(server::binary());
        command.args(["keys", "create", "--account", ACCOUNT, "--credentials"]).arg(&file);
        let output = process::capture(command, BOUND, |_| {})?;
        // What was printed may hold a secret, so it is not shown.
        let (true, Some((id, secret))) = (output.succeeded(), read(&output.lines)) else {
            return Err("stanchion keys create did not make a key".to_owned());
        };
        Ok(Self { file, id, secret })
    }

    /// This function names the file of credentials.
    pub(crate) fn file(&self) -> &Path {
        &self.file
    }

    /// This function makes a command, and what it starts, sign with the key.
    pub(crate) fn hand_to(&self, command: &mut Command) {
        command.env("AWS_ACCESS_KEY_ID", &self.id).env("AWS_SECRET_ACCESS_KEY", &self.secret);
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        // A nuisance if it stays: nobody else has a server that knows it.
        let _ = fs::remove_file(&self.file);
    }
}

fn read(lines: &[String]) -> Option<(String, String)> {
    let value =
        |name: &str| lines.iter().find_map(|line| line.strip_prefix(name)?.strip_prefix('=')).map(str::to_owned);
    Some((value("AWS_ACCESS_KEY_ID")?, value("AWS_SECRET_ACCESS_KEY")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_from_the_two_variables_that_are_printed() {
        let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
        let printed = lines("AWS_ACCESS_KEY_ID=AKIA1\nAWS_SECRET_ACCESS_KEY=a/b+c=\n");
        assert_eq!(read(&printed), Some(("AKIA1".to_owned(), "a/b+c=".to_owned())));
        assert_eq!(read(&lines("AWS_ACCESS_KEY_ID=AKIA1")), None);
    }
}
