//! The access key with which this server signs.

use std::fmt;

use serde::Deserialize;
use stanchion_keyring::Source;
use zeroize::Zeroizing;

/// An access key.
pub struct Credentials {
    pub(crate) access_key: String,
    pub(crate) secret: Zeroizing<String>,
    pub(crate) session_token: Option<Zeroizing<String>>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("access_key", &self.access_key).finish_non_exhaustive()
    }
}

/// Where the access key comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CredentialsSource {
    /// The variables that the tools of AWS read: `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and `AWS_SESSION_TOKEN`.
    Environment,
    /// A JSON object as programs print it that AWS calls credential processes: `AccessKeyId`, `SecretAccessKey` and perhaps
    /// `SessionToken`.
    Text(Source),
}

/// Why there is no access key to be had. Never shows a part of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialsError(String);

impl fmt::Display for CredentialsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for CredentialsError {}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Text {
    access_key_id: String,
    secret_access_key: Zeroizing<String>,
    session_token: Option<Zeroizing<String>>,
}

impl CredentialsSource {
    /// Reads the access key. It may wait for a file or a command.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn load(&self) -> Result<Credentials, CredentialsError> {
        match self {
            CredentialsSource::Environment => {
                let read = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
                let missing = |name: &str| CredentialsError(format!("the environment variable {name} is not set"));
                let needed = |name: &str| read(name).ok_or_else(|| missing(name));
                Ok(Credentials {
                    access_key: needed("AWS_ACCESS_KEY_ID")?,
                    secret: Zeroizing::new(needed("AWS_SECRET_ACCESS_KEY")?),
                    session_token: read("AWS_SESSION_TOKEN").map(Zeroizing::new),
                })
            }
            CredentialsSource::Text(source) => {
                let text = source.read().map_err(|error| CredentialsError(format!("{source}: {error}")))?;
                parse(&text).ok_or_else(|| {
                    let form = r#"{"AccessKeyId": "...", "SecretAccessKey": "..."}"#;
                    CredentialsError(format!("{source} does not hold an object such as {form}"))
                })
            }
        }
    }
}

fn parse(text: &str) -> Option<Credentials> {
    // The parser's own words could quote the text.
    let Text { access_key_id, secret_access_key, session_token } = serde_json::from_str(text).ok()?;
    // These go into headers as they are.
    let plain = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    let token_is_plain = session_token.as_ref().is_none_or(|token| plain(token));
    (plain(&access_key_id) && token_is_plain && !secret_access_key.is_empty()).then_some(Credentials {
        access_key: access_key_id,
        secret: secret_access_key,
        session_token,
    })
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_file_of_credentials_is_for_its_owner_only_and_shows_nothing_of_them() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("credentials");
        let source = CredentialsSource::Text(Source::File(path.clone()));
        fs::write(&path, r#"{"Version": 1, "AccessKeyId": "AK", "SecretAccessKey": "hidden", "SessionToken": "t"}"#)
            .expect("written");
        fs::set_permissions(&path, Permissions::from_mode(0o644)).expect("set");
        assert!(source.load().expect_err("others may read it").to_string().contains("0600"));
        fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("set");
        let credentials = source.load().expect("read");
        assert_eq!((&*credentials.access_key, &**credentials.secret), ("AK", "hidden"));
        assert_eq!(credentials.session_token.as_ref().map(|token| token.as_str()), Some("t"));
        assert!(!format!("{credentials:?}").contains("hidden"));
    }

    #[test]
    fn what_is_no_access_key_is_refused_without_being_shown() {
        for text in [
            "",
            "hidden",
            r#"{"AccessKeyId": "hidden"}"#,
            r#"{"AccessKeyId": "", "SecretAccessKey": "hidden"}"#,
            r#"{"AccessKeyId": "a b", "SecretAccessKey": "hidden"}"#,
            r#"{"AccessKeyId": "a\r\nx: y", "SecretAccessKey": "hidden"}"#,
            r#"{"AccessKeyId": "a", "SecretAccessKey": "hidden", "SessionToken": "a\nb"}"#,
            r#"{"AccessKeyId": "a", "SecretAccessKey": 7}"#,
        ] {
            assert!(parse(text).is_none(), "{text}");
        }
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("credentials");
        fs::write(&path, "hidden").expect("written");
        fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("set");
        let error = CredentialsSource::Text(Source::File(path)).load().expect_err("no access key").to_string();
        assert!(error.contains("AccessKeyId") && !error.contains("hidden"), "{error}");
    }
}
