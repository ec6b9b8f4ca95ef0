//! Dates, times and lengths of time.

use std::fmt::Write as _;

use jiff::SignedDuration;
use jiff::civil::{Date, DateTime, Time};
use jiff::fmt::strtime::{self, BrokenDownTime};
use jiff::tz::Offset;

use super::{function, method, opt, req};
use crate::error::{ErrorKind, Fail, Res, fail};
use crate::eval::{Call, Function, Param, Ty, float, number, overflow};
use crate::value::Val;

const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;

/// A point in time and the offset from UTC that it is written with.
#[derive(Clone, Copy)]
pub(crate) struct Moment {
    local: DateTime,
    /// In microseconds. One of a day or more is an error only where it is used, as in Python.
    offset: i64,
}

const OFFSET: Param = opt("offset", Ty::Timespan);
/// The same where null is as good as nothing.
const OFFSET_OR_NULL: Param = opt("offset", Ty::TimespanOrNull);
const VALUE: &[Param] = &[req("value", Ty::Any)];

pub(super) const FUNCTIONS: &[Function] = &[
    function(
        "datetime",
        &[
            req("year", Ty::Int),
            req("month", Ty::Int),
            req("day", Ty::Int),
            opt("hour", Ty::Int),
            opt("minute", Ty::Int),
            opt("second", Ty::Int),
            opt("microsecond", Ty::Int),
            OFFSET,
        ],
        |c| {
            let offset = offset(&c.arg(7));
            let field = |i: usize| c.int_or(i, 0);
            let fields = [0, 1, 2, 3, 4, 5, 6].map(field);
            Ok(Val::Time(Moment {
                local: build(fields)?,
                offset,
            }))
        },
    ),
    function("datetime", &[req("timestamp", Ty::Number), OFFSET], |c| {
        let offset = offset(&c.arg(1));
        let micros = match c.arg(0) {
            Val::Int(seconds) => seconds.checked_mul(SECOND).ok_or_else(overflow)?,
            other => rounded(number(&other).unwrap_or(f64::NAN) * 1e6)?,
        };
        Moment::at(micros, offset).map(Val::Time)
    }),
    function(
        "datetime",
        &[req("string", Ty::Str), opt("format", Ty::StrOrNull)],
        |c| {
            let text = c.text(0);
            let moment = match c.text_or_none(1).filter(|format| !format.is_empty()) {
                Some(format) => strptime(&text, &format),
                None => parse(&text, c.ev.host.now_millis()),
            };
            moment.map(Val::Time)
        },
    ),
    function(
        "timespan",
        &[
            opt("days", Ty::Int),
            opt("hours", Ty::Int),
            opt("minutes", Ty::Int),
            opt("seconds", Ty::OnlyInt),
            opt("milliseconds", Ty::OnlyInt),
            opt("microseconds", Ty::OnlyInt),
        ],
        timespan,
    ),
    function("now", &[OFFSET_OR_NULL], |c| {
        let offset = offset(&c.arg(0));
        let micros =
            c.ev.host
                .now_millis()
                .checked_mul(1000)
                .ok_or_else(overflow)?;
        Moment::at(micros, offset).map(Val::Time)
    }),
    function("localtz", &[], |_| Ok(Val::Span(0))),
    function("utctz", &[], |_| Ok(Val::Span(0))),
    function("isDatetime", VALUE, |c| {
        Ok(Val::Bool(matches!(c.arg(0), Val::Time(_))))
    }),
    function("isTimespan", VALUE, |c| {
        Ok(Val::Bool(matches!(c.arg(0), Val::Span(_))))
    }),
    method(
        "format",
        &[req("dt", Ty::Time), req("format", Ty::Str)],
        |c| {
            let Val::Time(moment) = c.arg(0) else {
                return Ok(Val::Null);
            };
            let text = strftime(&moment, &c.text(1))?;
            c.ev.text(&text)
        },
    ),
    method(
        "replace",
        &[
            req("dt", Ty::Time),
            opt("year", Ty::IntOrNull),
            opt("month", Ty::IntOrNull),
            opt("day", Ty::IntOrNull),
            opt("hour", Ty::IntOrNull),
            opt("minute", Ty::IntOrNull),
            opt("second", Ty::IntOrNull),
            opt("microsecond", Ty::IntOrNull),
            OFFSET_OR_NULL,
        ],
        replace,
    ),
];

