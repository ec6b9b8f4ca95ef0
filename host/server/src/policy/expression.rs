//! The language of rules (`oslo_policy/_parser.py`).

use super::check::{CREDENTIALS, Check, Pattern, Piece};

/// How deep parentheses and `not` may stand in each other.
const MAX_DEPTH: usize = 32;

/// Reads an expression. The error says what is wrong with it.
pub(super) fn parse(text: &str) -> Result<Check, String> {
    if text.is_empty() {
        return Ok(Check::Always);
    }
    let tokens = tokens(text)?;
    let mut parser = Parser {
        tokens: &tokens,
        depth: 0,
    };
    let check = parser.any()?;
    match parser.tokens.first() {
        None => Ok(check),
        Some(token) => Err(format!("{} is not expected there", token.shown())),
    }
}

/// Reads one check, as it stands alone in the old form of lists.
pub(super) fn check(text: &str) -> Result<Check, String> {
    match text {
        "@" => return Ok(Check::Always),
        "!" => return Ok(Check::Never),
        _ => {}
    }
    let (kind, wanted) = text
        .split_once(':')
        .ok_or_else(|| format!("{text:?} is no check: one has the form kind:value"))?;
    match kind {
        "rule" => return Ok(Check::Rule(wanted.to_owned())),
        "role" => return Ok(Check::Role(pattern(wanted)?)),
        "http" | "https" => {
            return Err(format!(
                "{text:?} asks another server at each request, which is not done: \
                 write the rule by roles and projects"
            ));
        }
        _ => {}
    }
    if let Some(literal) = literal(kind) {
        return Ok(Check::Literal(literal, pattern(wanted)?));
    }
    let known = CREDENTIALS.iter().find(|(name, _)| *name == kind);
    let Some((_, credential)) = known else {
        let names: Vec<&str> = CREDENTIALS.iter().map(|(name, _)| *name).collect();
        return Err(format!(
            "{kind:?} of {text:?} is not known of callers: known are role, rule, {}",
            names.join(", ")
        ));
    };
    Ok(Check::Credential(*credential, pattern(wanted)?))
}

/// What Python's `ast.literal_eval` takes for a text, a truth value, nothing or a whole number.
fn literal(kind: &str) -> Option<String> {
    let quoted = |quote: char| {
        let inner = kind.strip_prefix(quote)?.strip_suffix(quote)?;
        (!inner.contains([quote, '\\'])).then(|| inner.to_owned())
    };
    if matches!(kind, "True" | "False" | "None") {
        return Some(kind.to_owned());
    }
    quoted('\'')
        .or_else(|| quoted('"'))
        .or_else(|| kind.parse::<i64>().ok().map(|number| number.to_string()))
}

/// Reads what stands after the colon.
fn pattern(text: &str) -> Result<Pattern, String> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        if !before.is_empty() {
            pieces.push(Piece::Text(before.to_owned()));
        }
        if let Some(after) = after.strip_prefix('%') {
            pieces.push(Piece::Text("%".to_owned()));
            rest = after;
            continue;
        }
        let field = after
            .strip_prefix('(')
            .and_then(|after| after.split_once(")s"));
        let Some((name, after)) = field else {
            return Err(format!(
                "{text:?}: a % begins %(project_id)s, or is written %%"
            ));
        };
        pieces.push(match name {
            "project_id" => Piece::Project,
            "user_id" => Piece::User,
            other => {
                return Err(format!(
                    "%({other})s is not known of what is asked for: known are project_id, user_id"
                ));
            }
        });
        rest = after;
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest.to_owned()));
    }
    Ok(Pattern(pieces))
}

#[derive(Debug, PartialEq, Eq)]
enum Token {
    Open,
    Close,
    And,
    Or,
    Not,
    Check(Check, String),
}

impl Token {
    fn shown(&self) -> &str {
        match self {
            Self::Open => "(",
            Self::Close => ")",
            Self::And => "and",
            Self::Or => "or",
            Self::Not => "not",
            Self::Check(_, text) => text,
        }
    }
}

/// Parentheses stand before or after a word: those within belong to it.
fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    for word in text.split_whitespace() {
        let inner = word.trim_start_matches('(');
        tokens.extend((inner.len()..word.len()).map(|_| Token::Open));
        let clean = inner.trim_end_matches(')');
        match clean.to_lowercase().as_str() {
            "" => {}
            "and" => tokens.push(Token::And),
            "or" => tokens.push(Token::Or),
            "not" => tokens.push(Token::Not),
            _ => tokens.push(Token::Check(check(clean)?, clean.to_owned())),
        }
        tokens.extend((clean.len()..inner.len()).map(|_| Token::Close));
    }
    Ok(tokens)
}

struct Parser<'a> {
    tokens: &'a [Token],
    depth: usize,
}

impl Parser<'_> {
    fn take(&mut self, token: &Token) -> bool {
        let is_next = self.tokens.first() == Some(token);
        if is_next {
            self.tokens = &self.tokens[1..];
        }
        is_next
    }

    fn any(&mut self) -> Result<Check, String> {
        let mut checks = vec![self.all()?];
        while self.take(&Token::Or) {
            checks.push(self.all()?);
        }
        Ok(joined(checks, Check::Any))
    }

    fn all(&mut self) -> Result<Check, String> {
        let mut checks = vec![self.one()?];
        while self.take(&Token::And) {
            checks.push(self.one()?);
        }
        Ok(joined(checks, Check::All))
    }

    fn one(&mut self) -> Result<Check, String> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(format!("it is more than {MAX_DEPTH} deep"));
        }
        let Some((token, rest)) = self.tokens.split_first() else {
            return Err("a check is missing at the end".to_owned());
        };
        self.tokens = rest;
        let check = match token {
            Token::Check(check, _) => check.clone(),
            Token::Not => Check::Not(Box::new(self.one()?)),
            Token::Open => {
                let inner = self.any()?;
                if !self.take(&Token::Close) {
                    return Err("a ( has no )".to_owned());
                }
                inner
            }
            other => return Err(format!("{} is not expected there", other.shown())),
        };
        self.depth -= 1;
        Ok(check)
    }
}

/// One check is itself; several are joined.
pub(super) fn joined(mut checks: Vec<Check>, join: fn(Vec<Check>) -> Check) -> Check {
    match checks.pop() {
        Some(only) if checks.is_empty() => only,
        last => {
            checks.extend(last);
            join(checks)
        }
    }
}
