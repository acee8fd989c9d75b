//! Values of a declared type: read from JSON, written to JSON, and held against the constraints of a parameter.

use std::{cmp::Ordering, str::FromStr};

use bigdecimal::BigDecimal;
use chrono::{DateTime, NaiveDate, NaiveTime, Timelike};
use regex::{Regex, RegexBuilder};
use serde_json::{Number, Value as Json};
use tidegate_core::{
    name::nearest,
    parameter::{Items, ParameterType},
    value::Value,
};
use uuid::Uuid;

/// The most characters of a number, and its greatest power of ten. No column type of the engines holds more, and
/// comparing `1e999999999` would fill the memory.
const MAX_NUMBER_LENGTH: usize = 400;

/// The most bytes a compiled pattern may take.
const MAX_PATTERN_SIZE: usize = 1 << 20;

/// Reads a value of a type. The error says what is wanted, as a sentence without its subject.
pub(crate) fn read(kind: ParameterType, json: &Json) -> Result<Value, String> {
    let wanted = |what: &str| Err(format!("must be {what}, not {}", described(json)));
    let text = json.as_str();
    match kind {
        ParameterType::String | ParameterType::Enum => match text {
            Some(text) => Ok(Value::String(text.to_owned())),
            None => wanted("text"),
        },
        ParameterType::Integer => match json {
            Json::Number(number) => match number.as_i64() {
                Some(integer) => Ok(Value::Integer(integer)),
                None if number.as_str().bytes().all(|c| c.is_ascii_digit() || c == b'-') => {
                    Err(format!("must be between {} and {}", i64::MIN, i64::MAX))
                }
                None => wanted("a whole number without a fraction or an exponent"),
            },
            _ => wanted("a whole number"),
        },
        ParameterType::Number => match json {
            Json::Number(number) => bounded_number(number.as_str()),
            Json::String(text) if Number::from_str(text).is_ok() => bounded_number(text),
            _ => wanted("a number"),
        },
        ParameterType::Boolean => json.as_bool().map(Value::Boolean).map_or_else(|| wanted("`true` or `false`"), Ok),
        ParameterType::Date => match text.filter(|text| text.len() == 10).map(str::parse::<NaiveDate>) {
            Some(Ok(date)) => Ok(Value::Date(date)),
            _ => wanted("a date written `YYYY-MM-DD`"),
        },
        ParameterType::Time => match text.and_then(time) {
            Some(time) => Ok(Value::Time(time)),
            None => wanted("a time written `HH:MM`, `HH:MM:SS` or `HH:MM:SS.ffffff`"),
        },
        ParameterType::Timestamp => match text.map(DateTime::parse_from_rfc3339) {
            Some(Ok(timestamp)) if !is_leap_second(&timestamp) => Ok(Value::Timestamp(timestamp)),
            _ => wanted("a date and time with an offset, such as `2024-05-31T08:30:00Z`"),
        },
        ParameterType::Uuid => match text.filter(|text| text.len() == 36).map(Uuid::from_str) {
            Some(Ok(uuid)) => Ok(Value::Uuid(uuid)),
            _ => wanted("a UUID, such as `0190b1c0-7e50-7cc3-98c4-dc0c0c07398f`"),
        },
        ParameterType::Json => Ok(Value::Json(json.clone())),
        ParameterType::List => wanted("one value"),
    }
}

/// What a value is, in the words of JSON, without the value itself.
pub(crate) fn described(json: &Json) -> &'static str {
    match json {
        Json::Null => "null",
        Json::Bool(_) => "a boolean",
        Json::Number(_) => "this number",
        Json::String(_) => "this text",
        Json::Array(_) => "a list",
        Json::Object(_) => "an object",
    }
}

fn bounded_number(text: &str) -> Result<Value, String> {
    let exponent = text.split(['e', 'E']).nth(1).map_or(Ok(0), str::parse::<i64>);
    let fits = text.len() <= MAX_NUMBER_LENGTH
        && exponent.is_ok_and(|exponent| exponent.unsigned_abs() <= MAX_NUMBER_LENGTH as u64);
    if fits {
        Ok(Value::Number(text.to_owned()))
    } else {
        Err(format!("must have at most {MAX_NUMBER_LENGTH} digits and an exponent of at most ±{MAX_NUMBER_LENGTH}"))
    }
}

