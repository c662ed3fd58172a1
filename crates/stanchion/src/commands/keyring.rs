//! `stanchion keyring`.

use std::path::Path;

use stanchion_keyring::Keyring;
use stanchion_keyring::source::{self, Source};

use crate::cli::{KeyringCommand, Stop};
use crate::clock::now;
use crate::control::client::Connection;
use crate::control::{REWRAP, Rewrapped};
use crate::settings::Settings;
use crate::storage;
use crate::words::{count, say, utc};

/// Makes a keyring, or goes over to a new key.
pub(crate) fn run(command: &KeyringCommand) -> Result<(), Stop> {
    match command {
        KeyringCommand::Create { file } => create(file).map_err(Stop::failed),
        KeyringCommand::Rotate { data } => rotate(&data.settings()?).map_err(Stop::failed),
    }
}

fn create(file: &Path) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("cannot make {}: {error}", file.display());
    let keyring = Keyring::draw(&day()).map_err(failed)?;
    source::create(file, &keyring).map_err(failed)?;
    say!(
        "{}: a keyring with key {}; without it nothing can be read, so keep a copy",
        file.display(),
        keyring.primary()
    );
    Ok(())
}

fn rotate(settings: &Settings) -> Result<(), String> {
    let source = storage::keyring_source(&settings.data_dir, settings);
    // What cannot be read is not replaced.
    let mut keyring = source.load().map_err(|error| error.to_string())?;
    if let Source::File(path) = &source {
        let name = free_name(&keyring, &day());
        let failed = |error: std::io::Error| format!("cannot change the keyring {source}: {error}");
        keyring.add(&name).map_err(failed)?;
        source::replace(path, &keyring).map_err(failed)?;
        say!("{source}: key {name} is new and the primary one");
    }
    let Some(mut connection) = Connection::open(&settings.data_dir)? else {
        say!("no server is running: the next start wraps the data keys under key {}", keyring.primary());
        return Ok(());
    };
    let done: Rewrapped = connection.ask(REWRAP, &()).map_err(|refused| refused.text)?;
    say!("wrapped {} under key {}", count(done.keys, "data key"), done.primary);
    if done.primary != keyring.primary() {
        return Err(format!(
            "the server has another keyring than {source}, whose primary key is {}",
            keyring.primary()
        ));
    }
    Ok(())
}

/// Returns the day, as the name of a key.
fn day() -> String {
    utc(now()).chars().take(10).collect()
}

/// Returns a name that no key of a keyring has.
fn free_name(keyring: &Keyring, base: &str) -> String {
    let taken = |name: &String| keyring.names().any(|other| other == name);
    let mut name = base.to_owned();
    let mut number = 1;
    while taken(&name) {
        number += 1;
        name = format!("{base}-{number}");
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_key_of_a_day_has_a_name_of_its_own() {
        let mut keyring = Keyring::draw("2026-11-21").expect("drawn");
        for expected in ["2026-11-21-2", "2026-11-21-3"] {
            let name = free_name(&keyring, "2026-11-21");
            assert_eq!(name, expected);
            keyring.add(&name).expect("drawn");
        }
        assert_eq!(free_name(&keyring, "2026-11-22"), "2026-11-22");
        assert_eq!(day().len(), 10);
    }
}
