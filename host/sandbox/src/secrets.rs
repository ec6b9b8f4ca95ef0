//! Secrets: values that the operator provides, which guests use and mostly do not see.
//!
//! A guest gets a place, a text that nobody can guess, and puts it in a request where the value
//! belongs. [`CallSecrets::fill`] puts the value there at the moment of sending, if the grants let
//! it go to that destination; [`CallSecrets::scrub`] puts the place back where an answer shows the
//! value. What people and the journal get never has a value in it: [`CallSecrets::hide`].
//!
//! Whoever sends something for a guest elsewhere than through `Caller::send` does the same.
//!
//! Not covered: a service that changes what it is given (cuts it, turns it around) and shows that.

mod forms;
mod hiding;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use ostro_core::{ServiceRequest, ServiceResponse};
use ostro_packs::{Denial, Destination, Grants};
use secrecy::{ExposeSecret, SecretString};
use thiserror::Error;
use uuid::Uuid;

pub(crate) use forms::Form;
use forms::forms;
pub(crate) use forms::replaced;
pub(crate) use hiding::Hiding;

/// The fewest bytes of a value: shorter ones stand everywhere, and cannot be kept from anybody.
const FEWEST: usize = 4;
/// The most bytes of a value.
const MOST: usize = 64 << 10;
/// What places begin with.
const PLACE: &str = "ostro-secret-";

/// The values that an operator provides, by name.
#[derive(Clone, Default)]
pub struct Secrets(BTreeMap<String, SecretString>);

/// Why a value cannot be a secret. It does not show the value.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SecretError {
    /// It is too short.
    #[error(
        "the secret {0:?} has fewer than {FEWEST} bytes: so short a text stands in many places and \
         cannot be kept from anybody"
    )]
    Short(String),
    /// It is too long.
    #[error("the secret {0:?} has more than {MOST} bytes")]
    Long(String),
}

impl Secrets {
    /// Adds one, in the place of one that has the same name.
    pub fn add(&mut self, name: &str, value: String) -> Result<(), SecretError> {
        if value.len() < FEWEST {
            return Err(SecretError::Short(name.to_owned()));
        }
        if value.len() > MOST {
            return Err(SecretError::Long(name.to_owned()));
        }
        self.0.insert(name.to_owned(), value.into());
        Ok(())
    }

    /// Whether there is one called `name`.
    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }
}

/// Their names alone.
impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// The secrets that a pack is granted.
pub(crate) struct PackSecrets(Vec<Known>);

struct Known {
    name: String,
    value: SecretString,
    /// Whether the pack may see it.
    reveal: bool,
    /// The value as it may stand in an answer, the longest form first.
    forms: Vec<SecretString>,
}

impl fmt::Debug for PackSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.0.iter().map(|known| &known.name);
        f.debug_set().entries(names).finish()
    }
}

impl PackSecrets {
    /// Those of `all` that `grants` name; the names of those that are not provided.
    pub(crate) fn granted(all: &Secrets, grants: &Grants) -> (Self, Vec<String>) {
        let mut known: Vec<Known> = Vec::new();
        let mut missing = Vec::new();
        for grant in &grants.secrets {
            let name = &grant.name;
            if let Some(again) = known.iter_mut().find(|known| known.name == *name) {
                again.reveal |= grant.reveal;
            } else if let Some(value) = all.0.get(name) {
                known.push(Known {
                    name: name.clone(),
                    forms: forms(value.expose_secret()),
                    value: value.clone(),
                    reveal: grant.reveal,
                });
            } else if !missing.contains(name) {
                missing.push(name.clone());
            }
        }
        (Self(known), missing)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The values, for what has to be looked for and taken out.
    pub(crate) fn values(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|known| known.value.expose_secret())
    }
}

/// The secrets of a pack in one call: with the places that stand for them there.
#[derive(Debug)]
pub(crate) struct CallSecrets {
    pack: Arc<PackSecrets>,
    places: Mutex<Vec<Option<String>>>,
}

impl CallSecrets {
    pub(crate) fn new(pack: Arc<PackSecrets>) -> Self {
        let places = Mutex::new(vec![None; pack.0.len()]);
        Self { pack, places }
    }

    /// Whether the pack has none, so that there is nothing to do.
    pub(crate) fn is_empty(&self) -> bool {
        self.pack.is_empty()
    }

