//! Kubernetes quantities: `100m`, `300Mi`, `1.5`, `8GB` is not one.

use std::fmt;
use std::str::FromStr;

use super::scalar::scalar;

/// How a quantity was written, which decides how it is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Suffix {
    /// `n u m (none) k M G T P E`: powers of 1000.
    Decimal,
    /// `Ki Mi Gi Ti Pi Ei`: powers of 1024.
    Binary,
}

/// An amount of CPU, memory or storage, exact to a billionth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Quantity {
    nanos: i128,
    suffix: Suffix,
}

const NANO: i128 = 1_000_000_000;

const DECIMAL: [(&str, i128); 10] = [
    ("E", 1_000_000_000_000_000_000 * NANO),
    ("P", 1_000_000_000_000_000 * NANO),
    ("T", 1_000_000_000_000 * NANO),
    ("G", 1_000_000_000 * NANO),
    ("M", 1_000_000 * NANO),
    ("k", 1_000 * NANO),
    ("", NANO),
    ("m", 1_000_000),
    ("u", 1_000),
    ("n", 1),
];

const BINARY: [(&str, i128); 6] = [
    ("Ei", (1 << 60) * NANO),
    ("Pi", (1 << 50) * NANO),
    ("Ti", (1 << 40) * NANO),
    ("Gi", (1 << 30) * NANO),
    ("Mi", (1 << 20) * NANO),
    ("Ki", (1 << 10) * NANO),
];

impl Quantity {
    /// A whole number of units (cores or bytes).
    pub fn units(n: i64) -> Self {
        Quantity { nanos: i128::from(n) * NANO, suffix: Suffix::Decimal }
    }

    /// Thousandths of a unit, as CPU requests are counted.
    pub fn millis(n: i64) -> Self {
        Quantity { nanos: i128::from(n) * 1_000_000, suffix: Suffix::Decimal }
    }

    /// A number of MiB.
    pub fn mebibytes(n: i64) -> Self {
        Quantity { nanos: i128::from(n) * (1 << 20) * NANO, suffix: Suffix::Binary }
    }

    /// The amount in whole units, rounded up as Kubernetes does (`1500m` is 2).
    pub fn value(self) -> i128 {
        -((-self.nanos).div_euclid(NANO))
    }

    /// The amount in thousandths of a unit, rounded up.
    pub fn milli_value(self) -> i128 {
        -((-self.nanos).div_euclid(1_000_000))
    }

    /// The amount in MiB, rounded up.
    pub fn mebibytes_value(self) -> i128 {
        -((-self.nanos).div_euclid((1 << 20) * NANO))
    }
}

impl FromStr for Quantity {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || format!("{text:?} is not a quantity");
        let split = text.find(|c: char| !matches!(c, '0'..='9' | '.' | '+' | '-')).unwrap_or(text.len());
        let (number, suffix) = text.split_at(split);
        let (unit, kind) = unit(suffix).ok_or_else(|| match near_unit(suffix) {
            Some(near) => format!(
                "{text:?} is not a quantity: the unit {suffix:?} does not exist, did you mean \"{number}{near}\""
            ),
            None => bad(),
        })?;
        let nanos = scaled(number, unit).ok_or_else(bad)?;
        Ok(Quantity { nanos, suffix: kind })
    }
}

/// The factor of a suffix, in billionths.
fn unit(suffix: &str) -> Option<(i128, Suffix)> {
    if let Some((_, factor)) = DECIMAL.iter().find(|(s, _)| *s == suffix) {
        return Some((*factor, Suffix::Decimal));
    }
    if let Some((_, factor)) = BINARY.iter().find(|(s, _)| *s == suffix) {
        return Some((*factor, Suffix::Binary));
    }
    let exponent: i32 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
    let factor = match exponent {
        -9..=-1 => NANO / 10i128.pow(exponent.unsigned_abs()),
        0..=18 => NANO * 10i128.pow(exponent.unsigned_abs()),
        _ => return None,
    };
    Some((factor, Suffix::Decimal))
}

/// The unit somebody meant by `GB`, `mb`, `K` ...
fn near_unit(suffix: &str) -> Option<&'static str> {
    match suffix.to_ascii_lowercase().as_str() {
        "k" | "kb" | "ki" | "kib" => Some("Ki"),
        "mb" | "mi" | "mib" => Some("Mi"),
        "g" | "gb" | "gi" | "gib" => Some("Gi"),
        "t" | "tb" | "ti" | "tib" => Some("Ti"),
        _ => None,
    }
}

/// `number` (decimal, maybe signed, maybe with a fraction) times `factor`; `None` if malformed, finer than a billionth or too large.
fn scaled(number: &str, factor: i128) -> Option<i128> {
    let (sign, digits) = match number.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, number.strip_prefix('+').unwrap_or(number)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty()) || !all_digits(whole) || !all_digits(fraction) {
        return None;
    }
    let fraction = fraction.trim_end_matches('0');
    let mantissa: i128 = format!("0{whole}{fraction}").parse().ok()?;
    let product = mantissa.checked_mul(factor)?;
    let divisor = 10i128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let limit = i128::from(i64::MAX) * NANO;
    (product % divisor == 0 && product / divisor <= limit).then_some(sign * product / divisor)
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.nanos == 0 {
            return f.write_str("0");
        }
        let binary = BINARY.iter().filter(|_| self.suffix == Suffix::Binary);
        let (suffix, factor) =
            binary.chain(DECIMAL.iter()).find(|(_, factor)| self.nanos % factor == 0).unwrap_or(&("n", 1));
        write!(f, "{}{suffix}", self.nanos / factor)
    }
}

scalar!(Quantity, "quantity", "a Kubernetes quantity such as 100m, 2, 300Mi or 1.5Gi", true);
