//! Dates as people write them: what `datetime(text)` reads without a format.
//!
//! The rules are those of Python's dateutil, so that the same texts mean the same: numbers are
//! taken for year, month and day by their size and place, what is missing comes from today.

use jiff::civil::{Date, DateTime, Time};

/// Names by their first three letters; May and those written out count as well.
const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];
const WEEKDAYS: [&str; 7] = [
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
];
const UNITS: [&[&str]; 3] = [
    &["h", "hour", "hours"],
    &["m", "minute", "minutes"],
    &["s", "second", "seconds"],
];
/// What may stand between the parts and means nothing.
const FILLERS: [&str; 15] = [
    " ", ".", ",", ";", "-", "/", "'", "at", "on", "and", "ad", "m", "t", "of", "st",
];
const MORE_FILLERS: [&str; 3] = ["nd", "rd", "th"];

fn is(token: &str, names: &[&str]) -> bool {
    names.iter().any(|name| name.eq_ignore_ascii_case(token))
}

fn filler(token: &str) -> bool {
    is(token, &FILLERS)
        || is(token, &MORE_FILLERS)
        || token.chars().all(char::is_whitespace) && !token.is_empty()
}

/// The position of a name that is written out, or with its first three letters.
fn named(token: &str, names: &[&str]) -> Option<usize> {
    names.iter().position(|name| {
        name.eq_ignore_ascii_case(token)
            || token.len() == 3 && name[..3].eq_ignore_ascii_case(token)
            || *name == "september" && token.eq_ignore_ascii_case("sept")
    })
}

fn month(token: &str) -> Option<i64> {
    named(token, &MONTHS).and_then(|at| i64::try_from(at + 1).ok())
}

fn unit(token: &str) -> Option<usize> {
    UNITS.iter().position(|names| is(token, names))
}

/// Whether it is the second half of the day.
fn half(token: &str) -> Option<bool> {
    if is(token, &["am", "a"]) {
        Some(false)
    } else if is(token, &["pm", "p"]) {
        Some(true)
    } else {
        None
    }
}

/// Words, numbers and single signs.
fn tokens(text: &str) -> Vec<String> {
    let chars: Vec<char> = text.chars().filter(|c| *c != '\0').collect();
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(first) = chars.get(at).copied() {
        let start = at;
        at += 1;
        if first.is_whitespace() {
            tokens.push(" ".to_owned());
            continue;
        }
        if !first.is_alphanumeric() {
            tokens.push(first.to_string());
            continue;
        }
        let mut digits = first.is_ascii_digit();
        let mut dotted = false;
        let mut letters = !digits;
        while let Some(c) = chars.get(at).copied() {
            let after_dot = chars[at - 1] == '.';
            let goes_on = match (digits, dotted) {
                (true, false) => c.is_ascii_digit() || c == '.' || (c == ',' && at - start >= 2),
                (false, false) => c.is_alphabetic() || c == '.',
                (true, true) => c == '.' || c.is_ascii_digit() || (c.is_alphabetic() && after_dot),
                (false, true) => c == '.' || c.is_alphabetic() || (c.is_ascii_digit() && after_dot),
            };
            if !goes_on {
                break;
            }
            dotted |= c == '.' || c == ',';
            letters |= c.is_alphabetic();
            if dotted && c.is_alphanumeric() {
                digits = c.is_ascii_digit();
            }
            at += 1;
        }
        let token: String = chars[start..at].iter().collect();
        let dots = token.matches('.').count();
        if dotted && (letters || dots > 1 || token.ends_with(['.', ','])) {
            let mut part = String::new();
            for c in token.chars() {
                if c == '.' || c == ',' {
                    tokens.extend((!part.is_empty()).then(|| std::mem::take(&mut part)));
                    tokens.push(c.to_string());
                } else {
                    part.push(c);
                }
            }
            tokens.extend((!part.is_empty()).then_some(part));
        } else if digits && dots == 0 {
            tokens.push(token.replace(',', "."));
        } else {
            tokens.push(token);
        }
    }
    tokens
}

/// A number as it is written: whole part and fraction.
fn number(token: &str) -> Option<(i64, &str)> {
    let (whole, fraction) = token.split_once('.').unwrap_or((token, ""));
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) {
        return None;
    }
    Some((whole.parse().ok()?, fraction))
}

