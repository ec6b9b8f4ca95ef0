//! "Did you mean …?": the known names that a wrong one most looks like.

/// A name that is longer is no misspelt one, and would take long to compare.
const MAX_LENGTH: usize = 300;
/// How many names are found at most.
const MOST: usize = 3;

/// The names of `known` that `wanted` may have been meant to be, the likeliest first, three at
/// most.
///
/// Letters count alike in both cases. Of dotted names the last part may be enough, as in
/// `provide` for `tripleo.baremetal.v1.provide`.
///
/// ```
/// use ostro_core::suggest::near;
///
/// let known = ["std.echo", "std.fail", "ironic.node_get"];
/// assert_eq!(near("std.ehco", known), ["std.echo"]);
/// assert_eq!(near("node_gte", known), ["ironic.node_get"]);
/// assert_eq!(near("zebra", known), [""; 0]);
/// ```
pub fn near<'a>(wanted: &str, known: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    if wanted.len() > MAX_LENGTH {
        return Vec::new();
    }
    let mut compare = Compare::new(wanted);
    let mut found: Vec<(usize, usize, &str)> = Vec::new();
    for name in known {
        if let Some((distance, differing)) = compare.with(name) {
            let place = found.partition_point(|(d, u, _)| (*d, *u) <= (distance, differing));
            if place < MOST {
                found.insert(place, (distance, differing, name));
                found.truncate(MOST);
            }
        }
    }
    found.into_iter().map(|(_, _, name)| name).collect()
}

/// The likeliest of [`near`].
pub fn closest<'a>(wanted: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    near(wanted, known).first().copied()
}

/// The hint for a wrong name, if a known one is near: "did you mean \`x\`?"
pub fn did_you_mean<'a>(wanted: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    closest(wanted, known).map(|name| format!("did you mean `{name}`?"))
}

/// Compares names with one, and keeps the memory that this takes.
struct Compare {
    wanted: Vec<char>,
    /// Where the last part of `wanted` begins.
    last: usize,
    name: Vec<char>,
    rows: [Vec<usize>; 3],
}

impl Compare {
    fn new(wanted: &str) -> Self {
        let wanted: Vec<char> = lower(wanted).collect();
        Compare {
            last: after_dot(&wanted),
            wanted,
            name: Vec::new(),
            rows: Default::default(),
        }
    }

    /// How far `name` is from the wanted one, and how many of its characters are behind the first
    /// difference; none if it is too far for a slip.
    fn with(&mut self, name: &str) -> Option<(usize, usize)> {
        if name.len() > MAX_LENGTH {
            return None;
        }
        self.name.clear();
        self.name.extend(lower(name));
        let (wanted, name) = (&self.wanted[..], &self.name[..]);
        let whole = distance(wanted, name, &mut self.rows);
        let last = after_dot(name);
        // The right name under a wrong prefix, or none, is a likely slip, too.
        let short = (self.last, last) != (0, 0);
        let short = short.then(|| distance(&wanted[self.last..], &name[last..], &mut self.rows));
        let distance = match (whole, short.flatten()) {
            (Some(whole), Some(short)) => whole.min(short + 1),
            (whole, short) => whole.or(short.map(|short| short + 1))?,
        };
        let same = wanted.iter().zip(name).take_while(|(a, b)| a == b).count();
        Some((distance, name.len() - same))
    }
}

/// A bit for each character that a name has. A slip changes two of them at most.
fn characters(name: &[char]) -> u64 {
    name.iter()
        .fold(0, |set, c| set | 1 << (u32::from(*c) % u64::BITS))
}

fn lower(name: &str) -> impl Iterator<Item = char> {
    name.chars().flat_map(char::to_lowercase)
}

fn after_dot(name: &[char]) -> usize {
    name.iter()
        .rposition(|c| *c == '.')
        .map_or(0, |dot| dot + 1)
}

/// How many characters have to be put in, left out, changed or swapped with their neighbour to
/// make `b` of `a`; none if that is more than a slip.
fn distance(a: &[char], b: &[char], rows: &mut [Vec<usize>; 3]) -> Option<usize> {
    let allowed = (a.len() / 3).clamp(1, 4);
    if a.len().abs_diff(b.len()) > allowed {
        return None;
    }
    // Most names share too little, which is soon seen.
    let differing = (characters(a) ^ characters(b)).count_ones();
    if differing as usize > allowed * 2 {
        return None;
    }
    let [before, above, row] = rows;
    above.clear();
    above.extend(0..=b.len());
    for (i, from) in a.iter().enumerate() {
        row.clear();
        row.push(i + 1);
        for (j, to) in b.iter().enumerate() {
            let mut cost = (above[j] + usize::from(from != to))
                .min(above[j + 1] + 1)
                .min(row[j] + 1);
            if i > 0 && j > 0 && *from == b[j - 1] && a[i - 1] == *to {
                cost = cost.min(before[j - 1] + 1);
            }
            row.push(cost);
        }
        if row.iter().all(|cost| *cost > allowed) {
            return None;
        }
        std::mem::swap(before, above);
        std::mem::swap(above, row);
    }
    // Of a name that is all changed nothing is left to recognise.
    let distance = above[b.len()];
    (distance <= allowed && distance < b.len()).then_some(distance)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_found_and_far_ones_are_not() {
        let keys = ["on-success", "on-error", "publish", "input"];
        let actions = [
            "std.echo",
            "std.noop",
            "ironic.node_get",
            "ironic.node_list",
            "tripleo.baremetal.v1.provide",
            "tripleo.baremetal.v1.introspect",
        ];
        for (wanted, known, found) in [
            ("on-sucess", &keys[..], &["on-success"][..]),
            ("on_error", &keys, &["on-error"]),
            ("inptu", &keys, &["input"]),
            ("Input", &keys, &["input"]),
            ("retry", &keys, &[]),
            ("", &keys, &[]),
            ("std.ehco", &actions, &["std.echo"]),
            (
                "ironic.node_lst",
                &actions,
                &["ironic.node_list", "ironic.node_get"],
            ),
            ("baremetal.node_get", &actions, &["ironic.node_get"]),
            ("provdie", &actions, &["tripleo.baremetal.v1.provide"]),
            ("nova.servers_list", &actions, &[]),
            ("x", &["a"], &[]),
        ] {
            assert_eq!(near(wanted, known.iter().copied()), found, "{wanted}");
        }
    }

    #[test]
    fn of_names_that_are_as_near_those_that_begin_alike_come_first() {
        let known = ["E0102", "E0202", "E0302", "E0601"];
        assert_eq!(near("E0602", known), ["E0601", "E0102", "E0202"]);
    }

    #[test]
    fn long_names_are_not_compared() {
        let long = "x".repeat(100_000);
        assert_eq!(near(&long, [&*long]), [""; 0]);
        assert_eq!(near("x", [&*long]), [""; 0]);
    }
}
