//! YAML as PyYAML's `safe_dump(…, default_flow_style=False)` writes it: block style, keys
//! sorted, ASCII only, texts folded near column 80.
//!
//! Where PyYAML folds and when it quotes is no rule of YAML but of its emitter, whose state
//! (the column, and what was written last) is kept here in the same terms.

use ostro_core::Value;

use crate::text::python_float;
use crate::yaml::is_plain_text;

const WIDTH: usize = 80;
const INDENT: usize = 2;
/// The longest key that stands in front of its colon. PyYAML counts the tag `!!str` in.
const KEY: usize = 128 - "!!str".len();
const BREAKS: [char; 4] = ['\n', '\u{85}', '\u{2028}', '\u{2029}'];

/// `value` as YAML text.
pub(super) fn dump(value: &Value) -> String {
    let mut emitter = Emitter {
        out: String::new(),
        column: 0,
        indent: 0,
        after_space: true,
        after_indent: true,
    };
    let plain = emitter.node(value, Context::Root);
    emitter.write_indent();
    if plain {
        // A plain text could go on; this ends it.
        emitter.out.push_str("...\n");
    }
    emitter.out
}

#[derive(Clone, Copy, PartialEq)]
enum Context {
    Root,
    Sequence,
    Mapping,
    Key,
}

struct Emitter {
    out: String,
    column: usize,
    indent: usize,
    /// White space was written last.
    after_space: bool,
    /// Nothing but indentation and indicators stands in this line.
    after_indent: bool,
}

impl Emitter {
    /// Writes `value`; whether that ended with plain text.
    fn node(&mut self, value: &Value, context: Context) -> bool {
        match value {
            Value::List(items) if items.is_empty() => self.indicator("[]", true, false),
            Value::Map(entries) if entries.is_empty() => self.indicator("{}", true, false),
            Value::List(items) => {
                let outer = self.indent;
                let flush = context == Context::Mapping && !self.after_indent;
                if context != Context::Root && !flush {
                    self.indent += INDENT;
                }
                for item in items.iter() {
                    self.write_indent();
                    self.indicator("-", true, true);
                    self.node(item, Context::Sequence);
                }
                self.indent = outer;
            }
            Value::Map(entries) => {
                let outer = self.indent;
                if context != Context::Root {
                    self.indent += INDENT;
                }
                let mut sorted: Vec<_> = entries.iter().collect();
                sorted.sort_by(|a, b| a.0.cmp(b.0));
                for (key, value) in sorted {
                    self.entry(key, value);
                }
                self.indent = outer;
            }
            Value::String(text) => return self.text(text, context),
            Value::Null => return self.plain("null", true),
            Value::Bool(truth) => return self.plain(if *truth { "true" } else { "false" }, true),
            Value::Int(number) => return self.plain(&number.to_string(), true),
            Value::Float(number) => return self.plain(&float(*number), true),
        }
        false
    }

    fn entry(&mut self, key: &str, value: &Value) {
        self.write_indent();
        if !key.is_empty() && !key.contains(BREAKS) && key.chars().count() < KEY {
            self.text(key, Context::Key);
            self.indicator(":", false, false);
        } else {
            self.indicator("?", true, true);
            self.text(key, Context::Mapping);
            self.write_indent();
            self.indicator(":", true, true);
        }
        self.node(value, Context::Mapping);
    }

    fn text(&mut self, text: &str, context: Context) -> bool {
        let look = Look::of(text);
        let fold = context != Context::Key;
        // What is folded goes on deeper than what it belongs to.
        self.indent += INDENT;
        let plain = look.plain && is_plain_text(text);
        if plain {
            self.plain(text, fold);
        } else if look.single && (fold || !text.contains(BREAKS)) {
            self.single_quoted(text, fold);
        } else {
            self.double_quoted(text, fold);
        }
        self.indent -= INDENT;
        plain
    }

    fn indicator(&mut self, text: &str, wants_space: bool, indents: bool) {
        if wants_space && !self.after_space {
            self.write(" ");
        }
        self.write(text);
        self.after_space = false;
        self.after_indent &= indents;
    }

    fn write(&mut self, text: &str) {
        self.out.push_str(text);
        self.column += text.chars().count();
    }

    fn write_indent(&mut self) {
        if !self.after_indent
            || self.column > self.indent
            || (self.column == self.indent && !self.after_space)
        {
            self.line_break('\n');
        }
        if self.column < self.indent {
            self.after_space = true;
            let missing = self.indent - self.column;
            self.write(&" ".repeat(missing));
        }
    }

    fn line_break(&mut self, c: char) {
        self.out.push(c);
        self.column = 0;
        self.after_space = true;
        self.after_indent = true;
    }

    fn plain(&mut self, text: &str, fold: bool) -> bool {
        if !self.after_space {
            self.write(" ");
        }
        self.after_space = false;
        self.after_indent = false;
        for (index, run) in runs(text).enumerate() {
            if index > 0 && run == " " && self.column > WIDTH && fold {
                self.write_indent();
                self.after_space = false;
                self.after_indent = false;
            } else {
                self.write(run);
            }
        }
        true
    }

