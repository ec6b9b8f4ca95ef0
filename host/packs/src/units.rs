//! Durations and sizes as people write them: `300s`, `64MiB`.

use std::time::Duration;

/// The duration that `text` is: a whole number with `ms`, `s`, `m` or `h`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = split(text);
    let millis: u64 = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => {
            return Err(format!(
                "{text:?} is no duration: write 500ms, 300s, 5m or 1h"
            ));
        }
    };
    number
        .parse()
        .ok()
        .and_then(|number: u64| number.checked_mul(millis))
        .filter(|total| *total > 0 && *total <= 7 * 24 * 3_600_000)
        .map(Duration::from_millis)
        .ok_or_else(|| format!("{text:?} is no duration from 1ms to 168h"))
}

/// The size in bytes that `text` is: a whole number with `B`, `KiB`, `MiB` or `GiB`.
pub(crate) fn size(text: &str) -> Result<u64, String> {
    let (number, unit) = split(text);
    let bytes: u64 = match unit {
        "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return Err(format!("{text:?} is no size: write 512KiB, 64MiB or 1GiB")),
    };
    number
        .parse()
        .ok()
        .and_then(|number: u64| number.checked_mul(bytes))
        .filter(|total| *total <= 4 << 30)
        .ok_or_else(|| format!("{text:?} is no size up to 4GiB"))
}

/// `bytes` as [`size`] reads it, in the largest unit that says it exactly.
pub(crate) fn show_size(bytes: u64) -> String {
    for (unit, name) in [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")] {
        if bytes >= unit && bytes.is_multiple_of(unit) {
            return format!("{}{name}", bytes / unit);
        }
    }
    format!("{bytes}B")
}

/// `time` as [`duration`] reads it.
pub(crate) fn show_duration(time: Duration) -> String {
    let millis = time.as_millis();
    if millis.is_multiple_of(1000) {
        format!("{}s", millis / 1000)
    } else {
        format!("{millis}ms")
    }
}

fn split(text: &str) -> (&str, &str) {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    (number, unit.trim_start())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_read_and_show() {
        assert_eq!(duration("300s"), Ok(Duration::from_mins(5)));
        assert_eq!(duration("5m").map(show_duration), Ok("300s".into()));
        assert_eq!(duration("1500ms").map(show_duration), Ok("1500ms".into()));
        assert_eq!(size("64MiB").map(show_size), Ok("64MiB".into()));
        assert_eq!(size("1025B").map(show_size), Ok("1025B".into()));
    }

    #[test]
    fn what_is_no_quantity_is_refused() {
        for text in [
            "",
            "5",
            "s",
            "-1s",
            "0s",
            "1d",
            "999999999999999999999s",
            "200h",
        ] {
            assert!(duration(text).is_err(), "{text:?}");
        }
        for text in ["", "5", "MB", "5MB", "-1B", "5GiB", "99999999999999999999B"] {
            assert!(size(text).is_err(), "{text:?}");
        }
    }
}