fn out_of_range() -> Fail {
    fail(
        ErrorKind::Value,
        "a part of the date or time is out of range",
    )
}

/// The bounds and rounding of a number of microseconds.
#[expect(
    clippy::cast_possible_truncation,
    reason = "the range is checked first"
)]
fn rounded(micros: f64) -> Res<i64> {
    // Just within what an i64 holds.
    const LIMIT: f64 = 9.2e18;
    if micros.is_finite() && micros.abs() < LIMIT {
        Ok(micros.round_ties_even() as i64)
    } else {
        Err(overflow())
    }
}

/// A length of time.
pub(crate) fn span(micros: f64) -> Res<Val> {
    rounded(micros).map(Val::Span)
}

fn offset(value: &Val) -> i64 {
    match value {
        Val::Span(micros) => *micros,
        _ => 0,
    }
}

fn micros_of(offset: Offset) -> i64 {
    i64::from(offset.seconds()) * SECOND
}

fn build([year, month, day, hour, minute, second, microsecond]: [i64; 7]) -> Res<DateTime> {
    fn narrow<T: TryFrom<i64>>(field: i64) -> Res<T> {
        T::try_from(field).map_err(|_| out_of_range())
    }
    if !(1..=9999).contains(&year) || !(0..SECOND).contains(&microsecond) {
        return Err(out_of_range());
    }
    DateTime::new(
        narrow(year)?,
        narrow(month)?,
        narrow(day)?,
        narrow(hour)?,
        narrow(minute)?,
        narrow(second)?,
        narrow(microsecond * 1000)?,
    )
    .map_err(|_| out_of_range())
}

fn timespan(c: &mut Call<'_, '_>) -> Res<Val> {
    let units = [DAY, 3600 * SECOND, 60 * SECOND, SECOND, 1000, 1];
    let mut total: i64 = 0;
    for (i, unit) in units.into_iter().enumerate() {
        let part = c.int_or(i, 0).checked_mul(unit).ok_or_else(overflow)?;
        total = total.checked_add(part).ok_or_else(overflow)?;
    }
    Ok(Val::Span(total))
}

fn replace(c: &mut Call<'_, '_>) -> Res<Val> {
    let Val::Time(moment) = c.arg(0) else {
        return Ok(Val::Null);
    };
    let local = moment.local;
    let now = [
        i64::from(local.year()),
        i64::from(local.month()),
        i64::from(local.day()),
        i64::from(local.hour()),
        i64::from(local.minute()),
        i64::from(local.second()),
        moment.microsecond(),
    ];
    let mut fields = now;
    for (i, field) in fields.iter_mut().enumerate() {
        *field = c.int_or(i + 1, *field);
    }
    let offset = match c.arg(8) {
        given @ Val::Span(_) => offset(&given),
        _ => moment.offset,
    };
    Ok(Val::Time(Moment {
        local: build(fields)?,
        offset,
    }))
}

impl Moment {
    fn at(micros: i64, offset: i64) -> Res<Moment> {
        let moment = Moment {
            local: jiff::civil::date(1970, 1, 1).to_datetime(Time::midnight()),
            offset,
        };
        moment.plus(micros.checked_add(offset).ok_or_else(overflow)?)
    }

    /// The offset, if it is one that a clock can have.
    fn checked_offset(&self) -> Res<i64> {
        if self.offset.abs() < DAY {
            Ok(self.offset)
        } else {
            Err(out_of_range())
        }
    }

    /// Microseconds since 1970 by the local clock.
    fn local_micros(&self) -> i64 {
        let epoch = jiff::civil::date(1970, 1, 1);
        let days = epoch.duration_until(self.local.date()).as_hours() / 24;
        let midnight = self.local.date().to_datetime(Time::midnight());
        // The time of a day is far within the range.
        let time = i64::try_from(midnight.duration_until(self.local).as_micros()).unwrap_or(0);
        days * DAY + time
    }

