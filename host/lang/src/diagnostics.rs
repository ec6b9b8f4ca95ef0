//! What is wrong with a definition, where, and what to do about it.

use std::fmt;
use std::fmt::Write as _;

use ostro_core::suggest::did_you_mean;

use crate::Location;
use crate::text::lines;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// The definition can run, but most likely not as its author means.
    Warning,
    /// The definition can't run.
    Error,
}

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $name:ident $severity:ident $id:literal;)*) => {
        /// What sort of problem it is. The codes are stable.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Code { $($(#[doc = $doc])+ $name,)* }

        impl Code {
            /// All codes, in order.
            pub const ALL: &[Code] = &[$(Code::$name),*];

            /// The code that is shown as `text`.
            pub fn parse(text: &str) -> Option<Code> {
                Self::ALL.iter().copied().find(|code| code.as_str() == text)
            }

            /// What the code means, an example of it, and how to put it right: a page of
            /// Markdown for `ostro explain`.
            pub fn page(self) -> &'static str {
                match self {
                    $(Code::$name => include_str!(concat!("../codes/", $id, ".md")),)*
                }
            }

            /// The code as it is shown: `E0101`.
            pub fn as_str(self) -> &'static str {
                match self { $(Code::$name => $id,)* }
            }

            /// How bad a problem of this sort is.
            pub fn severity(self) -> Severity {
                match self { $(Code::$name => Severity::$severity,)* }
            }

            /// What the code means, in a sentence.
            pub fn explanation(self) -> &'static str {
                match self { $(Code::$name => concat!($($doc),+).trim_ascii(),)* }
            }
        }
    };
}

codes! {
    /// The text is not YAML.
    YamlSyntax Error "E0101";
    /// The text is larger, deeper or fuller than a definition may be.
    YamlLimit Error "E0102";
    /// A scalar that YAML 1.1 gives no usable value.
    YamlValue Error "E0103";
    /// A key that is not text.
    YamlKey Warning "W0104";
    /// A key that stands in a mapping twice.
    YamlDuplicateKey Warning "W0105";
    /// A tag, which is read as text.
    YamlTag Warning "W0106";
    /// A list or mapping where a key should be.
    YamlComplexKey Error "E0107";
    /// A comment that allows what can't be allowed.
    UnknownAllow Warning "W0108";
    /// There is more that is wrong than is shown.
    TooMany Warning "W0109";
    /// A key that means nothing where it stands.
    UnknownKey Error "E0201";
    /// A key that must be there and is not.
    MissingKey Error "E0202";
    /// A value of the wrong type.
    WrongType Error "E0203";
    /// A value of the right type that is not allowed.
    BadValue Error "E0204";
    /// Two things that exclude each other.
    Conflict Error "E0205";
    /// A name that is not allowed.
    BadName Error "E0206";
    /// Short syntax that can't be read, as in `action: name key=value`.
    Inline Error "E0207";
    /// `with-items` that can't be read.
    WithItems Error "E0208";
    /// Neither workbook nor workflow nor ad-hoc action.
    NotADefinition Error "E0209";
    /// A version of the language that does not exist.
    Version Error "E0210";
    /// Text that is ignored.
    Ignored Warning "W0211";
    /// A key of a workflow that means nothing, and that Mistral ignores.
    IgnoredKey Warning "W0212";
    /// An expression that is not YAQL.
    Yaql Error "E0301";
    /// An expression that is not Jinja2.
    Jinja Error "E0302";
    /// YAQL and Jinja2 in one text.
    MixedExpressions Error "E0303";
    /// An expression that does not end in its line, and so is text.
    OpenExpression Warning "W0304";
    /// An expression where expressions are not evaluated.
    UnevaluatedExpression Warning "W0305";
    /// A function that does not exist.
    UnknownFunction Error "E0306";
    /// `$name` that nothing in the expression defines.
    FreeVariable Warning "W0307";
    /// A bare word that has the name of a variable.
    BareWord Warning "W0308";
    /// The result of a task that does not exist.
    UnknownTaskResult Warning "W0309";
    /// A function that is called with arguments that it does not take.
    FunctionArguments Error "E0310";
    /// A transition to a task that does not exist.
    UnknownTask Error "E0401";
    /// A direct workflow in which every task has a task before it.
    NoStartTask Error "E0402";
    /// A join that waits for more tasks than lead to it.
    UnmetJoin Error "E0403";
    /// A task that can't be reached.
    UnreachableTask Warning "W0404";
    /// A task that has the name of an engine command.
    CommandName Warning "W0405";
    /// A join that waits for what can never come.
    ImpossibleJoin Error "E0406";
    /// A cycle of tasks that nothing ends.
    EndlessCycle Warning "W0407";
    /// A definition whose name is taken.
    DuplicateDefinition Error "E0501";
    /// A sub-workflow that does not exist.
    UnknownWorkflow Error "E0502";
    /// An action that does not exist.
    UnknownAction Error "E0503";
    /// An input that must be given and is not.
    MissingInput Error "E0504";
    /// An input that nothing takes.
    UnexpectedInput Error "E0505";
    /// Ad-hoc actions that are made of each other.
    ActionCycle Error "E0506";
    /// A sub-workflow that is not among those that are known.
    MissingWorkflow Warning "W0507";
    /// An action that is not among those that are known.
    MissingAction Warning "W0508";
    /// A value that is not of the type that the action takes.
    IllTypedInput Error "E0509";
    /// An input that a sub-workflow does not take.
    SuperfluousInput Warning "W0510";
    /// A variable that nothing sets before it is read.
    UndefinedVariable Error "E0601";
    /// A variable that not every way to where it is read sets.
    MaybeUndefined Warning "W0602";
    /// A variable that two tasks publish which run in parallel.
    PublishRace Warning "W0603";
    /// An input that nothing reads.
    UnusedInput Warning "W0604";
    /// A variable that nothing reads.
    UnusedVariable Warning "W0605";
    /// A retry, or a part of one, that has no effect.
    RetryWithoutEffect Warning "W0701";
    /// A retry that nothing ends before its count is used up.
    EndlessRetry Warning "W0702";
}

