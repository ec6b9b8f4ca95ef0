//! Composes expressions from `grammar.txt` and from the signatures of the standard library.

use std::collections::HashMap;

use ostro_yaql::{Signature, signatures};

/// SplitMix64: small, and the same everywhere.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Random(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap_or(0)
    }

    /// Whether something of this probability, in percent, happens.
    pub(crate) fn percent(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}

/// The ways to make a value of a type: those without holes, and all others.
#[derive(Default)]
struct Ways {
    leaves: Vec<&'static str>,
    inner: Vec<&'static str>,
}

/// What the made contexts have under a key, and of which type it is.
const DATA: [(&str, &str); 11] = [
    ("I", "i"),
    ("F", "f"),
    ("S", "s"),
    ("B", "b"),
    ("N", "n"),
    ("LI", "li"),
    ("LS", "ls"),
    ("LD", "ld"),
    ("LL", "ll"),
    ("D", "d"),
    ("ND", "nd"),
];

pub(crate) struct Generator {
    random: Random,
    grammar: HashMap<&'static str, Ways>,
    types: Vec<&'static str>,
    library: Vec<Signature>,
}

/// What an expression sees around it.
#[derive(Clone, Default)]
struct Scope {
    /// The types of `$1` (which is `$`), `$2`, …; none where `$` is the data.
    positions: Vec<&'static str>,
    /// Whether `$root` is the data.
    root: bool,
    /// How often, in percent, a value is of a type that doesn't fit.
    slips: usize,
}

impl Generator {
    pub(crate) fn new(seed: u64) -> Self {
        let mut grammar: HashMap<&'static str, Ways> = HashMap::new();
        let mut types = Vec::new();
        for line in include_str!("grammar.txt").lines() {
            let Some((ty, ways)) = line.split_once(' ') else {
                continue;
            };
            if ty == "#" {
                continue;
            }
            if !grammar.contains_key(ty) {
                types.push(ty);
            }
            let ways = ways.split(" ¦ ");
            let known = grammar.entry(ty).or_default();
            if known.leaves.is_empty() {
                known.leaves.extend(ways);
            } else {
                known.inner.extend(ways);
            }
        }
        Generator {
            random: Random::new(seed),
            grammar,
            types,
            library: signatures()
                .into_iter()
                // What differs on each run, or never ends.
                .filter(|s| !matches!(s.name, "random" | "now" | "localtz" | "sequence" | "cycle"))
                .filter(|s| !matches!(s.name, "repeat" | "generate" | "generateMany" | "pow"))
                .collect(),
        }
    }

    /// An expression and the number of the context to evaluate it over.
    pub(crate) fn expression(&mut self, contexts: usize) -> (String, usize) {
        loop {
            let scope = Scope {
                positions: Vec::new(),
                root: self.random.percent(30),
                slips: if self.random.percent(25) { 8 } else { 0 },
            };
            let depth = 1 + self.random.below(5);
            let mut text = if self.random.percent(15) {
                self.call(depth, &scope)
            } else {
                let mut ty = *self.random.pick(&self.types.clone());
                // No result that a workflow can keep.
                if matches!(ty, "R" | "P" | "C") && self.random.percent(85) {
                    ty = "A";
                }
                self.value(ty, depth, &scope)
            };
            if scope.root {
                text = format!("let(root => $) -> {text}");
            }
            if self.random.percent(3) {
                text = self.misspelt(&text);
            }
            if text.len() <= 300 {
                return (text, self.random.below(contexts));
            }
        }
    }

    /// A value of a type.
    fn value(&mut self, ty: &'static str, depth: usize, scope: &Scope) -> String {
        let ty = if self.random.percent(scope.slips) {
            *self.random.pick(&self.types.clone())
        } else {
            ty
        };
        if let Some(text) = self.read(ty, depth, scope) {
            return text;
        }
        let Some(ways) = self.grammar.get(ty) else {
            return format!("missing_type_{ty}");
        };
        let way = if depth == 0 || ways.inner.is_empty() {
            self.random.pick(&ways.leaves)
        } else {
            self.random.pick(&ways.inner)
        };
        self.fill(way, depth.saturating_sub(1), scope)
    }

    /// What is read from the context, if there is something that fits.
    fn read(&mut self, ty: &'static str, depth: usize, scope: &Scope) -> Option<String> {
        if !self.random.percent(if depth == 0 { 60 } else { 12 }) {
            return None;
        }
        let fits = |known: &&str| *known == ty || ty == "A";
        let places: Vec<usize> = (0..scope.positions.len())
            .filter(|i| fits(&scope.positions[*i]))
            .collect();
        if !places.is_empty() {
            let place = *self.random.pick(&places);
            return Some(if place == 0 && self.random.percent(70) {
                "$".to_owned()
            } else {
                format!("${}", place + 1)
            });
        }
        let keys: Vec<&str> = DATA
            .iter()
            .filter(|(known, _)| fits(known))
            .map(|(_, key)| *key)
            .collect();
        if keys.is_empty() {
            return None;
        }
        let key = self.random.pick(&keys);
        if scope.root {
            Some(format!("$root.{key}"))
        } else if scope.positions.is_empty() {
            Some(format!("$.{key}"))
        } else {
            None
        }
    }

