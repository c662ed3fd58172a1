//! The data directory and its keyring alone, for commands that need no other setting.

use std::path::PathBuf;

use crate::cli::Stop;

use super::{Flags, Settings};

/// Which data directory.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct DataFlags {
    /// Data directory of the server. [env: STANCHION_DATA_DIR] [default: ./stanchion-data]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<String>,
    /// Keyring of the data directory: a file, env:NAME or command:COMMAND. [env: STANCHION_KEYRING] [default: the file
    /// keyring in the data directory]
    #[arg(long, value_name = "KEYRING")]
    keyring: Option<String>,
    /// Settings file that names the data directory. Without it, ./stanchion.toml if that exists. [env: STANCHION_CONFIG]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl DataFlags {
    /// Returns the settings of the server.
    ///
    /// # Errors
    /// A setting that is wrong.
    pub(crate) fn settings(&self) -> Result<Settings, Stop> {
        let mut flags = Flags { config: self.config.clone(), ..Flags::default() };
        flags.values.extend(self.data_dir.clone().map(|directory| ("data_dir", directory)));
        flags.values.extend(self.keyring.clone().map(|keyring| ("keyring", keyring)));
        Settings::load(&flags).map_err(Stop::misused)
    }

    /// Returns the data directory.
    ///
    /// # Errors
    /// As [`settings`](DataFlags::settings).
    pub(crate) fn directory(&self) -> Result<PathBuf, Stop> {
        Ok(self.settings()?.data_dir)
    }
}
