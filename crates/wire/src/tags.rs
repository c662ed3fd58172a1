//! The rules for tags, also those of queues that a configuration file declares.

use stanchion_types::limits::{TAG_KEY_CHARS_MAX, TAG_VALUE_CHARS_MAX, TAGS_MAX};
use stanchion_types::{Error, QueueName};

use crate::choices;

/// Checks keys and values, and sorts by key.
///
/// # Errors
/// `InvalidParameterValue` for the first tag whose key or value is too long, has other characters than tags may have,
/// or whose key begins with `aws:`.
pub fn check(tags: Vec<(&str, &str)>) -> Result<Vec<(String, String)>, Error> {
    for (key, value) in &tags {
        check_tag(key, value)?;
    }
    let mut tags: Vec<_> = tags.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
    tags.sort();
    Ok(tags)
}

/// Checks the number of a queue's tags.
///
/// # Errors
/// `InvalidParameterValue`, which names the queue, if there are more than 50.
pub fn check_count(tags: &[(String, String)], queue: &QueueName) -> Result<(), Error> {
    if tags.len() <= TAGS_MAX {
        return Ok(());
    }
    Err(Error::invalid_parameter(format!("Too many tags added for queue {queue}.")))
}

fn check_tag(key: &str, value: &str) -> Result<(), Error> {
    if !(1..=TAG_KEY_CHARS_MAX).contains(&key.chars().count()) {
        let message = format!("Tag keys must be between 1 and {TAG_KEY_CHARS_MAX} characters in length.");
        return Err(Error::invalid_parameter(message));
    }
    if value.chars().count() > TAG_VALUE_CHARS_MAX {
        return Err(choices::tag_value_length());
    }
    if !key.chars().all(is_tag_character) {
        return Err(choices::tag_characters("keys"));
    }
    if !value.chars().all(is_tag_character) {
        return Err(choices::tag_characters("values"));
    }
    if key.starts_with("aws:") {
        return Err(choices::reserved_tag_key());
    }
    Ok(())
}

fn is_tag_character(character: char) -> bool {
    let whitespace = character.is_whitespace() && !character.is_control();
    character.is_alphanumeric() || whitespace || "_.:/=+-@".contains(character)
}
