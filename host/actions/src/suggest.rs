//! "Did you mean …?"

/// How many names are compared at most: a registry is some thousand actions.
const MAX_COMPARED: usize = 20_000;

/// ` (did you mean …?)` with the name that `wanted` most looks like, or nothing.
pub(crate) fn did_you_mean<'a>(wanted: &str, names: impl Iterator<Item = &'a str>) -> String {
    let limit = (wanted.chars().count() / 3).clamp(1, 6);
    let last = |name: &'a str| name.rsplit('.').next().unwrap_or(name);
    let wanted_last = wanted.rsplit('.').next().unwrap_or(wanted);
    let near = names
        .take(MAX_COMPARED)
        .filter_map(|name| {
            // The right function under the wrong prefix is a likely slip too.
            let distance = if last(name) == wanted_last {
                1
            } else {
                distance(wanted, name, limit)?
            };
            Some((distance, name))
        })
        .min();
    near.map(|(_, name)| format!(" (did you mean {name}?)"))
        .unwrap_or_default()
}

/// How many characters to insert, remove or replace to make `b` of `a`; none for more than
/// `limit`.
fn distance(a: &str, b: &str, limit: usize) -> Option<usize> {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    if a.len().abs_diff(b.len()) > limit {
        return None;
    }
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, left) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, right) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(left != right);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    Some(row[b.len()]).filter(|distance| *distance <= limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_suggested_and_only_a_near_one() {
        let names = [
            "std.echo",
            "std.noop",
            "ironic.node_get",
            "ironic.node_list",
        ];
        for (wanted, hint) in [
            ("std.ehco", " (did you mean std.echo?)"),
            ("ironic.node_lst", " (did you mean ironic.node_list?)"),
            ("baremetal.node_get", " (did you mean ironic.node_get?)"),
            ("nova.servers_list", ""),
            ("", ""),
        ] {
            assert_eq!(did_you_mean(wanted, names.into_iter()), hint, "{wanted}");
        }
    }
}
