//! Settings: where they come from, which source wins, and what each may be.
//!
//! A value is text until all sources are known: flags win over the environment, the environment over the file, the
//! file over the default. Then each is read once, and an error says which setting it is and where it was given.

mod data;
mod file;
mod flags;
mod queues;
mod table;
mod values;

use std::collections::HashMap;
use std::env;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use stanchion_audit::{Place, Rotation};
use stanchion_http::{PlainHttp, TlsFiles};
use stanchion_keyring::Source as KeyringSource;
use stanchion_kms::{CredentialsSource, EndpointOptions};
use stanchion_policy::Network;
use stanchion_types::{AccountId, Region};
use tracing_subscriber::EnvFilter;

pub(crate) use data::DataFlags;
pub(crate) use flags::Flags;
pub(crate) use queues::DeclaredQueue;
pub(crate) use values::{Durability, LogFormat};

use file::File;
use table::{SETTINGS, Setting};

/// The file that is read when nobody names one.
const FILE_DEFAULT: &str = "stanchion.toml";
const FILE_VARIABLE: &str = "STANCHION_CONFIG";

/// Everything that can be set, read and checked.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) data_dir: PathBuf,
    pub(crate) listen: SocketAddr,
    pub(crate) account: AccountId,
    pub(crate) region: Region,
    pub(crate) public_url: Option<String>,
    /// Certificate and key, and what becomes of plain HTTP; without them the server speaks nothing else.
    pub(crate) tls: Option<(TlsFiles, PlainHttp)>,
    pub(crate) durability: Durability,
    pub(crate) sixty_second_rules: bool,
    pub(crate) encryption: bool,
    pub(crate) keyring: Option<KeyringSource>,
    /// The key management service with the keys that queues name; without it they are those of the keyring.
    pub(crate) kms: Option<EndpointOptions>,
    pub(crate) segment_bytes: u64,
    pub(crate) reserve_segments: u32,
    pub(crate) cache_bytes: u64,
    pub(crate) snapshot_bytes: u64,
    pub(crate) body_bytes_max: usize,
    pub(crate) connections_max: usize,
    pub(crate) connections_per_source: usize,
    pub(crate) worker_threads: Option<usize>,
    /// Where the audit trail goes, if anywhere.
    pub(crate) audit: Option<Place>,
    pub(crate) credentials: Option<PathBuf>,
    pub(crate) trusted_proxies: Vec<Network>,
    pub(crate) log_filter: EnvFilter,
    pub(crate) log_format: LogFormat,
    /// Queues to create or update at start, dead-letter queues before their sources.
    pub(crate) queues: Vec<DeclaredQueue>,
    /// Every setting with its text and its source, for `check`.
    pub(crate) shown: Vec<Shown>,
}

/// A setting in effect.
#[derive(Debug)]
pub(crate) struct Shown {
    pub(crate) key: &'static str,
    pub(crate) text: String,
    pub(crate) source: Source,
}

/// Where a value was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Flag(String),
    Variable(String),
    File(PathBuf),
    Default,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Flag(flag) => write!(f, "flag --{flag}"),
            Source::Variable(variable) => write!(f, "environment variable {variable}"),
            Source::File(path) => write!(f, "file {}", path.display()),
            Source::Default => f.write_str("default"),
        }
    }
}

/// A setting that cannot be used, or a file that cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct SettingError(String);

impl fmt::Display for SettingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl SettingError {
    fn in_file(path: &Path, text: impl fmt::Display) -> Self {
        SettingError(format!("file {}: {text}", path.display()))
    }
}

impl Settings {
    /// Reads the settings of this process: its flags, its environment, and the file that they name.
    pub(crate) fn load(flags: &Flags) -> Result<Self, SettingError> {
        Settings::resolve(flags, |variable| match env::var_os(variable) {
            None => Ok(None),
            Some(text) => text
                .into_string()
                .map(Some)
                .map_err(|_| SettingError(format!("environment variable {variable}: the value is no valid UTF-8"))),
        })
    }

