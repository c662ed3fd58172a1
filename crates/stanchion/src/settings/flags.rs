//! Settings on the command line, and the flag that names the file.

use std::collections::HashMap;
use std::path::PathBuf;

use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, value_parser};

use super::table::SETTINGS;

/// The flags that were given, unread: a value means something only once it is known which source wins.
#[derive(Clone, Debug, Default)]
pub(crate) struct Flags {
    /// `--config`.
    pub(crate) config: Option<PathBuf>,
    /// Key of a setting to the text of its value.
    pub(crate) values: HashMap<&'static str, String>,
}

impl clap::Args for Flags {
    fn augment_args(mut command: clap::Command) -> clap::Command {
        command = command.arg(
            Arg::new("config").long("config").value_name("FILE").value_parser(value_parser!(PathBuf)).help(
                "File with settings and queues to declare, in TOML. Without it, ./stanchion.toml if that exists. \
                 [env: STANCHION_CONFIG]",
            ),
        );
        for setting in &SETTINGS {
            let default = match setting.default {
                "" => String::new(),
                default => format!(" [default: {default}]"),
            };
            let help = format!("{} [env: {}]{default}", setting.help, setting.variable());
            let mut arg = Arg::new(setting.key).long(setting.flag()).value_name(setting.value).help(help);
            if setting.is_switch() {
                arg = arg.num_args(0..=1).default_missing_value("on");
            }
            command = command.arg(arg);
        }
        command
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        Self::augment_args(command)
    }
}

impl clap::FromArgMatches for Flags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut flags = Flags::default();
        flags.update_from_arg_matches(matches)?;
        Ok(flags)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        self.config = matches.get_one::<PathBuf>("config").cloned();
        for setting in &SETTINGS {
            if matches.value_source(setting.key) == Some(ValueSource::CommandLine)
                && let Some(value) = matches.get_one::<String>(setting.key)
            {
                self.values.insert(setting.key, value.clone());
            }
        }
        Ok(())
    }
}
