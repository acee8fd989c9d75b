//! Dates and times as text. The arithmetic is on `i64`, since PostgreSQL's years reach further than any date type's.
//!
//! What RFC 3339 can say is written so. What it cannot, PostgreSQL's own JSON says the same way: years after 9999 have
//! more digits, years before 1 end in ` BC`, and `infinity` and `-infinity` are words.

use super::{
    number::push_padded,
    reader::{Malformed, Reader},
};

const MICROS_PER_SECOND: i64 = 1_000_000;
const MICROS_PER_DAY: i64 = 86_400 * MICROS_PER_SECOND;

/// What follows the time of a timestamp, and what parts it from the date.
#[derive(Clone, Copy)]
pub(super) struct Notation {
    separator: char,
    zone: &'static str,
}

/// `timestamp` in an answer.
pub(super) const RFC_3339: Notation = Notation { separator: 'T', zone: "" };
/// `timestamptz` in an answer.
pub(super) const RFC_3339_UTC: Notation = Notation { separator: 'T', zone: "Z" };
/// `timestamp` inside PostgreSQL's text of another value.
pub(super) const POSTGRES: Notation = Notation { separator: ' ', zone: "" };
/// `timestamptz` inside PostgreSQL's text of another value.
pub(super) const POSTGRES_UTC: Notation = Notation { separator: ' ', zone: "+00" };

/// Writes a `date`: days since 2000-01-01.
pub(super) fn push_date(days: i32, out: &mut String) {
    match days {
        i32::MAX => out.push_str("infinity"),
        i32::MIN => out.push_str("-infinity"),
        _ => {
            let year = push_year_month_day(i64::from(days), out);
            push_era(year, out);
        }
    }
}

/// Writes a `timestamp` or `timestamptz`: microseconds since 2000-01-01T00:00:00.
pub(super) fn push_timestamp(micros: i64, notation: Notation, out: &mut String) {
    match micros {
        i64::MAX => out.push_str("infinity"),
        i64::MIN => out.push_str("-infinity"),
        _ => {
            let year = push_year_month_day(micros.div_euclid(MICROS_PER_DAY), out);
            out.push(notation.separator);
            push_clock(micros.rem_euclid(MICROS_PER_DAY).unsigned_abs(), out);
            out.push_str(notation.zone);
            push_era(year, out);
        }
    }
}

/// Writes a `time`: microseconds since midnight, midnight at the day's end (24:00:00) included.
pub(super) fn push_time(micros: i64, out: &mut String) -> Result<(), Malformed> {
    if !(0..=MICROS_PER_DAY).contains(&micros) {
        return Err(Malformed);
    }
    push_clock(micros.unsigned_abs(), out);
    Ok(())
}

/// Writes a `timetz`: a time, then its zone in seconds west of Greenwich.
pub(super) fn push_timetz(reader: &mut Reader<'_>, out: &mut String) -> Result<(), Malformed> {
    push_time(reader.i64()?, out)?;
    let west = reader.i32()?;
    out.push(if west > 0 { '-' } else { '+' });
    let offset = u64::from(west.unsigned_abs());
    push_padded(offset / 3_600, 2, out);
    out.push(':');
    push_padded(offset / 60 % 60, 2, out);
    if offset % 60 > 0 {
        out.push(':');
        push_padded(offset % 60, 2, out);
    }
    Ok(())
}

/// Writes an `interval` as an ISO 8601 duration, each part with its own sign: `P1Y-2M3DT4H5M6.7S`.
pub(super) fn push_interval(reader: &mut Reader<'_>, out: &mut String) -> Result<(), Malformed> {
    let (micros, days, months) = (reader.i64()?, reader.i32()?, reader.i32()?);
    match (micros, days, months) {
        (i64::MAX, i32::MAX, i32::MAX) => out.push_str("infinity"),
        (i64::MIN, i32::MIN, i32::MIN) => out.push_str("-infinity"),
        (0, 0, 0) => out.push_str("PT0S"),
        _ => {
            out.push('P');
            push_part(i64::from(months / 12), 'Y', out);
            push_part(i64::from(months % 12), 'M', out);
            push_part(i64::from(days), 'D', out);
            if micros != 0 {
                out.push('T');
                push_part(micros / (3_600 * MICROS_PER_SECOND), 'H', out);
                push_part(micros / (60 * MICROS_PER_SECOND) % 60, 'M', out);
                let seconds = micros % (60 * MICROS_PER_SECOND);
                if seconds != 0 {
                    if seconds < 0 {
                        out.push('-');
                    }
                    push_seconds(seconds.unsigned_abs(), 1, out);
                    out.push('S');
                }
            }
        }
    }
    Ok(())
}

fn push_part(amount: i64, unit: char, out: &mut String) {
    if amount != 0 {
        out.push_str(itoa::Buffer::new().format(amount));
        out.push(unit);
    }
}

