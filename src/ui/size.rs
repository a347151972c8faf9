//! Sizes of data as people read them.

/// `512 B`, `1.9 KiB`, `12 MiB`.
pub fn bytes(count: u64) -> String {
    const UNITS: &[&str] = &["KiB", "MiB", "GiB", "TiB"];
    if count < 1024 {
        return format!("{count} B");
    }
    let mut amount = count as f64 / 1024.0;
    let mut unit = 0;
    while amount >= 1023.95 && unit + 1 < UNITS.len() {
        amount /= 1024.0;
        unit += 1;
    }
    if amount < 9.95 { format!("{amount:.1} {}", UNITS[unit]) } else { format!("{amount:.0} {}", UNITS[unit]) }
}

/// `1 line`, `3 lines`: a count with its noun.
pub fn count(n: usize, noun: &str) -> String {
    if n == 1 { format!("1 {noun}") } else { format!("{n} {noun}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two digits that mean something, in the unit that fits.
    #[test]
    fn sizes_and_counts() {
        let seen: Vec<String> = [0, 1023, 1024, 1946, 20_000, 1_048_575, 5 << 40].map(bytes).into();
        assert_eq!(seen, ["0 B", "1023 B", "1.0 KiB", "1.9 KiB", "20 KiB", "1.0 MiB", "5.0 TiB"]);
        assert_eq!((count(1, "line"), count(0, "line")), ("1 line".to_owned(), "0 lines".to_owned()));
    }
}
