//! Amounts of US dollars as people read them.

/// A price per hour: `$0.0123/h`, or `unknown`.
pub fn hourly(amount: Option<f64>) -> String {
    amount.map_or_else(unknown, |a| format!("${a:.4}/h"))
}

/// A price per month: `$1,123.45/month`, or `unknown`.
pub fn monthly(amount: Option<f64>) -> String {
    amount.map_or_else(unknown, |a| format!("{}/month", dollars(a)))
}

/// A difference: `+$12.30`, `-$4.00`, `+$0.00`, or `unknown`.
pub fn delta(amount: Option<f64>) -> String {
    amount.map_or_else(unknown, |a| format!("{}{}", if cents(a) < 0 { "" } else { "+" }, dollars(a)))
}

fn unknown() -> String {
    "unknown".to_owned()
}

fn cents(amount: f64) -> i64 {
    (amount * 100.0).round() as i64
}

/// Dollars and cents, with commas between thousands.
fn dollars(amount: f64) -> String {
    let cents = cents(amount);
    let sign = if cents < 0 { "-" } else { "" };
    let whole = (cents.unsigned_abs() / 100).to_string();
    let mut grouped = String::new();
    for (place, digit) in whole.chars().enumerate() {
        if place > 0 && (whole.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    format!("{sign}${grouped}.{:02}", cents.unsigned_abs() % 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Thousands are grouped, the sign stands before the dollar, and what is not known is never 0.
    #[test]
    fn amounts() {
        assert_eq!(hourly(Some(0.01234)), "$0.0123/h");
        assert_eq!(monthly(Some(1_234_567.891)), "$1,234,567.89/month");
        assert_eq!(monthly(Some(123.0)), "$123.00/month");
        assert_eq!((delta(Some(-4.004)), delta(Some(12.3))), ("-$4.00".to_owned(), "+$12.30".to_owned()));
        assert_eq!((delta(Some(-0.001)), monthly(None)), ("+$0.00".to_owned(), "unknown".to_owned()));
    }
}
