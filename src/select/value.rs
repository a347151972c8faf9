//! The values that flags take: ranges, sizes, ratios, patterns.

use std::fmt::{self, Display};
use std::str::FromStr;

use regex::Regex;
use serde::{Serialize, Serializer};

use crate::error::{Error, Result};

/// An inclusive range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Range<T> {
    /// The least that is wanted.
    pub min: T,
    /// The most that is wanted.
    pub max: T,
}

/// A value that a range can be open towards.
pub trait Bound: Copy + PartialOrd + Display {
    /// The bound of a range without a minimum.
    const LEAST: Self;
    /// The bound of a range without a maximum.
    const GREATEST: Self;
}

impl Bound for u64 {
    const LEAST: u64 = 0;
    const GREATEST: u64 = u64::MAX;
}

impl Bound for f64 {
    const LEAST: f64 = 0.0;
    const GREATEST: f64 = f64::MAX;
}

impl Bound for Mib {
    const LEAST: Mib = Mib(0);
    const GREATEST: Mib = Mib(u64::MAX);
}

impl<T: Bound> Range<T> {
    /// Exactly this value.
    pub fn exactly(value: T) -> Self {
        Range { min: value, max: value }
    }

    /// The range that `--FLAG`, `--FLAG-min` and `--FLAG-max` ask for together. The first excludes the others.
    pub fn from_flags(flag: &str, exact: Option<T>, min: Option<T>, max: Option<T>) -> Result<Option<Self>> {
        let range = match (exact, min, max) {
            (None, None, None) => return Ok(None),
            (Some(value), None, None) => Range::exactly(value),
            (Some(_), _, _) => {
                return Err(Error::usage(format!("--{flag} can't be used together with --{flag}-min or --{flag}-max")));
            }
            (None, min, max) => Range { min: min.unwrap_or(T::LEAST), max: max.unwrap_or(T::GREATEST) },
        };
        if range.min > range.max {
            return Err(Error::usage(format!("--{flag}-min {} is above --{flag}-max {}", range.min, range.max)));
        }
        Ok(Some(range))
    }

    /// Whether the value lies in the range, bounds included.
    pub fn contains(&self, value: T) -> bool {
        self.min <= value && value <= self.max
    }

    /// Whether it is exactly 0: "none at all".
    pub fn is_zero(&self) -> bool {
        self.max == T::LEAST
    }
}

impl<T: Bound> Display for Range<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.min == self.max {
            write!(f, "{}", self.min)
        } else if self.max == T::GREATEST {
            write!(f, "at least {}", self.min)
        } else if self.min == T::LEAST {
            write!(f, "at most {}", self.max)
        } else {
            write!(f, "{} to {}", self.min, self.max)
        }
    }
}

/// A size in MiB, as in `8`, `8g`, `8GB`, `512 MiB`, `1.5t`: no unit means GiB, and GB means GiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Mib(pub u64);

impl FromStr for Mib {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = || {
            Error::usage(format!("{text:?} is not a size"))
                .hint("write a number with at most 3 decimals and mb, gb or tb, for example 512mb, 8gb, 1.5tb")
        };
        let lower = text.to_ascii_lowercase();
        let end = lower.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(lower.len());
        let (number, unit) = lower.split_at(end);
        let (whole, decimals) = number.split_once('.').unwrap_or((number, ""));
        if whole.is_empty() || decimals.len() > 3 || decimals.contains('.') {
            return Err(wrong());
        }
        let mib_per_unit: u64 = match unit.strip_prefix(' ').unwrap_or(unit) {
            "m" | "mi" | "mb" | "mib" => 1,
            "" | "g" | "gi" | "gb" | "gib" => 1024,
            "t" | "ti" | "tb" | "tib" => 1024 * 1024,
            _ => return Err(wrong()),
        };
        let thousandths: u64 = format!("{decimals:0<3}").parse().map_err(|_| wrong())?;
        if mib_per_unit == 1 && thousandths > 0 {
            return Err(wrong());
        }
        let whole: u64 = whole.parse().map_err(|_| wrong())?;
        let mib = whole.checked_mul(mib_per_unit).ok_or_else(wrong)?;
        Ok(Mib(mib.saturating_add(thousandths * mib_per_unit / 1000)))
    }
}

impl Display for Mib {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 >= 1024 && self.0.is_multiple_of(1024) {
            write!(f, "{} GiB", self.0 / 1024)
        } else {
            write!(f, "{} MiB", self.0)
        }
    }
}

