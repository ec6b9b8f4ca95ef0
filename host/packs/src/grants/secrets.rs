//! Grants of secrets: where the values that the operator provides may go.

use serde::{Deserialize, Deserializer, Serialize};

use super::{Denial, Grants, yaml};
use crate::scalar::{scalar, scalars};

/// A secret that a pack may use, and where the value may go.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretGrant {
    /// The secret's name: lower-case letters, digits and `-`.
    #[serde(deserialize_with = "name")]
    pub name: String,
    /// The services that it may be sent to, by their types in Keystone's catalogue.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "services"
    )]
    pub services: Vec<String>,
    /// The hosts that it may be sent to with HTTP.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "hosts"
    )]
    pub hosts: Vec<String>,
    /// Whether the pack may see the value.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub reveal: bool,
}

/// Where a value would go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Destination<'a> {
    /// To a service of Keystone's catalogue, by its type.
    Service(&'a str),
    /// To a host, by its name or address.
    Host(&'a str),
}

impl Destination<'_> {
    fn what(self) -> String {
        match self {
            Destination::Service(service) => format!("the {service:?} service"),
            Destination::Host(host) => format!("the host {host:?}"),
        }
    }
}

impl Grants {
    /// Whether the pack may use the secret `name` somewhere.
    pub fn check_secret(&self, name: &str) -> Result<(), Denial> {
        let mut grants = self.of_secret(name);
        let is_of_use = |grant: &SecretGrant| {
            grant.reveal || !grant.services.is_empty() || !grant.hosts.is_empty()
        };
        if grants.any(is_of_use) {
            return Ok(());
        }
        Err(Denial {
            what: format!("the secret {name:?} is not granted"),
            add: Some(lines(name, "services: [NAME-OF-SERVICE]")),
        })
    }

    /// Whether the value of the secret `name` may be sent `to` somewhere.
    pub fn check_secret_to(&self, name: &str, to: Destination<'_>) -> Result<(), Denial> {
        let allowed = self.of_secret(name).any(|grant| match to {
            Destination::Service(service) => grant.services.iter().any(|named| named == service),
            Destination::Host(host) => {
                let mut hosts = grant.hosts.iter();
                hosts.any(|named| named.eq_ignore_ascii_case(host))
            }
        });
        if allowed {
            return Ok(());
        }
        let more = match to {
            Destination::Service(service) => format!("services: [{}]", yaml(service)),
            Destination::Host(host) => format!("hosts: [{}]", yaml(host)),
        };
        Err(Denial {
            what: format!(
                "sending the secret {name:?} to {} is not granted",
                to.what()
            ),
            add: Some(lines(name, &more)),
        })
    }

    /// Whether the pack may see the value of the secret `name`.
    pub fn check_reveal(&self, name: &str) -> Result<(), Denial> {
        if self.of_secret(name).any(|grant| grant.reveal) {
            return Ok(());
        }
        Err(Denial {
            what: format!("seeing the value of the secret {name:?} is not granted"),
            add: Some(lines(name, "reveal: true")),
        })
    }

    fn of_secret<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a SecretGrant> {
        self.secrets.iter().filter(move |grant| grant.name == name)
    }
}

fn lines(name: &str, more: &str) -> String {
    format!("  secrets:\n    - name: {}\n      {more}", yaml(name))
}

/// What is wrong with `text` as the name of a secret, if something is.
fn check_name(text: &str) -> Result<(), String> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let starts = text.starts_with(|c: char| c.is_ascii_lowercase());
    if starts && text.len() <= 64 && text.chars().all(plain) {
        return Ok(());
    }
    Err(format!(
        "{text:?} is no name of a secret: it starts with a lower-case letter and goes on with \
         lower-case letters, digits and -, up to 64 of them"
    ))
}

impl SecretGrant {
    /// Whether a secret can be called `name`.
    pub fn is_name(name: &str) -> bool {
        check_name(name).is_ok()
    }
}

fn name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    scalar(deserializer, |text| {
        check_name(text).map(|()| text.to_owned())
    })
}

/// Services that a secret can be kept from a pack in. Swift gives back any part of what is stored
/// in it, so that nothing can be taken out of its answers.
fn services<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    scalars(deserializer, |service| {
        if service.starts_with("object-sto") || service == "swift" {
            return Err(format!(
                "{service:?} gives back any part of what it is sent, so that a secret cannot be \
                 kept from the pack there: `reveal: true` grants the value itself"
            ));
        }
        Ok(service.to_owned())
    })
}

fn hosts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    scalars(deserializer, |host| {
        let plain = |c: char| c.is_ascii_alphanumeric() || ".-:[]".contains(c);
        if !host.is_empty() && host.chars().all(plain) {
            return Ok(host.to_owned());
        }
        Err(format!(
            "{host:?} is no host: write its name or address as it stands in a URL"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_go_where_they_are_granted_to() {
        let grants = "secrets:
          - { name: ipmi, services: [baremetal], hosts: [vault.example] }
          - { name: seen, reveal: true }
          - { name: nowhere }";
        let grants = Grants::parse(grants, "g").unwrap();
        let to = Destination::Service("baremetal");
        assert!(grants.check_secret("ipmi").is_ok());
        assert!(grants.check_secret("seen").is_ok());
        assert!(grants.check_secret_to("ipmi", to).is_ok());
        let host = Destination::Host("VAULT.example");
        assert!(grants.check_secret_to("ipmi", host).is_ok());
        assert!(grants.check_reveal("seen").is_ok());
        for denial in [
            grants.check_secret("nowhere").unwrap_err(),
            grants.check_secret("other").unwrap_err(),
            grants.check_secret_to("seen", to).unwrap_err(),
            grants
                .check_secret_to("ipmi", Destination::Host("vault.example.evil"))
                .unwrap_err(),
            grants.check_reveal("ipmi").unwrap_err(),
        ] {
            assert!(
                Grants::parse(denial.lines().unwrap(), "g").is_ok(),
                "{denial}"
            );
        }
        for (text, part) in [
            ("secrets: [{name: IPMI}]", "no name of a secret"),
            ("secrets: [{name: a_b}]", "no name of a secret"),
            (
                "secrets: [{name: a, services: [object-store]}]",
                "any part of what it is sent",
            ),
            ("secrets: [{name: a, hosts: ['http://x/']}]", "no host"),
            ("secrets: [{name: a, value: x}]", "unknown field"),
        ] {
            let error = Grants::parse(text, "g").unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
