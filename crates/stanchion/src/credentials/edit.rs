//! Adding an access key to a file of credentials, which otherwise stays as somebody wrote it.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use stanchion_auth::NewKey;
use stanchion_keyring::private_file;
use toml_edit::{ArrayOfTables, DocumentMut, Item, Table, value};

/// Adds a key for a user, or without a name for the account itself. Account and user are made if they are not there.
///
/// # Errors
/// What is wrong with the file.
pub(crate) fn add_key(path: &Path, account: &str, user: Option<&str>, key: &NewKey) -> Result<(), String> {
    let named = |error: &dyn std::fmt::Display| format!("file {}: {error}", path.display());
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
        Err(error) => return Err(named(&error)),
    };
    // The message only: the whole error shows the line, on which a secret may stand.
    let mut document: DocumentMut =
        text.parse().map_err(|error: toml_edit::TomlError| named(&error.message().to_owned()))?;
    let accounts = tables(document.as_table_mut(), "accounts").map_err(|error| named(&error))?;
    let mut owner = entry(accounts, "id", account);
    if let Some(user) = user {
        owner = entry(tables(owner, "users").map_err(|error| named(&error))?, "name", user);
    }
    let keys = tables(owner, "keys").map_err(|error| named(&error))?;
    let mut table = Table::new();
    table["id"] = value(&key.id);
    table["secret"] = value(key.secret.reveal());
    keys.push(table);
    private_file::write(path, document.to_string().as_bytes()).map_err(|error| named(&error))
}

/// Returns a list of tables, which is made if it is not there.
fn tables<'t>(table: &'t mut Table, name: &str) -> Result<&'t mut ArrayOfTables, String> {
    let item = table.entry(name).or_insert_with(|| Item::ArrayOfTables(ArrayOfTables::new()));
    item.as_array_of_tables_mut().ok_or_else(|| format!("write {name} as tables, under [[...{name}]], to add to them"))
}

/// Returns the table with this value, which is made if it is not there.
fn entry<'t>(tables: &'t mut ArrayOfTables, key: &str, wanted: &str) -> &'t mut Table {
    let found = tables.iter().position(|table| table.get(key).and_then(Item::as_str) == Some(wanted));
    let at = found.unwrap_or_else(|| {
        let mut table = Table::new();
        table[key] = value(wanted);
        tables.push(table);
        tables.len() - 1
    });
    tables.get_mut(at).expect("the table was found or made")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use stanchion_auth::{Directory, RANDOM_BYTES};

    use super::*;

    #[test]
    fn a_key_is_added_to_what_is_there() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("credentials.toml");
        let keys = [1, 2, 3].map(|byte| NewKey::generate(&[byte; RANDOM_BYTES]));
        add_key(&path, "111122223333", Some("anna"), &keys[0]).unwrap();
        let written = format!("# kept\n{}", fs::read_to_string(&path).unwrap());
        fs::write(&path, written).unwrap();
        add_key(&path, "111122223333", Some("anna"), &keys[1]).unwrap();
        add_key(&path, "444455556666", None, &keys[2]).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("# kept\n"), "{text}");
        assert_eq!(text.matches("[[accounts]]").count(), 2, "{text}");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let directory = Directory::read(&text, &mut |_| Err("nothing to fetch".into())).unwrap();
        assert_eq!(directory.len(), 3);
    }

    #[test]
    fn a_file_that_cannot_be_read_stays_as_it_is() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("credentials.toml");
        let key = NewKey::generate(&[1; RANDOM_BYTES]);
        for text in ["secret = \"hunter2\" x", "accounts = []"] {
            fs::write(&path, text).unwrap();
            let error = add_key(&path, "111122223333", None, &key).unwrap_err();
            assert!(!error.contains("hunter2"), "{error}");
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
    }
}
