//! Installed packs.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use reqwest::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::client::{Ask, Content, segment};
use crate::{Client, ClientError};

/// How long a server may take with a pack: it may have to fetch and to compile it.
const PATIENCE: Duration = Duration::from_mins(10);

/// What a server has of packs. Versions are described by the same JSON as
/// `ostro pack … --output json` prints.
#[derive(Clone, Debug, PartialEq)]
pub struct InstalledPacks {
    /// All versions, by the name of their pack, the newest first.
    pub versions: Vec<Value>,
    /// Why new executions do not get what is active, if they do not.
    pub problem: Option<String>,
}

/// A pack that is to be installed.
#[derive(Clone, Debug)]
pub struct Installation {
    /// Where it comes from.
    pub from: PackFrom,
    /// The digest that it has to have.
    pub digest: Option<String>,
    /// What it is granted, as pack.yaml has it under `grants`.
    pub accept_grants: Option<Value>,
    /// Whether it is installed though no trusted key signed it.
    pub allow_unsigned: bool,
    /// Whether it takes the place of what had its version or its reference.
    pub update: bool,
}

/// Where a pack comes from.
#[derive(Clone, Debug)]
pub enum PackFrom {
    /// It is sent.
    Here {
        /// The artifact that `ostro pack build` made.
        artifact: Arc<Vec<u8>>,
        /// Its signature, as minisign writes it.
        signature: Option<String>,
    },
    /// The server fetches it.
    Registry {
        /// `oci://HOST/REPO[:TAG][@sha256:…]`.
        source: String,
        /// Whether the registry is asked without TLS.
        plain_http: bool,
    },
}

#[derive(Deserialize)]
struct List {
    packs: Vec<Value>,
    problem: Option<Problem>,
}

#[derive(Deserialize)]
struct Problem {
    message: String,
}

#[derive(Deserialize)]
struct Active {
    packs: Vec<Value>,
}

impl Installation {
    fn ask(self) -> Ask {
        let flags = [
            ("allow_unsigned", self.allow_unsigned),
            ("update", self.update),
        ];
        let flags = flags.into_iter().filter(|(_, is_set)| *is_set);
        match self.from {
            PackFrom::Here {
                artifact,
                signature,
            } => {
                let mut ask = Ask::new(Method::POST, "packs");
                ask.body = Content::Bytes(artifact);
                let signature = signature.map(|text| BASE64_STANDARD.encode(text));
                ask.headers
                    .extend(signature.map(|text| ("ostro-signature", text)));
                let grants = self.accept_grants.map(|grants| grants.to_string());
                let named = [("digest", self.digest), ("accept_grants", grants)];
                let named = named.into_iter();
                ask.query
                    .extend(named.filter_map(|(name, text)| Some((name, text?))));
                let flags = flags.map(|(name, _)| (name, "true".to_owned()));
                ask.query.extend(flags);
                ask
            }
            PackFrom::Registry { source, plain_http } => {
                let mut body = Map::from_iter([
                    ("source".to_owned(), Value::from(source)),
                    ("plain_http".to_owned(), plain_http.into()),
                    ("digest".to_owned(), self.digest.into()),
                    (
                        "accept_grants".to_owned(),
                        self.accept_grants.unwrap_or_default(),
                    ),
                ]);
                body.extend(flags.map(|(name, is_set)| (name.to_owned(), is_set.into())));
                Ask::new(Method::POST, "packs").json(Value::Object(body))
            }
        }
    }
}

impl Client {
    /// All packs that are installed.
    pub async fn packs(&self) -> Result<InstalledPacks, ClientError> {
        let list: List = self.read(self.json(Ask::get("packs")).await?)?;
        Ok(InstalledPacks {
            versions: list.packs,
            problem: list.problem.map(|problem| problem.message),
        })
    }

    /// Installs a version. Whether it is new, and what is known of it.
    pub async fn install_pack(&self, wanted: Installation) -> Result<(bool, Value), ClientError> {
        let mut ask = wanted.ask();
        ask.timeout = Some(PATIENCE);
        let (status, row) = self.json_with_status(ask).await?;
        Ok((status == StatusCode::CREATED, row))
    }

    /// A version, by its number, the first numbers of it, or its digest.
    pub async fn pack(&self, name: &str, version: &str) -> Result<Value, ClientError> {
        self.json(Ask::get(place(name, version, ""))).await
    }

    /// What activating a version would change and break, in place of the version `against`, or of
    /// what is active.
    pub async fn pack_diff(
        &self,
        name: &str,
        version: &str,
        against: Option<&str>,
    ) -> Result<Value, ClientError> {
        let mut ask = Ask::get(place(name, version, "/diff"));
        ask.timeout = Some(PATIENCE);
        if let Some(against) = against {
            ask = ask.query("against", against);
        }
        self.json(ask).await
    }

    /// Has new executions get a version; what is known of it then, with a review of what that
    /// changes. What breaks something is refused, unless `force`.
    pub async fn activate_pack(
        &self,
        name: &str,
        version: &str,
        force: bool,
    ) -> Result<Value, ClientError> {
        self.switch_pack(place(name, version, "/activate"), force)
            .await
    }

    /// Has new executions get no version of its major number; the versions of the pack that are
    /// active then. What breaks something is refused, unless `force`.
    pub async fn deactivate_pack(
        &self,
        name: &str,
        version: &str,
        force: bool,
    ) -> Result<Vec<Value>, ClientError> {
        let switch = self.switch_pack(place(name, version, "/deactivate"), force);
        let active: Active = self.read(switch.await?)?;
        Ok(active.packs)
    }

    /// Has new executions get again what was active before; the versions of the pack that are
    /// active then.
    pub async fn roll_back_pack(&self, name: &str) -> Result<Vec<Value>, ClientError> {
        let path = format!("packs/{}/rollback", segment(name));
        let active: Active = self.read(self.switch_pack(path, false).await?)?;
        Ok(active.packs)
    }

    async fn switch_pack(&self, path: String, force: bool) -> Result<Value, ClientError> {
        let mut ask = Ask::new(Method::POST, path);
        ask.timeout = Some(PATIENCE);
        if force {
            ask = ask.query("force", "true");
        }
        self.json(ask).await
    }

    /// Says what a version is granted, as pack.yaml has it under `grants`; what is known of it then.
    pub async fn grant_pack(
        &self,
        name: &str,
        version: &str,
        grants: Value,
    ) -> Result<Value, ClientError> {
        let mut ask = Ask::new(Method::PUT, place(name, version, "/grants")).json(grants);
        ask.timeout = Some(PATIENCE);
        self.json(ask).await
    }

    /// Takes a version away that is neither active nor needed.
    pub async fn remove_pack(&self, name: &str, version: &str) -> Result<(), ClientError> {
        let ask = Ask::new(Method::DELETE, place(name, version, ""));
        self.json(ask).await.map(drop)
    }
}

/// Where a version is, and what is below it.
fn place(name: &str, version: &str, below: &str) -> String {
    format!("packs/{}/{}{below}", segment(name), segment(version))
}
