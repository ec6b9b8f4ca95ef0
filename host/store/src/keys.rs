//! Whose signatures count: minisign's keys, and what a signature of one is worth.
//!
//! A signature is minisign's own detached one, over the artifact as `ostro pack build` writes it:
//! `minisign -S -m acme-1.0.0.ostro`, and what `minisign -V` accepts is accepted here.

use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use minisign_verify::{PublicKey, Signature};
use serde::{Deserialize, Serialize};

use crate::durable;
use crate::error::StoreError;

/// The most that a key or a signature may have, in bytes.
const MAX: u64 = 64 << 10;
/// What minisign writes in front of each comment.
const COMMENT: &str = "untrusted comment: ";

/// The keys that the operator trusts: a folder of minisign's public keys.
#[derive(Clone, Debug)]
pub struct Keys {
    dir: PathBuf,
}

/// A key that the operator trusts.
#[derive(Clone, Debug)]
pub struct TrustedKey {
    /// Its id, as minisign shows it.
    pub id: String,
    /// What is said of it. Whoever made the file wrote that.
    pub comment: String,
    /// The line of base64 that it is, without what is said of it.
    line: String,
    key: PublicKey,
}

/// Who signed a pack.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signer {
    /// The key's id.
    pub key: String,
    /// What was said of the key when it was trusted.
    pub comment: String,
}

/// What a signature is worth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A trusted key signed exactly these bytes.
    Signed(Signer),
    /// There is no signature.
    Unsigned,
    /// The signature is of a key with this id, which is not trusted. Whether it fits is not known.
    Untrusted(String),
}

impl Keys {
    /// The keys in a folder, which need not be there.
    pub(crate) fn at(dir: PathBuf) -> Self {
        Self { dir }
    }

    /// All of them, by id.
    pub fn all(&self) -> Result<Vec<TrustedKey>, StoreError> {
        let names = durable::names(&self.dir)?.into_iter();
        let keys = names.filter(|name| Path::new(name).extension().is_some_and(|end| end == "pub"));
        keys.map(|name| {
            let path = self.dir.join(name);
            parse(&read(&path)?, &path.display().to_string())
        })
        .collect()
    }

    /// Trusts a key: minisign's file, or the line of base64 in it. The key, and whether it is new.
    /// Who calls holds the store's lock.
    pub(crate) fn add(&self, given: &str) -> Result<(TrustedKey, bool), StoreError> {
        let path = Path::new(given);
        let text = if path.exists() {
            read(path)?
        } else if given.len() == 56 && PublicKey::from_base64(given).is_ok() {
            format!("{COMMENT}minisign public key\n{given}\n")
        } else {
            return Err(StoreError::Minisign {
                what: given.to_owned(),
                reason: "there is no such file, and it is no minisign public key; \
                         `minisign -G` makes one"
                    .to_owned(),
            });
        };
        let key = parse(&text, given)?;
        let known = self.all()?;
        if let Some(known) = known.iter().find(|known| known.id == key.id) {
            if known.line == key.line {
                return Ok((known.clone(), false));
            }
            return Err(StoreError::Minisign {
                what: given.to_owned(),
                reason: format!("another key with the id {} is trusted already", key.id),
            });
        }
        durable::make(&self.dir)?;
        durable::write(&self.file(&key.id), text.as_bytes(), 0o644)?;
        Ok((key, true))
    }

    /// Trusts a key no longer: its id, which may be cut short, or its file. Who calls holds the
    /// store's lock.
    pub(crate) fn remove(&self, given: &str) -> Result<TrustedKey, StoreError> {
        let path = Path::new(given);
        let id = if path.is_file() {
            parse(&read(path)?, given)?.id
        } else {
            given.to_ascii_uppercase()
        };
        let all = self.all()?;
        let mut found = all
            .into_iter()
            .filter(|key| id.len() >= 4 && key.id.starts_with(&id));
        match (found.next(), found.next()) {
            (Some(key), None) => {
                durable::remove(&self.file(&key.id))?;
                durable::sync(&self.dir)?;
                Ok(key)
            }
            (Some(_), Some(_)) => Err(StoreError::Unknown(format!(
                "{given} means more than one trusted key: give more of its id"
            ))),
            (None, _) => Err(StoreError::Unknown(format!("no key {given} is trusted"))),
        }
    }

    /// What `signature` is worth for `artifact`; `what` names the pack in messages. A signature of
    /// a trusted key that does not fit is an error whatever else is allowed: somebody changed what
    /// another one signed.
    pub fn verify(
        &self,
        artifact: &[u8],
        signature: Option<&str>,
        what: &str,
    ) -> Result<Verdict, StoreError> {
        let Some(text) = signature else {
            return Ok(Verdict::Unsigned);
        };
        let unreadable = |reason: String| StoreError::Minisign {
            what: format!("the signature of {what}"),
            reason,
        };
        let signature = Signature::decode(text)
            .map_err(|_| unreadable("it is no signature of minisign".into()))?;
        let id = text
            .lines()
            .nth(1)
            .and_then(key_id)
            .ok_or_else(|| unreadable("it names no key".into()))?;
        let trusted = self.all()?.into_iter().find(|key| key.id == id);
        let Some(trusted) = trusted else {
            return Ok(Verdict::Untrusted(id));
        };
        match trusted.key.verify(artifact, &signature, true) {
            Ok(()) => Ok(Verdict::Signed(Signer {
                key: trusted.id,
                comment: trusted.comment,
            })),
            Err(_) => Err(StoreError::BadSignature {
                what: what.to_owned(),
                key: trusted.id,
            }),
        }
    }

