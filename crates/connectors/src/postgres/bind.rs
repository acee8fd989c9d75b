//! How does a value become a bound parameter?
//!
//! A value is encoded for the type that the server inferred for its placeholder:
//!
//! | value | goes into |
//! |---|---|
//! | integer | integers in their range, `numeric`, floats, JSON, text |
//! | number | `numeric`, floats, JSON, text, and integers when it is whole |
//! | boolean | `boolean`, JSON, text |
//! | date | `date`, `timestamp` and `timestamptz` (midnight UTC), text |
//! | time | `time`, `timetz` (UTC), text |
//! | timestamp | `timestamptz`, `timestamp` (UTC), text |
//! | UUID | `uuid`, text |
//! | JSON | `json`, `jsonb`, text |
//! | string | text, enums, JSON, `uuid`, and every other type: the server parses it |
//!
//! Anything else is an `InvalidArgument` that names the value's type and the placeholder's.

mod numeric;

use std::borrow::Cow;

use chrono::{DateTime, FixedOffset, NaiveDate, NaiveTime, Timelike};
use sqlx::{
    Arguments, AssertSqlSafe, Encode, Postgres, Row, Type, TypeInfo,
    encode::IsNull,
    error::BoxDynError,
    postgres::{PgArgumentBuffer, PgArguments, PgRow, PgTypeInfo, types::Oid},
};
use tidegate_core::{Error, ErrorCode, Result, error::Fault, value::Value};
use tidegate_statement::Bind;
use uuid::Uuid;

use super::{
    connect::Session,
    error,
    types::{Kind, database_type},
};

/// 2000-01-01T00:00:00Z in microseconds after 1970-01-01T00:00:00Z.
const EPOCH_MICROS: i64 = 946_684_800_000_000;
const MICROS_PER_DAY: i64 = 86_400_000_000;
const JSONB_VERSION: u8 = 1;

/// A value's bytes in the binary format of its placeholder's type; `None` is NULL.
struct Encoded<'a>(Option<&'a [u8]>);

impl Type<Postgres> for Encoded<'_> {
    fn type_info() -> PgTypeInfo {
        // The statement is prepared already, so that its placeholders have their types.
        PgTypeInfo::with_oid(Oid(0))
    }
}

impl Encode<'_, Postgres> for Encoded<'_> {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        Ok(match self.0 {
            Some(bytes) => {
                buffer.extend_from_slice(bytes);
                IsNull::No
            }
            None => IsNull::Yes,
        })
    }
}

/// As many NULLs.
pub(super) fn nulls(count: usize) -> Result<PgArguments, sqlx::Error> {
    let mut arguments = PgArguments::default();
    for _ in 0..count {
        arguments.add(Encoded(None)).map_err(sqlx::Error::Encode)?;
    }
    Ok(arguments)
}

/// The arguments of a statement whose placeholders have these types.
pub(super) async fn arguments(session: &mut Session, types: &[PgTypeInfo], binds: &[Bind]) -> Result<PgArguments> {
    if types.len() != binds.len() {
        return Err(Error::internal(format!("{} values for {} placeholders", binds.len(), types.len())));
    }
    let parsed = parse_on_server(session, types, binds).await?;
    let mut parsed = parsed.iter().flat_map(|row| (0..row.len()).map(|index| row.try_get_raw(index)));
    let mut arguments = PgArguments::default();
    let mut buffer = Vec::new();
    for (index, (info, bind)) in types.iter().zip(binds).enumerate() {
        let encoded = if bind.value == Value::Null {
            Encoded(None)
        } else if text_for_server(info, bind).is_some() {
            let value = parsed.next().transpose().map_err(Error::internal)?;
            Encoded(value.and_then(|value| value.as_bytes().ok()))
        } else {
            buffer.clear();
            encode(&bind.value, Kind::of(info).as_ref(), &mut buffer)
                .map_err(|unfit| unfit.error(ErrorCode::InvalidArgument, index, bind, info))?;
            Encoded(Some(&buffer))
        };
        arguments.add(encoded).map_err(Error::internal)?;
    }
    Ok(arguments)
}