    /// The way with its holes filled.
    fn fill(&mut self, way: &'static str, depth: usize, scope: &Scope) -> String {
        let mut out = String::new();
        let mut rest = way;
        while let Some(start) = rest.find('<') {
            let hole = rest[start + 1..].find('>').map(|end| start + 1 + end);
            let Some(end) = hole.filter(|end| {
                let name = &rest[start + 1..*end];
                name.starts_with(|c: char| c.is_ascii_uppercase()) && !name.contains(' ')
            }) else {
                out.push_str(&rest[..=start]);
                rest = &rest[start + 1..];
                continue;
            };
            out.push_str(&rest[..start]);
            let name = &rest[start + 1..end];
            let text = match name.split_once('$') {
                None => self.value(name, depth, scope),
                Some((ty, seen)) => {
                    let scope = Scope {
                        positions: seen.split(',').collect(),
                        ..scope.clone()
                    };
                    self.value(ty, depth, &scope)
                }
            };
            // What has an operator needs parentheses, mostly, to stay in one piece.
            if text.contains(' ') && self.random.percent(70) && !text.starts_with(['[', '{', '\''])
            {
                out.push('(');
                out.push_str(&text);
                out.push(')');
            } else {
                out.push_str(&text);
            }
            rest = &rest[end + 1..];
        }
        out.push_str(rest);
        out
    }

    /// A call of anything in the library, with arguments that fit its signature.
    fn call(&mut self, depth: usize, scope: &Scope) -> String {
        let signature = {
            let at = self.random.below(self.library.len());
            self.library[at].clone()
        };
        let as_method = signature.is_method && (!signature.is_function || self.random.percent(50));
        let mut text = String::new();
        let mut args = Vec::new();
        let mut named = false;
        for (i, parameter) in signature.parameters.iter().enumerate() {
            if !parameter.required && self.random.percent(40) {
                named = true;
                continue;
            }
            let value = self.argument(parameter.accepts, depth, scope);
            if i == 0 && as_method {
                text = format!("({value}).");
            } else if (named || self.random.percent(10)) && !signature.pairs {
                named = true;
                args.push(format!("{} => {value}", parameter.name));
            } else {
                args.push(value);
            }
        }
        if let Some(accepts) = signature.variadic
            && !named
        {
            for _ in 0..self.random.below(4) {
                args.push(self.argument(accepts, depth, scope));
            }
        }
        if self.random.percent(3) {
            args.push("extra => 1".to_owned());
        }
        if self.random.percent(3) {
            args.pop();
        }
        format!("{text}{}({})", signature.name, args.join(", "))
    }

    fn argument(&mut self, accepts: &str, depth: usize, scope: &Scope) -> String {
        let ways: &[&'static str] = match accepts {
            "integer" | "integer or null" => &["I"],
            "number" | "number or null" => &["I", "F"],
            "string" | "string or null" => &["S"],
            "boolean" => &["B"],
            "collection" | "list" => &["LI", "LS", "LD", "LA", "LL"],
            "iterator" => &["LI"],
            "mapping" => &["D", "ND"],
            "set" => &["TI", "TS"],
            "regex" => &["R"],
            "datetime" => &["M"],
            "timespan" => &["P"],
            "expression" => &["A", "B", "I"],
            _ => &["A"],
        };
        let ty = *self.random.pick(ways);
        let depth = depth.saturating_sub(1);
        match accepts {
            "ordered collection" => format!("({}).orderBy($)", self.value("LI", depth, scope)),
            "iterator" => format!("({}).select($)", self.value(ty, depth, scope)),
            "key => value" => {
                let (key, value) = (self.value("B", depth, scope), self.value("A", depth, scope));
                format!("{key} => {value}")
            }
            "expression" => {
                let scope = Scope {
                    positions: vec![*self.random.pick(&["I", "S", "LI", "ND"]), "I"],
                    ..scope.clone()
                };
                self.value(ty, depth, &scope)
            }
            _ => self.value(ty, depth, scope),
        }
    }

    /// The text with one character more, less or other.
    fn misspelt(&mut self, text: &str) -> String {
        let mut chars: Vec<char> = text.chars().collect();
        let at = self.random.below(chars.len());
        let new = *self.random.pick(&[
            '(', ')', '[', '}', ',', '.', '=', '>', '$', ' ', '-', '\'', 'a', '1', '?', '!',
        ]);
        match self.random.below(3) {
            0 => {
                chars.remove(at);
            }
            1 => chars.insert(at, new),
            _ => chars[at] = new,
        }
        chars.into_iter().collect()
    }
}
