//! The `std.*` actions, as Mistral's `std_actions.py` defines them.
//!
//! The table of them is here; what they do is in one file a family: `plain` needs nothing but
//! its input, `http`, `ssh` and `email` go over the network, `javascript` leads to a pack.

pub(crate) mod email;
pub(crate) mod http;
pub(crate) mod javascript;
mod plain;
mod python;
pub(crate) mod ssh;

use std::sync::Arc;

use ostro_core::{ActionCall, ActionError, ActionErrorKind, ActionOutcome, Map, Value};

use crate::describe::{ActionDescription, ActionKind, Parameter};
use http::HttpOptions;
use ssh::SshOptions;

/// A std action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standard {
    AsyncNoop,
    Echo,
    Email,
    Fail,
    Http,
    Javascript,
    Js,
    MistralHttp,
    Noop,
    Sleep,
    Ssh,
    SshProxied,
    TestDict,
    WaitSsh,
}

/// What the std actions may do, and where they find what they need.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    pub(crate) http: HttpOptions,
    pub(crate) ssh: SshOptions,
}

impl Standard {
    /// Whether it reaches nothing outside of this process.
    pub(crate) fn only_reads(self) -> bool {
        match self {
            Standard::Echo
            | Standard::Fail
            | Standard::Javascript
            | Standard::Js
            | Standard::Noop
            | Standard::Sleep
            | Standard::TestDict => true,
            Standard::AsyncNoop
            | Standard::Email
            | Standard::Http
            | Standard::MistralHttp
            | Standard::Ssh
            | Standard::SshProxied
            | Standard::WaitSsh => false,
        }
    }

    const ALL: [Standard; 14] = [
        Standard::AsyncNoop,
        Standard::Echo,
        Standard::Email,
        Standard::Fail,
        Standard::Http,
        Standard::Javascript,
        Standard::Js,
        Standard::MistralHttp,
        Standard::Noop,
        Standard::Sleep,
        Standard::Ssh,
        Standard::SshProxied,
        Standard::TestDict,
        Standard::WaitSsh,
    ];