    /// Reads settings; the environment is an argument.
    fn resolve(
        flags: &Flags,
        variable: impl Fn(&str) -> Result<Option<String>, SettingError>,
    ) -> Result<Self, SettingError> {
        let named = match &flags.config {
            Some(path) => Some(path.clone()),
            None => variable(FILE_VARIABLE)?.map(PathBuf::from),
        };
        let file = match named {
            Some(path) => File::read(&path)?,
            None if Path::new(FILE_DEFAULT).exists() => File::read(Path::new(FILE_DEFAULT))?,
            None => File::default(),
        };
        let mut given = HashMap::new();
        for setting in &SETTINGS {
            let (text, source) = if let Some(text) = flags.values.get(setting.key) {
                (text.clone(), Source::Flag(setting.flag()))
            } else if let Some(text) = variable(&setting.variable())? {
                (text, Source::Variable(setting.variable()))
            } else if let Some(text) = file.values.get(setting.key) {
                (text.clone(), Source::File(file.path.clone()))
            } else {
                (setting.default.to_owned(), Source::Default)
            };
            given.insert(setting.key, Given { setting, text, source });
        }
        let settings = Settings::read(&given, file)?;
        settings.check_exposure(&given)?;
        Ok(settings)
    }

    fn read(given: &HashMap<&'static str, Given>, file: File) -> Result<Self, SettingError> {
        let of = |key: &str| &given[key];
        let account = of("account").read(|text| AccountId::new(text).ok_or("must be 12 digits".to_owned()))?;
        let region = of("region").read(|text| {
            Region::new(text).ok_or("must be 1 to 32 lower-case letters, digits and hyphens".to_owned())
        })?;
        let queues = queues::order(file.queues, account, &region).map_err(|e| SettingError::in_file(&file.path, e))?;
        Ok(Settings {
            data_dir: of("data_dir").read(|text| match text {
                "" => Err("must name a directory".to_owned()),
                text => Ok(PathBuf::from(text)),
            })?,
            listen: of("listen").read(values::address)?,
            account,
            public_url: of("public_url").read_unless_empty(values::base_url)?,
            tls: read_tls(given)?,
            durability: of("durability").read(values::durability)?,
            sixty_second_rules: of("sixty_second_rules").read(values::switch)?,
            encryption: of("encryption").read(values::switch)?,
            keyring: of("keyring").read_unless_empty(|text| text.parse().map_err(str::to_owned))?,
            kms: read_kms(given, &region)?,
            region,
            // The largest record, ten messages of a batch request with all they carry, must fit into a segment.
            segment_bytes: of("segment_size").read(|text| values::size_within(text, 4 << 20, 1 << 30))?,
            reserve_segments: of("reserve_segments").read(|text| values::count(text, 0, 64))? as u32,
            cache_bytes: of("cache_size").read(|text| values::size_within(text, 0, 1 << 40))?,
            snapshot_bytes: of("snapshot_interval").read(|text| values::size_within(text, 64 << 10, 1 << 40))?,
            // A message of the largest size must get in.
            body_bytes_max: of("body_limit").read(|text| values::size_within(text, 2 << 20, 1 << 30))? as usize,
            connections_max: of("connections_max").read(|text| values::count(text, 1, 1_000_000))?,
            connections_per_source: of("connections_per_source").read(|text| values::count(text, 0, 1_000_000))?,
            audit: read_audit(given)?,
            worker_threads: of("worker_threads").read_unless_empty(|text| values::count(text, 1, 1024))?,
            credentials: of("credentials").read_unless_empty(|text| match Path::new(text).file_name() {
                Some(_) => Ok(PathBuf::from(text)),
                None => Err("must name a file".to_owned()),
            })?,
            trusted_proxies: of("trusted_proxies").read_unless_empty(values::networks)?.unwrap_or_default(),
            log_filter: of("log_level").read(|text| {
                EnvFilter::builder().parse(text).map_err(|error| format!("is no filter such as info: {error}"))
            })?,
            log_format: of("log_format").read(values::log_format)?,
            queues,
            shown: SETTINGS.iter().map(|setting| of(setting.key).show()).collect(),
        })
    }

    /// Refuses to serve strangers unless told so: without credentials anybody who can reach the listener can use the
    /// queues.
    fn check_exposure(&self, given: &HashMap<&'static str, Given>) -> Result<(), SettingError> {
        let allowed = given["insecure_anonymous"].read(values::switch)?;
        if self.listen.ip().is_loopback() || allowed || self.credentials.is_some() {
            return Ok(());
        }
        Err(given["listen"].error(
            "can be reached from other machines, where anybody could then use the queues: no credentials are \
             configured. Listen on 127.0.0.1, name a file with --credentials, or accept that with --insecure-anonymous",
        ))
    }
}