fn time(text: &str) -> Option<NaiveTime> {
    let has_shape = text.len() >= 5 && text.as_bytes().get(2) == Some(&b':');
    let format = if text.len() == 5 { "%H:%M" } else { "%H:%M:%S%.f" };
    NaiveTime::parse_from_str(text, format).ok().filter(|time| has_shape && !is_leap_second(time))
}

/// The engines have no 60th second.
fn is_leap_second(time: &impl Timelike) -> bool {
    time.nanosecond() >= 1_000_000_000
}

/// The value as JSON; [`read`] with its type gives it back.
pub(crate) fn write(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Boolean(boolean) => Json::from(*boolean),
        Value::Integer(integer) => Json::from(*integer),
        Value::Number(text) | Value::String(text) => Json::from(text.as_str()),
        Value::Date(date) => Json::from(date.to_string()),
        Value::Time(time) => Json::from(time.to_string()),
        Value::Timestamp(timestamp) => Json::from(timestamp.to_rfc3339()),
        Value::Uuid(uuid) => Json::from(uuid.to_string()),
        Value::Json(json) => json.clone(),
    }
}

/// The order of two values of the same type, where the type has one.
pub(crate) fn compare(left: &Value, right: &Value) -> Option<Ordering> {
    Some(match (left, right) {
        (Value::Integer(left), Value::Integer(right)) => left.cmp(right),
        (Value::Number(left), Value::Number(right)) => {
            BigDecimal::from_str(left).ok()?.cmp(&BigDecimal::from_str(right).ok()?)
        }
        (Value::Date(left), Value::Date(right)) => left.cmp(right),
        (Value::Time(left), Value::Time(right)) => left.cmp(right),
        (Value::Timestamp(left), Value::Timestamp(right)) => left.cmp(right),
        (Value::Uuid(left), Value::Uuid(right)) => left.cmp(right),
        _ => return None,
    })
}

/// The constraints on one value, compiled.
#[derive(Debug)]
pub(crate) struct Rules {
    pub(crate) kind: ParameterType,
    minimum: Option<Value>,
    maximum: Option<Value>,
    min_length: Option<u64>,
    max_length: Option<u64>,
    pattern: Option<Regex>,
    values: Vec<String>,
}

impl Rules {
    /// Compiles declared constraints; every problem goes to `fault`.
    pub(crate) fn new(items: &Items, mut fault: impl FnMut(String)) -> Self {
        let mut bound = |what: &str, bound: &Option<Json>| {
            let json = bound.as_ref()?;
            read(items.kind, json).map_err(|problem| fault(format!("`{what}` {problem}"))).ok()
        };
        let minimum = bound("minimum", &items.minimum);
        let maximum = bound("maximum", &items.maximum);
        let pattern = items.pattern.as_ref().and_then(|pattern| {
            let compiled =
                RegexBuilder::new(pattern).size_limit(MAX_PATTERN_SIZE).dfa_size_limit(MAX_PATTERN_SIZE).build();
            compiled.map_err(|problem| fault(format!("`pattern` cannot be used: {}", regex_problem(&problem)))).ok()
        });
        if let (Some(minimum), Some(maximum)) = (&minimum, &maximum)
            && compare(minimum, maximum) == Some(Ordering::Greater)
        {
            fault("`minimum` is greater than `maximum`".into());
        }
        if items.min_length.zip(items.max_length).is_some_and(|(least, most)| least > most) {
            fault("`min_length` is greater than `max_length`".into());
        }
        Self {
            kind: items.kind,
            minimum,
            maximum,
            min_length: items.min_length,
            max_length: items.max_length,
            pattern,
            values: items.values.clone(),
        }
    }

    /// Reads a value and holds it against the constraints.
    pub(crate) fn read(&self, json: &Json) -> Result<Value, String> {
        let value = read(self.kind, json)?;
        self.check(&value)?;
        Ok(value)
    }

