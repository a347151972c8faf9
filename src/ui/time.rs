//! Times as people read them; the clock is always given.

use std::time::Duration;

use jiff::Timestamp;

/// How long something took: `0.4s`, `12s`, `1m 12s`, `2h 05m`, `3d 4h`.
pub fn duration(took: Duration) -> String {
    let seconds = took.as_secs();
    if took < Duration::from_millis(9_950) {
        return format!("{:.1}s", took.as_secs_f64());
    }
    match took.as_secs_f64().round() as u64 {
        s @ 0..60 => format!("{s}s"),
        s @ 60..3_600 => format!("{}m {:02}s", s / 60, s % 60),
        _ if seconds < 86_400 => format!("{}h {:02}m", seconds / 3_600, seconds % 3_600 / 60),
        _ => format!("{}d {}h", seconds / 86_400, seconds % 86_400 / 3_600),
    }
}

/// How long ago something was: `just now`, `3 minutes ago`, `2 days ago`; `in 5 minutes` for what is still to come.
pub fn ago(now: Timestamp, then: Timestamp) -> String {
    let seconds = now.as_second() - then.as_second();
    let amount = match seconds.unsigned_abs() {
        0..=9 => return "just now".to_owned(),
        s @ 10..60 => super::size::count(s as usize, "second"),
        s @ 60..3_600 => super::size::count((s / 60) as usize, "minute"),
        s @ 3_600..86_400 => super::size::count((s / 3_600) as usize, "hour"),
        s => super::size::count((s / 86_400) as usize, "day"),
    };
    if seconds < 0 { format!("in {amount}") } else { format!("{amount} ago") }
}

/// The short form for tables, as kubectl's AGE: `45s`, `3m`, `5h`, `12d`.
pub fn age(now: Timestamp, then: Timestamp) -> String {
    match (now.as_second() - then.as_second()).max(0) {
        s @ 0..120 => format!("{s}s"),
        s @ 120..7_200 => format!("{}m", s / 60),
        s @ 7_200..172_800 => format!("{}h", s / 3_600),
        s => format!("{}d", s / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each magnitude has its own form, with no jump at the borders.
    #[test]
    fn durations() {
        let of = |ms: u64| duration(Duration::from_millis(ms));
        let seen: Vec<String> = [0, 412, 9_949, 9_951, 59_400, 59_600, 72_000, 7_500_000, 273_600_000].map(of).into();
        assert_eq!(seen, ["0.0s", "0.4s", "9.9s", "10s", "59s", "1m 00s", "1m 12s", "2h 05m", "3d 4h"]);
    }

    /// The past, the present and what a lock's expiry needs: the future.
    #[test]
    fn relative_times() {
        let now: Timestamp = "2026-01-02T00:00:00Z".parse().unwrap();
        let at = |seconds: i64| now - jiff::SignedDuration::from_secs(seconds);
        let seen: Vec<String> = [3, 60, 185, 7_199, 200_000, -300].map(|s| ago(now, at(s))).into();
        assert_eq!(seen, ["just now", "1 minute ago", "3 minutes ago", "1 hour ago", "2 days ago", "in 5 minutes"]);
        let ages: Vec<String> = [3, 185, 7_200, 200_000].map(|s| age(now, at(s))).into();
        assert_eq!(ages, ["3s", "3m", "2h", "2d"]);
    }
}