/// GiB of memory per virtual CPU, as in `1:4`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Ratio {
    /// The part of the virtual CPUs.
    pub vcpus: u64,
    /// The part of the GiB.
    pub gib: u64,
}

impl Ratio {
    /// Whether a type of this size has the ratio: its GiB per virtual CPU, rounded up, is exactly the one asked for.
    pub fn fits(&self, vcpus: u64, memory_mib: u64) -> bool {
        vcpus > 0 && memory_mib.div_ceil(vcpus * 1024).checked_mul(self.vcpus) == Some(self.gib)
    }
}

impl FromStr for Ratio {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let part = |digits: &str| digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok()).flatten();
        text.split_once(':')
            .and_then(|(vcpus, gib)| Some(Ratio { vcpus: part(vcpus)?, gib: part(gib)? }))
            .filter(|ratio| ratio.vcpus > 0)
            .ok_or_else(|| {
                Error::usage(format!("{text:?} is not a ratio of virtual CPUs to GiB")).hint("write it like 1:4")
            })
    }
}

impl Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.vcpus, self.gib)
    }
}

/// A regular expression that may match anywhere in a type's name.
#[derive(Clone, Debug)]
pub struct Pattern(Regex);

impl Pattern {
    /// Whether it matches somewhere in the name.
    pub fn matches(&self, name: &str) -> bool {
        self.0.is_match(name)
    }

    /// The text of the expression.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl FromStr for Pattern {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Regex::new(text).map(Pattern).map_err(|e| {
            let problem = e.to_string();
            let cause = problem.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
            Error::usage(format!("{text:?} is not a regular expression: {cause}"))
        })
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Serialize for Pattern {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sizes that the peers read mean the same here, and what they refuse is refused.
    #[test]
    fn sizes_have_the_peers_grammar() {
        for text in ["8", "8.", "8g", "8gb", "8GiB", "8 GiB", "8GB", "8192mb", "8192.0mb"] {
            assert_eq!(text.parse::<Mib>().unwrap(), Mib(8192), "{text}");
        }
        assert_eq!("1.5t".parse::<Mib>().unwrap(), Mib(1_572_864));
        assert_eq!("0.001".parse::<Mib>().unwrap(), Mib(1));
        for text in [".5gb", "8.0001", "8kb", "-4", "1e3", "512.5mb", "", "8  gb", "8gbb", "1.2.3", " 8"] {
            assert!(text.parse::<Mib>().is_err(), "{text}");
        }
    }

    /// A flag with its own -min or -max, and a minimum above the maximum, are usage errors; 0 is a real bound.
    #[test]
    fn ranges_come_from_three_flags() {
        let flags = |exact, min, max| Range::from_flags("vcpus", exact, min, max);
        assert_eq!(flags(None, None, None).unwrap(), None);
        assert_eq!(flags(Some(0u64), None, None).unwrap(), Some(Range { min: 0, max: 0 }));
        assert_eq!(flags(None, Some(4), None).unwrap(), Some(Range { min: 4, max: u64::MAX }));
        assert_eq!(flags(None, None, Some(4)).unwrap(), Some(Range { min: 0, max: 4 }));
        assert!(flags(Some(2), Some(1), None).is_err());
        assert!(flags(None, Some(5), Some(4)).unwrap_err().message().contains("above"));
    }

    /// Only whole ratios fit, rounded up: 1:2 means more than 1 and at most 2 GiB per virtual CPU.
    #[test]
    fn ratio_rounds_up() {
        let ratio: Ratio = "1:2".parse().unwrap();
        assert!(ratio.fits(2, 4096) && ratio.fits(2, 3000) && !ratio.fits(2, 2048) && !ratio.fits(2, 4097));
        assert!(!"2:3".parse::<Ratio>().unwrap().fits(2, 3072));
        assert!("0:4".parse::<Ratio>().is_err() && "1-4".parse::<Ratio>().is_err() && ":4".parse::<Ratio>().is_err());
    }

    /// The tutorial's pattern, with its optional anchor, is legal; a broken one says why.
    #[test]
    fn patterns_are_unanchored_and_case_sensitive() {
        let deny: Pattern = r"^?[1-3].*\..*".parse().unwrap();
        assert!(deny.matches("inf1.xlarge") && deny.matches("c3.large") && !deny.matches("m5.2xlarge"));
        assert!("(".parse::<Pattern>().unwrap_err().message().contains("not a regular expression"));
    }
}
