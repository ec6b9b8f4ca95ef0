//! What a pack is, does, imports and asks for.

use std::fmt::Write as _;

use anyhow::{Context as _, Result};
use console::style;
use ostro_packs::build::Built;
use ostro_packs::{Component, Grants, Pack, Signature};
use serde_json::{Value, json};

use crate::terminal::clean;

/// What a build made, in a few lines.
pub(crate) fn built(built: &Built) -> Result<String> {
    let path = &built.artifact;
    let size = path
        .metadata()
        .with_context(|| path.display().to_string())?
        .len();
    let mut text = format!(
        "{}\n  {}\n  {}\n  actions:",
        style(path.display()).bold(),
        bytes(size),
        built.pack.digest
    );
    for signature in built.pack.signatures() {
        // Writing to a string cannot fail, here and below.
        let _ = write!(text, "\n    {}", signature.name);
    }
    Ok(text)
}

/// The pack for people.
pub(crate) fn table(pack: &Pack) -> String {
    let manifest = &pack.manifest;
    let mut text = format!("{} {}", style(&manifest.name).bold(), manifest.version);
    if !manifest.description.is_empty() {
        let _ = write!(text, "\n{}", clean(&manifest.description));
    }
    let _ = write!(text, "\n{}", pack.digest);
    let (validations, actions): (Vec<_>, Vec<_>) = pack
        .signatures()
        .partition(|signature| signature.is_validation);
    section(&mut text, "Actions");
    if actions.is_empty() {
        text.push_str(" none");
    }
    for signature in actions {
        action(&mut text, signature);
    }
    if !validations.is_empty() {
        section(&mut text, "Validations");
    }
    for signature in validations {
        action(&mut text, signature);
        if let Some(info) = manifest.validations.get(&*signature.name) {
            let groups = info.groups.join(", ");
            let _ = write!(text, "\n      {} [{groups}]", clean(&info.name));
        }
    }
    section(&mut text, "Components");
    if pack.components.is_empty() {
        text.push_str(" none");
    }
    for component in &pack.components {
        let size = bytes(component.bytes.len() as u64);
        let _ = write!(text, "\n  {}  {size}  {}", component.name, component.digest);
        for import in imports(component) {
            let _ = write!(text, "\n    imports {import}");
        }
    }
    if !pack.workflows.is_empty() {
        section(&mut text, "Workflows");
        for file in &pack.workflows {
            let _ = write!(text, "\n  {}", file.path);
        }
    }
    section(&mut text, "Grants that it asks for");
    text.push_str(&grants(&manifest.grants));
    section(&mut text, "Limits of each call");
    let _ = write!(text, "\n  {}", manifest.limits);
    if let Err(error) = pack.check_imports(&manifest.grants) {
        let _ = write!(text, "\n\n{} {error}", style("not loadable:").red().bold());
    }
    text
}

/// The pack for programs.
pub(crate) fn json(pack: &Pack) -> Value {
    let manifest = &pack.manifest;
    let limits = &manifest.limits;
    let actions: Vec<Value> = pack
        .signatures()
        .map(|signature| action_json(signature))
        .collect();
    let components: Vec<Value> = pack
        .components
        .iter()
        .map(|component| {
            json!({
                "name": component.name,
                "size": component.bytes.len(),
                "digest": component.digest,
                "imports": component.imports.iter().map(|import| json!({
                    "interface": import.interface,
                    "items": import.items,
                })).collect::<Vec<_>>(),
            })
        })
        .collect();
    let validations: Vec<Value> = manifest
        .validations
        .iter()
        .map(|(action, info)| {
            json!({
                "action": action,
                "name": info.name,
                "description": info.description,
                "groups": info.groups,
            })
        })
        .collect();
    let workflows: Vec<&String> = pack.workflows.iter().map(|file| &file.path).collect();
    json!({
        "name": manifest.name,
        "version": manifest.version.to_string(),
        "description": manifest.description,
        "digest": pack.digest,
        "actions": actions,
        "validations": validations,
        "components": components,
        "workflows": workflows,
        "grants": manifest.grants,
        "limits": {
            "time": limits.time.as_secs_f64(),
            "memory": limits.memory,
            "host-calls": limits.host_calls,
            "input": limits.input,
            "output": limits.output,
            "host-calls-per-second": limits.host_calls_per_second,
            "concurrent": limits.concurrent,
            "fuel": limits.fuel,
        },
        "problem": pack.check_imports(&manifest.grants).err().map(|error| error.to_string()),
    })
}