/// Reads what HTTPS takes: all of it, or nothing.
fn read_tls(given: &HashMap<&'static str, Given>) -> Result<Option<(TlsFiles, PlainHttp)>, SettingError> {
    let file = |key: &str| given[key].read_unless_empty(|text| Ok(PathBuf::from(text)));
    let plain = given["plain_http"].read(values::plain_http)?;
    let client_authorities = file("tls_client_authorities")?;
    if let (Some(certificate), Some(key)) = (file("tls_certificate")?, file("tls_key")?) {
        return Ok(Some((TlsFiles { certificate, key, client_authorities }, plain)));
    }
    let related = ["tls_certificate", "tls_key", "tls_client_authorities", "plain_http"];
    match related.iter().map(|key| &given[key]).find(|given| given.source != Source::Default) {
        Some(given) => Err(given.error("means nothing without tls_certificate and tls_key")),
        None => Ok(None),
    }
}

/// Reads what a key management service takes, or nothing.
fn read_kms(given: &HashMap<&'static str, Given>, region: &Region) -> Result<Option<EndpointOptions>, SettingError> {
    let url = given["kms_endpoint"].read_unless_empty(|text| match stanchion_kms::check_url(text) {
        Ok(()) => Ok(text.to_owned()),
        Err(error) => Err(error.to_string()),
    })?;
    let of_another = given["kms_region"].read_unless_empty(|text| {
        Region::new(text).ok_or("must be 1 to 32 lower-case letters, digits and hyphens".to_owned())
    })?;
    let authorities = given["kms_authorities"].read_unless_empty(|text| Ok(PathBuf::from(text)))?;
    let credentials = given["kms_credentials"].read_unless_empty(|text| text.parse().map_err(str::to_owned))?;
    if let Some(url) = url {
        let region = of_another.as_ref().unwrap_or(region).to_string();
        let credentials = credentials.map_or(CredentialsSource::Environment, CredentialsSource::Text);
        return Ok(Some(EndpointOptions { url, region, authorities, credentials }));
    }
    let related = ["kms_region", "kms_authorities", "kms_credentials"];
    match related.iter().map(|key| &given[key]).find(|given| !given.text.is_empty()) {
        Some(given) => Err(given.error("means nothing without kms_endpoint")),
        None => Ok(None),
    }
}

/// Reads where the audit trail goes.
fn read_audit(given: &HashMap<&'static str, Given>) -> Result<Option<Place>, SettingError> {
    let rotation = Rotation {
        bytes: given["audit_size"].read(|text| values::size_within(text, 1 << 20, 1 << 40))?,
        files: given["audit_files"].read(|text| values::count(text, 1, 10_000))? as u32,
    };
    given["audit"].read_unless_empty(|text| match text {
        "-" => Ok(Place::Output),
        text => match Path::new(text).file_name() {
            Some(_) => Ok(Place::File(PathBuf::from(text), rotation)),
            None => Err("must name a file, or be - for standard output".to_owned()),
        },
    })
}

/// Returns the environment variables that look like settings and are none: typing errors, or another program's.
pub(crate) fn stray_variables() -> Vec<String> {
    let known: Vec<_> = SETTINGS.iter().map(Setting::variable).chain([FILE_VARIABLE.to_owned()]).collect();
    let names = env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    let mut stray: Vec<_> = names.filter(|name| name.starts_with("STANCHION_") && !known.contains(name)).collect();
    stray.sort();
    stray
}

/// A value with its setting and source.
struct Given {
    setting: &'static Setting,
    text: String,
    source: Source,
}

impl Given {
    fn read<T>(&self, read: impl FnOnce(&str) -> Result<T, String>) -> Result<T, SettingError> {
        read(&self.text).map_err(|why| self.error(&why))
    }

    fn read_unless_empty<T>(&self, read: impl FnOnce(&str) -> Result<T, String>) -> Result<Option<T>, SettingError> {
        if self.text.is_empty() { Ok(None) } else { self.read(read).map(Some) }
    }

    fn error(&self, why: &str) -> SettingError {
        SettingError(format!("setting {}: {:?} {why} ({})", self.setting.key, self.text, self.source))
    }

    fn show(&self) -> Shown {
        Shown { key: self.setting.key, text: self.text.clone(), source: self.source.clone() }
    }
}

#[cfg(test)]
mod tests;