/// Sixty times the fraction, rounded down: what it is in the next smaller unit.
fn sixtieths(fraction: &str) -> Option<i64> {
    let fraction = fraction.trim_end_matches('0');
    if fraction.is_empty() {
        return None;
    }
    let fraction = &fraction[..fraction.len().min(15)];
    let scale = 10_i64.pow(u32::try_from(fraction.len()).ok()?);
    Some(fraction.parse::<i64>().ok()? * 60 / scale)
}

/// Numbers that are year, month and day, in the order in which they were written.
#[derive(Default)]
struct Ymd {
    values: Vec<i64>,
    year: Option<usize>,
    month: Option<usize>,
    /// Whether a year was written with its century.
    century: bool,
}

impl Ymd {
    fn push(&mut self, token: &str) -> Option<()> {
        let (value, _) = number(token)?;
        if token.contains('.') {
            return None;
        }
        if token.len() > 2 {
            self.century = true;
            if self.year.replace(self.values.len()).is_some() {
                return None;
            }
        }
        self.values.push(value);
        Some(())
    }

    /// A number by itself, whose zeros say nothing.
    fn push_value(&mut self, value: i64, is_above: bool) -> Option<()> {
        if value > 100 || value == 100 && is_above {
            self.century = true;
            if self.year.replace(self.values.len()).is_some() {
                return None;
            }
        }
        self.values.push(value);
        Some(())
    }

    fn push_month(&mut self, month: i64) -> Option<()> {
        if self.month.replace(self.values.len()).is_some() {
            return None;
        }
        self.values.push(month);
        Some(())
    }

    /// Whether the number can still be a day.
    fn could_be_day(&self, value: i64) -> bool {
        let days = |year: i64, month: i64| {
            let first = Date::new(i16::try_from(year).ok()?, i8::try_from(month).ok()?, 1).ok()?;
            Some(i64::from(first.days_in_month()))
        };
        let longest = match self.month {
            None => Some(31),
            Some(month) => {
                let year = self.year.map_or(2000, |at| self.values[at]);
                days(year, self.values[month])
            }
        };
        longest.is_some_and(|longest| (1..=longest).contains(&value))
    }

    /// Which number is what.
    fn resolve(&self) -> Option<[Option<i64>; 3]> {
        let v = &self.values;
        let known: Vec<(usize, usize)> = [(0, self.year), (1, self.month)]
            .into_iter()
            .filter_map(|(part, at)| Some((part, at?)))
            .collect();
        let mut parts = [None; 3];
        if !known.is_empty() && (v.len() == known.len() || (v.len() == 3 && known.len() == 2)) {
            for (part, at) in &known {
                parts[*part] = Some(v[*at]);
            }
            if v.len() == 3 {
                let rest = (0..3).find(|at| known.iter().all(|(_, known)| known != at))?;
                parts[2] = Some(v[rest]);
            }
            return Some(parts);
        }
        let [year, month, day] = match (v.len(), self.month) {
            (0, _) => [None; 3],
            (1, None) => {
                if v[0] > 31 {
                    [Some(v[0]), None, None]
                } else {
                    [None, None, Some(v[0])]
                }
            }
            (2, Some(at)) => {
                let other = v[1 - at];
                if other > 31 {
                    [Some(other), Some(v[at]), None]
                } else {
                    [None, Some(v[at]), Some(other)]
                }
            }
            (2, None) if v[0] > 31 => [Some(v[0]), Some(v[1]), None],
            (2, None) if v[1] > 31 => [Some(v[1]), Some(v[0]), None],
            (2, None) => [None, Some(v[0]), Some(v[1])],
            (3, Some(0)) if v[1] > 31 => [Some(v[1]), Some(v[0]), Some(v[2])],
            (3, Some(0)) => [Some(v[2]), Some(v[0]), Some(v[1])],
            (3, Some(1)) if v[0] > 31 => [Some(v[0]), Some(v[1]), Some(v[2])],
            (3, Some(1)) => [Some(v[2]), Some(v[1]), Some(v[0])],
            (3, Some(_)) if v[1] > 31 => [Some(v[1]), Some(v[2]), Some(v[0])],
            (3, Some(_)) => [Some(v[0]), Some(v[2]), Some(v[1])],
            (3, None) if v[0] > 31 || self.year == Some(0) => [Some(v[0]), Some(v[1]), Some(v[2])],
            (3, None) if v[0] > 12 => [Some(v[2]), Some(v[1]), Some(v[0])],
            (3, None) => [Some(v[2]), Some(v[0]), Some(v[1])],
            _ => return None,
        };
        Some([year, month, day])
    }
}

