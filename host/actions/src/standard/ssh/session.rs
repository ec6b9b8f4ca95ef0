//! One connection: made, logged in, used for one command.

use std::future::Future;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use russh::client::{self, AuthResult, Handle, KeyboardInteractiveAuthResponse};
use russh::keys::agent::AgentIdentity;
use russh::keys::agent::client::AgentClient;
use russh::keys::{PrivateKey, PrivateKeyWithHashAlg, PublicKeyOrCertificate};
use russh::{ChannelMsg, MethodKind, MethodSet};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::process::Child;

use super::{Failure, SshOptions, keys};

/// A peer that is gone is noticed after three times this.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// How often a server may ask in one login.
const MAX_QUESTIONS: usize = 8;

/// Who logs in, and with what.
#[derive(Clone, Copy)]
pub(super) struct Login<'a> {
    pub(super) username: &'a str,
    pub(super) password: Option<&'a str>,
    pub(super) key_file: Option<&'a str>,
    pub(super) key: Option<&'a str>,
}

/// What a command printed, and how it ended: -1 where a signal ended it.
pub(super) struct Output {
    pub(super) stdout: Vec<u8>,
    pub(super) stderr: Vec<u8>,
    pub(super) exit_code: i64,
}

/// Takes every host key: see the module `ssh`.
struct Acceptor;

impl client::Handler for Acceptor {
    type Error = russh::Error;

    async fn check_server_key(
        &mut self,
        _key: &PublicKeyOrCertificate,
    ) -> Result<bool, russh::Error> {
        Ok(true)
    }
}

/// A connection that nobody has logged in on.
pub(super) struct Session {
    handle: Handle<Acceptor>,
    place: String,
    below: Option<Below>,
}

/// What a connection goes through. It lasts as long as the connection.
enum Below {
    Gateway {
        _session: Box<LoggedIn>,
    },
    Command {
        // Ends with its handle.
        _child: Box<Child>,
    },
}

/// A connection to run a command on.
pub(super) struct LoggedIn {
    handle: Handle<Acceptor>,
    place: String,
    _below: Option<Below>,
}

impl Session {
    /// Connects to a host.
    pub(super) async fn connect(host: &str, options: &SshOptions) -> Result<Self, Failure> {
        let place = host.to_owned();
        let handle = within(options, &place, async {
            client::connect(config(), (host, options.port), Acceptor).await
        });
        Ok(Self {
            handle: handle.await?,
            place,
            below: None,
        })
    }

    /// Connects through the standard streams of a command on this machine.
    pub(super) async fn through_command(
        command: &str,
        options: &SshOptions,
    ) -> Result<Self, Failure> {
        if !options.proxy_commands {
            return Err(Failure::Call(
                "proxy_command would run a command on this machine, which Ostro's configuration \
                 does not allow"
                    .to_owned(),
            ));
        }
        let words = shlex::split(command).unwrap_or_default();
        let Some((program, arguments)) = words.split_first() else {
            return Err(Failure::Call("proxy_command is no command".to_owned()));
        };
        let mut child = tokio::process::Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| Failure::Call(format!("proxy_command does not start: {error}")))?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(Failure::Call("proxy_command has no streams".to_owned()));
        };
        let place = "the gateway behind proxy_command".to_owned();
        let stream = tokio::io::join(stdout, stdin);
        let below = Below::Command {
            _child: Box::new(child),
        };
        Self::over(stream, place, below, options).await
    }

    async fn over<S>(
        stream: S,
        place: String,
        below: Below,
        options: &SshOptions,
    ) -> Result<Self, Failure>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let handle = within(
            options,
            &place,
            client::connect_stream(config(), stream, Acceptor),
        );
        Ok(Self {
            handle: handle.await?,
            place,
            below: Some(below),
        })
    }

    /// Logs in with what there is, in paramiko's order.
    pub(super) async fn log_in(
        mut self,
        login: &Login<'_>,
        key: Option<&Arc<PrivateKey>>,
        options: &SshOptions,
    ) -> Result<LoggedIn, Failure> {
        let place = self.place.clone();
        let entered = within(options, &place, self.enter(login, key, options)).await?;
        if !entered {
            return Err(Failure::Unreachable(format!(
                "{place} does not let {} in",
                login.username
            )));
        }
        Ok(LoggedIn {
            handle: self.handle,
            place: self.place,
            _below: self.below,
        })
    }

    async fn enter(
        &mut self,
        login: &Login<'_>,
        key: Option<&Arc<PrivateKey>>,
        options: &SshOptions,
    ) -> Result<bool, russh::Error> {
        let user = login.username;
        // Asking for nothing tells which ways in there are.
        let AuthResult::Failure {
            remaining_methods: mut ways,
            ..
        } = self.handle.authenticate_none(user).await?
        else {
            return Ok(true);
        };
        if ways.contains(&MethodKind::PublicKey) {
            match self.enter_with_keys(user, login, key, options).await? {
                Keys::Entered => return Ok(true),
                // The server wants something more.
                Keys::Partly(more) => ways = more,
                Keys::Refused => {}
            }
        }
        let Some(password) = login.password else {
            return Ok(false);
        };
        if ways.contains(&MethodKind::Password) {
            let answer = self.handle.authenticate_password(user, password).await?;
            return Ok(answer.success());
        }
        if ways.contains(&MethodKind::KeyboardInteractive) {
            return self.answer_questions(user, password).await;
        }
        Ok(false)
    }

    async fn enter_with_keys(
        &mut self,
        user: &str,
        login: &Login<'_>,
        key: Option<&Arc<PrivateKey>>,
        options: &SshOptions,
    ) -> Result<Keys, russh::Error> {
        let hash = self.handle.best_supported_rsa_hash().await?.flatten();
        let given = key.into_iter().cloned();
        for key in given {
            let key = PrivateKeyWithHashAlg::new(key, hash);
            match self.handle.authenticate_publickey(user, key).await?.into() {
                Keys::Refused => {}
                done => return Ok(done),
            }
        }
        if let Ok(mut agent) = AgentClient::connect_env().await {
            for identity in agent.request_identities().await.unwrap_or_default() {
                let AgentIdentity::PublicKey { key, .. } = identity else {
                    continue;
                };
                let answer = self
                    .handle
                    .authenticate_publickey_with(user, key, hash, &mut agent)
                    .await;
                match answer.map(Keys::from) {
                    Ok(Keys::Refused) | Err(_) => {}
                    Ok(done) => return Ok(done),
                }
            }
        }
        for key in keys::defaults(login.password, options) {
            let key = PrivateKeyWithHashAlg::new(key, hash);
            match self.handle.authenticate_publickey(user, key).await?.into() {
                Keys::Refused => {}
                done => return Ok(done),
            }
        }
        Ok(Keys::Refused)
    }

    /// Answers a server that asks instead of taking a password.
    async fn answer_questions(&mut self, user: &str, password: &str) -> Result<bool, russh::Error> {
        let mut answer = self
            .handle
            .authenticate_keyboard_interactive_start(user, None)
            .await?;
        for _ in 0..MAX_QUESTIONS {
            match answer {
                KeyboardInteractiveAuthResponse::Success => return Ok(true),
                KeyboardInteractiveAuthResponse::Failure { .. } => return Ok(false),
                KeyboardInteractiveAuthResponse::InfoRequest { prompts, .. } => {
                    let answers = prompts.iter().map(|_| password.to_owned()).collect();
                    answer = self
                        .handle
                        .authenticate_keyboard_interactive_respond(answers)
                        .await?;
                }
            }
        }
        Ok(false)
    }
}

