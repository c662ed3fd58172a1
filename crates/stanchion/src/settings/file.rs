//! The settings file.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::SettingError;
use super::queues::{self, DeclaredQueue};
use super::table::{SETTINGS, nearest};

/// Key of the list of declared queues.
const QUEUE: &str = "queue";

/// What a file says; nothing without one.
#[derive(Debug, Default)]
pub(crate) struct File {
    pub(crate) path: PathBuf,
    /// Key of a setting to the text of its value.
    pub(crate) values: HashMap<&'static str, String>,
    /// The queues, in the order of the file.
    pub(crate) queues: Vec<DeclaredQueue>,
}

impl File {
    /// Reads a file.
    pub(crate) fn read(path: &Path) -> Result<Self, SettingError> {
        let text = fs::read_to_string(path).map_err(|error| SettingError::in_file(path, error))?;
        File::parse(path, &text).map_err(|error| SettingError::in_file(path, error))
    }

    fn parse(path: &Path, text: &str) -> Result<Self, String> {
        let table: Table = text.parse().map_err(|error: toml::de::Error| error.to_string())?;
        let mut file = File { path: path.to_owned(), ..File::default() };
        for (key, value) in table {
            if key == QUEUE {
                file.queues = queues::parse(value)?;
                continue;
            }
            let Some(setting) = SETTINGS.iter().find(|setting| setting.key == key) else {
                let known = SETTINGS.iter().map(|setting| setting.key).chain([QUEUE]);
                return Err(unknown(&format!("there is no setting {key}"), &key, known));
            };
            let text =
                scalar(&value).ok_or_else(|| format!("setting {key}: must be text, a number or true or false"))?;
            file.values.insert(setting.key, text);
        }
        Ok(file)
    }
}

/// Returns the text of a plain value.
pub(crate) fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Integer(number) => Some(number.to_string()),
        Value::Float(number) => Some(number.to_string()),
        Value::Boolean(truth) => Some(truth.to_string()),
        Value::Datetime(_) | Value::Array(_) | Value::Table(_) => None,
    }
}

/// Returns the complaint about a word that is not known, with the one that was probably meant.
pub(crate) fn unknown<'a>(complaint: &str, word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    match nearest(word, known) {
        Some(meant) => format!("{complaint}; did you mean {meant}?"),
        None => complaint.to_owned(),
    }
}
