//! `stanchion keys`.

use std::io::{self, Write};

use stanchion_auth::{NewKey, RANDOM_BYTES};
use stanchion_types::AccountId;

use crate::cli::{KeysCommand, Stop};
use crate::credentials::{Credentials, edit};

/// Does what was asked for.
pub(crate) fn run(command: &KeysCommand) -> Result<(), Stop> {
    let KeysCommand::Create { credentials, account, user } = command;
    if AccountId::new(account).is_none() {
        return Err(Stop::misused(format_args!("{account:?} is no account: it must be 12 digits")));
    }
    // A file that a server would refuse is not written to: the key would not work.
    if credentials.exists() {
        Credentials::peek(credentials).map_err(Stop::failed)?;
    }
    let mut random = [0; RANDOM_BYTES];
    getrandom::fill(&mut random).map_err(Stop::failed)?;
    let key = NewKey::generate(&random);
    edit::add_key(credentials, account, user.as_deref(), &key).map_err(Stop::failed)?;
    Credentials::peek(credentials).map_err(Stop::failed)?;
    let mut out = io::stdout().lock();
    writeln!(out, "AWS_ACCESS_KEY_ID={}", key.id).map_err(Stop::failed)?;
    writeln!(out, "AWS_SECRET_ACCESS_KEY={}", key.secret.reveal()).map_err(Stop::failed)?;
    out.flush().map_err(Stop::failed)
}