impl Code {
    /// Whether Mistral accepts a definition with an error of this sort, and fails only when a run
    /// gets to it. Its validator looks neither at what is called nor at what variables hold.
    pub fn fails_when_reached(self) -> bool {
        matches!(
            self,
            Code::UnknownFunction
                | Code::FunctionArguments
                | Code::ImpossibleJoin
                | Code::UnknownWorkflow
                | Code::UnknownAction
                | Code::MissingInput
                | Code::UnexpectedInput
                | Code::IllTypedInput
                | Code::UndefinedVariable
        )
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// What sort of problem it is.
    pub code: Code,
    /// How bad it is.
    pub severity: Severity,
    /// Where it is.
    pub location: Location,
    /// How many characters from there on belong to it, within the line.
    pub length: u32,
    /// What is wrong, without a full stop.
    pub message: String,
    /// What to do about it, where there is something to say.
    pub hint: Option<String>,
}

impl Diagnostic {
    /// Whether the definition can't run.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    /// The diagnostic as text for people, with the line of `source` (the text of its file)
    /// that it points at. Plain text without colours; it ends with a line break.
    ///
    /// ```text
    /// error[E0401]: there is no task `rpeort`
    ///  --> nodes.yaml:12:11
    ///    |
    /// 12 |         - rpeort
    ///    |           ^^^^^^
    ///    = help: did you mean `report`?
    /// ```
    pub fn render(&self, source: &str) -> String {
        let index = usize::try_from(self.location.line).unwrap_or(usize::MAX);
        self.render_in(lines(source).nth(index.saturating_sub(1)))
    }