/// What was found so far.
#[derive(Default)]
struct Reader {
    tokens: Vec<String>,
    ymd: Ymd,
    hour: Option<i64>,
    minute: Option<i64>,
    second: Option<i64>,
    microsecond: Option<i64>,
    weekday: Option<usize>,
    zone: Option<String>,
    /// Seconds.
    offset: Option<i64>,
}

/// Reads a date or time: the local clock's, and its offset from UTC in seconds.
pub(super) fn read(text: &str, today: Date) -> Option<(DateTime, i64)> {
    let mut reader = Reader {
        tokens: tokens(text),
        ..Reader::default()
    };
    let mut at = 0;
    while at < reader.tokens.len() {
        at = reader.token(at)? + 1;
    }
    reader.finish(today)
}

impl Reader {
    fn get(&self, at: usize) -> Option<&str> {
        self.tokens.get(at).map(String::as_str)
    }

    /// Takes the token at `at`; the position of the last one that was taken with it.
    fn token(&mut self, at: usize) -> Option<usize> {
        let token = self.tokens[at].clone();
        if number(&token).is_some() {
            return self.numeric(at, &token);
        }
        if let Some(weekday) = named(&token, &WEEKDAYS) {
            self.weekday = Some(weekday);
        } else if let Some(month) = month(&token) {
            return self.after_month(at, month);
        } else if let Some(half) = half(&token) {
            let hour = self.hour.filter(|hour| (0..=12).contains(hour))?;
            self.hour = Some(on_clock(hour, half));
        } else if self.could_be_zone(&token) {
            self.offset = is(&token, &["UTC", "GMT", "Z"]).then_some(0);
            self.zone = Some(token);
            if let Some(sign @ ("+" | "-")) = self.get(at + 1) {
                // In `GMT+3` it is the zone's own time that is three hours more.
                let turned = if sign == "+" { "-" } else { "+" };
                turned.clone_into(&mut self.tokens[at + 1]);
                self.offset = None;
                let zone = self.zone.as_deref().unwrap_or_default();
                if is(zone, &["UTC", "GMT", "Z"]) {
                    self.zone = None;
                }
            }
        } else if self.hour.is_some() && (token == "+" || token == "-") {
            return self.numbered_zone(at, token == "-");
        } else if !filler(&token) {
            return None;
        }
        Some(at)
    }

    fn could_be_zone(&self, token: &str) -> bool {
        self.hour.is_some()
            && self.zone.is_none()
            && self.offset.is_none()
            && token.len() <= 5
            && (token.bytes().all(|b| b.is_ascii_uppercase()) || token == "z")
    }

    /// `Jan-01-99`, `Jan of 01`, or the month alone.
    fn after_month(&mut self, at: usize, month: i64) -> Option<usize> {
        self.ymd.push_month(month)?;
        match self.get(at + 1) {
            Some(mark @ ("-" | "/")) => {
                let mark = mark.to_owned();
                let next = self.get(at + 2)?.to_owned();
                self.ymd.push(&next)?;
                if self.get(at + 3) == Some(&mark) {
                    let last = self.get(at + 4)?.to_owned();
                    self.ymd.push(&last)?;
                    return Some(at + 4);
                }
                Some(at + 2)
            }
            Some(" ")
                if self.get(at + 3) == Some(" ")
                    && self.get(at + 2).is_some_and(|word| is(word, &["of"]))
                    && self.get(at + 4).is_some() =>
            {
                let year = self.get(at + 4)?.to_owned();
                if number(&year).is_some_and(|(_, fraction)| fraction.is_empty()) {
                    self.ymd.year = Some(self.ymd.values.len());
                    self.ymd.century |= year.len() > 2;
                    self.ymd.values.push(number(&year)?.0);
                }
                Some(at + 4)
            }
            _ => Some(at),
        }
    }

