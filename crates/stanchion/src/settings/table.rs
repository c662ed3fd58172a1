//! Every setting by name: the one list that flags, environment, file, `check` and the manual agree on.

/// A setting as people know it.
#[derive(Debug)]
pub(crate) struct Setting {
    /// Its key in the file.
    pub(crate) key: &'static str,
    /// What stands for its value in the help.
    pub(crate) value: &'static str,
    /// The value without which nobody need care; empty if there is none.
    pub(crate) default: &'static str,
    /// What it does.
    pub(crate) help: &'static str,
}

impl Setting {
    /// Returns the name of its flag, without dashes in front.
    pub(crate) fn flag(&self) -> String {
        self.key.replace('_', "-")
    }

    /// Returns the name of its environment variable.
    pub(crate) fn variable(&self) -> String {
        format!("STANCHION_{}", self.key.to_uppercase())
    }

    /// Tells whether the flag may stand alone for `on`.
    pub(crate) fn is_switch(&self) -> bool {
        self.value == "on|off"
    }
}

/// Every setting, in the order in which `check` prints them.
pub(crate) const SETTINGS: [Setting; 33] = [
    Setting {
        key: "data_dir",
        value: "DIR",
        default: "./stanchion-data",
        help: "Where queues and messages are kept. Made if it does not exist; one server at a time can use it.",
    },
    Setting {
        key: "listen",
        value: "ADDRESS:PORT",
        default: "127.0.0.1:9324",
        help: "Where to listen. Port 0 lets the system pick one, which the first line of output tells.",
    },
    Setting {
        key: "account",
        value: "ID",
        default: "000000000000",
        help: "Account that owns the queues, 12 digits. Part of queue URLs and ARNs.",
    },
    Setting { key: "region", value: "NAME", default: "us-east-1", help: "Region of the queues. Part of their ARNs." },
    Setting {
        key: "public_url",
        value: "URL",
        default: "",
        help: "What queue URLs begin with, such as https://queues.example.com. Without it, the scheme and the host that \
               the client called.",
    },
    Setting {
        key: "tls_certificate",
        value: "FILE",
        default: "",
        help: "Certificate to serve HTTPS with, in PEM, followed by those that vouch for it. Read again when it changes.",
    },
    Setting { key: "tls_key", value: "FILE", default: "", help: "Private key of the certificate, in PEM." },
    Setting {
        key: "tls_client_authorities",
        value: "FILE",
        default: "",
        help: "Authorities, in PEM: only clients with a certificate of one of them are served. Without it, clients \
               need none.",
    },
    Setting {
        key: "plain_http",
        value: "refuse|redirect|serve",
        default: "refuse",
        help: "What becomes of plain HTTP where there is a certificate.",
    },
    Setting {
        key: "durability",
        value: "MODE",
        default: "sync",
        help: "What an answer promises. sync: what it says is on disk, also after a power cut. interval=MS: on disk \
               within so many milliseconds; a power cut loses what was answered since. memory: left to the operating \
               system; a power cut loses up to a segment. A crash of the server itself loses nothing.",
    },
    Setting {
        key: "sixty_second_rules",
        value: "on|off",
        default: "on",
        help: "Whether a deleted queue's name is unusable for 60 seconds and a queue can be purged once in 60 \
               seconds, as on AWS. Test suites like it off.",
    },
    Setting {
        key: "encryption",
        value: "on|off",
        default: "on",
        help: "Whether what is written is encrypted. Off is for benchmarks: a directory that has begun with it on needs it.",
    },
    Setting {
        key: "keyring",
        value: "FILE|env:NAME|command:COMMAND",
        default: "",
        help: "Keys under which the data keys of the journal are wrapped: a file that only its owner may read, an \
               environment variable, or what a command prints. Without it, the file `keyring` in the data directory, \
               which the first start makes.",
    },
    Setting {
        key: "kms_endpoint",
        value: "URL",
        default: "",
        help: "Server that speaks the API of AWS KMS, with the keys that queues name in KmsMasterKeyId. Without it they \
               are keys of the keyring. Plain http:// is for this machine only.",
    },
    Setting {
        key: "kms_region",
        value: "NAME",
        default: "",
        help: "Region in whose name requests to it are signed. Without it, that of the queues.",
    },
    Setting {
        key: "kms_credentials",
        value: "FILE|env:NAME|command:COMMAND",
        default: "",
        help: "Access key with which they are signed, as JSON with AccessKeyId, SecretAccessKey and perhaps \
               SessionToken. Read for each request. Without it, the variables AWS_ACCESS_KEY_ID and so on.",
    },
    Setting {
        key: "kms_authorities",
        value: "FILE",
        default: "",
        help: "Authorities, in PEM, one of which must have signed its certificate. Without it, those of the system.",
    },
    Setting {
        key: "segment_size",
        value: "SIZE",
        default: "64MiB",
        help: "Size of a file of the journal. Space comes back in whole files.",
    },
    Setting {
        key: "reserve_segments",
        value: "NUMBER",
        default: "3",
        help: "How many files of the journal are set aside for a full disk. Sends are refused then, while receives \
               and deletes go on in them.",
    },
    Setting {
        key: "cache_size",
        value: "SIZE",
        default: "64MiB",
        help: "How much of what was written last stays in memory, so that messages that are received soon are not \
               read from disk.",
    },
    Setting {
        key: "snapshot_interval",
        value: "SIZE",
        default: "128MiB",
        help: "How much the journal grows between two snapshots. Smaller: faster restarts. Larger: less writing.",
    },
    Setting {
        key: "body_limit",
        value: "SIZE",
        default: "8MiB",
        help: "Largest request body. A message of 1 MiB can take several MiB on the wire.",
    },
    Setting {
        key: "connections_max",
        value: "COUNT",
        default: "20000",
        help: "Most connections at once. Further ones are answered with 503 and closed.",
    },
    Setting {
        key: "connections_per_source",
        value: "COUNT",
        default: "5000",
        help: "Most connections of one address, or of one network of 64 bits with IPv6, at once; 0 for any number. \
               Loopback is not bounded.",
    },
    Setting {
        key: "worker_threads",
        value: "COUNT",
        default: "",
        help: "Threads that answer requests. Without it, one for each processor.",
    },
    Setting {
        key: "log_level",
        value: "FILTER",
        default: "info",
        help: "What to log: error, warn, info, debug or trace, also by part, as in info,stanchion_http=debug.",
    },
    Setting { key: "log_format", value: "text|json", default: "text", help: "How log lines look." },
    Setting {
        key: "audit",
        value: "FILE|-",
        default: "",
        help: "Where a line goes for each call that changes or lists something and for each that is refused for who \
               sent it; - is standard output. Without it, nowhere.",
    },
    Setting {
        key: "audit_size",
        value: "SIZE",
        default: "64MiB",
        help: "Size at which the audit file is full and another is begun.",
    },
    Setting {
        key: "audit_files",
        value: "COUNT",
        default: "10",
        help: "How many full audit files are kept, the last one as FILE.1.",
    },
    Setting {
        key: "credentials",
        value: "FILE",
        default: "",
        help: "File with the accounts, users, access keys and policies of those who may call. Without it, nobody is \
               asked who he is.",
    },
    Setting {
        key: "trusted_proxies",
        value: "NETWORK,...",
        default: "",
        help: "Proxies in front of the server, such as 10.0.0.0/8,192.0.2.7. What they say in X-Forwarded-For and \
               X-Forwarded-Proto is believed: that address counts as the client's, for policies, limits and the log.",
    },
    Setting {
        key: "insecure_anonymous",
        value: "on|off",
        default: "off",
        help: "Whether to listen on an address that other machines can reach although anybody there could then use \
               the queues: no credentials are asked for.",
    },
];

/// Returns the candidate that was probably meant, if any is close.
pub(crate) fn nearest<'a>(wrong: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let scored = candidates.into_iter().map(|candidate| (strsim::jaro_winkler(wrong, candidate), candidate));
    let best = scored.max_by(|(a, _), (b, _)| a.total_cmp(b))?;
    (best.0 > 0.7).then_some(best.1)
}
