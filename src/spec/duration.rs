//! Durations as Go and Kubernetes write them: `10m0s`, `1h30m`, `500ms`.

use std::fmt;
use std::str::FromStr;

use super::scalar::scalar;

/// A span of time, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct GoDuration(i64);

const UNITS: [(&str, i64); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

impl GoDuration {
    /// A whole number of seconds.
    pub const fn seconds(n: i64) -> Self {
        GoDuration(n * 1_000_000_000)
    }

    /// A whole number of minutes.
    pub const fn minutes(n: i64) -> Self {
        GoDuration::seconds(n * 60)
    }

    /// The span in whole seconds, fractions cut off.
    pub const fn as_seconds(self) -> i64 {
        self.0 / 1_000_000_000
    }

    /// The span in nanoseconds.
    pub const fn as_nanos(self) -> i64 {
        self.0
    }

    /// The span, or none of it if it is negative.
    pub fn to_std(self) -> std::time::Duration {
        std::time::Duration::from_nanos(self.0.max(0).unsigned_abs())
    }
}

impl FromStr for GoDuration {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        parse(text).map(GoDuration).ok_or_else(|| match text.parse::<f64>() {
            Ok(_) => format!("{text:?} is a duration without a unit, write \"{text}s\" or \"{text}m\""),
            Err(_) => format!("{text:?} is not a duration"),
        })
    }
}

/// The nanoseconds of a Go duration, `None` if it is none or does not fit.
fn parse(text: &str) -> Option<i64> {
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(0);
    }
    let mut total: i128 = 0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at(end);
        let unit_end = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
        let (unit, next) = tail.split_at(unit_end);
        let factor = UNITS.iter().find(|(name, _)| *name == unit)?.1;
        total = total.checked_add(part(number, factor)?)?;
        rest = next;
    }
    i64::try_from(if negative { -total } else { total }).ok()
}

/// `number` (maybe with a fraction) of a unit, in nanoseconds; finer than one is cut off.
fn part(number: &str, factor: i64) -> Option<i128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        return None;
    }
    let whole: i128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let digits = &fraction[..fraction.len().min(15)];
    let fraction: i128 = if digits.is_empty() { 0 } else { digits.parse().ok()? };
    let scale = 10i128.pow(u32::try_from(digits.len()).ok()?);
    whole.checked_mul(i128::from(factor))?.checked_add(fraction * i128::from(factor) / scale)
}

impl fmt::Display for GoDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.0.unsigned_abs();
        if self.0 < 0 {
            f.write_str("-")?;
        }
        if nanos < 1_000_000_000 {
            return match nanos {
                0 => f.write_str("0s"),
                n if n < 1_000 => write!(f, "{n}ns"),
                n if n < 1_000_000 => write_decimal(f, n, 1_000, "µs"),
                n => write_decimal(f, n, 1_000_000, "ms"),
            };
        }
        let (hours, minutes) = (nanos / 3_600_000_000_000, nanos / 60_000_000_000 % 60);
        if hours > 0 {
            write!(f, "{hours}h")?;
        }
        if hours > 0 || minutes > 0 {
            write!(f, "{minutes}m")?;
        }
        write_decimal(f, nanos % 60_000_000_000, 1_000_000_000, "s")
    }
}

/// `n / unit` with as many decimals as needed, then the unit's name.
fn write_decimal(f: &mut fmt::Formatter<'_>, n: u64, unit: u64, name: &str) -> fmt::Result {
    write!(f, "{}", n / unit)?;
    let width = unit.ilog10() as usize;
    let fraction = format!("{:0width$}", n % unit);
    match fraction.trim_end_matches('0') {
        "" => f.write_str(name),
        digits => write!(f, ".{digits}{name}"),
    }
}

scalar!(GoDuration, "duration", "a duration such as 30s, 10m0s or 1h30m");
