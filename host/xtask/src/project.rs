//! The checkout, and how its chores run other programs.

use std::env;
use std::ffi::OsStr;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

/// The checkout that the chores work on.
pub(crate) struct Project {
    root: PathBuf,
    cargo: PathBuf,
}

impl Project {
    /// The checkout of the `cargo` that runs this.
    pub(crate) fn find() -> Result<Self> {
        let package = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
        let root = package
            .as_deref()
            .and_then(|package| package.ancestors().nth(2))
            .context("not run by cargo; run `cargo xtask` inside the checkout")?;
        let cargo = env::var_os("CARGO").map_or_else(|| PathBuf::from("cargo"), PathBuf::from);
        Ok(Self {
            root: root.to_owned(),
            cargo,
        })
    }

    /// `path` inside the checkout, absolute.
    pub(crate) fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        self.root.join(path)
    }

    /// `path` as a person in the checkout would write it.
    pub(crate) fn display<'p>(&self, path: &'p Path) -> std::path::Display<'p> {
        path.strip_prefix(&self.root).unwrap_or(path).display()
    }

    /// A command that starts at the root of the checkout.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.root);
        // What cargo tells the package that it runs is not about what is built from here.
        for (name, _) in env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
                command.env_remove(name);
            }
        }
        command
    }

    /// `cargo` with `arguments`, at the root of the checkout.
    pub(crate) fn cargo<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Command {
        let mut command = self.command(&self.cargo);
        command.args(arguments);
        command
    }
}

/// Run `command` to its end; a failure names it and, where it is missing, `remedy`.
pub(crate) fn complete(command: &mut Command, remedy: &str) -> Result<()> {
    let name = shown(command);
    let status = command
        .status()
        .map_err(|error| not_started(&name, error, remedy))?;
    if !status.success() {
        bail!("`{name}` ended with {status}");
    }
    Ok(())
}

/// Run `command` to its end and return what it wrote to its standard output.
pub(crate) fn output(command: &mut Command, remedy: &str) -> Result<Vec<u8>> {
    let name = shown(command);
    let done = command
        .stderr(std::process::Stdio::inherit())
        .output()
        .map_err(|error| not_started(&name, error, remedy))?;
    if !done.status.success() {
        bail!("`{name}` ended with {}", done.status);
    }
    Ok(done.stdout)
}

/// Why `name` did not start, and what to do about it.
pub(crate) fn not_started(name: &str, error: std::io::Error, remedy: &str) -> anyhow::Error {
    if error.kind() == ErrorKind::NotFound {
        anyhow::anyhow!("`{name}` is not there to be run; {remedy}")
    } else {
        anyhow::Error::new(error).context(format!("`{name}` could not be started"))
    }
}

/// `command` as a person would type it, with programs by their bare names.
pub(crate) fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let program = program.file_name().unwrap_or(program.as_os_str());
    std::iter::once(program)
        .chain(command.get_args())
        .map(OsStr::to_string_lossy)
        .collect::<Vec<_>>()
        .join(" ")
}

/// `time` to a tenth of a second, with minutes once there are any.
pub(crate) fn seconds(time: Duration) -> String {
    let (minutes, rest) = (time.as_secs() / 60, time.as_secs_f64() % 60.0);
    if minutes == 0 {
        format!("{rest:.1} s")
    } else {
        format!("{minutes} min {rest:.0} s")
    }
}

/// Print the heading of what comes next.
pub(crate) fn heading(text: &str) {
    // Standard error, as the progress of everything that runs below it goes there too.
    eprintln!("\n==> {text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_shown_as_a_person_would_type_it() {
        let mut command = Command::new("/some/where/bin/cargo");
        command.args(["test", "--workspace"]);
        assert_eq!(shown(&command), "cargo test --workspace");
    }

    #[test]
    fn a_missing_program_says_what_to_do() {
        let error = complete(&mut Command::new("no-such-program-anywhere"), "install it")
            .expect_err("nothing to run");
        assert_eq!(
            error.to_string(),
            "`no-such-program-anywhere` is not there to be run; install it"
        );
    }

    #[test]
    fn a_failing_program_is_named_with_its_status() {
        let error = complete(Command::new("sh").args(["-c", "exit 3"]), "")
            .expect_err("the status is not zero");
        assert_eq!(
            error.to_string(),
            "`sh -c exit 3` ended with exit status: 3"
        );
    }

    #[test]
    fn times_are_readable() {
        assert_eq!(seconds(Duration::from_millis(1_260)), "1.3 s");
        assert_eq!(seconds(Duration::from_secs(125)), "2 min 5 s");
    }
}