    /// Sees that a text is a signature; `what` names the pack in messages. Whose, and whether it
    /// fits, is not looked at.
    pub fn check(signature: &str, what: &str) -> Result<(), StoreError> {
        match Signature::decode(signature) {
            Ok(_) => Ok(()),
            Err(_) => Err(StoreError::Minisign {
                what: format!("the signature of {what}"),
                reason: "it is no signature of minisign".to_owned(),
            }),
        }
    }

    fn file(&self, id: &str) -> PathBuf {
        self.dir.join(format!("{id}.pub"))
    }
}

/// Reads minisign's file of a public key.
fn parse(text: &str, what: &str) -> Result<TrustedKey, StoreError> {
    let wrong = || StoreError::Minisign {
        what: what.to_owned(),
        reason: "it is no public key of minisign: two lines, of which the second begins with RW"
            .to_owned(),
    };
    let key = PublicKey::decode(text).map_err(|_| wrong())?;
    let line = text.lines().nth(1).unwrap_or_default().trim();
    let id = key_id(line).ok_or_else(wrong)?;
    let comment = text.lines().next().unwrap_or_default();
    let comment = comment.strip_prefix(COMMENT).unwrap_or(comment);
    Ok(TrustedKey {
        id,
        comment: comment.to_owned(),
        line: line.to_owned(),
        key,
    })
}

/// The id in a line of minisign's: eight bytes behind the two of the algorithm, shown as a
/// number, as minisign does.
fn key_id(line: &str) -> Option<String> {
    let bytes = BASE64_STANDARD.decode(line.trim()).ok()?;
    let id: [u8; 8] = bytes.get(2..10)?.try_into().ok()?;
    Some(format!("{:016X}", u64::from_le_bytes(id)))
}

/// The text of a key or a signature.
pub(crate) fn read(path: &Path) -> Result<String, StoreError> {
    let size = fs::metadata(path).map_err(StoreError::io(path))?.len();
    if size > MAX {
        return Err(StoreError::Minisign {
            what: path.display().to_string(),
            reason: format!("it has {size} bytes, more than any key or signature of minisign"),
        });
    }
    fs::read_to_string(path).map_err(StoreError::io(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    // Made by minisign 0.11 for the text "hi\n".
    const KEY: &str = "untrusted comment: minisign public key 4945AC1166EFF3B5\n\
        RWS18+9mEaxFSQ0Rj76e/44oYChVxaWsSf3yO+ELnp3CO8xpPK2S8pvW\n";
    const SIGNATURE: &str = "untrusted comment: signature from minisign secret key\n\
        RUS18+9mEaxFSd1IIM5pHB0Dwzb1cWMYr/GjnP0Y2c5a7e+B2wUvsbtqMgt1+PaaFdx/DL4ZY/UUo4TI+IkEabSuAOKabmlUyAo=\n\
        trusted comment: timestamp:1796010236\tfile:f\thashed\n\
        k6AMaxTt17CMZPO5TCCyRvwiLeGxskpqzXd/WNVqaP5w02RivQ9eWlsCGLJlRDrVwggFZqdjEBuDyu9c0ympBw==\n";

    fn keys() -> (tempfile::TempDir, Keys, String) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("k.pub");
        fs::write(&file, KEY).unwrap();
        let keys = Keys::at(folder.path().join("keys"));
        let file = file.display().to_string();
        (folder, keys, file)
    }

    #[test]
    fn a_signature_counts_once_its_key_is_trusted() {
        let (_folder, keys, file) = keys();
        let verify = |bytes: &[u8]| keys.verify(bytes, Some(SIGNATURE), "acme");
        let id = "4945AC1166EFF3B5";
        assert_eq!(verify(b"hi\n").unwrap(), Verdict::Untrusted(id.to_owned()));
        let (key, new) = keys.add(&file).unwrap();
        assert_eq!((key.id.as_str(), new), (id, true));
        assert!(!keys.add(&file).unwrap().1);
        // The line alone is the same key.
        assert!(!keys.add(KEY.lines().nth(1).unwrap()).unwrap().1);
        assert!(matches!(verify(b"hi\n").unwrap(), Verdict::Signed(signer) if signer.key == id));
        let error = verify(b"ho\n").unwrap_err().to_string();
        assert!(error.contains("does not fit"), "{error}");
        assert_eq!(keys.verify(b"", None, "acme").unwrap(), Verdict::Unsigned);
        assert!(keys.remove("FFFFFFFF").is_err());
        assert_eq!(keys.remove("4945ac").unwrap().id, id);
        assert!(keys.all().unwrap().is_empty());
    }

    #[test]
    fn what_is_no_key_or_no_signature_is_told() {
        let (folder, keys, file) = keys();
        keys.add(&file).unwrap();
        let bad = folder.path().join("bad.pub");
        fs::write(&bad, "a key\nnot really\n").unwrap();
        let error = keys
            .add(&bad.display().to_string())
            .unwrap_err()
            .to_string();
        assert!(error.contains("no public key of minisign"), "{error}");
        let error = keys.add("nowhere.pub").unwrap_err().to_string();
        assert!(error.contains("no such file"), "{error}");
        for text in ["", "signed, me", &SIGNATURE[..150]] {
            let error = keys
                .verify(b"hi\n", Some(text), "acme")
                .unwrap_err()
                .to_string();
            assert!(
                error.contains("no signature of minisign"),
                "{text}: {error}"
            );
        }
        // A comment that was changed afterwards is a change, too.
        let edited = SIGNATURE.replace("file:f", "file:g");
        assert!(keys.verify(b"hi\n", Some(&edited), "acme").is_err());
    }
}