    /// `+0300`, `+03:00` or `+3`.
    fn numbered_zone(&mut self, at: usize, minus: bool) -> Option<usize> {
        let digits = self.get(at + 1)?.to_owned();
        let mut last = at + 1;
        let (hours, minutes): (i64, i64) = if digits.len() == 4 {
            (
                digits.get(..2)?.parse().ok()?,
                digits.get(2..)?.parse().ok()?,
            )
        } else if self.get(at + 2) == Some(":") {
            last = at + 3;
            (digits.parse().ok()?, self.get(at + 3)?.parse().ok()?)
        } else if digits.len() <= 2 {
            (digits.parse().ok()?, 0)
        } else {
            return None;
        };
        let seconds = hours
            .checked_mul(3600)?
            .checked_add(minutes.checked_mul(60)?)?;
        self.offset = Some(if minus { -seconds } else { seconds });
        // A name of the zone in parentheses.
        let named = self.get(last + 1).is_some_and(filler)
            && self.get(last + 2) == Some("(")
            && self.get(last + 4) == Some(")")
            && self.zone.is_none()
            && self.get(last + 3).is_some_and(|name| {
                (3..=5).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_uppercase())
            });
        Some(if named { last + 3 } else { last })
    }

    /// A number: of a date, a time, or with a unit.
    fn numeric(&mut self, at: usize, token: &str) -> Option<usize> {
        let (value, fraction) = number(token)?;
        let length = token.len();
        let part = |from: usize, to: usize| token.get(from..to)?.parse::<i64>().ok();
        let next = self.get(at + 1).map(str::to_owned);
        let next = next.as_deref();
        let is_clock = next.is_some_and(|next| next == ":" || unit(next).is_some());
        if self.ymd.values.len() == 3 && matches!(length, 2 | 4) && self.hour.is_none() && !is_clock
        {
            self.hour = part(0, 2);
            if length == 4 {
                self.minute = Some(part(2, 4)?);
            }
            return Some(at);
        }
        if length == 6 || token.find('.') == Some(6) {
            if self.ymd.values.is_empty() && !token.contains('.') {
                for from in [0, 2, 4] {
                    self.ymd.push(&token[from..from + 2])?;
                }
            } else {
                self.hour = Some(part(0, 2)?);
                self.minute = Some(part(2, 4)?);
                self.seconds(&token[4..])?;
            }
            return Some(at);
        }
        if matches!(length, 8 | 12 | 14) {
            self.ymd.push(&token[..4])?;
            self.ymd.push(&token[4..6])?;
            self.ymd.push(&token[6..8])?;
            if length > 8 {
                self.hour = Some(part(8, 10)?);
                self.minute = Some(part(10, 12)?);
            }
            if length > 12 {
                self.second = Some(part(12, 14)?);
            }
            return Some(at);
        }
        if let Some((last, unit)) = self.unit_of(at) {
            match unit {
                0 => {
                    self.hour = Some(value);
                    self.minute = sixtieths(fraction).or(self.minute);
                }
                1 => {
                    self.minute = Some(value);
                    self.second = sixtieths(fraction);
                }
                2 => self.seconds(token)?,
                _ => {}
            }
            return Some(last);
        }
        match next {
            Some(":") if self.get(at + 2).is_some() => {
                self.hour = Some(value);
                let (minute, fraction) = number(self.get(at + 2)?)?;
                let second = sixtieths(fraction);
                self.minute = Some(minute);
                self.second = second;
                if self.get(at + 3) == Some(":") && self.get(at + 4).is_some() {
                    let seconds = self.get(at + 4)?.to_owned();
                    self.seconds(&seconds)?;
                    return Some(at + 4);
                }
                Some(at + 2)
            }
            Some(mark @ ("-" | "/" | ".")) => self.separated(at, token, mark),
            None => {
                self.ymd.push_value(value, sixtieths(fraction).is_some())?;
                Some(at)
            }
            Some(next) if filler(next) => {
                if let Some(half) = self.get(at + 2).and_then(half) {
                    self.hour = Some(on_clock(value, half));
                    Some(at + 2)
                } else {
                    self.ymd.push_value(value, sixtieths(fraction).is_some())?;
                    Some(at + 1)
                }
            }
            Some(next) if half(next).is_some() && value < 24 => {
                self.hour = Some(on_clock(value, half(next)?));
                Some(at + 1)
            }
            Some(_) if self.ymd.could_be_day(value) => {
                self.ymd.push_value(value, false)?;
                Some(at)
            }
            Some(_) => None,
        }
    }

    fn seconds(&mut self, token: &str) -> Option<()> {
        let (seconds, fraction) = number(token)?;
        let digits: String = fraction.chars().chain("000000".chars()).take(6).collect();
        self.second = Some(seconds);
        self.microsecond = digits.parse().ok();
        Some(())
    }

    /// `01-02-03`, `01-Jan`, `01/Jan/03`.
    fn separated(&mut self, at: usize, token: &str, mark: &str) -> Option<usize> {
        self.ymd.push(token)?;
        let Some(second) = self.get(at + 2).map(str::to_owned) else {
            return Some(at + 1);
        };
        if filler(&second) {
            return Some(at + 1);
        }
        match month(&second) {
            Some(month) => self.ymd.push_month(month)?,
            None if second.bytes().all(|b| b.is_ascii_digit()) => self.ymd.push(&second)?,
            None => return None,
        }
        if self.get(at + 3) != Some(mark) {
            return Some(at + 2);
        }
        let third = self.get(at + 4)?.to_owned();
        match month(&third) {
            Some(month) => self.ymd.push_month(month)?,
            None => self.ymd.push(&third)?,
        }
        Some(at + 4)
    }

    /// The unit that is written after or before the number, and the last token of both.
    fn unit_of(&self, at: usize) -> Option<(usize, usize)> {
        if let Some(unit) = self.get(at + 1).and_then(unit) {
            return Some((at + 1, unit));
        }
        if self.get(at + 1) == Some(" ")
            && let Some(unit) = self.get(at + 2).and_then(unit)
        {
            return Some((at + 2, unit));
        }
        // In `12h04` the unit of the second number follows from that of the first.
        if let Some(unit) = at.checked_sub(1).and_then(|at| self.get(at)).and_then(unit) {
            return Some((at, unit + 1));
        }
        let at_end = at + 1 == self.tokens.len() && at > 1 && self.get(at - 1) == Some(" ");
        let before = at_end.then(|| self.get(at - 2)).flatten();
        before.and_then(unit).map(|unit| (at, unit + 1))
    }

    fn finish(self, today: Date) -> Option<(DateTime, i64)> {
        let [year, month, day] = self.ymd.resolve()?;
        let parts = [
            year,
            month,
            day,
            self.hour,
            self.minute,
            self.second,
            self.offset,
        ];
        let nothing = parts.iter().all(Option::is_none);
        if nothing && self.weekday.is_none() && self.zone.is_none() {
            return None;
        }
        let this_year = i64::from(today.year());
        let year = match year {
            None => this_year,
            Some(year) if year < 100 && !self.ymd.century => {
                let year = year + this_year / 100 * 100;
                if year >= this_year + 50 {
                    year - 100
                } else if year < this_year - 50 {
                    year + 100
                } else {
                    year
                }
            }
            Some(year) => year,
        };
        let year = i16::try_from(year)
            .ok()
            .filter(|year| (1..=9999).contains(year))?;
        let month = month.map_or(Some(today.month()), |month| i8::try_from(month).ok())?;
        let last = Date::new(year, month, 1).ok()?.days_in_month();
        let wanted = match day {
            Some(day) => i8::try_from(day).ok()?,
            None => today.day().min(last),
        };
        let mut date = Date::new(year, month, wanted).ok()?;
        if let (Some(weekday), None | Some(0)) = (self.weekday, day) {
            let now = usize::try_from(date.weekday().to_monday_zero_offset()).ok()?;
            let ahead = i64::try_from((weekday + 7 - now) % 7).ok()?;
            date = date.checked_add(jiff::Span::new().days(ahead)).ok()?;
        }
        let narrow = |part: Option<i64>| i8::try_from(part.unwrap_or(0)).ok();
        let nanosecond = i32::try_from(self.microsecond.unwrap_or(0) * 1000).ok()?;
        let second = narrow(self.second).filter(|second| *second < 60)?;
        let time = Time::new(narrow(self.hour)?, narrow(self.minute)?, second, nanosecond).ok()?;
        Some((date.to_datetime(time), self.offset.unwrap_or(0)))
    }
}

fn on_clock(hour: i64, afternoon: bool) -> i64 {
    match (hour, afternoon) {
        (12, false) => 0,
        (hour, true) if hour < 12 => hour + 12,
        (hour, _) => hour,
    }
}
