//! A program that is run to its end, for its output or its failure in words.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Stdio};

/// A program and its arguments. It gets no input.
#[derive(Debug)]
pub struct Tool(Command);

impl Tool {
    /// A program that is looked for in `PATH`, with a UTF-8 locale.
    #[must_use]
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        let mut command = Command::new(program);
        command.stdin(Stdio::null()).env("LC_ALL", "C.UTF-8");
        Tool(command)
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.0.arg(argument);
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<Argument: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = Argument>) -> Self {
        self.0.args(arguments);
        self
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.0.env(name, value);
        self
    }

    /// Sets the working directory.
    #[must_use]
    pub fn current_dir(mut self, directory: &Path) -> Self {
        self.0.current_dir(directory);
        self
    }

    /// Runs it and returns its standard output.
    ///
    /// # Errors
    ///
    /// The cause, in words, if it cannot be started or its exit code is not 0.
    pub fn output(mut self) -> Result<String, String> {
        let program = self.0.get_program().to_string_lossy().into_owned();
        let run = self.0.output().map_err(|error| format!("cannot run {program}: {error}"))?;
        if run.status.success() {
            return Ok(String::from_utf8_lossy(&run.stdout).into_owned());
        }
        let said = String::from_utf8_lossy(&run.stderr);
        Err(format!("{program} failed ({}): {}", run.status, said.trim().replace('\n', "; ")))
    }

    /// Runs it.
    ///
    /// # Errors
    ///
    /// As [`Tool::output`].
    pub fn run(self) -> Result<(), String> {
        self.output().map(drop)
    }
}
