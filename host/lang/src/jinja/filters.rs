//! Filters: what stands behind `|`.

mod sequences;
mod strings;

use std::sync::Arc;

use ostro_core::{Map, Value};

use super::error::{Res, error, fail};
use super::eval::{Args, Eval};
use super::operators;
use super::value::Val;
use crate::functions::FUNCTIONS;

pub(crate) use sequences::sort;

const NAMES: &[&str] = &[
    "abs",
    "attr",
    "batch",
    "capitalize",
    "center",
    "count",
    "d",
    "default",
    "dictsort",
    "e",
    "escape",
    "filesizeformat",
    "first",
    "float",
    "forceescape",
    "format",
    "groupby",
    "indent",
    "int",
    "items",
    "join",
    "last",
    "length",
    "list",
    "lower",
    "map",
    "max",
    "min",
    "pprint",
    "random",
    "reject",
    "rejectattr",
    "replace",
    "reverse",
    "round",
    "safe",
    "select",
    "selectattr",
    "slice",
    "sort",
    "string",
    "striptags",
    "sum",
    "title",
    "tojson",
    "trim",
    "truncate",
    "unique",
    "upper",
    "urlencode",
    "urlize",
    "wordcount",
    "wordwrap",
    "xmlattr",
];

/// The names of the filters. Mistral makes its functions filters too: the value before them is
/// their first parameter, the context.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    NAMES.iter().chain(FUNCTIONS).copied()
}

/// Whether there is a filter of this name.
pub(crate) fn exists(name: &str) -> bool {
    names().any(|known| known == name)
}

/// What the filter `name` makes of `input`.
pub(crate) fn call(eval: &mut Eval<'_>, name: &str, input: Val, args: Args) -> Res<Val> {
    if FUNCTIONS.contains(&name) {
        return function(eval, name, &input, args);
    }
    if matches!(name, "default" | "d") {
        return default(input, args);
    }
    // The others that can do with nothing.
    if matches!(input, Val::Undefined(_)) && name == "items" {
        return Ok(Val::list(Vec::new()));
    }
    input.defined()?;
    match name {
        "abs" | "round" | "int" | "float" | "filesizeformat" => number(name, &input, args),
        "attr" => attribute(&input, args),
        "tojson" => to_json(eval, input, args),
        "pprint" => {
            let [_verbose] = args.bind(name, ["verbose"])?;
            let text = pretty(&input.into_value()?, 0, 0);
            eval.made(text)
        }
        "random" => {
            let [] = args.bind(name, [])?;
            let items = eval.items(&input)?;
            let Some(random) = eval.host.random() else {
                return fail("there are no random numbers here");
            };
            if items.is_empty() {
                return Ok(Val::undefined("No random item, sequence was empty."));
            }
            Ok(items[pick(random, items.len())].clone())
        }
        "safe" | "string" => {
            let [] = args.bind(name, [])?;
            let text = input.text()?.into_owned();
            eval.made(text)
        }
        "urlize" => Err(error("the filter `urlize` is not supported")
            .hint(Some("it makes HTML of addresses in a text".to_owned()))),
        _ if strings::NAMES.contains(&name) => strings::call(eval, name, &input, args),
        _ => sequences::call(eval, name, &input, args),
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "from 0 up to, but not with, the length"
)]
fn pick(random: f64, length: usize) -> usize {
    ((random * length as f64) as usize).min(length - 1)
}

fn function(eval: &mut Eval<'_>, name: &str, input: &Val, args: Args) -> Res<Val> {
    let reads_context = matches!(
        name,
        "env" | "execution" | "executions" | "global" | "task" | "tasks"
    );
    if reads_context && !eval.is_context(input)
        || !reads_context && args.positional.is_empty() && name != "uuid"
    {
        return Err(error(format!(
            "`{name}` as a filter takes the context before it, and its arguments in parentheses"
        ))
        .hint(Some(format!("call it as a function: `{name}(…)`"))));
    }
    eval.call_host(name, args)
}

fn default(input: Val, args: Args) -> Res<Val> {
    let [default, boolean] = args.bind("default", ["default_value", "boolean"])?;
    let boolean = boolean.map_or(Ok(false), |boolean| boolean.truth())?;
    let missing = match &input {
        Val::Undefined(_) => true,
        other => boolean && !other.truth()?,
    };
    Ok(if missing {
        default.unwrap_or_else(|| "".into())
    } else {
        input
    })
}

