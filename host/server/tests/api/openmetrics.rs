//! Reads the text form of OpenMetrics 1.0, and fails where something is not as the specification
//! says.

use std::collections::{BTreeMap, BTreeSet};
use std::iter::Peekable;
use std::str::Chars;

/// All that a text shows, by the names of families.
pub(crate) struct Exposition(pub(crate) BTreeMap<String, Family>);

/// The samples that belong together.
pub(crate) struct Family {
    pub(crate) kind: String,
    samples: Vec<Sample>,
}

struct Sample {
    /// Beyond the family's name.
    suffix: String,
    labels: BTreeMap<String, String>,
    value: f64,
}

impl Exposition {
    #[track_caller]
    pub(crate) fn parse(text: &str) -> Self {
        let text = text.strip_suffix("# EOF\n").expect("no end");
        let mut families: BTreeMap<String, Family> = BTreeMap::new();
        let mut helps = BTreeSet::new();
        let mut current = String::new();
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                let (name, help) = rest.split_once(' ').expect(line);
                assert!(is_name(name) && !help.is_empty(), "{line}");
                assert!(helps.insert(name.to_owned()), "twice: {line}");
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').expect(line);
                let kinds = ["counter", "gauge", "histogram", "info"];
                assert!(is_name(name) && kinds.contains(&kind), "{line}");
                let family = Family {
                    kind: kind.to_owned(),
                    samples: Vec::new(),
                };
                // One that comes again would be in the middle of others.
                let before = families.insert(name.to_owned(), family);
                assert!(before.is_none(), "twice: {line}");
                name.clone_into(&mut current);
            } else {
                let family = families.get_mut(&current).expect(line);
                family.samples.push(Sample::parse(&current, line));
            }
        }
        for (name, family) in &families {
            assert!(helps.contains(name), "{name} has no help");
            family.check(name);
        }
        Self(families)
    }

    /// The value of a sample, by its whole name.
    pub(crate) fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let labels: BTreeMap<String, String> = labels
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let mut samples = self.0.iter().flat_map(|(family, all)| {
            let suffix = name.strip_prefix(family.as_str());
            all.samples
                .iter()
                .filter(move |one| suffix == Some(&one.suffix))
        });
        samples
            .find(|one| one.labels == labels)
            .map(|one| one.value)
    }
}

impl Family {
    /// The names of labels, but for the bounds of classes.
    pub(crate) fn labels(&self) -> BTreeSet<String> {
        let labels = self.samples.iter().flat_map(|one| one.labels.keys());
        labels.filter(|name| *name != "le").cloned().collect()
    }

    fn check(&self, name: &str) {
        let suffixes: &[&str] = match self.kind.as_str() {
            "counter" => &["_total"],
            "histogram" => &["_bucket", "_count", "_sum"],
            "info" => &["_info"],
            _ => &[""],
        };
        let mut seen = BTreeSet::new();
        for Sample {
            suffix,
            labels,
            value,
        } in &self.samples
        {
            assert!(suffixes.contains(&suffix.as_str()), "{name}{suffix}");
            assert!(
                seen.insert((suffix, labels)),
                "{name}{suffix} {labels:?} twice"
            );
            assert!(
                self.kind == "gauge" || *value >= 0.0,
                "{name}{suffix} {value}"
            );
        }
        if self.kind == "histogram" {
            self.check_histograms(name);
        }
    }

    /// The classes of each are in order, each has those before in it, and the last has all.
    fn check_histograms(&self, name: &str) {
        let mut all: BTreeMap<BTreeMap<String, String>, Vec<(f64, f64)>> = BTreeMap::new();
        for sample in self.samples.iter().filter(|one| one.suffix == "_bucket") {
            let mut labels = sample.labels.clone();
            let bound = match labels.remove("le").expect(name).as_str() {
                "+Inf" => f64::INFINITY,
                bound => bound.parse().expect(name),
            };
            all.entry(labels).or_default().push((bound, sample.value));
        }
        for (labels, classes) in all {
            let in_order =
                |(one, next): (&(f64, f64), &(f64, f64))| one.0 < next.0 && one.1 <= next.1;
            let pairs = classes.iter().zip(&classes[1..]);
            assert!(pairs.clone().all(in_order), "{name} {labels:?} {classes:?}");
            let (bound, count) = classes[classes.len() - 1];
            assert!(bound.is_infinite(), "{name} {labels:?}");
            let of = |suffix: &str| {
                let mut samples = self.samples.iter();
                let found = samples.find(|one| one.suffix == suffix && one.labels == labels);
                found.expect(name).value
            };
            assert!((of("_count") - count).abs() < 0.5, "{name} {labels:?}");
            assert!(of("_sum") >= 0.0, "{name} {labels:?}");
        }
    }
}

impl Sample {
    fn parse(family: &str, line: &str) -> Self {
        let end = line.find(['{', ' ']).expect(line);
        let suffix = line[..end].strip_prefix(family).expect(line).to_owned();
        let mut rest = line[end..].chars().peekable();
        let labels = labels(&mut rest, line);
        assert_eq!(rest.next(), Some(' '), "{line}");
        let value: String = rest.collect();
        let value = value
            .parse()
            .unwrap_or_else(|error| panic!("{line}: {error}"));
        Self {
            suffix,
            labels,
            value,
        }
    }
}

fn labels(rest: &mut Peekable<Chars<'_>>, line: &str) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::new();
    if rest.next_if_eq(&'{').is_none() {
        return labels;
    }
    while rest.next_if_eq(&'}').is_none() {
        let mut name = String::new();
        while let Some(c) = rest.next_if(|c| *c != '=') {
            name.push(c);
        }
        assert!(is_name(&name), "{line}");
        assert_eq!((rest.next(), rest.next()), (Some('='), Some('"')), "{line}");
        let mut value = String::new();
        loop {
            match rest.next().expect(line) {
                '"' => break,
                '\\' => value.push(match rest.next().expect(line) {
                    'n' => '\n',
                    c @ ('"' | '\\') => c,
                    c => panic!("\\{c}: {line}"),
                }),
                c => value.push(c),
            }
        }
        assert!(labels.insert(name, value).is_none(), "{line}");
        assert!(
            rest.next_if_eq(&',').is_some() || rest.peek() == Some(&'}'),
            "{line}"
        );
    }
    labels
}

fn is_name(text: &str) -> bool {
    let may = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && text.chars().all(may)
}