/// How far keys led.
enum Keys {
    Entered,
    Partly(MethodSet),
    Refused,
}

impl From<AuthResult> for Keys {
    fn from(answer: AuthResult) -> Self {
        match answer {
            AuthResult::Success => Keys::Entered,
            AuthResult::Failure {
                remaining_methods,
                partial_success: true,
            } => Keys::Partly(remaining_methods),
            AuthResult::Failure { .. } => Keys::Refused,
        }
    }
}

impl LoggedIn {
    /// Connects to another host from here: with `nc`, as Mistral does.
    pub(super) async fn connect_onward(
        self,
        host: &str,
        options: &SshOptions,
    ) -> Result<Session, Failure> {
        let plain = |c: char| c.is_ascii_alphanumeric() || ".:_-%".contains(c);
        if host.is_empty() || host.starts_with('-') || !host.chars().all(plain) {
            // It would be a part of a command on the gateway.
            return Err(Failure::Call(format!("{host:?} is no name of a host")));
        }
        let channel = async {
            let channel = self.handle.channel_open_session().await?;
            channel
                .exec(true, format!("nc {host} {}", options.port))
                .await?;
            Ok(channel)
        };
        let channel = within(options, &self.place, channel).await?;
        let place = format!("{host} behind {}", self.place);
        let stream = channel.into_stream();
        let below = Below::Gateway {
            _session: Box::new(self),
        };
        Session::over(stream, place, below, options).await
    }

    /// Runs a command to its end.
    pub(super) async fn execute(
        self,
        command: &str,
        options: &SshOptions,
    ) -> Result<Output, Failure> {
        let lost = |error: russh::Error| unreachable(&self.place, &error);
        let mut channel = self.handle.channel_open_session().await.map_err(lost)?;
        channel.exec(true, command).await.map_err(lost)?;
        let mut output = Output {
            stdout: Vec::new(),
            stderr: Vec::new(),
            exit_code: -1,
        };
        let mut ended = false;
        while let Some(message) = channel.wait().await {
            match message {
                ChannelMsg::Data { data } => output.stdout.extend_from_slice(&data),
                ChannelMsg::ExtendedData { data, ext: 1 } => output.stderr.extend_from_slice(&data),
                ChannelMsg::ExitStatus { exit_status } => {
                    output.exit_code = i64::from(exit_status);
                    ended = true;
                }
                ChannelMsg::ExitSignal { .. } => ended = true,
                ChannelMsg::Failure => {
                    return Err(Failure::Command(format!("{} does not run it", self.place)));
                }
                _ => {}
            }
            if output.stdout.len() + output.stderr.len() > options.max_output_bytes {
                return Err(Failure::Limit(options.max_output_bytes));
            }
        }
        if ended {
            return Ok(output);
        }
        Err(Failure::Unreachable(format!(
            "the connection to {} broke while it ran",
            self.place
        )))
    }
}

fn config() -> Arc<client::Config> {
    Arc::new(client::Config {
        keepalive_interval: Some(KEEPALIVE),
        ..client::Config::default()
    })
}

/// A step of a connection, within its time.
async fn within<T>(
    options: &SshOptions,
    place: &str,
    step: impl Future<Output = Result<T, russh::Error>>,
) -> Result<T, Failure> {
    match tokio::time::timeout(options.timeout, step).await {
        Ok(result) => result.map_err(|error| unreachable(place, &error)),
        Err(_) => Err(Failure::Unreachable(format!(
            "{place} does not answer within {:?}",
            options.timeout
        ))),
    }
}

fn unreachable(place: &str, error: &russh::Error) -> Failure {
    Failure::Unreachable(match error {
        russh::Error::IO(error) => format!("no connection to {place}: {error}"),
        russh::Error::Disconnect | russh::Error::HUP => {
            format!("{place} closed the connection")
        }
        other => format!("no SSH with {place}: {other}"),
    })
}