/// The text of a value that only the server can turn into the type of its placeholder.
fn text_for_server<'a>(info: &PgTypeInfo, bind: &'a Bind) -> Option<&'a str> {
    match (&bind.value, Kind::of(info)) {
        (Value::String(_), Some(Kind::Text | Kind::Json | Kind::Jsonb)) => None,
        (Value::String(text), Some(Kind::Uuid)) if Uuid::try_parse(text).is_ok() => None,
        (Value::String(text), _) => Some(text),
        _ => None,
    }
}

/// Lets the server parse texts into types whose binary format is not their text: intervals, addresses, ranges, arrays,
/// and dates and numbers in a parameter that is declared as a string. The answer is sent back to it as it came.
async fn parse_on_server(session: &mut Session, types: &[PgTypeInfo], binds: &[Bind]) -> Result<Option<PgRow>> {
    let mut texts = PgArguments::default();
    let mut casts = String::new();
    for (info, bind) in types.iter().zip(binds) {
        if let Some(text) = text_for_server(info, bind) {
            texts.add(text).map_err(Error::internal)?;
            let comma = if casts.is_empty() { "SELECT" } else { "," };
            casts.push_str(&format!("{comma} ${}::text::{}", texts.len(), cast_name(info)));
        }
    }
    if casts.is_empty() {
        return Ok(None);
    }
    match sqlx::query_with(AssertSqlSafe(casts), texts).fetch_one(&mut session.connection).await {
        Ok(row) => Ok(Some(row)),
        Err(failure) => {
            Err(refused_text(session, types, binds).await.unwrap_or_else(|| error::running(&failure, None)))
        }
    }
}

/// The error of the first text that the server refuses by itself.
async fn refused_text(session: &mut Session, types: &[PgTypeInfo], binds: &[Bind]) -> Option<Error> {
    for (index, (info, bind)) in types.iter().zip(binds).enumerate() {
        let Some(text) = text_for_server(info, bind) else { continue };
        session.restart().await.ok()?;
        let cast = AssertSqlSafe(format!("SELECT $1::text::{}", cast_name(info)));
        if let Err(failure) = sqlx::query(cast).bind(text).fetch_one(&mut session.connection).await {
            return Some(error::argument(&failure, index + 1));
        }
    }
    None
}

/// Refuses a statement whose placeholders have types that the values of its parameters never fit.
pub(super) fn check(types: &[PgTypeInfo], binds: &[Bind]) -> Result<()> {
    for (index, (info, bind)) in types.iter().zip(binds).enumerate() {
        if bind.value != Value::Null
            && text_for_server(info, bind).is_none()
            && encode(&bind.value, Kind::of(info).as_ref(), &mut Vec::new()) == Err(Unfit::Type)
        {
            return Err(Unfit::Type.error(ErrorCode::InvalidStatement, index, bind, info));
        }
    }
    Ok(())
}

/// The name of a type in a cast that neither cuts nor pads, as `bit` and `char` without a length would.
fn cast_name(info: &PgTypeInfo) -> Cow<'_, str> {
    match info.name() {
        "BIT" => "\"bit\"".into(),
        "BIT[]" => "\"bit\"[]".into(),
        "CHAR[]" => "bpchar[]".into(),
        name => name.into(),
    }
}

/// Why a value cannot be bound.
#[derive(Debug, PartialEq, Eq)]
enum Unfit {
    /// Values of its type never can.
    Type,
    /// This one cannot.
    Range,
}

impl Unfit {
    fn error(self, code: ErrorCode, index: usize, bind: &Bind, info: &PgTypeInfo) -> Error {
        let (number, wanted, given) = (index + 1, database_type(info), bind.kind.as_str());
        let message = match (self, &bind.value) {
            (Self::Range, Value::Integer(value)) => {
                format!("{value} is out of range for {wanted}, the type of ${number}")
            }
            (Self::Range, Value::Number(value)) => format!("{value} does not fit {wanted}, the type of ${number}"),
            (Self::Range, _) => format!("the value is out of range for {wanted}, the type of ${number}"),
            (Self::Type, _) => format!(
                "${number} is of type {wanted}, which takes no {given}; change the parameter's type, \
                 or cast the placeholder in the statement"
            ),
        };
        let fault = Fault::of(format!("${number}"), message.clone());
        Error::new(code, message).with_faults(vec![fault])
    }
}

