//! Inputs from the command line: `-i KEY=VALUE`, `--input @FILE`, `--env @FILE`.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use anyhow::{Context as _, Result, anyhow, bail};
use ostro_core::{Map, Value};

use crate::args::Inputs;
use crate::errors::{WithHint as _, hinted};

/// How much is read of a file, in bytes. What a workflow is given is copied into its history.
const MAX_FILE: u64 = 64 << 20;

/// All inputs: the object of `--input`, and those of `-i` on top.
pub(crate) fn gather(inputs: &Inputs) -> Result<Map> {
    let mut all = match &inputs.inputs {
        Some(text) => object("--input", text)?,
        None => Map::new(),
    };
    let example = "write -i name=Ada, -i count=3, -i 'list=[1, 2]' or -i nodes=@nodes.json";
    all.extend(pairs("-i", &inputs.input, example)?);
    Ok(all)
}

/// The values of `KEY=VALUE` texts; `option` is for messages, and so is the `example`.
pub(crate) fn pairs(option: &str, texts: &[String], example: &str) -> Result<Map> {
    let mut given = Map::new();
    for text in texts {
        let Some((key, value)) = text.split_once('=').filter(|(key, _)| !key.is_empty()) else {
            return Err(hinted(anyhow!("{option} {text}: no KEY=VALUE"), example));
        };
        let value = single(value).with_context(|| format!("{option} {key}"))?;
        if given.insert(key.into(), value).is_some() {
            bail!("{option} {key}: the input is given twice");
        }
    }
    Ok(given)
}

/// The value that `text` is as JSON, or that the file or the part of a file is that it names.
pub(crate) fn value(text: &str) -> Result<Value> {
    match text.strip_prefix('@') {
        Some(reference) => file(reference),
        None => serde_json::from_str(text)
            .context("not JSON")
            .hint(|| "write @FILE to read a file".to_owned()),
    }
}

/// The object that `text` is, or that the file is that it names; `option` is for messages.
pub(crate) fn object(option: &str, text: &str) -> Result<Map> {
    let value = match text.strip_prefix('@') {
        Some(reference) => file(reference).with_context(|| option.to_owned())?,
        None => serde_json::from_str(text)
            .with_context(|| format!("{option}: not JSON"))
            .hint(|| format!("write {option} @FILE to read a file"))?,
    };
    match value {
        Value::Map(entries) => Ok(Map::clone(&entries)),
        other => bail!("{option}: an object is needed, not a {}", other.kind()),
    }
}

/// One value: a part of a file, JSON, or text.
pub(crate) fn single(text: &str) -> Result<Value> {
    match text.strip_prefix('@') {
        Some(reference) => file(reference),
        None => Ok(serde_json::from_str(text).unwrap_or_else(|_| text.into())),
    }
}

/// What `reference` names: `FILE`, or `FILE#/POINTER` for a part of it. `-` is standard input.
fn file(reference: &str) -> Result<Value> {
    // A `#` may be in a file's name; a pointer is empty or starts with `/`.
    let (path, pointer) = match reference.rsplit_once('#') {
        Some((path, pointer)) if pointer.is_empty() || pointer.starts_with('/') => (path, pointer),
        _ => (reference, ""),
    };
    let value = parse(path, &read(path)?)?;
    follow(&value, pointer)
        .map_err(|missing| anyhow!("{path}: there is nothing at {missing}"))
        .hint(|| "after # stands a JSON pointer, as in @instackenv.json#/nodes".to_owned())
}

/// The text of the file at `path`; `-` is standard input.
pub(crate) fn read(path: &str) -> Result<String> {
    let mut text = String::new();
    let size = if path == "-" {
        io::stdin()
            .lock()
            .take(MAX_FILE + 1)
            .read_to_string(&mut text)
    } else {
        File::open(path).and_then(|file| file.take(MAX_FILE + 1).read_to_string(&mut text))
    }
    .map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => anyhow!("{path}: there is no such file"),
        io::ErrorKind::IsADirectory => anyhow!("{path}: this is a folder, not a file"),
        _ => anyhow!("{path}: {error}"),
    })?;
    if size as u64 > MAX_FILE {
        bail!(
            "{path}: the file is larger than {} MiB, the most that is read",
            MAX_FILE >> 20
        );
    }
    Ok(text)
}

