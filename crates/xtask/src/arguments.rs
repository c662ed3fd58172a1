//! The command line.

/// What to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// Prints the usage.
    Help,
    /// Runs the steps of the test command.
    Test,
    /// Runs the client suites.
    Clients,
    /// Runs the simulator.
    Sim,
    /// Plants bugs for the simulator to find.
    SimBugs,
    /// Measures deep backlogs.
    Depth,
    /// Measures the server beside the yardstick.
    BenchReport,
    /// Counts the instructions of each kind of request.
    Instructions,
    /// Loads a server for as long as one likes.
    Soak,
}

/// The command line, checked.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Arguments {
    /// What to do.
    pub(crate) command: Command,
    /// Leaves the client suites out of the test command.
    pub(crate) fast: bool,
    /// Prints the names instead of running anything.
    pub(crate) list: bool,
    /// A missing toolchain is an error instead of a remark.
    pub(crate) require_all: bool,
    /// Commits what was counted instead of comparing it.
    pub(crate) bless: bool,
    /// The steps or suites to run; empty means all.
    pub(crate) only: Vec<String>,
    /// A server that is already running.
    pub(crate) endpoint: Option<String>,
    /// How long a soak takes.
    pub(crate) minutes: Option<u64>,
    /// Words that the program that is run understands.
    pub(crate) passed_on: Vec<String>,
}

impl Arguments {
    /// This function reads the words after the program's name, and `CI` from the environment.
    ///
    /// # Errors
    ///
    /// A sentence for the user, when a word is not known or lacks its value.
    pub(crate) fn parse(words: impl Iterator<Item = String>) -> Result<Self, String> {
        let on_build_machine = std::env::var("CI").is_ok_and(|value| value == "true");
        Self::parse_with(words, on_build_machine)
    }

    fn parse_with(mut words: impl Iterator<Item = String>, on_build_machine: bool) -> Result<Self, String> {
        let name = words.next().unwrap_or_else(|| "help".to_owned());
        let command = match name.as_str() {
            "help" | "--help" | "-h" => Command::Help,
            "test" | "ci" => Command::Test,
            "clients" => Command::Clients,
            "sim" => Command::Sim,
            "sim-bugs" => Command::SimBugs,
            "depth" => Command::Depth,
            "bench-report" => Command::BenchReport,
            "instructions" => Command::Instructions,
            "soak" => Command::Soak,
            other => return Err(format!("unknown command `{other}`")),
        };
        let mut arguments = Self {
            command,
            fast: false,
            list: false,
            bless: false,
            // Who asks for nothing but the counting wants it done.
            require_all: on_build_machine || matches!(name.as_str(), "ci" | "instructions"),
            only: Vec::new(),
            endpoint: None,
            minutes: None,
            passed_on: Vec::new(),
        };
        if command_passes_on(&arguments.command) {
            arguments.passed_on.extend(words);
            return Ok(arguments);
        }
        while let Some(word) = words.next() {
            match word.as_str() {
                "--fast" => arguments.fast = true,
                "--list" => arguments.list = true,
                "--bless" => arguments.bless = true,
                "--require-all" => arguments.require_all = true,
                "--only" | "--step" => arguments.only.push(value(&word, &mut words)?),
                "--minutes" => {
                    let text = value(&word, &mut words)?;
                    let minutes = text.parse().ok().filter(|minutes| *minutes > 0);
                    arguments.minutes =
                        Some(minutes.ok_or_else(|| format!("`--minutes {text}` is no number above 0"))?);
                }
                "--endpoint" => arguments.endpoint = Some(value(&word, &mut words)?),
                "--help" | "-h" => arguments.command = Command::Help,
                other => return Err(format!("unknown option `{other}`")),
            }
        }
        Ok(arguments)
    }

    /// This function tells whether a step or suite was asked for.
    pub(crate) fn wants(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == name)
    }

    /// This function refuses names that are none of `known`.
    ///
    /// # Errors
    ///
    /// A sentence that names the stranger and lists the known ones.
    pub(crate) fn check_names(&self, known: &[&str]) -> Result<(), String> {
        match self.only.iter().find(|only| !known.contains(&only.as_str())) {
            None => Ok(()),
            Some(stranger) => Err(format!("there is no `{stranger}`; the names are: {}", known.join(", "))),
        }
    }
}

/// Tells whether all further words belong to the program that the command runs.
fn command_passes_on(command: &Command) -> bool {
    matches!(command, Command::Depth | Command::BenchReport | Command::Sim | Command::SimBugs)
}

fn value(option: &str, words: &mut impl Iterator<Item = String>) -> Result<String, String> {
    words.next().ok_or_else(|| format!("`{option}` needs a value"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Arguments, String> {
        Arguments::parse_with(line.split_whitespace().map(str::to_owned), false)
    }

    #[test]
    fn options_are_read_into_their_fields() {
        let arguments = parse("clients --only go --only rust --endpoint http://127.0.0.1:1");
        let arguments = arguments.expect("a valid line");
        assert_eq!(arguments.command, Command::Clients);
        assert_eq!(arguments.only, ["go", "rust"]);
        assert_eq!(arguments.endpoint.as_deref(), Some("http://127.0.0.1:1"));
        assert!(!arguments.require_all);
    }

    #[test]
    fn the_words_after_depth_are_passed_on_as_they_are() {
        let arguments = parse("depth --scenario purge -n 5").expect("a valid line");
        assert_eq!(arguments.command, Command::Depth);
        assert_eq!(arguments.passed_on, ["--scenario", "purge", "-n", "5"]);
    }

    #[test]
    fn the_report_gets_its_words_as_they_are() {
        let arguments = parse("bench-report --only send --rounds 1").expect("a valid line");
        assert_eq!(
            (arguments.command, arguments.passed_on.join(" ")),
            (Command::BenchReport, "--only send --rounds 1".to_owned())
        );
    }

    #[test]
    fn figures_are_blessed_only_when_asked_for() {
        assert!(!parse("instructions").expect("a valid line").bless);
        let arguments = parse("instructions --bless").expect("a valid line");
        assert_eq!((arguments.command, arguments.bless), (Command::Instructions, true));
    }

    #[test]
    fn a_soak_takes_whole_minutes() {
        assert_eq!(parse("soak --minutes 120").expect("a valid line").minutes, Some(120));
        assert!(parse("soak --minutes 0").unwrap_err().contains("--minutes 0"));
        assert!(parse("soak --minutes").unwrap_err().contains("--minutes"));
    }

    #[test]
    fn the_simulator_gets_its_words_as_they_are() {
        let arguments = parse("sim power-cuts --seeds 7").expect("a valid line");
        assert_eq!(
            (arguments.command, arguments.passed_on.join(" ")),
            (Command::Sim, "power-cuts --seeds 7".to_owned())
        );
    }

    #[test]
    fn the_build_machine_requires_every_toolchain() {
        assert!(parse("ci").expect("a valid line").require_all);
    }

    #[test]
    fn unknown_words_and_missing_values_are_named() {
        assert!(parse("fly").unwrap_err().contains("fly"));
        assert!(parse("test --quick").unwrap_err().contains("--quick"));
        assert!(parse("clients --only").unwrap_err().contains("--only"));
    }

    #[test]
    fn unknown_names_are_refused() {
        let arguments = parse("clients --only perl").expect("a valid line");
        let message = arguments.check_names(&["go", "rust"]).expect_err("no such suite");
        assert!(message.contains("perl") && message.contains("go, rust"));
        assert!(parse("clients").expect("a valid line").wants("go"));
    }
}
