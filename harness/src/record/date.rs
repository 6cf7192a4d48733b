//! Days, as records have them.

use std::time::{Duration, UNIX_EPOCH};

/// The day of a moment, as `2026-11-24`, in UTC.
#[must_use]
pub fn date(since_1970: Duration) -> String {
    let moment = humantime::format_rfc3339_seconds(UNIX_EPOCH + since_1970).to_string();
    moment.split('T').next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_those_of_the_calendar() {
        for (seconds, day) in [
            (0, "1970-01-01"),
            (951_782_400, "2000-02-29"),
            (1_709_164_800, "2024-02-29"),
            (1_795_478_400, "2026-11-24"),
            (4_107_542_399, "2100-02-28"),
        ] {
            assert_eq!(date(Duration::from_secs(seconds)), day);
        }
    }
}