fn parse(path: &str, text: &str) -> Result<Value> {
    let extension = Path::new(path)
        .extension()
        .and_then(|extension| extension.to_str());
    if matches!(extension, Some("yaml" | "yml")) {
        return serde_yaml::from_str(text).map_err(|error| match error.location() {
            Some(at) => {
                let place = format!(" at line {} column {}", at.line(), at.column());
                let problem = error.to_string().replace(&place, "");
                anyhow!("{path}:{}:{}: {problem}", at.line(), at.column())
            }
            None => anyhow!("{path}: {error}"),
        });
    }
    serde_json::from_str(text).map_err(|error| {
        let place = format!(" at line {} column {}", error.line(), error.column());
        let problem = error.to_string().replace(&place, "");
        anyhow!(
            "{path}:{}:{}: not JSON: {problem}",
            error.line(),
            error.column()
        )
    })
}

/// The part of `value` that a JSON pointer (RFC 6901) names; else the pointer up to where
/// nothing was found.
fn follow(value: &Value, pointer: &str) -> Result<Value, String> {
    let mut part = value;
    let mut seen = String::new();
    for token in pointer.split('/').skip(1) {
        seen.push('/');
        seen.push_str(token);
        let key = token.replace("~1", "/").replace("~0", "~");
        let next = match part {
            Value::Map(entries) => entries.get(&*key),
            Value::List(items) => key.parse().ok().and_then(|index: usize| items.get(index)),
            _ => None,
        };
        part = next.ok_or_else(|| seen.clone())?;
    }
    Ok(part.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(arguments: &[&str]) -> Result<String, String> {
        let input = arguments.iter().map(ToString::to_string).collect();
        gather(&Inputs {
            input,
            inputs: None,
        })
        .map(|map| Value::from(map).to_string())
        .map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn values_are_json_where_they_read_as_json_and_else_text() {
        for (argument, value) in [
            ("a=1", "1"),
            ("a=-1.5", "-1.5"),
            ("a=true", "true"),
            ("a=null", "null"),
            ("a=[1, \"x\"]", "[1,\"x\"]"),
            ("a={\"b\": {}}", "{\"b\":{}}"),
            ("a=\"1\"", "\"1\""),
            ("a=hello world", "\"hello world\""),
            ("a=[broken", "\"[broken\""),
            ("a=010", "\"010\""),
            ("a=b=c", "\"b=c\""),
            ("a=", "\"\""),
        ] {
            assert_eq!(
                given(&[argument]),
                Ok(format!("{{\"a\":{value}}}")),
                "{argument}"
            );
        }
    }

    #[test]
    fn what_is_no_pair_or_given_twice_is_refused() {
        assert!(given(&["novalue"]).unwrap_err().contains("no KEY=VALUE"));
        assert!(given(&["=1"]).unwrap_err().contains("no KEY=VALUE"));
        assert!(given(&["a=1", "a=2"]).unwrap_err().contains("given twice"));
    }

    #[test]
    fn files_and_parts_of_files_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let json = folder.path().join("in#1.json");
        let yaml = folder.path().join("in.yaml");
        std::fs::write(&json, r#"{"nodes": [{"a/b": 1}]}"#).unwrap();
        std::fs::write(&yaml, "nodes: [x, y]\n").unwrap();
        let (json, yaml) = (json.display(), yaml.display());
        for (argument, value) in [
            (format!("a=@{json}"), r#"{"a":{"nodes":[{"a/b":1}]}}"#),
            (format!("a=@{json}#/nodes/0/a~1b"), r#"{"a":1}"#),
            (format!("a=@{yaml}#/nodes/1"), r#"{"a":"y"}"#),
        ] {
            assert_eq!(given(&[&argument]).as_deref(), Ok(value), "{argument}");
        }
        let missing = given(&[&format!("a=@{json}#/nodes/7/x")]).unwrap_err();
        assert!(
            missing.ends_with("in#1.json: there is nothing at /nodes/7"),
            "{missing}"
        );
        std::fs::write(folder.path().join("bad.json"), "{\n \"a\": }").unwrap();
        let bad = given(&[&format!("a=@{}", folder.path().join("bad.json").display())]);
        assert!(
            bad.unwrap_err()
                .contains("bad.json:2:7: not JSON: expected value")
        );
    }

    #[test]
    fn inputs_on_the_command_line_come_on_top_of_the_object() {
        let inputs = Inputs {
            input: vec!["b=2".to_owned()],
            inputs: Some(r#"{"a": 1, "b": 1}"#.to_owned()),
        };
        assert_eq!(
            Value::from(gather(&inputs).unwrap()).to_string(),
            r#"{"a":1,"b":2}"#
        );
        assert!(
            object("--env", "[1]")
                .unwrap_err()
                .to_string()
                .contains("an object is needed")
        );
    }
}