    /// The texts that an enum allows; no others can become an identifier.
    pub(crate) fn identifiers(&self) -> &[String] {
        if self.kind == ParameterType::Enum { &self.values } else { &[] }
    }

    fn check(&self, value: &Value) -> Result<(), String> {
        let beyond = |bound: &Option<Value>, order| {
            bound.as_ref().filter(|bound| compare(value, bound) == Some(order)).map(written)
        };
        if let Some(minimum) = beyond(&self.minimum, Ordering::Less) {
            return Err(format!("must be at least {minimum}"));
        }
        if let Some(maximum) = beyond(&self.maximum, Ordering::Greater) {
            return Err(format!("must be at most {maximum}"));
        }
        let Value::String(text) = value else { return Ok(()) };
        if !self.values.is_empty() && !self.values.contains(text) {
            let meant = nearest(text, self.values.iter().map(String::as_str));
            return Err(match meant {
                Some(meant) => format!("must be {}; did you mean `{meant}`?", one_of(&self.values)),
                None => format!("must be {}", one_of(&self.values)),
            });
        }
        if self.min_length.is_some() || self.max_length.is_some() {
            let length = text.chars().count() as u64;
            if let Some(least) = self.min_length.filter(|least| length < *least) {
                return Err(format!("must have at least {least} characters, not {length}"));
            }
            if let Some(most) = self.max_length.filter(|most| length > *most) {
                return Err(format!("must have at most {most} characters, not {length}"));
            }
        }
        match &self.pattern {
            Some(pattern) if !pattern.is_match(text) => Err(format!("must match the pattern `{pattern}`")),
            _ => Ok(()),
        }
    }

    /// The values that stand out: each of an enum, and the bounds.
    pub(crate) fn landmarks(&self) -> Vec<Value> {
        let bounds = [&self.minimum, &self.maximum].into_iter().flatten().cloned();
        self.values.iter().cloned().map(Value::String).chain(bounds).collect()
    }

    /// A value that meets the constraints, when one can be made up.
    pub(crate) fn plausible(&self) -> Option<Value> {
        let texts = |texts: &[&str]| texts.iter().map(|text| Json::from(*text)).collect::<Vec<_>>();
        let mut candidates = match self.kind {
            ParameterType::String | ParameterType::Enum => match self.values.first() {
                Some(first) => texts(&[first]),
                None => {
                    let long = "x".repeat(self.min_length.unwrap_or(1).clamp(1, 10_000) as usize);
                    texts(&[&long, "a", "A", "1", "AA", "2020-01-01", "x@example.com", ""])
                }
            },
            ParameterType::Integer | ParameterType::Number => vec![Json::from(1)],
            ParameterType::Boolean => vec![Json::Bool(true)],
            ParameterType::Date => texts(&["2020-01-01"]),
            ParameterType::Time => texts(&["12:00:00"]),
            ParameterType::Timestamp => texts(&["2020-01-01T00:00:00Z"]),
            ParameterType::Uuid => texts(&["00000000-0000-0000-0000-000000000001"]),
            // Nobody can guess the members of a document.
            ParameterType::Json | ParameterType::List => Vec::new(),
        };
        candidates.extend([&self.minimum, &self.maximum].into_iter().flatten().map(write_bound));
        candidates.iter().find_map(|candidate| self.read(candidate).ok())
    }
}

/// A bound as JSON of its own type.
fn write_bound(value: &Value) -> Json {
    match value {
        Value::Number(text) => Number::from_str(text).map_or(Json::Null, Json::Number),
        other => write(other),
    }
}

fn written(value: &Value) -> String {
    match write(value) {
        Json::String(text) => text,
        json => json.to_string(),
    }
}

/// `one of `a`, `b`` for messages; a long list is cut.
fn one_of(values: &[String]) -> String {
    const SHOWN: usize = 20;
    let mut listed: Vec<String> = values.iter().take(SHOWN).map(|value| format!("`{value}`")).collect();
    if values.len() > SHOWN {
        listed.push(format!("… ({} in all)", values.len()));
    }
    format!("one of {}", listed.join(", "))
}

