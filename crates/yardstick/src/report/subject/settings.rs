//! How the server is set up when it is measured.

use stanchion_bench::server::Home;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;

/// What of the server's defences is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::report) struct Settings {
    /// Whether what it writes is encrypted.
    pub(in crate::report) encrypted: bool,
    /// Whether requests are signed, and decided by policies of the user and of the queue.
    pub(in crate::report) signed: bool,
}

impl Settings {
    /// Those of a server that nobody has told anything.
    pub(in crate::report) const USUAL: Self = Self { encrypted: true, signed: false };
    /// What the rungs that write do: nothing is encrypted, and nobody is asked who he is.
    pub(in crate::report) const PLAIN: Self = Self { encrypted: false, signed: false };
    /// Signatures and policies alone.
    pub(in crate::report) const SIGNED: Self = Self { encrypted: false, signed: true };
    /// All defences.
    pub(in crate::report) const LOCKED: Self = Self { encrypted: true, signed: true };

    pub(super) fn name(self) -> &'static str {
        match (self.encrypted, self.signed) {
            (true, false) => "Stanchion",
            (false, false) => "Stanchion, encryption off",
            (false, true) => "Stanchion, signed with policies, encryption off",
            (true, true) => "Stanchion, signed with policies",
        }
    }

    /// This function gives the arguments of the server, and writes what they name into its directory.
    ///
    /// # Errors
    ///
    /// The system's reason why a file cannot be written.
    pub(super) fn arguments(self, home: &Home) -> io::Result<Vec<String>> {
        let mut arguments = Vec::new();
        if !self.encrypted {
            arguments.push("--encryption=off".to_owned());
        }
        if self.signed {
            let file = home.path().join("credentials.toml");
            fs::write(&file, CREDENTIALS)?;
            fs::set_permissions(&file, Permissions::from_mode(0o600))?;
            arguments.extend(["--credentials".to_owned(), file.to_string_lossy().into_owned()]);
        }
        Ok(arguments)
    }
}

/// The user whom the generator signs for, with two policies: one that lets him do what the loads do, and one that keeps
/// him from the queues of others.
const CREDENTIALS: &str = r#"
[policies]
load = '''
{"Version": "2012-10-17", "Statement": [
  {"Effect": "Allow", "Action": ["sqs:CreateQueue", "sqs:DeleteQueue", "sqs:PurgeQueue"],
   "Resource": "arn:aws:sqs:*:000000000000:bench-*"},
  {"Effect": "Allow", "Action": ["sqs:SendMessage", "sqs:ReceiveMessage", "sqs:DeleteMessage"],
   "Resource": "arn:aws:sqs:*:000000000000:bench-*"}]}
'''
guard = '''
{"Version": "2012-10-17", "Statement":
  {"Effect": "Deny", "Action": "sqs:*", "Resource": "arn:aws:sqs:*:000000000000:payments-*"}}
'''

[[accounts]]
id = "000000000000"

[[accounts.users]]
name = "load"
policies = ["load", "guard"]

[[accounts.users.keys]]
id = "yardstick"
secret = "yardstick-secret"
"#;

/// What queues say for themselves: who may send from where.
pub(super) const QUEUE_POLICY: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::000000000000:user/load"},"Action":["sqs:SendMessage","sqs:ReceiveMessage"],"Resource":"arn:aws:sqs:*:000000000000:bench-*"},{"Effect":"Deny","Principal":"*","Action":"sqs:*","Resource":"*","Condition":{"NotIpAddress":{"aws:SourceIp":["127.0.0.0/8","10.0.0.0/8"]}}}]}"#;