fn attribute(input: &Val, args: Args) -> Res<Val> {
    let [name] = args.bind("attr", ["name"])?;
    let Some(name) = name else {
        return fail("`attr` needs a name");
    };
    // Mappings have entries, not attributes: as in Jinja2 there is nothing to find in them.
    match input {
        Val::Namespace(_) | Val::Tuple(_) | Val::Loop(_) => operators::item(input, &name),
        other => {
            name.defined()?;
            Ok(Val::undefined(format!(
                "'{} object' has no such attribute",
                other.python_type()
            )))
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "what does not fit is refused"
)]
fn number(name: &str, input: &Val, args: Args) -> Res<Val> {
    let whole = |number: f64| {
        let number = number.trunc();
        (number.abs() < i64::MAX as f64).then_some(number as i64)
    };
    match name {
        "abs" => {
            let [] = args.bind(name, [])?;
            match (input, input.as_int(), input.as_float()) {
                (Val::Data(Value::Float(number)), ..) => Ok(number.abs().into()),
                (_, Some(number), _) => match number.checked_abs() {
                    Some(number) => Ok(number.into()),
                    None => fail("a number does not fit into 64 bits"),
                },
                _ => fail(format!("`abs` takes a number, not {}", input.kind())),
            }
        }
        "int" => {
            let [default, base] = args.bind(name, ["default", "base"])?;
            let base = base.and_then(|base| base.as_int()).unwrap_or(10);
            let found = match input {
                Val::Data(Value::String(text)) => integer(text, base).or_else(|| {
                    let number = real(text)?;
                    whole(number)
                }),
                other => match other.as_int() {
                    Some(number) => Some(number),
                    None => other.as_float().and_then(whole),
                },
            };
            Ok(match found {
                Some(number) => number.into(),
                None => default.unwrap_or_else(|| 0.into()),
            })
        }
        "float" => {
            let [default] = args.bind(name, ["default"])?;
            let found = match input {
                Val::Data(Value::String(text)) => real(text),
                other => other.as_float(),
            };
            Ok(match found {
                Some(number) => number.into(),
                None => default.unwrap_or_else(|| 0.0.into()),
            })
        }
        "round" => {
            let [precision, method] = args.bind(name, ["precision", "method"])?;
            let precision = precision.map_or(Some(0), |p| p.as_int());
            let (Some(precision), Some(number)) = (precision, input.as_float()) else {
                return fail(format!("`round` takes numbers, not {}", input.kind()));
            };
            let precision = i32::try_from(precision.clamp(-308, 308)).unwrap_or(0);
            let power = 10_f64.powi(precision);
            match method.as_ref().map_or(Some("common"), Val::as_str) {
                Some("common") => Ok(match input.as_int() {
                    Some(number) if precision >= 0 => number.into(),
                    Some(_) => {
                        let unit = 10_f64.powi(-precision);
                        ((number / unit).round_ties_even() * unit)
                            .trunc()
                            .to_string()
                            .parse::<i64>()
                            .unwrap_or_default()
                            .into()
                    }
                    None => round(number, precision).into(),
                }),
                Some("ceil") => Ok(((number * power).ceil() / power).into()),
                Some("floor") => Ok(((number * power).floor() / power).into()),
                _ => fail("`round` has the methods `common`, `ceil` and `floor`"),
            }
        }
        _ => file_size(input, args),
    }
}

/// To `precision` digits, exactly half to even, as Python rounds.
fn round(number: f64, precision: i32) -> f64 {
    match usize::try_from(precision) {
        Ok(0) => number.round_ties_even(),
        // Written with so many digits, a number is rounded by its exact value.
        Ok(digits) => format!("{number:.digits$}").parse().unwrap_or(number),
        Err(_) => {
            let unit = 10_f64.powi(-precision);
            (number / unit).round_ties_even() * unit
        }
    }
}

/// Python's `int(text, base)`.
fn integer(text: &str, base: i64) -> Option<i64> {
    let text = text.trim();
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let lower = digits.to_ascii_lowercase();
    let prefixed = [(2, "0b"), (8, "0o"), (16, "0x")]
        .into_iter()
        .find_map(|(of, prefix)| Some((of, lower.strip_prefix(prefix)?)))
        .filter(|(of, _)| base == *of || base == 0);
    let (base, digits) = prefixed.unwrap_or((if base == 0 { 10 } else { base }, &lower));
    let base = u32::try_from(base)
        .ok()
        .filter(|base| (2..=36).contains(base))?;
    let grouped = digits.starts_with('_') || digits.ends_with('_') || digits.contains("__");
    if grouped || digits.starts_with(['+', '-']) {
        return None;
    }
    i64::from_str_radix(&(sign.to_owned() + &digits.replace('_', "")), base).ok()
}

/// Python's `float(text)`.
fn real(text: &str) -> Option<f64> {
    text.trim().parse().ok()
}

fn file_size(input: &Val, args: Args) -> Res<Val> {
    let [binary] = args.bind("filesizeformat", ["binary"])?;
    let binary = binary.map_or(Ok(false), |binary| binary.truth())?;
    let bytes = match input {
        Val::Data(Value::String(text)) => real(text),
        other => other.as_float(),
    };
    let Some(bytes) = bytes else {
        return fail(format!(
            "`filesizeformat` takes a number, not {}",
            input.kind()
        ));
    };
    let base: f64 = if binary { 1024.0 } else { 1000.0 };
    if bytes.to_bits() == 1.0_f64.to_bits() {
        return Ok("1 Byte".into());
    }
    if bytes < base {
        return Ok(format!("{} Bytes", bytes.trunc()).into());
    }
    let mut unit = base;
    let mut shown = String::new();
    for prefix in ["k", "M", "G", "T", "P", "E", "Z", "Y"] {
        unit *= base;
        let prefix = match (binary, prefix) {
            (true, "k") => "Ki".to_owned(),
            (true, prefix) => format!("{prefix}i"),
            (false, prefix) => prefix.to_owned(),
        };
        shown = format!("{} {prefix}B", super::format::fixed(base * bytes / unit, 1));
        if bytes < unit {
            break;
        }
    }
    Ok(shown.into())
}

fn to_json(eval: &mut Eval<'_>, input: Val, args: Args) -> Res<Val> {
    let [indent] = args.bind("tojson", ["indent"])?;
    let indent = match &indent {
        None => None,
        Some(value) if value.is_none() => None,
        Some(value) => match value.as_int() {
            Some(number) => Some(usize::try_from(number).unwrap_or(0).min(100)),
            None => return fail("`tojson` is indented by a whole number"),
        },
    };
    let mut out = String::new();
    json(&mut out, &input.into_value()?, indent, 0);
    let mut text = String::with_capacity(out.len());
    for c in out.chars() {
        match c {
            '<' => text.push_str("\\u003c"),
            '>' => text.push_str("\\u003e"),
            '&' => text.push_str("\\u0026"),
            '\'' => text.push_str("\\u0027"),
            c => text.push(c),
        }
    }
    eval.made(text)
}

/// JSON as Python's `json.dumps` writes it, the keys in order.
fn json(out: &mut String, value: &Value, indent: Option<usize>, depth: usize) {
    let line = |out: &mut String, depth: usize| {
        if let Some(indent) = indent {
            out.push('\n');
            out.push_str(&" ".repeat(indent * depth));
        }
    };
    let comma = |out: &mut String, index: usize| {
        if index > 0 {
            out.push_str(if indent.is_some() { "," } else { ", " });
        }
    };
    match value {
        Value::String(text) => crate::functions::python_json_text(out, text),
        Value::Float(number) => out.push_str(&match number {
            number if number.is_nan() => "NaN".to_owned(),
            number if number.is_infinite() => if *number > 0.0 {
                "Infinity"
            } else {
                "-Infinity"
            }
            .to_owned(),
            number => crate::text::python_float(*number),
        }),
        Value::List(items) if !items.is_empty() => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                comma(out, index);
                line(out, depth + 1);
                json(out, item, indent, depth + 1);
            }
            line(out, depth);
            out.push(']');
        }
        Value::Map(entries) if !entries.is_empty() => {
            out.push('{');
            for (index, (key, item)) in sorted(entries).into_iter().enumerate() {
                comma(out, index);
                line(out, depth + 1);
                crate::functions::python_json_text(out, key);
                out.push_str(": ");
                json(out, item, indent, depth + 1);
            }
            line(out, depth);
            out.push('}');
        }
        other => out.push_str(&other.to_string()),
    }
}