    /// The same, of which the line is known.
    pub(crate) fn render_in(&self, line: Option<&str>) -> String {
        let mut text = pointed_in(&self.to_string(), &self.location, self.length, line);
        if let Some(hint) = &self.hint {
            let margin = " ".repeat(self.location.line.to_string().len());
            // Writing to a string can't fail.
            let _ = writeln!(text, "{margin} = help: {hint}");
        }
        text
    }
}

/// The most errors, and the most warnings, that are kept of one check.
const MOST: usize = 1000;

/// How many wrong names get a "did you mean". Each is compared with all that there are.
const MOST_SUGGESTIONS: usize = 100;

/// Diagnostics up to a bound. Errors don't give way to warnings.
#[derive(Default)]
pub(crate) struct Bounded {
    kept: Vec<Diagnostic>,
    errors: usize,
    warnings: usize,
    /// How many were left out, and where the first of them stands.
    left_out: usize,
    from: Option<Location>,
    suggestions: usize,
}

impl Bounded {
    pub(crate) fn add(&mut self, found: Diagnostic) {
        let count = match found.severity {
            Severity::Error => &mut self.errors,
            Severity::Warning => &mut self.warnings,
        };
        if found.code == Code::TooMany {
            self.kept.push(found);
        } else if *count < MOST {
            *count += 1;
            self.kept.push(found);
        } else {
            self.left_out += 1;
            self.from.get_or_insert(found.location);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// Whether no more errors are kept.
    pub(crate) fn is_full(&self) -> bool {
        self.errors >= MOST
    }

    /// The hint for a wrong name, as long as there are not too many of them.
    pub(crate) fn did_you_mean<'n>(
        &mut self,
        name: &str,
        known: impl IntoIterator<Item = &'n str>,
    ) -> Option<String> {
        if self.suggestions == MOST_SUGGESTIONS {
            return None;
        }
        self.suggestions += 1;
        did_you_mean(name, known)
    }

    /// What was kept, and a note of what was not.
    pub(crate) fn finish(mut self) -> Vec<Diagnostic> {
        if let Some(location) = self.from {
            let more = self.left_out;
            self.kept.push(Diagnostic {
                code: Code::TooMany,
                severity: Code::TooMany.severity(),
                location,
                length: 1,
                message: format!("from here on {more} more errors and warnings are not shown"),
                hint: Some("put right what is shown, and look again".to_owned()),
            });
        }
        self.kept
    }
}

/// `title`, and under it the line of `source` that `location` is in, with a caret.
pub(crate) fn pointed(title: &str, location: &Location, length: u32, source: &str) -> String {
    let index = usize::try_from(location.line).unwrap_or(usize::MAX);
    let line = lines(source).nth(index.saturating_sub(1));
    pointed_in(title, location, length, line)
}

/// The same, of which the line is known.
fn pointed_in(title: &str, location: &Location, length: u32, line: Option<&str>) -> String {
    let line_number = location.line.to_string();
    let margin = " ".repeat(line_number.len());
    let mut text = format!("{title}\n{margin}--> {location}\n");
    if let Some(line) = line {
        let column = usize::try_from(location.column).unwrap_or(1).max(1);
        let (shown, indent, room) = excerpt(line, column - 1);
        let length = usize::try_from(length).unwrap_or(1).clamp(1, room.max(1));
        // Writing to a string can't fail.
        let _ = writeln!(text, "{margin} |\n{line_number} | {shown}");
        let _ = writeln!(text, "{margin} | {indent}{}", "^".repeat(length));
    }
    text
}

/// `error[E0101]: message`.
impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.severity {
            Severity::Warning => "warning",
            Severity::Error => "error",
        };
        write!(f, "{word}[{}]: {}", self.code, self.message)
    }
}

/// What is shown of `line`, what stands under it up to the character at `column`, and how many
/// characters of it follow. Long lines are cut, so that the caret stays in sight.
fn excerpt(line: &str, column: usize) -> (String, String, usize) {
    const WIDTH: usize = 160;
    const BEFORE: usize = 60;
    // Of what is far behind nothing is shown, and a line may be all of the text.
    let total = line.chars().take(column.saturating_add(2 * WIDTH)).count();
    let start = if total > WIDTH {
        column.saturating_sub(BEFORE).min(total - WIDTH)
    } else {
        0
    };
    let mut shown: String = line
        .chars()
        .skip(start)
        .take(WIDTH)
        .map(printable)
        .collect();
    let ahead = if start > 0 { "…" } else { "" };
    // Tabs stay tabs, so that the caret stands under what it means.
    let indent: String = ahead
        .chars()
        .map(|_| ' ')
        .chain(
            line.chars()
                .skip(start)
                .take(column - start.min(column))
                .map(|c| if c == '\t' { '\t' } else { ' ' }),
        )
        .collect();
    let room = total.min(start + WIDTH).saturating_sub(column);
    shown.insert_str(0, ahead);
    if total > start + WIDTH {
        shown.push('…');
    }
    (shown, indent, room)
}

/// Control characters must not reach a terminal.
fn printable(c: char) -> char {
    if c.is_control() && c != '\t' {
        '\u{fffd}'
    } else {
        c
    }
}
