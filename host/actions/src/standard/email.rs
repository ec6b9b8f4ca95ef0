//! `std.email`: one mail over SMTP, as Mistral sends it with smtplib.

use std::sync::Arc;
use std::time::Duration;

use lettre::address::Address;
use lettre::message::{Mailbox, MultiPart, SinglePart};
use lettre::transport::smtp::Error as SmtpError;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, CertificateStore, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::{ClientId, Extension, MailBodyParameter, MailParameter};
use lettre::{Message, address::Envelope};
use ostro_core::{ActionError, ActionErrorKind, Map, Value};

use super::{Input, call_error};
use crate::describe::Parameter;

/// SMTP's port, where `smtp_server` names none.
const PORT: u16 = 25;

/// How long connecting and each answer may take.
const STEP: Duration = Duration::from_mins(1);

/// How long the whole may take.
const WHOLE: Duration = Duration::from_mins(5);

pub(super) fn parameters() -> Vec<Parameter> {
    let required = |name: &'static str| Parameter::required(name);
    let mut parameters: Vec<Parameter> = ["from_addr", "to_addrs", "smtp_server"]
        .map(required)
        .into();
    parameters.extend(
        [
            "reply_to",
            "cc_addrs",
            "bcc_addrs",
            "smtp_password",
            "subject",
            "body",
            "html_body",
        ]
        .map(|name| Parameter::optional(name, Value::Null)),
    );
    parameters
}

/// Sends the mail that `input` describes. It gives nothing.
pub(super) async fn run(input: &Map) -> Result<Value, ActionError> {
    let input = Input::new("std.email", input);
    let server = Server::read(&input)?;
    let mail = compose(&input)?;
    match tokio::time::timeout(WHOLE, server.send(&mail)).await {
        Ok(sent) => sent.map(|()| Value::Null),
        Err(_) => Err(failed(
            ActionErrorKind::Host,
            &format!("{} did not take it within {WHOLE:?}", server.host),
        )),
    }
}

fn compose(input: &Input<'_>) -> Result<Message, ActionError> {
    let text = |name: &str, otherwise: &'static str| {
        let given = input.optional_text(name)?.filter(|text| !text.is_empty());
        Ok::<_, ActionError>(given.unwrap_or(otherwise).to_owned())
    };
    let from = mailbox(input, "from_addr", input.text("from_addr")?)?;
    let mut builder = Message::builder().subject(text("subject", "<No subject>")?);
    let mut recipients = Vec::new();
    for (name, is_shown) in [("cc_addrs", true), ("bcc_addrs", false), ("to_addrs", true)] {
        for address in input.texts(name)? {
            let mailbox = mailbox(input, name, &address)?;
            recipients.push(mailbox.email.clone());
            builder = match name {
                _ if !is_shown => builder,
                "cc_addrs" => builder.cc(mailbox),
                _ => builder.to(mailbox),
            };
        }
    }
    for address in reply_to(input)? {
        builder = builder.reply_to(mailbox(input, "reply_to", &address)?);
    }
    let envelope = Envelope::new(Some(from.email.clone()), recipients)
        .map_err(|_| call_error("std.email: to_addrs names nobody"))?;
    let builder = builder.from(from).envelope(envelope);
    let body = text("body", "<No body>")?;
    let html = input
        .optional_text("html_body")?
        .filter(|html| !html.is_empty());
    let message = match html {
        None => builder.singlepart(SinglePart::plain(body)),
        Some(html) => builder.multipart(MultiPart::alternative_plain_html(body, html.to_owned())),
    };
    message.map_err(|error| call_error(format!("std.email: no mail can be made of it: {error}")))
}

/// Where answers go: a list as in Mistral, or one address, of which Mistral makes nonsense.
fn reply_to(input: &Input<'_>) -> Result<Vec<Arc<str>>, ActionError> {
    match input.given("reply_to") {
        Some(Value::String(text)) if !text.is_empty() => Ok(vec![Arc::clone(text)]),
        Some(Value::String(_)) => Ok(Vec::new()),
        _ => input.texts("reply_to"),
    }
}

fn mailbox(input: &Input<'_>, name: &str, text: &str) -> Result<Mailbox, ActionError> {
    text.parse().map_err(|_| {
        call_error(format!(
            "{}: {name}: {text:?} is no address of a mailbox",
            input.action
        ))
    })
}

