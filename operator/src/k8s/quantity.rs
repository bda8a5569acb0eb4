//! Kubernetes quantities (`1500m`, `10Gi`) as numbers, to compare what users write with what the API server writes back.

/// The quantity in billionths of its unit; `None` when the text is none.
pub fn parse(text: &str) -> Option<i128> {
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, suffix) = text.split_at_checked(split)?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    // Nine digits are as fine as the API server gets, twenty-four as large as 128 bits carry with every suffix.
    if whole.is_empty() && fraction.is_empty() || fraction.len() > 9 || whole.len() > 15 {
        return None;
    }
    let whole: i128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let fraction: i128 = format!("{fraction:0<9}").parse().ok()?;
    let billionths = whole.checked_mul(1_000_000_000)?.checked_add(fraction)?;
    let (times, over) = match suffix {
        "n" => (1, 1_000_000_000),
        "u" => (1, 1_000_000),
        "m" => (1, 1_000),
        "" => (1, 1),
        "k" => (1_000, 1),
        "M" => (1_000_000, 1),
        "G" => (1_000_000_000, 1),
        "T" => (1_000_000_000_000, 1),
        "P" => (1_000_000_000_000_000, 1),
        "E" => (1_000_000_000_000_000_000, 1),
        "Ki" => (1 << 10, 1),
        "Mi" => (1 << 20, 1),
        "Gi" => (1 << 30, 1),
        "Ti" => (1 << 40, 1),
        "Pi" => (1 << 50, 1),
        "Ei" => (1_i128 << 60, 1),
        _ => return None,
    };
    billionths.checked_mul(times).map(|scaled| scaled / over)
}

/// True when two texts are the same amount.
pub fn same(left: &str, right: &str) -> bool {
    left == right || matches!((parse(left), parse(right)), (Some(left), Some(right)) if left == right)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_api_server_rewrites_is_still_the_same() {
        for (written, stored) in [("1000m", "1"), ("1024Mi", "1Gi"), ("0.5", "500m"), ("1.5Gi", "1536Mi"), ("2e", "2e")]
        {
            assert!(same(written, stored), "{written} and {stored}");
        }
    }

    #[test]
    fn different_amounts_and_plain_words_are_not_the_same() {
        for (left, right) in [("1Gi", "1G"), ("1", "2"), ("Gi", "0"), ("", "0"), ("1x", "1"), (".", "0")] {
            assert!(!same(left, right), "{left} and {right}");
        }
    }

    #[test]
    fn numbers_beyond_all_bounds_are_refused_not_wrapped() {
        assert_eq!(parse("99999999999999999999999999999999"), None);
        assert_eq!(parse("999999999999999Ei"), None);
    }
}