/// The last line of a regex error says what is wrong; the others draw the pattern.
fn regex_problem(error: &regex::Error) -> String {
    let text = error.to_string();
    text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_lowercase()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(text: &str) -> Json {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn values_of_each_type_are_read_and_written_back() {
        for (kind, good) in [
            (ParameterType::String, "\"\""),
            (ParameterType::Integer, "-9223372036854775808"),
            (ParameterType::Integer, "9223372036854775807"),
            (ParameterType::Number, "12345678901234567890.123456789012345678901234567890"),
            (ParameterType::Number, "1e10"),
            (ParameterType::Number, "\"-0.10\""),
            (ParameterType::Boolean, "false"),
            (ParameterType::Date, "\"2024-02-29\""),
            (ParameterType::Time, "\"23:59\""),
            (ParameterType::Time, "\"23:59:59.123456\""),
            (ParameterType::Timestamp, "\"2024-05-31T08:30:00.5+02:00\""),
            (ParameterType::Uuid, "\"0190b1c0-7e50-7cc3-98c4-dc0c0c07398f\""),
            (ParameterType::Json, "{\"a\":[1.10,null]}"),
        ] {
            let value = read(kind, &parse(good)).unwrap_or_else(|problem| panic!("{kind:?} {good}: {problem}"));
            assert_eq!(read(kind, &write(&value)), Ok(value), "{kind:?} {good}");
        }
        assert_eq!(read(ParameterType::Number, &parse("1.10")), Ok(Value::Number("1.10".into())));
    }

    #[test]
    fn values_of_another_type_are_refused() {
        for (kind, bad, problem) in [
            (ParameterType::String, "1", "must be text, not this number"),
            (
                ParameterType::Integer,
                "3.0",
                "must be a whole number without a fraction or an exponent, not this number",
            ),
            (
                ParameterType::Integer,
                "1e3",
                "must be a whole number without a fraction or an exponent, not this number",
            ),
            (ParameterType::Integer, "\"3\"", "must be a whole number, not this text"),
            (
                ParameterType::Integer,
                "9223372036854775808",
                "must be between -9223372036854775808 and 9223372036854775807",
            ),
            (ParameterType::Number, "\"1,5\"", "must be a number, not this text"),
            (ParameterType::Number, "\"NaN\"", "must be a number, not this text"),
            (ParameterType::Number, "1e999999999", "must have at most 400 digits and an exponent of at most ±400"),
            (ParameterType::Boolean, "\"true\"", "must be `true` or `false`, not this text"),
            (ParameterType::Date, "\"2024-2-1\"", "must be a date written `YYYY-MM-DD`, not this text"),
            (ParameterType::Date, "\"2023-02-29\"", "must be a date written `YYYY-MM-DD`, not this text"),
            (
                ParameterType::Time,
                "\"24:00\"",
                "must be a time written `HH:MM`, `HH:MM:SS` or `HH:MM:SS.ffffff`, not this text",
            ),
            (
                ParameterType::Timestamp,
                "\"2024-05-31T08:30:00\"",
                "must be a date and time with an offset, such as `2024-05-31T08:30:00Z`, not this text",
            ),
            (
                ParameterType::Uuid,
                "\"x\"",
                "must be a UUID, such as `0190b1c0-7e50-7cc3-98c4-dc0c0c07398f`, not this text",
            ),
            (ParameterType::Uuid, "[]", "must be a UUID, such as `0190b1c0-7e50-7cc3-98c4-dc0c0c07398f`, not a list"),
        ] {
            assert_eq!(read(kind, &parse(bad)), Err(problem.into()), "{kind:?} {bad}");
        }
    }

    #[test]
    fn decimals_compare_by_value() {
        let rules = Rules::new(
            &serde_json::from_value(json!({"type": "number", "minimum": 0.1, "maximum": "1.50"})).unwrap(),
            |problem| panic!("{problem}"),
        );
        assert!(rules.read(&parse("0.10")).is_ok() && rules.read(&parse("1.5")).is_ok());
        assert_eq!(rules.read(&parse("1.5000000000000000001")), Err("must be at most 1.50".into()));
        assert_eq!(rules.read(&parse("-1e-3")), Err("must be at least 0.1".into()));
    }
}