    /// The text that stands for the secret `name` in this call; none if it is not provided.
    pub(crate) fn place(&self, name: &str) -> Option<String> {
        let at = self.pack.0.iter().position(|known| known.name == name)?;
        self.place_at(at)
    }

    /// The value of the secret `name`; none if it is not provided.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        let known = self.pack.0.iter().find(|known| known.name == name)?;
        Some(known.value.expose_secret())
    }

    fn place_at(&self, at: usize) -> Option<String> {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let place = places.get_mut(at)?;
        let made = place.get_or_insert_with(|| format!("{PLACE}{}", Uuid::new_v4().simple()));
        Some(made.clone())
    }

    /// The secrets that the guest has a place for.
    fn used(&self) -> Vec<(String, &Known)> {
        let places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let places = places.iter().zip(&self.pack.0);
        places
            .filter_map(|(place, known)| Some((place.clone()?, known)))
            .collect()
    }

    /// `text` with values where places are, in the `form` that belongs there. An error if one may
    /// not go `to` its destination.
    pub(crate) fn fill(
        &self,
        text: Vec<u8>,
        form: Form,
        grants: &Grants,
        to: Destination<'_>,
    ) -> Result<Vec<u8>, Denial> {
        let mut text = text;
        for (place, known) in self.used() {
            let value = form.of(known.value.expose_secret());
            if let Some(filled) = replaced(&text, place.as_bytes(), value.as_bytes()) {
                grants.check_secret_to(&known.name, to)?;
                text = filled;
            }
        }
        Ok(text)
    }

    /// `text` with places where it shows values that the pack may not see.
    pub(crate) fn scrub(&self, text: Vec<u8>) -> Vec<u8> {
        let mut text = text;
        for (at, known) in self.pack.0.iter().enumerate() {
            if known.reveal {
                continue;
            }
            for form in &known.forms {
                let form = form.expose_secret().as_bytes();
                // The place is made where it is needed.
                if replaced(&text, form, b"").is_none() {
                    continue;
                }
                let place = self.place_at(at).unwrap_or_default();
                if let Some(scrubbed) = replaced(&text, form, place.as_bytes()) {
                    text = scrubbed;
                }
            }
        }
        text
    }

    /// `text` for people, with names where values would be.
    pub(crate) fn hide(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for known in &self.pack.0 {
            for form in &known.forms {
                let form = form.expose_secret();
                if text.contains(form) {
                    text = text.replace(form, &format!("[secret {}]", known.name));
                }
            }
        }
        text
    }

    /// Puts values where places are in a message that goes `to` a destination: in the values of its
    /// headers and in its body, in the form that the type of this asks for.
    pub(crate) fn fill_message(
        &self,
        headers: &mut [(String, String)],
        body: &mut Vec<u8>,
        grants: &Grants,
        to: Destination<'_>,
    ) -> Result<(), Denial> {
        if self.is_empty() {
            return Ok(());
        }
        self.fill_pairs(headers, grants, to)?;
        let mut types = headers
            .iter()
            .filter(|(name, _)| name.eq_ignore_ascii_case("content-type"));
        let form = Form::of_type(types.next().map(|(_, value)| value.as_str()));
        *body = self.fill(std::mem::take(body), form, grants, to)?;
        Ok(())
    }

    fn fill_pairs(
        &self,
        pairs: &mut [(String, String)],
        grants: &Grants,
        to: Destination<'_>,
    ) -> Result<(), Denial> {
        for (_, value) in pairs {
            let filled = self.fill(value.as_bytes().to_vec(), Form::Plain, grants, to)?;
            *value = String::from_utf8_lossy(&filled).into_owned();
        }
        Ok(())
    }

    /// Puts places where a message shows values that the pack may not see.
    pub(crate) fn scrub_message(&self, headers: &mut [(String, String)], body: &mut Vec<u8>) {
        if self.is_empty() {
            return;
        }
        for (_, value) in headers {
            let scrubbed = self.scrub(value.as_bytes().to_vec());
            *value = String::from_utf8_lossy(&scrubbed).into_owned();
        }
        *body = self.scrub(std::mem::take(body));
    }

    /// `request` with values where places are.
    pub(crate) fn fill_request(
        &self,
        request: ServiceRequest,
        grants: &Grants,
    ) -> Result<ServiceRequest, Denial> {
        let mut request = request;
        let service = request.service.clone();
        let to = Destination::Service(&service);
        if !self.is_empty() {
            self.fill_pairs(&mut request.query, grants, to)?;
        }
        self.fill_message(&mut request.headers, &mut request.body, grants, to)?;
        Ok(request)
    }

    /// `answer` with places where it shows values.
    pub(crate) fn scrub_answer(&self, answer: ServiceResponse) -> ServiceResponse {
        let mut answer = answer;
        self.scrub_message(&mut answer.headers, &mut answer.body);
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets() -> (CallSecrets, Grants) {
        let mut all = Secrets::default();
        all.add("ipmi", "p\"a/s ß+1".to_owned()).unwrap();
        all.add("seen", "open sesame".to_owned()).unwrap();
        let grants = "secrets:
          - { name: ipmi, services: [baremetal] }
          - { name: seen, services: [baremetal], reveal: true }
          - { name: gone, services: [baremetal] }";
        let grants = Grants::parse(grants, "g").unwrap();
        let (known, missing) = PackSecrets::granted(&all, &grants);
        assert_eq!(missing, ["gone"]);
        assert_eq!(
            format!("{all:?} {known:?}"),
            r#"{"ipmi", "seen"} {"ipmi", "seen"}"#
        );
        (CallSecrets::new(Arc::new(known)), grants)
    }

    #[test]
    fn values_are_filled_in_where_they_may_go_in_the_form_that_belongs_there() {
        let (secrets, grants) = secrets();
        let place = secrets.place("ipmi").unwrap();
        assert_eq!(secrets.place("ipmi").unwrap(), place);
        let (other, _) = self::secrets();
        assert_ne!(other.place("ipmi").unwrap(), place);
        let to = Destination::Service("baremetal");
        for (form, text, filled) in [
            (Form::Plain, "<>", "<p\"a/s ß+1>"),
            (Form::Json, "\"<>\"", "\"<p\\\"a/s ß+1>\""),
            (Form::Url, "a=<>", "a=<p%22a%2Fs%20%C3%9F%2B1>"),
        ] {
            let text = text.replace("<>", &format!("<{place}>")).into_bytes();
            let got = secrets.fill(text, form, &grants, to).unwrap();
            assert_eq!(String::from_utf8(got).unwrap(), filled);
        }
        let text = || place.clone().into_bytes();
        let elsewhere = Destination::Service("compute");
        let denial = secrets.fill(text(), Form::Plain, &grants, elsewhere);
        assert!(denial.unwrap_err().what().contains("is not granted"));
        // A place of another call stands for nothing.
        assert_eq!(other.fill(text(), Form::Plain, &grants, to), Ok(text()));
    }

    #[test]
    fn answers_are_scrubbed_of_values_in_every_form() {
        let (secrets, _) = secrets();
        for text in [
            "{\"a\": \"p\\\"a/s ß+1\"}",
            "{\"a\": \"p\\\"a/s \\u00df+1\"}",
            "{\"a\": \"p\\\"a\\/s ß+1\"}",
            "x p\"a/s ß+1 y",
            "q=p%22a%2Fs%20%C3%9F%2B1",
            "q=p%22a%2fs%20%c3%9f%2b1",
            "q=p%22a%2Fs+%C3%9F%2B1",
            "cCJhL3Mgw58rMQ==",
        ] {
            let scrubbed = secrets.scrub(text.as_bytes().to_vec());
            let scrubbed = String::from_utf8(scrubbed).unwrap();
            let place = secrets.place("ipmi").unwrap();
            assert!(scrubbed.contains(&place), "{text}: {scrubbed}");
            assert!(secrets.hide(text).contains("[secret ipmi]"), "{text}");
        }
        // What the pack may see, it sees; people do not.
        assert_eq!(secrets.scrub(b"open sesame".to_vec()), b"open sesame");
        assert_eq!(secrets.hide("say: open sesame"), "say: [secret seen]");
    }

    #[test]
    fn values_have_a_sensible_length() {
        let mut all = Secrets::default();
        assert!(all.add("a", "abc".to_owned()).is_err());
        assert!(all.add("a", "x".repeat(MOST + 1)).is_err());
        assert!(!all.has("a"));
        all.add("a", "abcd".to_owned()).unwrap();
        assert!(all.has("a"));
    }
}
