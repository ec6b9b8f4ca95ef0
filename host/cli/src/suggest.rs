//! "Did you mean …?"

/// The names that most look like `wanted`, best first, three at most.
pub(crate) fn near<'a>(wanted: &str, names: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let wanted = wanted.to_lowercase();
    let last = |name: &str| name.rsplit('.').next().unwrap_or(name).to_lowercase();
    let mut found: Vec<(f64, &str)> = names
        .into_iter()
        .map(|name| {
            let full = strsim::jaro_winkler(&wanted, &name.to_lowercase());
            let short = strsim::jaro_winkler(&last(&wanted), &last(name));
            (full.max(short), name)
        })
        .filter(|(likeness, _)| *likeness > 0.83)
        .collect();
    found.sort_by(|(a, left), (b, right)| b.total_cmp(a).then_with(|| left.cmp(right)));
    found.into_iter().take(3).map(|(_, name)| name).collect()
}

/// `did you mean …?`, if anything is near.
pub(crate) fn did_you_mean<'a>(
    wanted: &str,
    names: impl IntoIterator<Item = &'a str>,
) -> Option<String> {
    let near = near(wanted, names);
    let (last, others) = near.split_last()?;
    Some(if others.is_empty() {
        format!("did you mean {last}?")
    } else {
        format!("did you mean {} or {last}?", others.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_suggested_and_others_are_not() {
        let names = [
            "tripleo.baremetal.v1.provide",
            "tripleo.baremetal.v1.introspect",
        ];
        assert_eq!(near("provdie", names), ["tripleo.baremetal.v1.provide"]);
        assert_eq!(
            near("Introspect", names),
            ["tripleo.baremetal.v1.introspect"]
        );
        assert_eq!(near("zebra", names), [""; 0]);
    }
}