fn action_json(signature: &Signature) -> Value {
    let parameters: Vec<Value> = signature
        .params
        .iter()
        .map(|param| {
            json!({
                "name": param.name.to_string(),
                "type": param.ty.to_string(),
                "required": !param.ty.is_optional(),
                "docs": param.docs,
            })
        })
        .collect();
    json!({
        "name": signature.name,
        "signature": signature.to_string(),
        "parameters": parameters,
        "result": signature.result.as_ref().map(ToString::to_string),
        "error": signature.error.as_ref().map(ToString::to_string),
        "docs": signature.docs,
        "validation": signature.is_validation,
        "interface": signature.export.interface,
        "function": signature.export.function,
    })
}

fn section(text: &mut String, title: &str) {
    let _ = write!(text, "\n\n{}", style(format!("{title}:")).bold());
}

/// The signature, a line a parameter where it would be too long, and its documentation.
fn action(text: &mut String, signature: &Signature) {
    const WIDTH: usize = 98;
    let whole = signature.to_string();
    if whole.chars().count() <= WIDTH || signature.params.is_empty() {
        let _ = write!(text, "\n  {}", style(whole).cyan());
    } else {
        let mut lines = format!("{}(", signature.name);
        for param in &signature.params {
            let _ = write!(lines, "\n      {}: {},", param.name, param.ty);
        }
        // What stands after the parameters in the signature's own words.
        let params: Vec<String> = signature
            .params
            .iter()
            .map(|param| format!("{}: {}", param.name, param.ty))
            .collect();
        let head = format!("{}({})", signature.name, params.join(", "));
        let _ = write!(
            lines,
            "\n  ){}",
            whole.strip_prefix(&head).unwrap_or_default()
        );
        let _ = write!(text, "\n  {}", style(lines).cyan());
    }
    for line in clean(signature.docs.as_deref().unwrap_or_default()).lines() {
        let _ = write!(text, "\n      {line}");
    }
}

/// What a component imports and uses. Interfaces of which it uses types alone give it nothing.
fn imports(component: &Component) -> Vec<String> {
    let used = component
        .imports
        .iter()
        .filter(|import| !import.items.is_empty());
    let shown = |item: &String| item.strip_prefix("[method]").unwrap_or(item).to_owned();
    used.map(|import| {
        let items: Vec<String> = import.items.iter().map(shown).collect();
        format!("{}: {}", import.interface, items.join(", "))
    })
    .collect()
}

/// Grants as pack.yaml has them, indented.
fn grants(grants: &Grants) -> String {
    if grants.is_empty() {
        return " none".to_owned();
    }
    let yaml = serde_yaml::to_string(grants).unwrap_or_default();
    yaml.lines().fold(String::new(), |mut text, line| {
        let _ = write!(text, "\n  {line}");
        text
    })
}

/// A size in bytes, for people.
fn bytes(size: u64) -> String {
    #[expect(
        clippy::cast_precision_loss,
        reason = "one digit after the point is shown"
    )]
    let size_f = size as f64;
    if size < 1 << 10 {
        format!("{size} bytes")
    } else if size < 1 << 20 {
        format!("{:.1} KiB", size_f / 1024.0)
    } else {
        format!("{:.1} MiB", size_f / 1_048_576.0)
    }
}

#[cfg(test)]
mod tests {
    use super::bytes;

    #[test]
    fn sizes_are_for_people() {
        assert_eq!(bytes(17), "17 bytes");
        assert_eq!(bytes(20_480), "20.0 KiB");
        assert_eq!(bytes(18 << 20), "18.0 MiB");
    }
}
