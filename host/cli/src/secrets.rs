//! The values that the operator provides for packs: from a file, a folder, or the environment.
//!
//! `--secrets` names a YAML file of names and values, or a folder with a file for each, as systemd
//! makes of credentials (`$CREDENTIALS_DIRECTORY`, which is looked into, too). `OSTRO_SECRET_NAME`
//! is the value of the secret `name`, and goes before both. No value is in a message.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::{Context as _, Result, anyhow, bail};
use ostro_packs::SecretGrant;
use ostro_sandbox::Secrets;
use serde_yaml::Value;

use crate::errors::{WithHint as _, hinted};

/// How variables begin that are secrets.
const VARIABLE: &str = "OSTRO_SECRET_";
/// Where systemd puts credentials.
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";
/// How much is read of a file, in bytes.
const MAX_FILE: u64 = 4 << 20;

/// All that are provided.
pub(crate) fn gather(named: Option<&Path>) -> Result<Secrets> {
    let mut secrets = Secrets::default();
    if let Some(folder) = std::env::var_os(CREDENTIALS) {
        let folder = Path::new(&folder);
        if folder.is_dir() {
            from_folder(folder, &mut secrets).with_context(|| format!("${CREDENTIALS}"))?;
        }
    }
    if let Some(path) = named {
        let from = if path.is_dir() {
            from_folder
        } else {
            from_file
        };
        from(path, &mut secrets).with_context(|| format!("--secrets {}", path.display()))?;
    }
    for (variable, value) in std::env::vars_os() {
        let Some(name) = variable
            .to_str()
            .and_then(|name| name.strip_prefix(VARIABLE))
        else {
            continue;
        };
        let name = name.to_ascii_lowercase().replace('_', "-");
        let variable = variable.to_string_lossy();
        if !SecretGrant::is_name(&name) {
            bail!("{variable}: no secret can be called {name:?}");
        }
        let value = value.into_string();
        let value = value.map_err(|_| anyhow!("{variable}: the value is no UTF-8"))?;
        secrets
            .add(&name, value)
            .with_context(|| variable.to_string())?;
    }
    Ok(secrets)
}

/// The names and values of a YAML file.
fn from_file(path: &Path, secrets: &mut Secrets) -> Result<()> {
    let text = read(path, 0o077)
        .hint(|| format!("`chmod 600 {}` leaves it to its owner", path.display()))?;
    let all: Value = serde_yaml::from_str(&text).map_err(|error| {
        // What serde says may quote a value.
        let place = error.location();
        let place = place.map(|at| format!(" at line {} column {}", at.line(), at.column()));
        anyhow!("it is no YAML{}", place.unwrap_or_default())
    })?;
    let example = "it has a line for each secret, as `ipmi-password: \"…\"`";
    let Value::Mapping(all) = all else {
        return Err(hinted(
            anyhow!("it is no mapping of names and values"),
            example,
        ));
    };
    for (name, value) in all {
        let Value::String(name) = name else {
            return Err(hinted(anyhow!("a name in it is no text"), example));
        };
        if !SecretGrant::is_name(&name) {
            return Err(hinted(
                anyhow!("{name:?} is no name of a secret"),
                "names are lower-case letters, digits and -, as ipmi-password",
            ));
        }
        let Value::String(value) = value else {
            return Err(hinted(
                anyhow!("the value of {name:?} is no text"),
                "write numbers and the like in quotes",
            ));
        };
        secrets.add(&name, value)?;
    }
    Ok(())
}

/// The files of a folder, by their names. Others than those that can be names are left alone: a
/// service has credentials for other things, too. The end of a last line is no part of a value.
fn from_folder(folder: &Path, secrets: &mut Secrets) -> Result<()> {
    for entry in folder.read_dir()? {
        let entry = entry?;
        let name = entry.file_name();
        let Some(name) = name.to_str().filter(|name| SecretGrant::is_name(name)) else {
            continue;
        };
        let path = entry.path();
        if !path.is_file() {
            continue;
        }
        // The bits of the group are systemd's for the user of the service.
        let mut value = read(&path, 0o007)
            .with_context(|| name.to_owned())
            .hint(|| format!("`chmod o= {}` takes it from them", path.display()))?;
        if value.ends_with('\n') {
            value.pop();
            if value.ends_with('\r') {
                value.pop();
            }
        }
        secrets.add(name, value)?;
    }
    Ok(())
}

/// The text of a file that has none of the bits `open` in its mode.
fn read(path: &Path, open: u32) -> Result<String> {
    let file = File::open(path)?;
    let mode = file.metadata()?.permissions().mode();
    if mode & open != 0 {
        bail!("others can read it (its mode is {:03o})", mode & 0o777);
    }
    let mut text = String::new();
    let size = file
        .take(MAX_FILE + 1)
        .read_to_string(&mut text)
        .map_err(|error| anyhow!("it cannot be read: {}", error.kind()))?;
    if size as u64 > MAX_FILE {
        bail!("it has more than {MAX_FILE} bytes");
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn written(dir: &Path, name: &str, text: &str, mode: u32) -> std::path::PathBuf {
        let path = dir.join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    fn shown(error: &anyhow::Error) -> String {
        format!("{error:#}")
    }

    #[test]
    fn a_file_that_others_can_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let text = "ipmi-password: hunter2-and-more\n";
        let mut secrets = Secrets::default();
        for mode in [0o644, 0o640, 0o604] {
            let path = written(dir.path(), "open.yaml", text, mode);
            let error = from_file(&path, &mut secrets).unwrap_err();
            assert!(shown(&error).contains("others can read it"), "{error:#}");
        }
        assert!(!secrets.has("ipmi-password"));
        let path = written(dir.path(), "own.yaml", text, 0o600);
        from_file(&path, &mut secrets).unwrap();
        assert!(secrets.has("ipmi-password"));
    }

    #[test]
    fn what_is_wrong_with_a_file_is_told_without_its_values() {
        let dir = tempfile::tempdir().unwrap();
        for (text, part) in [
            ("a: 12345678", "is no text"),
            ("a: abc", "fewer than 4 bytes"),
            ("A: hunter2-and-more", "no name of a secret"),
            ("hunter2-and-more", "no mapping"),
            ("a: \"hunter2-and-more", "no YAML"),
            ("a: b: hunter2-and-more", "no YAML"),
        ] {
            let path = written(dir.path(), "secrets.yaml", text, 0o600);
            let error = from_file(&path, &mut Secrets::default()).unwrap_err();
            let error = shown(&error);
            assert!(error.contains(part), "{text}: {error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn a_folder_has_a_file_for_each() {
        let dir = tempfile::tempdir().unwrap();
        written(dir.path(), "ipmi-password", "hunter2-and-more\n", 0o440);
        written(dir.path(), "other.crt", "x", 0o444);
        let mut secrets = Secrets::default();
        from_folder(dir.path(), &mut secrets).unwrap();
        assert!(secrets.has("ipmi-password"));
        written(dir.path(), "open", "hunter2-and-more\n", 0o444);
        let error = from_folder(dir.path(), &mut secrets).unwrap_err();
        assert!(shown(&error).contains("open"), "{error:#}");
    }
}