/// The server, and how to log in there.
struct Server {
    host: String,
    port: u16,
    login: Option<(String, String)>,
}

impl Server {
    fn read(input: &Input<'_>) -> Result<Self, ActionError> {
        let text = input.text("smtp_server")?;
        let (host, port) = match text.split_once(':') {
            // Several colons are in an IPv6 address.
            Some((host, port)) if !port.contains(':') => {
                let port = port.parse().map_err(|_| {
                    call_error(format!("std.email: smtp_server: {port:?} is no port"))
                })?;
                (host, port)
            }
            _ => (text, PORT),
        };
        if host.is_empty() {
            return Err(call_error("std.email: smtp_server names no host"));
        }
        let password = input.optional_text("smtp_password")?;
        let user = input.text("from_addr")?;
        Ok(Self {
            host: host.to_owned(),
            port,
            login: password.map(|password| (user.to_owned(), password.to_owned())),
        })
    }

    async fn send(&self, mail: &Message) -> Result<(), ActionError> {
        let name = ClientId::default();
        let address = (self.host.as_str(), self.port);
        let connected =
            AsyncSmtpConnection::connect_tokio1(address, Some(STEP), &name, None, None).await;
        let mut connection = connected.map_err(|error| self.refused("connecting", &error))?;
        if let Some((user, password)) = &self.login {
            // As smtplib does where it is given no context: encrypted, to whoever answers.
            let tls = TlsParameters::builder(self.host.clone())
                .certificate_store(CertificateStore::None)
                .dangerous_accept_invalid_certs(true)
                .dangerous_accept_invalid_hostnames(true)
                .build()
                .map_err(|error| self.refused("STARTTLS", &error))?;
            connection
                .starttls(tls, &name)
                .await
                .map_err(|error| self.refused("STARTTLS", &error))?;
            let credentials = Credentials::new(user.clone(), password.clone());
            connection
                .auth(&[Mechanism::Plain, Mechanism::Login], &credentials)
                .await
                .map_err(|error| self.refused("logging in", &error))?;
        }
        self.deliver(&mut connection, mail).await?;
        // It has the mail: how the goodbye goes does not matter.
        _ = connection.quit().await;
        Ok(())
    }

    /// Hands the mail over. As with smtplib, one recipient that is taken is enough.
    async fn deliver(
        &self,
        connection: &mut AsyncSmtpConnection,
        mail: &Message,
    ) -> Result<(), ActionError> {
        let bytes = mail.formatted();
        let envelope = mail.envelope();
        let mut parameters = Vec::new();
        let is_wide = |address: &Address| !address.to_string().is_ascii();
        if envelope
            .from()
            .into_iter()
            .chain(envelope.to())
            .any(is_wide)
        {
            parameters.push(MailParameter::SmtpUtfEight);
        }
        let info = connection.server_info();
        if !bytes.is_ascii() && info.supports_feature(Extension::EightBitMime) {
            parameters.push(MailParameter::Body(MailBodyParameter::EightBitMime));
        }
        connection
            .command(Mail::new(envelope.from().cloned(), parameters))
            .await
            .map_err(|error| self.refused("the sender", &error))?;
        let mut refusal = None;
        let mut taken = false;
        for address in envelope.to() {
            match connection.command(Rcpt::new(address.clone(), vec![])).await {
                Ok(_) => taken = true,
                Err(error) if error.is_permanent() || error.is_transient() => {
                    tracing::warn!(%address, %error, "a recipient of a mail is refused");
                    refusal = Some(self.refused("every recipient", &error));
                }
                Err(error) => return Err(self.refused("a recipient", &error)),
            }
        }
        if let Some(refusal) = refusal.filter(|_| !taken) {
            return Err(refusal);
        }
        let refused = |error: SmtpError| self.refused("the mail", &error);
        connection.command(Data).await.map_err(refused)?;
        connection.message(&bytes).await.map_err(refused)?;
        Ok(())
    }

    fn refused(&self, step: &str, error: &SmtpError) -> ActionError {
        let kind = if error.is_permanent() || error.is_transient() {
            ActionErrorKind::Action
        } else {
            ActionErrorKind::Host
        };
        failed(kind, &format!("{}: {step}: {error}", self.host))
    }
}

fn failed(kind: ActionErrorKind, reason: &str) -> ActionError {
    ActionError::new(kind, format!("Failed to send an email message: {reason}"))
}
