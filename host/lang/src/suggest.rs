//! "Did you mean": the known name that is nearest to a wrong one.

/// The name among `known` that `name` was most likely meant to be.
pub(crate) fn closest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Long texts are no misspelt names, and their distance costs the product of the lengths.
    if name.len() > 300 {
        return None;
    }
    let allowed = (name.chars().count() / 3).clamp(1, 4);
    known
        .into_iter()
        .filter(|candidate| candidate.len().abs_diff(name.len()) <= allowed * 4)
        .map(|candidate| (distance(name, candidate), candidate))
        // Of a name that is all changed nothing is left to recognise.
        .filter(|(distance, candidate)| *distance <= allowed && *distance < candidate.len())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// The hint for a wrong `name`, if a known one is near.
pub(crate) fn did_you_mean<'a>(
    name: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<String> {
    closest(name, known).map(|known| format!("did you mean `{known}`?"))
}

/// How many characters have to be put in, left out, changed or swapped with their neighbour.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before: Vec<usize> = vec![0; b.len() + 1];
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, to) in b.iter().enumerate() {
            let mut cost = (above[j] + usize::from(from != to))
                .min(above[j + 1] + 1)
                .min(row[j] + 1);
            if i > 0 && j > 0 && *from == b[j - 1] && a[i - 1] == *to {
                cost = cost.min(before[j - 1] + 1);
            }
            row.push(cost);
        }
        before = std::mem::replace(&mut above, row);
    }
    above[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_found_and_far_ones_are_not() {
        let known = ["on-success", "on-error", "publish", "input"];
        assert_eq!(closest("on-sucess", known), Some("on-success"));
        assert_eq!(closest("on_error", known), Some("on-error"));
        assert_eq!(closest("inptu", known), Some("input"));
        assert_eq!(closest("retry", known), None);
    }
}
