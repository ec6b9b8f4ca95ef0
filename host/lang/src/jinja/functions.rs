//! The functions that Jinja2 itself has.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use ostro_core::{Map, Value};

use super::error::{Res, error, fail};
use super::eval::{Args, Eval};
use super::value::{Cycler, Function, Joiner, Val, key_of};

/// Their names.
pub(crate) const GLOBALS: &[&str] = &["cycler", "dict", "joiner", "lipsum", "namespace", "range"];

/// The most numbers that a range may have: that of Jinja2's sandbox.
const MAX_RANGE: i64 = 100_000;

/// The function of this name.
pub(crate) fn global(name: &str) -> Option<&'static str> {
    GLOBALS.iter().copied().find(|known| *known == name)
}

/// Calls the function `name`.
pub(crate) fn call(eval: &mut Eval<'_>, name: &str, args: Args) -> Res<Val> {
    match name {
        "range" => range(eval, &args),
        "dict" => dict(eval, args),
        "namespace" => {
            let Val::Data(Value::Map(entries)) = dict(
                eval,
                Args {
                    positional: args.positional,
                    ..Args::default()
                },
            )?
            else {
                return fail("`namespace` takes what `dict` takes");
            };
            let mut values: indexmap::IndexMap<Arc<str>, Val> = entries
                .iter()
                .map(|(key, value)| (Arc::clone(key), Val::Data(value.clone())))
                .collect();
            values.extend(args.named);
            Ok(Val::Namespace(Rc::new(RefCell::new(values))))
        }
        "cycler" => {
            if args.positional.is_empty() || !args.named.is_empty() {
                return fail("`cycler` takes at least one value");
            }
            Ok(Val::Cycler(Rc::new(Cycler {
                items: args.positional,
                index: Cell::new(0),
            })))
        }
        "joiner" => {
            let [separator] = args.bind("joiner", ["sep"])?;
            Ok(Val::Joiner(Rc::new(Joiner {
                separator: separator.unwrap_or_else(|| ", ".into()),
                used: Cell::new(false),
            })))
        }
        _ => Err(error(format!("`{name}` is not supported"))
            .hint(Some("it makes random text".to_owned()))),
    }
}

/// Calls a cycler's method, or a joiner.
pub(crate) fn call_object(object: &Val, args: Args) -> Res<Val> {
    let [] = args.bind("it", [])?;
    match object {
        Val::Joiner(joiner) => Ok(if joiner.used.replace(true) {
            joiner.separator.clone()
        } else {
            "".into()
        }),
        other => fail(format!("{} can't be called", other.kind())),
    }
}

/// Calls `cycler.next()` or `cycler.reset()`.
pub(crate) fn cycler_method(cycler: &Cycler, name: &str, args: Args) -> Res<Val> {
    let [] = args.bind(name, [])?;
    if name == "reset" {
        cycler.index.set(0);
        return Ok(Val::NONE);
    }
    let index = cycler.index.get();
    cycler.index.set((index + 1) % cycler.items.len());
    Ok(cycler.items[index].clone())
}

/// Whether both are the same function.
pub(crate) fn same(a: &Val, b: &Val) -> bool {
    match (a, b) {
        (Val::Function(Function::Host(a)), Val::Function(Function::Host(b))) => a == b,
        (Val::Function(Function::Global(a)), Val::Function(Function::Global(b))) => a == b,
        (Val::Function(Function::Macro(a)), Val::Function(Function::Macro(b))) => Arc::ptr_eq(a, b),
        _ => false,
    }
}

fn range(eval: &mut Eval<'_>, args: &Args) -> Res<Val> {
    let mut numbers = Vec::new();
    if !args.named.is_empty() {
        return fail("`range` has no named parameters");
    }
    for arg in &args.positional {
        match arg.defined()?.as_int() {
            Some(number) => numbers.push(number),
            None => return fail(format!("`range` takes whole numbers, not {}", arg.kind())),
        }
    }
    let (start, stop, stride) = match numbers[..] {
        [stop] => (0, stop, 1),
        [start, stop] => (start, stop, 1),
        [start, stop, stride] => (start, stop, stride),
        _ => return fail("`range` takes one to three numbers"),
    };
    if stride == 0 {
        return fail("the step of a range can't be zero");
    }
    let (from, to, by) = (i128::from(start), i128::from(stop), i128::from(stride));
    let distance = if stride > 0 { to - from } else { from - to };
    let count = ((distance + by.abs() - 1) / by.abs()).max(0);
    if count > i128::from(MAX_RANGE) {
        return fail(format!("a range of more than {MAX_RANGE} numbers"));
    }
    let count = usize::try_from(count).unwrap_or(0);
    let items: Vec<Val> = std::iter::successors(Some(start), |number| number.checked_add(stride))
        .take(count)
        .map(Val::from)
        .collect();
    eval.list(items)
}

fn dict(eval: &mut Eval<'_>, args: Args) -> Res<Val> {
    let mut map = Map::new();
    match &args.positional[..] {
        [] => {}
        [from] => extend(eval, &mut map, from)?,
        _ => return fail("`dict` takes one value at most"),
    }
    for (name, value) in args.named {
        map.insert(name, value.into_value()?);
    }
    eval.charge_items(map.len())?;
    Ok(Val::Data(map.into()))
}

/// Adds the entries of a mapping, or of a list of pairs.
pub(crate) fn extend(eval: &mut Eval<'_>, map: &mut Map, from: &Val) -> Res<()> {
    if let Some(entries) = from.as_map() {
        map.extend(
            entries
                .iter()
                .map(|(key, value)| (Arc::clone(key), value.clone())),
        );
        return Ok(());
    }
    for pair in eval.items(from)? {
        match &pair.items()?[..] {
            [key, value] => {
                map.insert(key_of(key)?, value.clone().into_value()?);
            }
            _ => return fail("a mapping is made of pairs"),
        }
    }
    Ok(())
}