fn sorted(entries: &Map) -> Vec<(&Arc<str>, &Value)> {
    let mut entries: Vec<_> = entries.iter().collect();
    entries.sort_by(|a, b| a.0.cmp(b.0));
    entries
}

/// Python's `pprint.pformat`, but that long texts stay in one piece.
fn pretty(value: &Value, indent: usize, allowance: usize) -> String {
    const WIDTH: usize = 80;
    let flat = flat(value);
    if flat.chars().count() + indent + allowance <= WIDTH {
        return flat;
    }
    let separator = format!(",\n{}", " ".repeat(indent + 1));
    match value {
        Value::List(items) if !items.is_empty() => {
            let last = items.len() - 1;
            let items: Vec<_> = items
                .iter()
                .enumerate()
                .map(|(index, item)| {
                    pretty(
                        item,
                        indent + 1,
                        if index == last { allowance + 1 } else { 1 },
                    )
                })
                .collect();
            format!("[{}]", items.join(&separator))
        }
        Value::Map(entries) if !entries.is_empty() => {
            let last = entries.len() - 1;
            let entries: Vec<_> = sorted(entries)
                .into_iter()
                .enumerate()
                .map(|(index, (key, item))| {
                    let key = crate::text::python_repr(&Value::String(Arc::clone(key)));
                    let inner = indent + key.chars().count() + 3;
                    let after = if index == last { allowance + 1 } else { 1 };
                    format!("{key}: {}", pretty(item, inner, after))
                })
                .collect();
            format!("{{{}}}", entries.join(&separator))
        }
        _ => flat,
    }
}

/// Python's `repr`, the keys of mappings in order.
fn flat(value: &Value) -> String {
    match value {
        Value::List(items) => {
            let items: Vec<_> = items.iter().map(flat).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Map(entries) => {
            let entries: Vec<_> = sorted(entries)
                .into_iter()
                .map(|(key, item)| {
                    let key = crate::text::python_repr(&Value::String(Arc::clone(key)));
                    format!("{key}: {}", flat(item))
                })
                .collect();
            format!("{{{}}}", entries.join(", "))
        }
        other => crate::text::python_repr(other),
    }
}