/// Writes a value in the binary format of a type.
fn encode(value: &Value, kind: Option<&Kind>, out: &mut Vec<u8>) -> Result<(), Unfit> {
    let kind = kind.ok_or(Unfit::Type)?;
    match value {
        Value::Null => Ok(()),
        Value::Boolean(value) => encode_boolean(*value, kind, out),
        Value::Integer(value) => encode_integer(*value, kind, out),
        Value::Number(text) => encode_number(text, kind, out),
        Value::String(text) => encode_string(text, kind, out),
        Value::Date(date) => encode_date(*date, kind, out),
        Value::Time(time) => encode_time(*time, kind, out),
        Value::Timestamp(timestamp) => encode_timestamp(timestamp, kind, out),
        Value::Uuid(uuid) => encode_uuid(*uuid, kind, out),
        Value::Json(json) => encode_json(&json.to_string(), kind, out),
    }
}

fn encode_boolean(value: bool, kind: &Kind, out: &mut Vec<u8>) -> Result<(), Unfit> {
    match kind {
        Kind::Boolean => out.push(u8::from(value)),
        _ => return encode_json(if value { "true" } else { "false" }, kind, out),
    }
    Ok(())
}

fn encode_integer(value: i64, kind: &Kind, out: &mut Vec<u8>) -> Result<(), Unfit> {
    match kind {
        Kind::Int2 => out.extend(i16::try_from(value).map_err(|_| Unfit::Range)?.to_be_bytes()),
        Kind::Int4 => out.extend(i32::try_from(value).map_err(|_| Unfit::Range)?.to_be_bytes()),
        Kind::Int8 => out.extend(value.to_be_bytes()),
        Kind::Unsigned4 => out.extend(u32::try_from(value).map_err(|_| Unfit::Range)?.to_be_bytes()),
        Kind::Unsigned8 => out.extend(u64::try_from(value).map_err(|_| Unfit::Range)?.to_be_bytes()),
        _ => return encode_number(itoa::Buffer::new().format(value), kind, out),
    }
    Ok(())
}

fn encode_number(text: &str, kind: &Kind, out: &mut Vec<u8>) -> Result<(), Unfit> {
    match kind {
        Kind::Numeric => numeric::encode(text, out).ok_or(Unfit::Range)?,
        Kind::Float4 => out.extend(finite(text.parse::<f32>().ok(), f32::is_finite)?.to_be_bytes()),
        Kind::Float8 => out.extend(finite(text.parse::<f64>().ok(), f64::is_finite)?.to_be_bytes()),
        Kind::Int2 | Kind::Int4 | Kind::Int8 => {
            return encode_integer(numeric::whole(text).ok_or(Unfit::Range)?, kind, out);
        }
        _ => return encode_json(text, kind, out),
    }
    Ok(())
}

/// A number that did not become infinite for being too large.
fn finite<T: Copy>(number: Option<T>, is_finite: impl Fn(T) -> bool) -> Result<T, Unfit> {
    number.filter(|number| is_finite(*number)).ok_or(Unfit::Range)
}

fn encode_string(text: &str, kind: &Kind, out: &mut Vec<u8>) -> Result<(), Unfit> {
    match kind {
        Kind::Uuid => encode_uuid(Uuid::try_parse(text).map_err(|_| Unfit::Range)?, kind, out),
        _ => encode_json(text, kind, out),
    }
}

/// Text that is JSON as well.
fn encode_json(text: &str, kind: &Kind, out: &mut Vec<u8>) -> Result<(), Unfit> {
    match kind {
        Kind::Json => out.extend_from_slice(text.as_bytes()),
        Kind::Jsonb => {
            out.push(JSONB_VERSION);
            out.extend_from_slice(text.as_bytes());
        }
        _ => return encode_text(text, kind, out),
    }
    Ok(())
}

fn encode_text(text: &str, kind: &Kind, out: &mut Vec<u8>) -> Result<(), Unfit> {
    if *kind != Kind::Text {
        return Err(Unfit::Type);
    }
    out.extend_from_slice(text.as_bytes());
    Ok(())
}

fn encode_date(date: NaiveDate, kind: &Kind, out: &mut Vec<u8>) -> Result<(), Unfit> {
    let midnight = date.and_time(NaiveTime::MIN).and_utc().timestamp_micros() - EPOCH_MICROS;
    match kind {
        Kind::Date => {
            let days = i32::try_from(midnight / MICROS_PER_DAY).map_err(|_| Unfit::Range)?;
            out.extend(days.to_be_bytes());
        }
        Kind::Timestamp | Kind::Timestamptz => out.extend(midnight.to_be_bytes()),
        _ => return encode_text(&date.to_string(), kind, out),
    }
    Ok(())
}

