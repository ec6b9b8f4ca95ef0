//! What a validation answers.

/// How a validation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All is as it should be.
    Passed,
    /// Something is not; the findings say what.
    Failed,
    /// There was nothing to check.
    Skipped,
}

/// One thing that a validation found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The node's name, or its UUID if it has none.
    pub subject: String,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: String,
}

/// The answer of a validation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// How it ended.
    pub outcome: Outcome,
    /// One sentence for a person.
    pub summary: String,
    /// What it found.
    pub findings: Vec<Finding>,
}

impl Verdict {
    /// The verdict over `checked` nodes, of which each good one `is`.
    pub fn over(checked: usize, is: &str, findings: Vec<Finding>) -> Self {
        if checked == 0 {
            return Self {
                outcome: Outcome::Skipped,
                summary: "there are no nodes to check".to_owned(),
                findings,
            };
        }
        if findings.is_empty() {
            let summary = format!("{checked} node(s) checked, each {is}");
            return Self {
                outcome: Outcome::Passed,
                summary,
                findings,
            };
        }
        // The findings of a node follow one another.
        let mut subjects: Vec<_> = findings.iter().map(|finding| &finding.subject).collect();
        subjects.dedup();
        let summary = format!("{} of {checked} node(s) failed the check", subjects.len());
        Self {
            outcome: Outcome::Failed,
            summary,
            findings,
        }
    }
}
