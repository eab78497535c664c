//! Ages as kubectl prints them.

/// The age of something that is this many seconds old.
pub(super) fn age(seconds: i64) -> String {
    let seconds = seconds.max(0);
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    match (minutes, hours, days) {
        (0, ..) => format!("{seconds}s"),
        (1..120, ..) => format!("{minutes}m"),
        (_, 1..48, _) => format!("{hours}h"),
        (_, _, 2..730) => format!("{days}d"),
        _ => format!("{}y", days / 365),
    }
}

#[cfg(test)]
mod tests {
    use super::age;

    #[test]
    fn ages() {
        for (seconds, expected) in [
            (-5, "0s"),
            (59, "59s"),
            (60, "1m"),
            (7_199, "119m"),
            (7_200, "2h"),
            (172_799, "47h"),
            (172_800, "2d"),
            (63_071_999, "729d"),
            (63_072_000, "2y"),
        ] {
            assert_eq!(age(seconds), expected, "{seconds}");
        }
    }
}