    /// The action with this full name.
    pub(crate) fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.name() == name)
    }

    /// The full names of all of them.
    pub(crate) fn names() -> impl Iterator<Item = &'static str> {
        Self::ALL.into_iter().map(Self::name)
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Standard::AsyncNoop => "std.async_noop",
            Standard::Echo => "std.echo",
            Standard::Email => "std.email",
            Standard::Fail => "std.fail",
            Standard::Http => "std.http",
            Standard::Javascript => "std.javascript",
            Standard::Js => "std.js",
            Standard::MistralHttp => "std.mistral_http",
            Standard::Noop => "std.noop",
            Standard::Sleep => "std.sleep",
            Standard::Ssh => "std.ssh",
            Standard::SshProxied => "std.ssh_proxied",
            Standard::TestDict => "std.test_dict",
            Standard::WaitSsh => "std.wait_ssh",
        }
    }

    fn docs(self) -> &'static str {
        match self {
            Standard::AsyncNoop => "Does nothing until somebody finishes it from outside.",
            Standard::Echo => "Gives `output` after `delay` seconds.",
            Standard::Email => {
                "Sends a mail; with `smtp_password`, over TLS and logged in as `from_addr`."
            }
            Standard::Fail => "Fails, with `error_data` as its result if there is any.",
            Standard::Http => {
                "Sends a request; fails with the answer if its status is not from 200 to 306."
            }
            Standard::Javascript | Standard::Js => {
                "Runs `script` as the body of a function, with `context` as `$`; needs the pack \
                 of plugins/javascript."
            }
            Standard::MistralHttp => {
                "Sends a request that says how to finish this action from outside."
            }
            Standard::Noop => "Does nothing.",
            Standard::Sleep => "Sleeps for whole `seconds`.",
            Standard::Ssh => "Runs `cmd` on `host`, or on each of a list of hosts.",
            Standard::SshProxied => "Runs `cmd` on `host`, reached from `gateway_host`.",
            Standard::TestDict => {
                "Gives a map of `size` entries, `key_prefix` and a number to `val`."
            }
            Standard::WaitSsh => "Runs `ls -l` on `host`: with a retry, waits until it can.",
        }
    }

    /// Its parameters; those with a default may be left out.
    pub(crate) fn parameters(self) -> Vec<Parameter> {
        let required = |name: &'static str| Parameter::required(name);
        let nullable = |name: &'static str| Parameter::optional(name, Value::Null);
        match self {
            Standard::AsyncNoop | Standard::Noop => vec![],
            Standard::Echo => vec![required("output"), Parameter::optional("delay", 0)],
            Standard::Email => email::parameters(),
            Standard::Fail => vec![nullable("error_data")],
            Standard::Http | Standard::MistralHttp => http::parameters(),
            Standard::Javascript | Standard::Js => vec![required("script"), nullable("context")],
            Standard::Sleep => vec![Parameter::optional("seconds", 1)],
            Standard::Ssh => ssh::parameters(),
            Standard::SshProxied => ssh::proxied_parameters(),
            Standard::TestDict => vec![
                Parameter::optional("size", 0),
                Parameter::optional("key_prefix", ""),
                Parameter::optional("val", ""),
            ],
            Standard::WaitSsh => ["host", "username", "password"].map(required).into(),
        }
    }

    pub(crate) fn describe(self) -> ActionDescription {
        ActionDescription {
            name: self.name().into(),
            kind: ActionKind::Standard,
            parameters: self.parameters(),
            result: None,
            docs: Some(self.docs().into()),
        }
    }

    /// Runs it with an input whose names have been checked.
    pub(crate) async fn run(
        self,
        input: &Map,
        call: &ActionCall,
        options: &Options,
    ) -> ActionOutcome {
        let result = match self {
            Standard::Noop => Ok(Value::Null),
            Standard::AsyncNoop => return ActionOutcome::Deferred,
            Standard::Fail => Err(plain::fail(input.get("error_data"))),
            Standard::Echo => plain::echo(input).await,
            Standard::Sleep => plain::sleep(input.get("seconds")).await,
            Standard::TestDict => plain::test_dict(input),
            Standard::Http => http::run(input, None, &options.http).await,
            Standard::MistralHttp => {
                match http::run(input, Some(&call.context), &options.http).await {
                    // What the remote says at once is not the result.
                    Ok(_) => return ActionOutcome::Deferred,
                    Err(error) => Err(error),
                }
            }
            Standard::Ssh => ssh::run(self.name(), input, &options.ssh).await,
            Standard::SshProxied => ssh::run_proxied(self.name(), input, &options.ssh).await,
            Standard::WaitSsh => ssh::wait(self.name(), input, &options.ssh).await,
            Standard::Email => email::run(input).await,
            Standard::Javascript | Standard::Js => Err(javascript::missing(self.name())),
        };
        match result {
            Ok(value) => ActionOutcome::Success(value),
            Err(error) => ActionOutcome::Error(error),
        }
    }
}

/// The input of a std action, read as Python would.
struct Input<'a> {
    action: &'static str,
    entries: &'a Map,
}

impl<'a> Input<'a> {
    fn new(action: &'static str, entries: &'a Map) -> Self {
        Self { action, entries }
    }

    /// A parameter that is neither left out nor null.
    fn given(&self, parameter: &str) -> Option<&'a Value> {
        self.entries.get(parameter).filter(|value| !value.is_null())
    }

    /// A parameter that must be text.
    fn text(&self, parameter: &str) -> Result<&'a str, ActionError> {
        self.optional_text(parameter)?
            .ok_or_else(|| call_error(format!("{}: {parameter} must not be null", self.action)))
    }

    /// A parameter that must be text, where it is given.
    fn optional_text(&self, parameter: &str) -> Result<Option<&'a str>, ActionError> {
        match self.given(parameter) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(wrong(self.action, parameter, other)),
        }
    }

    /// A parameter that must be a list of texts; empty where it is not given.
    fn texts(&self, parameter: &str) -> Result<Vec<Arc<str>>, ActionError> {
        let Some(value) = self.given(parameter).filter(|value| value.is_truthy()) else {
            return Ok(Vec::new());
        };
        let items = value
            .as_list()
            .ok_or_else(|| wrong(self.action, parameter, value))?;
        let text = |item: &Value| match item {
            Value::String(text) => Ok(Arc::clone(text)),
            other => Err(wrong(
                self.action,
                &format!("an item of {parameter}"),
                other,
            )),
        };
        items.iter().map(text).collect()
    }
}

fn wrong(action: &str, parameter: &str, value: &Value) -> ActionError {
    call_error(format!(
        "{action}: {parameter} cannot be of type {}",
        value.kind()
    ))
}

fn call_error(message: impl Into<String>) -> ActionError {
    ActionError::new(ActionErrorKind::Call, message)
}