    fn single_quoted(&mut self, text: &str, fold: bool) {
        self.indicator("'", true, false);
        let mut at = 0;
        for run in runs(text) {
            let is_inside = at > 0 && at + run.len() < text.len();
            if run == " " && self.column > WIDTH && fold && is_inside {
                self.write_indent();
            } else if run.starts_with(BREAKS) {
                if run.starts_with('\n') {
                    self.line_break('\n');
                }
                run.chars().for_each(|c| self.line_break(c));
                self.write_indent();
            } else {
                self.write(&run.replace('\'', "''"));
            }
            at += run.len();
        }
        self.indicator("'", false, false);
    }

    fn double_quoted(&mut self, text: &str, fold: bool) {
        self.indicator("\"", true, false);
        let chars: Vec<char> = text.chars().collect();
        // What was read but not yet written starts at `start`.
        let mut start = 0;
        for end in 0..=chars.len() {
            let next = chars.get(end).copied();
            if next.is_none_or(|c| matches!(c, '"' | '\\') || !matches!(c, ' '..='~')) {
                if start < end {
                    self.write(&chars[start..end].iter().collect::<String>());
                    start = end;
                }
                if let Some(c) = next {
                    self.write(&escape(c));
                    start = end + 1;
                }
            }
            let is_inside = end > 0 && end + 1 < chars.len();
            let waiting = end.saturating_sub(start);
            // After an escape nothing waits, and PyYAML counts that as one less than nothing.
            let column = if start > end {
                self.column - 1
            } else {
                self.column + waiting
            };
            if is_inside && (next == Some(' ') || start >= end) && column > WIDTH && fold {
                let mut waiting: String =
                    chars.get(start..end).unwrap_or_default().iter().collect();
                waiting.push('\\');
                self.write(&waiting);
                start = start.max(end);
                self.write_indent();
                self.after_space = false;
                self.after_indent = false;
                if chars.get(start) == Some(&' ') {
                    self.write("\\");
                }
            }
        }
        self.indicator("\"", false, false);
    }
}

fn escape(c: char) -> String {
    let short = match c {
        '\0' => '0',
        '\u{7}' => 'a',
        '\u{8}' => 'b',
        '\t' => 't',
        '\n' => 'n',
        '\u{b}' => 'v',
        '\u{c}' => 'f',
        '\r' => 'r',
        '\u{1b}' => 'e',
        '"' | '\\' => c,
        '\u{85}' => 'N',
        '\u{a0}' => '_',
        '\u{2028}' => 'L',
        '\u{2029}' => 'P',
        _ => {
            let code = u32::from(c);
            return match code {
                0..=0xff => format!("\\x{code:02X}"),
                0x100..=0xffff => format!("\\u{code:04X}"),
                _ => format!("\\U{code:08X}"),
            };
        }
    };
    format!("\\{short}")
}

fn float(number: f64) -> String {
    if number.is_nan() {
        return ".nan".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { ".inf" } else { "-.inf" }.to_owned();
    }
    let text = python_float(number);
    // `1e+17` is no number in YAML 1.1.
    if text.contains('.') {
        text
    } else {
        text.replacen('e', ".0e", 1)
    }
}

/// `text` cut into runs of spaces, runs of line breaks, and what is between them.
fn runs(text: &str) -> impl Iterator<Item = &str> {
    let class = |c: char| match c {
        ' ' => 0,
        c if BREAKS.contains(&c) => 1,
        _ => 2,
    };
    let mut rest = text;
    std::iter::from_fn(move || {
        let first = class(rest.chars().next()?);
        let length = rest.find(|c| class(c) != first).unwrap_or(rest.len());
        let (run, after) = rest.split_at(length);
        rest = after;
        Some(run)
    })
}

/// How a text may be written, by what stands in it alone.
struct Look {
    plain: bool,
    single: bool,
}

impl Look {
    fn of(text: &str) -> Self {
        let is_blank = |c: char| matches!(c, '\0' | ' ' | '\t' | '\r') || BREAKS.contains(&c);
        let mut plain = !text.is_empty() && !text.starts_with("---") && !text.starts_with("...");
        let mut single = true;
        let mut before: Option<char> = None;
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            let blank_follows = chars.peek().is_none_or(|c| is_blank(*c));
            plain &= match (before, c) {
                (
                    None,
                    '#' | ',' | '[' | ']' | '{' | '}' | '&' | '*' | '!' | '|' | '>' | '\'' | '"'
                    | '%' | '@' | '`',
                ) => false,
                (None, '?' | '-') | (_, ':') => !blank_follows,
                (Some(before), '#') => !is_blank(before),
                _ => true,
            };
            if c != '\n' && !matches!(c, ' '..='~') {
                (plain, single) = (false, false);
            }
            if c == '\n' {
                plain = false;
            }
            match (before, c) {
                // Folding would take a space beside a line break away.
                (Some(' '), '\n') | (Some('\n'), ' ') => (plain, single) = (false, false),
                (None, ' ') => plain = false,
                _ => {}
            }
            before = Some(c);
        }
        if before == Some(' ') {
            plain = false;
        }
        Self { plain, single }
    }
}
