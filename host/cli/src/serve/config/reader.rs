//! Reads a configuration: a YAML file, over which the environment goes, and all that is wrong.
//!
//! `tls.certificate` of the file is `OSTRO_TLS_CERTIFICATE` in the environment. A setting is known
//! by being asked for; what nobody asks for is a mistake.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use ostro_core::Value;
use ostro_core::suggest::did_you_mean;
use ostro_lang::{Placed, PlacedEntry, PlacedKind, read_placed};

/// How much is read of a file, in bytes.
const MAX_FILE: u64 = 1 << 20;
/// The longest time that a setting may name.
const MAX_TIME: Duration = Duration::from_hours(7 * 24);

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mistake {
    /// Where it is: a place in a file, a variable or a flag.
    pub(crate) at: String,
    /// What is wrong.
    pub(crate) message: String,
    /// What to do.
    pub(crate) hint: Option<String>,
}

/// What is read, and what is wrong with it.
pub(crate) struct Reader {
    /// Where relative paths of the file begin.
    folder: PathBuf,
    environment: BTreeMap<String, String>,
    /// The variables that were asked for.
    asked: BTreeSet<String>,
    /// How variables of sections begin.
    prefixes: BTreeSet<String>,
    mistakes: Vec<Mistake>,
}

/// A mapping of settings.
pub(crate) struct Section<'r> {
    reader: &'r mut Reader,
    /// The names of it and of those that it is in.
    path: Vec<&'static str>,
    entries: Vec<PlacedEntry>,
    /// The keys that were asked for.
    asked: Vec<&'static str>,
}

/// A value that somebody gave.
pub(crate) struct Given {
    /// Where: for messages.
    pub(crate) at: String,
    /// Where relative paths in it begin, unless it is here.
    folder: Option<PathBuf>,
    kind: PlacedKind,
}

impl Reader {
    /// Reads the `file`, if there is one, with `environment` over it, as `of` asks for it.
    pub(crate) fn read<T>(
        file: Option<&Path>,
        environment: BTreeMap<String, String>,
        of: impl FnOnce(&mut Section<'_>) -> T,
    ) -> (T, Vec<Mistake>) {
        let folder = file.and_then(Path::parent).unwrap_or(Path::new(""));
        let mut reader = Self {
            folder: folder.to_owned(),
            environment,
            asked: BTreeSet::new(),
            prefixes: BTreeSet::new(),
            mistakes: Vec::new(),
        };
        let entries = file.and_then(|file| reader.load(file));
        // What cannot be read says nothing of what would have been missing in it.
        let entries = entries.unwrap_or_default();
        let mut section = Section::new(&mut reader, Vec::new(), entries);
        let read = of(&mut section);
        section.finish();
        reader.look_for_strangers();
        (read, reader.mistakes)
    }

    fn load(&mut self, file: &Path) -> Option<Vec<PlacedEntry>> {
        let name = file.display().to_string();
        let text = match read_bounded(file) {
            Ok(text) => text,
            Err(message) => {
                self.mistake(&name, message, None);
                return None;
            }
        };
        let (root, wrong) = read_placed(&text, &name);
        for one in wrong {
            self.mistake(&one.location.to_string(), one.message, one.hint);
        }
        let root = root?;
        match root.kind {
            PlacedKind::Map(entries) => Some(entries),
            PlacedKind::Scalar(Value::Null) => None,
            other => {
                let message = format!("settings are a mapping, not {}", describe(&other));
                let hint = "each line names one, as `listen: 127.0.0.1:8989`".to_owned();
                self.mistake(&root.location.to_string(), message, Some(hint));
                None
            }
        }
    }

    fn mistake(&mut self, at: &str, message: impl Into<String>, hint: Option<String>) {
        self.mistakes.push(Mistake {
            at: at.to_owned(),
            message: message.into(),
            hint,
        });
    }

    /// Variables of sections that nobody asked for.
    fn look_for_strangers(&mut self) {
        let is_of_one = |name: &&String| {
            let mut prefixes = self.prefixes.iter();
            prefixes.any(|prefix| name.starts_with(prefix.as_str()))
        };
        let strangers = self.environment.keys().filter(is_of_one);
        let strangers = strangers.filter(|name| !self.asked.contains(*name));
        let strangers: Vec<String> = strangers.cloned().collect();
        for name in strangers {
            let hint = did_you_mean(&name, self.asked.iter().map(String::as_str));
            self.mistake(&name, "there is no such setting", hint);
        }
    }
}

impl<'r> Section<'r> {
    fn new(
        reader: &'r mut Reader,
        path: Vec<&'static str>,
        entries: Vec<PlacedEntry>,
    ) -> Section<'r> {
        Section {
            reader,
            path,
            entries,
            asked: Vec::new(),
        }
    }

