//! `std.ssh`, `std.ssh_proxied` and `std.wait_ssh`: a command on other machines, as Mistral runs
//! it with paramiko.
//!
//! A login tries what paramiko tries: the given key, the keys of the SSH agent, the keys of the
//! SSH folder, the password. Host keys are taken as they come: Mistral knows none, and accepts
//! all (`AutoAddPolicy`).

mod keys;
mod session;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use ostro_core::{ActionError, ActionErrorKind, Map, Value};
use ostro_lang::python_str;

use super::{Input, wrong};
use crate::describe::Parameter;
use session::{Login, Output, Session};

/// Where the SSH actions find keys, and what they may do.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SshOptions {
    /// The folder of `private_key_filename`, and of the keys that are tried when no other is
    /// given; `~/.ssh` where it is not set.
    pub key_folder: Option<PathBuf>,
    /// The port of hosts and gateways. Mistral knows only 22.
    pub port: u16,
    /// Whether `proxy_command` may run a command on this machine. Mistral always does; here it
    /// is off, because it lets whoever writes a workflow run anything.
    pub proxy_commands: bool,
    /// How long connecting, and logging in, may take.
    pub timeout: Duration,
    /// How much a command may print.
    pub max_output_bytes: usize,
}

impl Default for SshOptions {
    fn default() -> Self {
        Self {
            key_folder: std::env::home_dir().map(|home| home.join(".ssh")),
            port: 22,
            proxy_commands: false,
            timeout: Duration::from_mins(1),
            max_output_bytes: 16 << 20,
        }
    }
}

pub(super) fn parameters() -> Vec<Parameter> {
    let required = |name: &'static str| Parameter::required(name);
    let mut parameters: Vec<Parameter> = ["cmd", "host", "username"].map(required).into();
    parameters.extend([
        Parameter::optional("password", ""),
        Parameter::optional("private_key_filename", Value::Null),
        Parameter::optional("private_key", Value::Null),
        Parameter::optional("return_result_on_error", false),
    ]);
    parameters
}

pub(super) fn proxied_parameters() -> Vec<Parameter> {
    let required = |name: &'static str| Parameter::required(name);
    let nullable = |name: &'static str| Parameter::optional(name, Value::Null);
    let mut parameters: Vec<Parameter> = [
        "cmd",
        "host",
        "username",
        "private_key_filename",
        "gateway_host",
    ]
    .map(required)
    .into();
    parameters.extend(
        [
            "gateway_username",
            "password",
            "proxy_command",
            "private_key",
        ]
        .map(nullable),
    );
    parameters
}

/// Why a command gave no result.
enum Failure {
    /// The machine cannot be reached, or does not let us in.
    Unreachable(String),
    /// The action cannot be done with this input.
    Call(String),
    /// The command printed too much.
    Limit(usize),
    /// The command ran and failed.
    Command(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Unreachable(reason) | Failure::Call(reason) | Failure::Command(reason) => {
                f.write_str(reason)
            }
            Failure::Limit(bytes) => write!(f, "it printed more than {bytes} bytes"),
        }
    }
}

/// One command for one or several hosts.
struct Job<'a> {
    cmd: &'a str,
    hosts: Vec<&'a str>,
    login: Login<'a>,
    return_result_on_error: bool,
}

impl<'a> Job<'a> {
    fn read(
        input: &Input<'a>,
        cmd: &'a str,
        default_password: Option<&'a str>,
    ) -> Result<Self, ActionError> {
        let host = input.entries.get("host");
        let hosts = match host {
            Some(Value::List(items)) => items
                .iter()
                .map(|item| {
                    item.as_str()
                        .ok_or_else(|| wrong(input.action, "an item of host", item))
                })
                .collect::<Result<_, _>>()?,
            _ => vec![input.text("host")?],
        };
        let password = match input.entries.get("password") {
            None => default_password,
            Some(_) => input.optional_text("password")?,
        };
        Ok(Self {
            cmd,
            hosts,
            login: Login {
                username: input.text("username")?,
                password,
                key_file: input.optional_text("private_key_filename")?,
                key: input.optional_text("private_key")?,
            },
            return_result_on_error: input
                .given("return_result_on_error")
                .is_some_and(Value::is_truthy),
        })
    }

