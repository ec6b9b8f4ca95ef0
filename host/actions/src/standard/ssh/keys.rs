//! Private keys: the given one, and those of the SSH folder.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use russh::keys::{Algorithm, PrivateKey, decode_secret_key};

use super::session::Login;
use super::{Failure, SshOptions};

/// How long a file with a key may be.
const MAX_BYTES: u64 = 1 << 20;

/// The files of the SSH folder that are tried when no other key is given.
const DEFAULTS: [&str; 3] = ["id_rsa", "id_ecdsa", "id_ed25519"];

/// The key that a login names, if it names one: its text goes before its file.
pub(super) fn given(
    login: &Login<'_>,
    options: &SshOptions,
) -> Result<Option<Arc<PrivateKey>>, Failure> {
    let file = login.key_file.filter(|name| !name.is_empty());
    if let Some(name) = file.filter(|name| name.contains("../") || name.contains("..\\")) {
        return Err(Failure::Call(format!(
            "Private key filename must not contain '..'. Actual: {name}"
        )));
    }
    if let Some(text) = login.key.filter(|text| !text.is_empty()) {
        return decode(text, login.password)
            .map(Some)
            .map_err(|reason| Failure::Call(format!("private_key: {reason}")));
    }
    let Some(name) = file else { return Ok(None) };
    let path = match &options.key_folder {
        // An absolute name stays what it is.
        Some(folder) => folder.join(name),
        None => name.into(),
    };
    load(&path, login.password)
        .map(Some)
        .map_err(|reason| Failure::Call(format!("private_key_filename {name}: {reason}")))
}

/// The keys of the SSH folder that can be read.
pub(super) fn defaults(password: Option<&str>, options: &SshOptions) -> Vec<Arc<PrivateKey>> {
    let Some(folder) = &options.key_folder else {
        return Vec::new();
    };
    DEFAULTS
        .iter()
        .filter_map(|name| load(&folder.join(name), password).ok())
        .collect()
}

fn load(path: &Path, password: Option<&str>) -> Result<Arc<PrivateKey>, String> {
    let mut text = String::new();
    File::open(path)
        .and_then(|file| file.take(MAX_BYTES).read_to_string(&mut text))
        .map_err(|error| error.to_string())?;
    decode(&text, password)
}

/// The key in `text`. No error says anything of the text.
fn decode(text: &str, password: Option<&str>) -> Result<Arc<PrivateKey>, String> {
    let key = decode_secret_key(text, password).map_err(|error| {
        match error {
            russh::keys::Error::KeyIsEncrypted => "the key is encrypted, and no password is given",
            _ => "it is no private key, or the password does not open it",
        }
        .to_owned()
    })?;
    match key.algorithm() {
        Algorithm::Rsa { .. } | Algorithm::Ecdsa { .. } | Algorithm::Ed25519 => Ok(Arc::new(key)),
        other => Err(format!("keys of the kind {other} are not taken")),
    }
}