    /// The section `key` in this one, as `of` asks for it.
    pub(crate) fn section<T>(
        &mut self,
        key: &'static str,
        of: impl FnOnce(&mut Section<'_>) -> T,
    ) -> T {
        self.asked.push(key);
        let entries = match self.take(key) {
            Some(Placed {
                kind: PlacedKind::Map(entries),
                ..
            }) => entries,
            None
            | Some(Placed {
                kind: PlacedKind::Scalar(Value::Null),
                ..
            }) => Vec::new(),
            Some(other) => {
                let message = format!("`{key}` is a mapping, not {}", describe(&other.kind));
                let at = other.location.to_string();
                self.reader.mistake(&at, message, None);
                Vec::new()
            }
        };
        let path = self.path_of(key);
        let prefix = format!("{}_", variable(&path));
        self.reader.prefixes.insert(prefix);
        let mut section = Section::new(self.reader, path, entries);
        let read = of(&mut section);
        section.finish();
        read
    }

    /// What is given for `key`: the variable's value, or else the file's.
    pub(crate) fn given(&mut self, key: &'static str) -> Option<Given> {
        self.asked.push(key);
        let found = self.take(key);
        let name = variable(&self.path_of(key));
        self.reader.asked.insert(name.clone());
        if let Some(text) = self.reader.environment.get(&name) {
            return Some(Given {
                kind: PlacedKind::Scalar(Value::from(text.as_str())),
                folder: None,
                at: name,
            });
        }
        let found = found?;
        if matches!(found.kind, PlacedKind::Scalar(Value::Null)) {
            return None;
        }
        Some(Given {
            kind: found.kind,
            folder: Some(self.reader.folder.clone()),
            at: found.location.to_string(),
        })
    }

    /// A variable of the environment that is no setting's own.
    pub(crate) fn variable(&self, name: &str) -> Option<String> {
        self.reader.environment.get(name).cloned()
    }

    /// Says that something is wrong with what was given.
    pub(crate) fn mistake(&mut self, at: &str, message: impl Into<String>, hint: Option<&str>) {
        let hint = hint.map(str::to_owned);
        self.reader.mistake(at, message, hint);
    }

    /// What `read` makes of the scalar that is given for `key`, and where that is.
    fn scalar<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&Given, &str) -> Result<T, String>,
    ) -> Option<(T, String)> {
        let given = self.given(key)?;
        let text = match &given.kind {
            PlacedKind::Scalar(Value::String(text)) => text.to_string(),
            PlacedKind::Scalar(other) => other.to_string(),
            other => {
                let message = format!("`{key}` is one value, not {}", describe(other));
                self.mistake(&given.at, message, None);
                return None;
            }
        };
        match read(&given, &text) {
            Ok(value) => Some((value, given.at)),
            Err(message) => {
                self.mistake(&given.at, format!("`{key}`: {message}"), None);
                None
            }
        }
    }

    /// A text.
    pub(crate) fn text(&mut self, key: &'static str) -> Option<String> {
        self.parsed::<String>(key).map(|(text, _)| text)
    }

    /// What a text is read as, and where it stands.
    pub(crate) fn parsed<T>(&mut self, key: &'static str) -> Option<(T, String)>
    where
        T: FromStr,
        T::Err: Display,
    {
        self.scalar(key, |_, text| {
            let parsed = text.parse();
            parsed.map_err(|error| format!("{text:?} cannot be read: {error}"))
        })
    }

    /// A secret, and where it stands: the text itself, or `{file: PATH}` or `{env: NAME}` for where
    /// it is.
    pub(crate) fn secret(&mut self, key: &'static str) -> Option<(String, String)> {
        let given = self.given(key)?;
        let found = match &given.kind {
            PlacedKind::Scalar(Value::String(text)) => Ok(text.to_string()),
            PlacedKind::Map(entries) => elsewhere(&given, entries),
            other => Err(format!("a text is needed, not {}", describe(other))),
        };
        match found {
            Ok(secret) => Some((secret, given.at)),
            Err(message) => {
                let hint = "write the text, `{file: PATH}` or `{env: NAME}`";
                self.mistake(&given.at, format!("`{key}`: {message}"), Some(hint));
                None
            }
        }
    }

    /// A path: of the file, in the file's folder unless it is absolute.
    pub(crate) fn path(&mut self, key: &'static str) -> Option<(PathBuf, String)> {
        self.scalar(key, |given, text| Ok(given.path(text)))
    }

    /// As [`Section::path`]; something is there.
    pub(crate) fn existing(&mut self, key: &'static str) -> Option<(PathBuf, String)> {
        self.scalar(key, Given::existing)
    }

    /// A number from 1 on.
    pub(crate) fn count(&mut self, key: &'static str, setting: &mut NonZeroUsize) {
        let read = self.scalar(key, |_, text| {
            let number = text.parse();
            number.map_err(|_| format!("{text:?} is no whole number from 1 on"))
        });
        if let Some((number, _)) = read {
            *setting = number;
        }
    }

    /// A size in bytes, with its unit.
    pub(crate) fn size(&mut self, key: &'static str, setting: &mut NonZeroUsize) {
        if let Some((size, _)) = self.scalar(key, |_, text| size(text)) {
            *setting = size;
        }
    }

    /// A time, with its unit.
    pub(crate) fn time(&mut self, key: &'static str, setting: &mut Duration) {
        if let Some((time, _)) = self.scalar(key, |_, text| time(text)) {
            *setting = time;
        }
    }

    /// Yes or no, and where it stands.
    pub(crate) fn truth(&mut self, key: &'static str) -> Option<(bool, String)> {
        self.scalar(key, |_, text| match text {
            "true" | "yes" | "on" | "1" => Ok(true),
            "false" | "no" | "off" | "0" => Ok(false),
            _ => Err(format!("{text:?} is neither true nor false")),
        })
    }

    /// A list of what texts are read as; in a variable they are parted by commas. Empty where none
    /// is given.
    pub(crate) fn list<T, E: Display>(
        &mut self,
        key: &'static str,
        read: impl Fn(&Given, &str) -> Result<T, E>,
    ) -> Vec<T> {
        let Some(given) = self.given(key) else {
            return Vec::new();
        };
        let mut all = Vec::new();
        match &given.kind {
            PlacedKind::Scalar(Value::String(text)) if given.folder.is_none() => {
                let texts = text.split(',').map(str::trim);
                for text in texts.filter(|text| !text.is_empty()) {
                    match read(&given, text) {
                        Ok(value) => all.push(value),
                        Err(error) => {
                            self.mistake(&given.at, format!("`{key}`: {error}"), None);
                        }
                    }
                }
            }
            PlacedKind::List(items) => {
                for item in items {
                    let at = item.location.to_string();
                    let PlacedKind::Scalar(Value::String(text)) = &item.kind else {
                        let message =
                            format!("`{key}` is a list of texts, not {}", describe(&item.kind));
                        self.mistake(&at, message, None);
                        continue;
                    };
                    match read(&given, text) {
                        Ok(value) => all.push(value),
                        Err(error) => self.mistake(&at, format!("`{key}`: {error}"), None),
                    }
                }
            }
            other => {
                let message = format!("`{key}` is a list, not {}", describe(other));
                self.mistake(&given.at, message, Some("write `[one, another]`"));
            }
        }
        all
    }

    /// A list of values of any shape, and where each stands. It may be in a file or in a variable, as
    /// a secret may ([`Section::secret`]); there, and in a variable of the setting, it is YAML or JSON.
    pub(crate) fn values(&mut self, key: &'static str) -> Vec<(serde_json::Value, String)> {
        let Some(given) = self.given(key) else {
            return Vec::new();
        };
        let text = match &given.kind {
            PlacedKind::List(items) => {
                let value = |item: &Placed| (plain(&item.kind), item.location.to_string());
                return items.iter().map(value).collect();
            }
            PlacedKind::Map(entries) => elsewhere(&given, entries),
            PlacedKind::Scalar(Value::String(text)) if given.folder.is_none() => {
                Ok(text.to_string())
            }
            other @ PlacedKind::Scalar(_) => {
                Err(format!("a list is needed, not {}", describe(other)))
            }
        };
        let read = text.and_then(|text| match read_placed(&text, &given.at) {
            (None, wrong) if wrong.is_empty() => Ok(Vec::new()),
            (
                Some(Placed {
                    kind: PlacedKind::List(items),
                    ..
                }),
                wrong,
            ) if wrong.is_empty() => Ok(items),
            // What it says may be a secret.
            _ => Err("it is no list in YAML or JSON".to_owned()),
        });
        match read {
            Ok(items) => {
                let items = items.iter().enumerate();
                items
                    .map(|(place, item)| {
                        let at = format!("{}, entry {}", given.at, place + 1);
                        (plain(&item.kind), at)
                    })
                    .collect()
            }
            Err(message) => {
                let hint = "write a list, `{file: PATH}` or `{env: NAME}`";
                self.mistake(&given.at, format!("`{key}`: {message}"), Some(hint));
                Vec::new()
            }
        }
    }

    /// Keys that nobody asked for.
    fn finish(self) {
        let Section {
            reader,
            path,
            entries,
            asked,
        } = self;
        for entry in entries {
            let within = match path.join(".") {
                path if path.is_empty() => String::new(),
                path => format!(" in `{path}`"),
            };
            let hint = did_you_mean(&entry.key, asked.iter().copied());
            let hint =
                hint.unwrap_or_else(|| format!("those that there are: {}", asked.join(", ")));
            let message = format!("there is no setting `{}`{within}", entry.key);
            reader.mistake(&entry.location.to_string(), message, Some(hint));
        }
    }

    fn take(&mut self, key: &str) -> Option<Placed> {
        let place = self.entries.iter().position(|entry| &*entry.key == key)?;
        Some(self.entries.remove(place).value)
    }

    fn path_of(&self, key: &'static str) -> Vec<&'static str> {
        self.path.iter().copied().chain([key]).collect()
    }
}

impl Given {
    /// The path that a text of it is.
    pub(crate) fn path(&self, text: &str) -> PathBuf {
        match &self.folder {
            Some(folder) => folder.join(text),
            None => PathBuf::from(text),
        }
    }

    /// As [`Given::path`]; something is there.
    pub(crate) fn existing(&self, text: &str) -> Result<PathBuf, String> {
        let path = self.path(text);
        match std::fs::metadata(&path) {
            Ok(_) => Ok(path),
            Err(error) => Err(format!("{}: {error}", path.display())),
        }
    }
}

/// A value without its places.
fn plain(kind: &PlacedKind) -> serde_json::Value {
    match kind {
        PlacedKind::Scalar(value) => value.into(),
        PlacedKind::List(items) => items.iter().map(|item| plain(&item.kind)).collect(),
        PlacedKind::Map(entries) => {
            let entries = entries.iter();
            let plain = entries.map(|entry| (entry.key.to_string(), plain(&entry.value.kind)));
            plain.collect::<serde_json::Map<_, _>>().into()
        }
    }
}

/// The secret that a file or a variable holds.
fn elsewhere(given: &Given, entries: &[PlacedEntry]) -> Result<String, String> {
    let [entry] = entries else {
        return Err("one place is needed".to_owned());
    };
    let PlacedKind::Scalar(Value::String(text)) = &entry.value.kind else {
        return Err(format!("`{}` is a text", entry.key));
    };
    match &*entry.key {
        "file" => {
            let path = given.existing(text)?;
            let secret = read_bounded(&path);
            let secret = secret.map_err(|error| format!("{}: {error}", path.display()))?;
            Ok(secret.trim_end_matches(['\r', '\n']).to_owned())
        }
        "env" => std::env::var(&**text).map_err(|error| format!("{text}: {error}")),
        other => Err(format!("there is no place `{other}`")),
    }
}

/// The variable that stands for a setting.
fn variable(path: &[&str]) -> String {
    format!("OSTRO_{}", path.join("_").to_ascii_uppercase())
}

fn read_bounded(file: &Path) -> Result<String, String> {
    let known = std::fs::metadata(file).map_err(|error| format!("it cannot be read: {error}"))?;
    if known.len() > MAX_FILE {
        return Err(format!("it has more than {MAX_FILE} bytes"));
    }
    std::fs::read_to_string(file).map_err(|error| format!("it cannot be read: {error}"))
}

/// What something is, without what it says: that may be a secret.
fn describe(kind: &PlacedKind) -> &'static str {
    match kind {
        PlacedKind::Scalar(Value::Null) => "nothing",
        PlacedKind::Scalar(Value::String(_)) => "text",
        PlacedKind::Scalar(Value::Bool(_)) => "a truth value",
        PlacedKind::Scalar(_) => "a number",
        PlacedKind::List(_) => "a list",
        PlacedKind::Map(_) => "a mapping",
    }
}

/// The number and the unit of a text.
fn quantity(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit());
    let (number, unit) = text.split_at(end.unwrap_or(text.len()));
    Some((number.parse().ok()?, unit.trim_start()))
}

fn time(text: &str) -> Result<Duration, String> {
    let time = quantity(text).and_then(|(number, unit)| {
        let millis: u64 = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            _ => return None,
        };
        Some(Duration::from_millis(number.checked_mul(millis)?))
    });
    time.filter(|time| !time.is_zero() && *time <= MAX_TIME)
        .ok_or_else(|| format!("{text:?} is no time up to 168h: write 500ms, 30s, 5m or 1h"))
}

fn size(text: &str) -> Result<NonZeroUsize, String> {
    let size = quantity(text).and_then(|(number, unit)| {
        let bytes: u64 = match unit {
            "B" => 1,
            "KiB" => 1 << 10,
            "MiB" => 1 << 20,
            "GiB" => 1 << 30,
            _ => return None,
        };
        NonZeroUsize::new(usize::try_from(number.checked_mul(bytes)?).ok()?)
    });
    size.ok_or_else(|| format!("{text:?} is no size: write 512KiB, 16MiB or 1GiB"))
}

#[cfg(test)]
#[path = "reader/tests.rs"]
mod tests;