fn encode_time(time: NaiveTime, kind: &Kind, out: &mut Vec<u8>) -> Result<(), Unfit> {
    let micros = i64::from(time.num_seconds_from_midnight()) * 1_000_000 + i64::from(time.nanosecond() / 1_000);
    match kind {
        Kind::Time => out.extend(micros.to_be_bytes()),
        Kind::Timetz => {
            out.extend(micros.to_be_bytes());
            out.extend(0_i32.to_be_bytes());
        }
        _ => return encode_text(&time.to_string(), kind, out),
    }
    Ok(())
}

fn encode_timestamp(timestamp: &DateTime<FixedOffset>, kind: &Kind, out: &mut Vec<u8>) -> Result<(), Unfit> {
    match kind {
        // Sessions are in UTC, so that this is what PostgreSQL itself would make of it for a `timestamp`.
        Kind::Timestamptz | Kind::Timestamp => {
            out.extend((timestamp.timestamp_micros() - EPOCH_MICROS).to_be_bytes());
            Ok(())
        }
        _ => encode_text(&timestamp.to_rfc3339(), kind, out),
    }
}

fn encode_uuid(uuid: Uuid, kind: &Kind, out: &mut Vec<u8>) -> Result<(), Unfit> {
    match kind {
        Kind::Uuid => out.extend_from_slice(uuid.as_bytes()),
        _ => return encode_text(uuid.hyphenated().encode_lower(&mut Uuid::encode_buffer()), kind, out),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(value: &Value, kind: Kind) -> Result<Vec<u8>, Unfit> {
        let mut out = Vec::new();
        encode(value, Some(&kind), &mut out).map(|()| out)
    }

    #[test]
    fn an_integer_that_does_not_fit_is_refused_and_not_cut() {
        assert_eq!(encoded(&Value::Integer(-32_768), Kind::Int2), Ok(vec![0x80, 0]));
        assert_eq!(encoded(&Value::Integer(32_768), Kind::Int2), Err(Unfit::Range));
        assert_eq!(encoded(&Value::Integer(1 << 31), Kind::Int4), Err(Unfit::Range));
        assert_eq!(encoded(&Value::Integer(-1), Kind::Unsigned4), Err(Unfit::Range));
        assert_eq!(encoded(&Value::Integer(-5), Kind::Text), Ok(b"-5".to_vec()));
        assert_eq!(encoded(&Value::Integer(1), Kind::Date), Err(Unfit::Type));
    }

    #[test]
    fn a_number_goes_into_an_integer_only_when_it_is_whole() {
        assert_eq!(encoded(&Value::Number("1.50e2".into()), Kind::Int2), Ok(vec![0, 150]));
        assert_eq!(encoded(&Value::Number("1.5".into()), Kind::Int2), Err(Unfit::Range));
        assert_eq!(encoded(&Value::Number("1e400".into()), Kind::Float8), Err(Unfit::Range));
    }

    #[test]
    fn dates_and_times_count_from_the_year_2000() {
        let date = NaiveDate::from_ymd_opt(1999, 12, 31).unwrap();
        assert_eq!(encoded(&Value::Date(date), Kind::Date), Ok((-1_i32).to_be_bytes().to_vec()));
        assert_eq!(encoded(&Value::Date(date), Kind::Timestamp), Ok((-86_400_000_000_i64).to_be_bytes().to_vec()));
        let timestamp = DateTime::parse_from_rfc3339("2000-01-01T02:00:00+02:00").unwrap();
        assert_eq!(encoded(&Value::Timestamp(timestamp), Kind::Timestamptz), Ok(vec![0; 8]));
    }

    #[test]
    fn json_has_a_version_before_it_in_jsonb_only() {
        let value = Value::Json(serde_json::json!([1]));
        assert_eq!(encoded(&value, Kind::Json), Ok(b"[1]".to_vec()));
        assert_eq!(encoded(&value, Kind::Jsonb), Ok(b"\x01[1]".to_vec()));
        assert_eq!(encoded(&value, Kind::Int4), Err(Unfit::Type));
    }
}