    /// What Mistral says of a command that failed, and for a person the reason with it.
    fn error(&self, failure: &Failure) -> ActionError {
        let hosts: Value = self.hosts.iter().map(|host| Value::from(*host)).collect();
        let mut said = format!(
            "Failed to execute ssh cmd '{}' on {}",
            self.cmd,
            python_str(&hosts)
        );
        // A command may have the password in it.
        if let Some(password) = self.login.password.filter(|password| !password.is_empty()) {
            said = said.replace(password, "***");
        }
        ActionError {
            kind: match failure {
                Failure::Unreachable(_) => ActionErrorKind::Host,
                Failure::Call(_) => ActionErrorKind::Call,
                Failure::Limit(_) => ActionErrorKind::Limit,
                Failure::Command(_) => ActionErrorKind::Action,
            },
            message: format!("{said}: {failure}"),
            value: said.as_str().into(),
        }
    }

    /// The result for one host.
    fn result(&self, output: Output) -> Result<Value, Failure> {
        let text = |bytes: Vec<u8>| {
            String::from_utf8(bytes)
                .map_err(|_| Failure::Command("what it printed is not UTF-8".to_owned()))
        };
        if self.return_result_on_error {
            let entries = [
                ("stdout", Value::from(text(output.stdout)?)),
                ("stderr", text(output.stderr)?.into()),
                ("exit_code", output.exit_code.into()),
            ];
            return Ok(entries.into_iter().collect());
        }
        match output.exit_code {
            0 => Ok(text(output.stdout)?.into()),
            -1 => Err(Failure::Command("it was ended by a signal".to_owned())),
            code => Err(Failure::Command(format!("it ended with {code}"))),
        }
    }

    /// The results as Mistral gives them: of one host alone, of several as a list.
    fn whole(&self, mut results: Vec<Value>) -> Result<Value, ActionError> {
        match results.len() {
            0 => Err(self.error(&Failure::Call("there is no host".to_owned()))),
            1 => Ok(results.swap_remove(0)),
            _ => Ok(results.into()),
        }
    }
}

/// `std.ssh`.
pub(super) async fn run(
    action: &'static str,
    input: &Map,
    options: &SshOptions,
) -> Result<Value, ActionError> {
    let input = Input::new(action, input);
    let job = Job::read(&input, input.text("cmd")?, Some(""))?;
    run_job(&job, options).await
}

async fn run_job(job: &Job<'_>, options: &SshOptions) -> Result<Value, ActionError> {
    let mut results = Vec::with_capacity(job.hosts.len());
    for host in &job.hosts {
        let result = on_host(job, host, options).await;
        results.push(result.map_err(|failure| job.error(&failure))?);
    }
    job.whole(results)
}

async fn on_host(job: &Job<'_>, host: &str, options: &SshOptions) -> Result<Value, Failure> {
    let key = keys::given(&job.login, options)?;
    let session = Session::connect(host, options).await?;
    let session = session.log_in(&job.login, key.as_ref(), options).await?;
    job.result(session.execute(job.cmd, options).await?)
}

/// `std.ssh_proxied`.
pub(super) async fn run_proxied(
    action: &'static str,
    input: &Map,
    options: &SshOptions,
) -> Result<Value, ActionError> {
    let input = Input::new(action, input);
    let job = Job::read(&input, input.text("cmd")?, None)?;
    let gateway = input.text("gateway_host")?;
    let gateway_username = input
        .optional_text("gateway_username")?
        .filter(|name| !name.is_empty());
    let proxy_command = input
        .optional_text("proxy_command")?
        .filter(|command| !command.is_empty());
    let mut results = Vec::with_capacity(job.hosts.len());
    for host in &job.hosts {
        let result = async {
            let key = keys::given(&job.login, options)?;
            // As in Mistral, the password only opens the key.
            let login = Login {
                password: None,
                ..job.login
            };
            let at_gateway = Login {
                username: gateway_username.unwrap_or(login.username),
                ..login
            };
            let outer = match proxy_command {
                Some(command) => Session::through_command(command, options).await?,
                None => Session::connect(gateway, options).await?,
            };
            let outer = outer.log_in(&at_gateway, key.as_ref(), options).await?;
            let inner = outer.connect_onward(host, options).await?;
            let inner = inner.log_in(&login, key.as_ref(), options).await?;
            job.result(inner.execute(job.cmd, options).await?)
        };
        let result: Result<Value, Failure> = result.await;
        results.push(result.map_err(|failure| job.error(&failure))?);
    }
    job.whole(results)
}

/// `std.wait_ssh`: an ad-hoc action in Mistral, over `std.ssh`.
pub(super) async fn wait(
    action: &'static str,
    input: &Map,
    options: &SshOptions,
) -> Result<Value, ActionError> {
    let job = Job::read(&Input::new(action, input), "ls -l", None)?;
    run_job(&job, options).await
}