    /// Microseconds since 1970 in UTC.
    pub(crate) fn micros(&self) -> Res<i64> {
        Ok(self.local_micros() - self.checked_offset()?)
    }

    /// Microseconds from `other` to this. Moments with the same offset need no valid one.
    pub(crate) fn since(&self, other: &Moment) -> Res<i64> {
        if self.offset == other.offset {
            Ok(self.local_micros() - other.local_micros())
        } else {
            Ok(self.micros()? - other.micros()?)
        }
    }

    fn microsecond(&self) -> i64 {
        i64::from(self.local.subsec_nanosecond()) / 1000
    }

    /// The moment `micros` later.
    pub(crate) fn plus(&self, micros: i64) -> Res<Moment> {
        let local = self
            .local
            .checked_add(SignedDuration::from_micros(micros))
            .map_err(|_| out_of_range())?;
        if local.year() < 1 {
            return Err(out_of_range());
        }
        Ok(Moment {
            local,
            offset: self.offset,
        })
    }

    fn clock(&self, between: char) -> String {
        let (date, time) = (self.local.date(), self.local.time());
        format!(
            "-{:02}-{:02}{between}{:02}:{:02}:{:02}",
            date.month(),
            date.day(),
            time.hour(),
            time.minute(),
            time.second(),
        )
    }

    /// As Mistral writes a time into JSON: without its offset, and without zeros before the year.
    pub(crate) fn json(&self) -> String {
        format!(
            "{}{}.{:06}",
            self.local.year(),
            self.clock('T'),
            self.microsecond()
        )
    }

    /// As `str()` writes it.
    pub(crate) fn text(&self) -> Res<String> {
        let mut text = format!("{:04}{}", self.local.year(), self.clock(' '));
        if self.microsecond() != 0 {
            // Writing to a string does not fail.
            let _ = write!(text, ".{:06}", self.microsecond());
        }
        Ok(text + &self.offset_text(":")?)
    }

    fn offset_text(&self, between: &str) -> Res<String> {
        let offset = self.checked_offset()?;
        let sign = if offset < 0 { '-' } else { '+' };
        let (seconds, micros) = (offset.abs() / SECOND, offset.abs() % SECOND);
        let (minutes, seconds) = (seconds / 60, seconds % 60);
        let mut text = format!("{sign}{:02}{between}{:02}", minutes / 60, minutes % 60);
        // Writing to a string does not fail.
        if seconds != 0 || micros != 0 {
            let _ = write!(text, "{between}{seconds:02}");
        }
        if micros != 0 {
            let _ = write!(text, ".{micros:06}");
        }
        Ok(text)
    }
}

/// A property of a time or a timespan.
pub(crate) fn property(value: &Val, name: &str) -> Res<Val> {
    let unknown = || {
        fail(
            ErrorKind::UnknownAttribute,
            format!("a value of type {} has no attribute `{name}`", value.kind()),
        )
    };
    match value {
        Val::Span(micros) => {
            let unit = match name {
                "microseconds" => return Ok(Val::Int(*micros)),
                "milliseconds" => 1000,
                "seconds" => SECOND,
                "minutes" => 60 * SECOND,
                "hours" => 3600 * SECOND,
                "days" => DAY,
                _ => return Err(unknown()),
            };
            Ok(Val::Float(float(*micros) / float(unit)))
        }
        Val::Time(moment) => {
            let local = moment.local;
            let midnight = local.date().to_datetime(Time::midnight());
            Ok(match name {
                "year" => Val::Int(local.year().into()),
                "month" => Val::Int(local.month().into()),
                "day" => Val::Int(local.day().into()),
                "hour" => Val::Int(local.hour().into()),
                "minute" => Val::Int(local.minute().into()),
                "second" => Val::Int(local.second().into()),
                "microsecond" => Val::Int(moment.microsecond()),
                "weekday" => Val::Int(local.weekday().to_monday_zero_offset().into()),
                "date" => Val::Time(Moment {
                    local: midnight,
                    offset: moment.offset,
                }),
                "time" => Val::Span(
                    i64::try_from(midnight.duration_until(local).as_micros()).unwrap_or(0),
                ),
                "utc" => Val::Time(Moment::at(moment.micros()?, 0)?),
                "offset" => Val::Span(moment.checked_offset()?),
                "timestamp" => Val::Float(float(moment.micros()?) / 1e6),
                _ => return Err(unknown()),
            })
        }
        _ => Err(unknown()),
    }
}

