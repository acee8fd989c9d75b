//! How does a value become a bound parameter?
//!
//! | value | bound as |
//! |---|---|
//! | boolean | INTEGER 0 or 1 |
//! | integer | INTEGER |
//! | number | REAL when that holds every digit, else INTEGER when it is whole and fits, else TEXT |
//! | string, uuid, json | TEXT |
//! | date, time | TEXT `YYYY-MM-DD`, `HH:MM:SS[.f]` |
//! | timestamp | TEXT in RFC 3339, in UTC with `Z`, so that texts of one column compare in the order of time |
//!
//! A whole number is REAL too, so that `x / {{ n }}` does not turn into the division of integers when `n` happens to be
//! whole. SQLite has no exact decimal: a TEXT of digits compares as a number with columns of numeric affinity only.

use std::fmt::Write;

use chrono::{SecondsFormat, Utc};
use rusqlite::{Result, Statement, types::Null};
use tidegate_core::value::Value;

/// Binds a value to the placeholder at `index`, from 1.
pub(super) fn bind(statement: &mut Statement<'_>, index: usize, value: &Value) -> Result<()> {
    match value {
        Value::Null => statement.raw_bind_parameter(index, Null),
        Value::Boolean(value) => statement.raw_bind_parameter(index, value),
        Value::Integer(value) => statement.raw_bind_parameter(index, value),
        Value::Number(text) => match number(text) {
            Number::Real(value) => statement.raw_bind_parameter(index, value),
            Number::Integer(value) => statement.raw_bind_parameter(index, value),
            Number::Text => statement.raw_bind_parameter(index, text),
        },
        Value::String(text) => statement.raw_bind_parameter(index, text),
        Value::Date(date) => statement.raw_bind_parameter(index, date.to_string()),
        Value::Time(time) => statement.raw_bind_parameter(index, time.to_string()),
        Value::Timestamp(time) => {
            let text = time.with_timezone(&Utc).to_rfc3339_opts(SecondsFormat::AutoSi, true);
            statement.raw_bind_parameter(index, text)
        }
        Value::Uuid(uuid) => statement.raw_bind_parameter(index, uuid.hyphenated().to_string()),
        Value::Json(json) => statement.raw_bind_parameter(index, json.to_string()),
    }
}

#[derive(Debug, PartialEq)]
enum Number {
    Real(f64),
    Integer(i64),
    Text,
}

fn number(text: &str) -> Number {
    let exact = Decimal::parse(text);
    let real = text.parse::<f64>().ok().filter(|real| real.is_finite());
    let mut shortest = String::new();
    if let Some(real) = real
        && write!(shortest, "{real:e}").is_ok()
        && exact.is_some()
        && Decimal::parse(&shortest) == exact
    {
        return Number::Real(real);
    }
    text.parse().map_or(Number::Text, Number::Integer)
}

/// A decimal as its digits without the zeros at both ends, and the power of ten that they stand for.
#[derive(Debug, PartialEq)]
struct Decimal {
    negative: bool,
    digits: String,
    exponent: i64,
}

impl Decimal {
    fn parse(text: &str) -> Option<Self> {
        let (negative, unsigned) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let exponent = exponent.parse::<i32>().ok()?;
        let all = format!("{whole}{fraction}");
        if all.is_empty() || !all.bytes().all(|digit| digit.is_ascii_digit()) {
            return None;
        }
        let significant = all.trim_end_matches('0');
        let digits = significant.trim_start_matches('0').to_owned();
        if digits.is_empty() {
            return Some(Self { negative: false, digits, exponent: 0 });
        }
        let dropped = all.len() - significant.len();
        let exponent = i64::from(exponent) + i64::try_from(dropped).ok()? - i64::try_from(fraction.len()).ok()?;
        Some(Self { negative, digits, exponent })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_every_digit() {
        for (text, bound) in [
            ("0", Number::Real(0.0)),
            ("-0.0", Number::Real(0.0)),
            ("2", Number::Real(2.0)),
            ("0.1", Number::Real(0.1)),
            ("1.10", Number::Real(1.1)),
            ("1e308", Number::Real(1e308)),
            ("-2.5E-3", Number::Real(-0.0025)),
            ("9007199254740992", Number::Real(9_007_199_254_740_992.0)),
            ("9007199254740993", Number::Integer(9_007_199_254_740_993)),
            ("-9223372036854775807", Number::Integer(-9_223_372_036_854_775_807)),
            ("9223372036854775809", Number::Text),
            ("12345678901234567890123456789012345678", Number::Text),
            ("0.1234567890123456789", Number::Text),
            ("1e309", Number::Text),
            ("1e-400", Number::Text),
            ("1e99999999999", Number::Text),
        ] {
            assert_eq!(number(text), bound, "{text}");
        }
    }

    #[test]
    fn every_value_is_bound_as_its_type() {
        use chrono::DateTime;
        use serde_json::json;

        let connection = rusqlite::Connection::open_in_memory().unwrap();
        for (value, kind, text) in [
            (Value::Null, "null", None),
            (Value::Boolean(true), "integer", Some("1")),
            (Value::Integer(i64::MIN), "integer", Some("-9223372036854775808")),
            (Value::Number("2".into()), "real", Some("2.0")),
            (Value::Number("9007199254740993".into()), "integer", Some("9007199254740993")),
            (Value::Number("0.1234567890123456789".into()), "text", Some("0.1234567890123456789")),
            (Value::String("'; DROP TABLE t; --\0é".into()), "text", Some("'; DROP TABLE t; --\0é")),
            (Value::Date("2013-02-28".parse().unwrap()), "text", Some("2013-02-28")),
            (Value::Time("07:05:00.250".parse().unwrap()), "text", Some("07:05:00.250")),
            (
                Value::Timestamp(DateTime::parse_from_rfc3339("2013-01-01T01:30:00+02:00").unwrap()),
                "text",
                Some("2012-12-31T23:30:00Z"),
            ),
            (
                Value::Uuid("01890A5D-AC96-774B-BCCE-B302099A8057".parse().unwrap()),
                "text",
                Some("01890a5d-ac96-774b-bcce-b302099a8057"),
            ),
            (Value::Json(json!({"b": [1.10, null]})), "text", Some(r#"{"b":[1.1,null]}"#)),
        ] {
            let mut statement = connection.prepare("SELECT typeof(?1), CAST(?1 AS TEXT)").unwrap();
            bind(&mut statement, 1, &value).unwrap();
            let mut rows = statement.raw_query();
            let row = rows.next().unwrap().unwrap();
            assert_eq!(row.get::<_, String>(0).unwrap(), kind, "{value:?}");
            assert_eq!(row.get::<_, Option<String>>(1).unwrap().as_deref(), text, "{value:?}");
        }
    }

    #[test]
    fn a_whole_number_does_not_turn_a_division_into_one_of_integers() {
        let connection = rusqlite::Connection::open_in_memory().unwrap();
        let mut statement = connection.prepare("SELECT 7 / ?1").unwrap();
        bind(&mut statement, 1, &Value::Number("2".into())).unwrap();
        let mut rows = statement.raw_query();
        assert_eq!(rows.next().unwrap().unwrap().get::<_, f64>(0).unwrap(), 3.5);
    }
}