/// Writes the date that many days after 2000-01-01 and returns its year, where 0 is 1 BC.
fn push_year_month_day(days: i64, out: &mut String) -> i64 {
    let (year, month, day) = civil_from_days(days);
    push_padded(if year > 0 { year } else { 1 - year }.unsigned_abs(), 4, out);
    out.push('-');
    push_padded(month, 2, out);
    out.push('-');
    push_padded(day, 2, out);
    year
}

fn push_era(year: i64, out: &mut String) {
    if year <= 0 {
        out.push_str(" BC");
    }
}

fn push_clock(micros: u64, out: &mut String) {
    let minutes = micros / (60 * MICROS_PER_SECOND.unsigned_abs());
    push_padded(minutes / 60, 2, out);
    out.push(':');
    push_padded(minutes % 60, 2, out);
    out.push(':');
    push_seconds(micros % (60 * MICROS_PER_SECOND.unsigned_abs()), 2, out);
}

/// Seconds with as many decimals as they need.
fn push_seconds(micros: u64, width: usize, out: &mut String) {
    let per_second = MICROS_PER_SECOND.unsigned_abs();
    push_padded(micros / per_second, width, out);
    let fraction = micros % per_second;
    if fraction > 0 {
        out.push('.');
        push_padded(fraction, 6, out);
        out.truncate(out.trim_end_matches('0').len());
    }
}

/// The year (0 is 1 BC), month and day of a day counted from 2000-01-01, in the proleptic Gregorian calendar.
///
/// Years begin in March here, so that the leap day is a year's last, and 400 years have 146,097 days.
fn civil_from_days(days: i64) -> (i64, u64, u64) {
    // 2000-03-01 begins a period of 400 years and is 60 days after 2000-01-01.
    let days = days - 60;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = 2_000 + era * 400 + year_of_era + i64::from(month <= 2);
    (year, month.unsigned_abs(), day.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use chrono::{Datelike, NaiveDate, TimeDelta};

    use super::*;

    fn timestamp(micros: i64) -> String {
        let mut out = String::new();
        push_timestamp(micros, RFC_3339_UTC, &mut out);
        out
    }

    fn interval(micros: i64, days: i32, months: i32) -> String {
        let mut bytes = micros.to_be_bytes().to_vec();
        bytes.extend(days.to_be_bytes());
        bytes.extend(months.to_be_bytes());
        let mut out = String::new();
        push_interval(&mut Reader::new(&bytes), &mut out).unwrap();
        out
    }

    #[test]
    fn the_calendar_agrees_with_chronos_for_every_day_of_eight_centuries() {
        let epoch = NaiveDate::from_ymd_opt(2000, 1, 1).unwrap();
        for days in -146_097..=146_097 {
            let date = epoch + TimeDelta::days(days);
            let expected = (i64::from(date.year()), u64::from(date.month()), u64::from(date.day()));
            assert_eq!(civil_from_days(days), expected);
        }
    }

    #[test]
    fn timestamps_at_the_ends_of_the_range_are_written_and_do_not_overflow() {
        assert_eq!(timestamp(0), "2000-01-01T00:00:00Z");
        assert_eq!(timestamp(-1), "1999-12-31T23:59:59.999999Z");
        assert_eq!(timestamp(500_000), "2000-01-01T00:00:00.5Z");
        assert_eq!(timestamp(i64::MAX), "infinity");
        assert_eq!(timestamp(i64::MIN), "-infinity");
        assert_eq!(timestamp(i64::MAX - 1), "294277-01-09T04:00:54.775806Z");
        assert_eq!(timestamp(-211_813_488_000_000_000), "4714-11-24T00:00:00Z BC");
        assert!(timestamp(i64::MIN + 1).ends_with(" BC"));
    }

    #[test]
    fn dates_reach_beyond_four_digits_and_before_christ() {
        let date = |days| {
            let mut out = String::new();
            push_date(days, &mut out);
            out
        };
        assert_eq!(date(i32::MAX), "infinity");
        assert_eq!(date(-730_120), "0001-12-31 BC");
        assert_eq!(date(2_145_031_948), "5874897-12-31");
    }

    #[test]
    fn intervals_are_iso_durations() {
        assert_eq!(interval(0, 0, 0), "PT0S");
        assert_eq!(interval(14_706_700_000, 3, 14), "P1Y2M3DT4H5M6.7S");
        assert_eq!(interval(-500_000, 0, -1), "P-1MT-0.5S");
        assert_eq!(interval(i64::MIN + 1, i32::MIN, i32::MIN), "P-178956970Y-8M-2147483648DT-2562047788H-54.775807S");
        assert_eq!(interval(i64::MAX, i32::MAX, i32::MAX), "infinity");
    }

    #[test]
    fn a_time_outside_its_day_is_malformed() {
        assert_eq!(push_time(MICROS_PER_DAY, &mut String::new()), Ok(()));
        assert_eq!(push_time(MICROS_PER_DAY + 1, &mut String::new()), Err(Malformed));
        assert_eq!(push_time(-1, &mut String::new()), Err(Malformed));
    }
}