/// A length of time as `str()` writes it.
pub(crate) fn span_text(micros: i64) -> String {
    let (days, rest) = (micros.div_euclid(DAY), micros.rem_euclid(DAY));
    let (seconds, micros) = (rest / SECOND, rest % SECOND);
    let mut text = String::new();
    // Writing to a string does not fail.
    if days != 0 {
        let plural = if days.abs() == 1 { "" } else { "s" };
        let _ = write!(text, "{days} day{plural}, ");
    }
    let _ = write!(
        text,
        "{}:{:02}:{:02}",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    );
    if micros != 0 {
        let _ = write!(text, ".{micros:06}");
    }
    text
}

/// Python's `strftime` in the C locale.
pub(crate) fn strftime(moment: &Moment, format: &str) -> Res<String> {
    let mut out = String::new();
    // As in C, a zero ends the format.
    let mut chars = format.chars().take_while(|c| *c != '\0');
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let mut directive = String::from('%');
        let mut code = chars.next();
        while let Some(flag @ ('-' | '_' | '0' | '^' | '#')) = code {
            directive.push(flag);
            code = chars.next();
        }
        match code {
            Some('%') => out.push('%'),
            Some('f') => {
                let _ = write!(out, "{:06}", moment.microsecond());
            }
            Some('Y') if directive.len() == 1 => {
                let _ = write!(out, "{}", moment.local.year());
            }
            Some('z') => out.push_str(&moment.offset_text("")?),
            Some('Z') if moment.offset == 0 => out.push_str("UTC"),
            Some('Z') => {}
            Some('s') => {
                let _ = write!(out, "{}", moment.micros()?.div_euclid(SECOND));
            }
            Some('c') => out.push_str(&strftime(moment, "%a %b %e %H:%M:%S %Y")?),
            Some('x' | 'D') => out.push_str(&strftime(moment, "%m/%d/%y")?),
            Some('X') => out.push_str(&strftime(moment, "%H:%M:%S")?),
            Some('r') => out.push_str(&strftime(moment, "%I:%M:%S %p")?),
            Some(code) => {
                directive.push(code);
                match strtime::format(&directive, moment.local) {
                    Ok(text) => out.push_str(&text),
                    // The C library leaves what it doesn't know as it is.
                    Err(_) => out.push_str(&directive),
                }
            }
            None => out.push_str(&directive),
        }
    }
    Ok(out)
}

fn unreadable() -> Fail {
    fail(
        ErrorKind::Value,
        "this text is no date or time in the expected format",
    )
    .hint(Some(
        "give the format: `datetime(text, '%Y-%m-%d')`".to_owned(),
    ))
}

fn strptime(text: &str, format: &str) -> Res<Moment> {
    let parsed = BrokenDownTime::parse(format, text).map_err(|_| unreadable())?;
    // What the format leaves out is as in Python the start of 1900.
    let date = parsed.to_date().or_else(|_| {
        Date::new(
            parsed.year().unwrap_or(1900),
            parsed.month().unwrap_or(1),
            parsed.day().unwrap_or(1),
        )
    });
    let time = parsed.to_time().unwrap_or(Time::midnight());
    let local = date.map_err(|_| unreadable())?.to_datetime(time);
    Ok(Moment {
        local,
        offset: parsed.offset().map_or(0, micros_of),
    })
}

/// A date as people write it; what it leaves out is that of the day on which the host's clock
/// stands.
fn parse(text: &str, now_millis: i64) -> Res<Moment> {
    let now = Moment::at(now_millis.checked_mul(1000).ok_or_else(overflow)?, 0)?;
    let (local, offset) = super::dates::read(text, now.local.date()).ok_or_else(unreadable)?;
    Ok(Moment {
        local,
        offset: offset.checked_mul(SECOND).ok_or_else(overflow)?,
    })
}
