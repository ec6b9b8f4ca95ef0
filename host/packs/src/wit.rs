//! The WIT text of a pack, with Ostro's contract.

use std::collections::BTreeMap;

use wit_component::WitPrinter;
use wit_parser::{PackageId, Resolve, SourceMap, UnresolvedPackageGroup};

use crate::files::{Files, is_wit};

/// Ostro's own packages, which a pack need not carry: names, and the files of each.
pub(crate) const CONTRACT: [(&str, &[(&str, &str)]); 2] = [
    (
        "ostro:host",
        &[
            (
                "types.wit",
                include_str!("../../../wit/ostro-host/types.wit"),
            ),
            (
                "openstack.wit",
                include_str!("../../../wit/ostro-host/openstack.wit"),
            ),
            (
                "execution.wit",
                include_str!("../../../wit/ostro-host/execution.wit"),
            ),
            (
                "object-store.wit",
                include_str!("../../../wit/ostro-host/object-store.wit"),
            ),
            (
                "secrets.wit",
                include_str!("../../../wit/ostro-host/secrets.wit"),
            ),
        ],
    ),
    (
        "ostro:validation",
        &[(
            "types.wit",
            include_str!("../../../wit/ostro-validation/types.wit"),
        )],
    ),
];

/// Reads the WIT files in `files` that are below `dir`: all packages, and which of them is the
/// pack's own. The text of an error says where.
pub(crate) fn resolve(files: &Files, dir: &str) -> Result<(Resolve, PackageId), String> {
    let mut main = SourceMap::new();
    let mut deps: BTreeMap<&str, SourceMap> = BTreeMap::new();
    let mut empty = true;
    for (path, bytes) in files {
        let Some(inside) = below(path, dir) else {
            continue;
        };
        if !is_wit(inside) {
            continue;
        }
        let text = std::str::from_utf8(bytes).map_err(|_| format!("{path} is no UTF-8"))?;
        let map = match inside.split('/').collect::<Vec<_>>()[..] {
            [_] => &mut main,
            ["deps", package, ..] => deps.entry(package).or_default(),
            _ => continue,
        };
        empty &= inside.starts_with("deps/");
        map.push_str(path, text);
    }
    if empty {
        return Err("there is no .wit file".to_owned());
    }
    let main = parse(main)?;
    let mut groups = deps
        .into_values()
        .map(parse)
        .collect::<Result<Vec<_>, _>>()?;
    for (package, files) in CONTRACT {
        let is = |group: &UnresolvedPackageGroup| {
            let name = &group.main.name;
            format!("{}:{}", name.namespace, name.name) == package
        };
        if !is(&main) && !groups.iter().any(is) {
            let mut map = SourceMap::new();
            for (path, text) in files {
                map.push_str(path, *text);
            }
            groups.push(parse(map)?);
        }
    }
    let mut resolve = Resolve::new();
    let main = resolve.push_groups(main, groups).map_err(|error| {
        let place = resolve.render_location(error.kind().span());
        format!("{place}: {error}")
    })?;
    Ok((resolve, main))
}

/// `resolve` as one text: the package `main`, and all others in it.
pub(crate) fn print(resolve: &Resolve, main: PackageId) -> Result<String, String> {
    let others = resolve.packages.iter().map(|(id, _)| id);
    let others: Vec<_> = others.filter(|id| *id != main).collect();
    let mut printer = WitPrinter::default();
    printer
        .print(resolve, main, &others)
        .map_err(|error| format!("{error:#}"))?;
    Ok(String::from(printer.output))
}

fn parse(map: SourceMap) -> Result<UnresolvedPackageGroup, String> {
    map.parse()
        .map_err(|(map, error)| format!("{}: {error}", map.render_location(error.kind().span())))
}

/// `path` as seen from `dir`, if it is below it.
fn below<'a>(path: &'a str, dir: &str) -> Option<&'a str> {
    if dir == "." {
        Some(path)
    } else {
        path.strip_prefix(dir)?.strip_prefix('/')
    }
}
