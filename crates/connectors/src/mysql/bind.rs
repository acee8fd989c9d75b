//! How a value becomes a bound parameter.

use bigdecimal::BigDecimal;
use chrono::Datelike;
use sqlx::{
    Arguments, Encode, MySql, Type,
    encode::IsNull,
    error::BoxDynError,
    mysql::{MySqlArguments, MySqlTypeInfo},
};
use tidegate_core::{Error, ErrorCode, Result, error::Fault, parameter::ParameterType, value::Value};
use tidegate_statement::Bind;

/// The digits of MySQL's longest `decimal`, and how many of them may stand after the point.
const DECIMAL_DIGITS: i64 = 65;
const DECIMAL_SCALE: i64 = 30;

/// The values of a statement as the driver sends them. `InvalidArgument` for a value that MySQL has no place for, with
/// the number of its placeholder as the field.
pub(super) fn arguments(binds: &[Bind]) -> Result<MySqlArguments> {
    let mut arguments = MySqlArguments::default();
    for (index, bind) in binds.iter().enumerate() {
        add(&mut arguments, bind).map_err(|error| {
            let fault = Fault::of(format!("${}", index + 1), error.message());
            error.with_faults(vec![fault])
        })?;
    }
    Ok(arguments)
}

fn add(arguments: &mut MySqlArguments, bind: &Bind) -> Result<()> {
    let added = match &bind.value {
        Value::Null => add_null(arguments, bind.kind),
        Value::Boolean(boolean) => arguments.add(*boolean),
        Value::Integer(integer) => arguments.add(*integer),
        Value::Number(number) => arguments.add(Decimal(plain(number)?)),
        Value::String(text) => arguments.add(text),
        Value::Date(date) => {
            check_year(date.year())?;
            arguments.add(*date)
        }
        Value::Time(time) => arguments.add(*time),
        // The session's time zone is UTC, so this is the same point in time in a TIMESTAMP column.
        Value::Timestamp(timestamp) => {
            let utc = timestamp.naive_utc();
            check_year(utc.year())?;
            arguments.add(utc)
        }
        Value::Uuid(uuid) => arguments.add(uuid.to_string()),
        Value::Json(json) => arguments.add(json.to_string()),
    };
    added.map_err(|error| Error::internal(format_args!("a value cannot be encoded: {error}")))
}

/// A NULL of the declared type: the type of an expression may follow from that of its parameters.
fn add_null(arguments: &mut MySqlArguments, kind: ParameterType) -> Result<(), BoxDynError> {
    match kind {
        ParameterType::Integer => arguments.add(None::<i64>),
        ParameterType::Boolean => arguments.add(None::<bool>),
        ParameterType::Number => arguments.add(None::<BigDecimal>),
        ParameterType::Date => arguments.add(None::<chrono::NaiveDate>),
        ParameterType::Time => arguments.add(None::<chrono::NaiveTime>),
        ParameterType::Timestamp => arguments.add(None::<chrono::NaiveDateTime>),
        ParameterType::String
        | ParameterType::Uuid
        | ParameterType::Json
        | ParameterType::Enum
        | ParameterType::List => arguments.add(None::<String>),
    }
}

fn check_year(year: i32) -> Result<()> {
    match year {
        0..=9999 => Ok(()),
        _ => Err(Error::new(ErrorCode::InvalidArgument, format!("mysql has no year {year}; give one from 0 to 9999"))),
    }
}

/// The number in plain digits. One that no `decimal` can hold would be cut to the largest without a word.
fn plain(number: &str) -> Result<String> {
    let decimal: BigDecimal = number
        .parse()
        .map_err(|_| Error::new(ErrorCode::InvalidArgument, format!("`{number}` is not a decimal number")))?;
    let (digits, scale) = (i64::try_from(decimal.digits()).unwrap_or(i64::MAX), decimal.fractional_digit_count());
    let whole = digits.saturating_sub(scale);
    if scale > DECIMAL_SCALE || whole.max(0).saturating_add(scale.max(0)) > DECIMAL_DIGITS {
        return Err(Error::new(
            ErrorCode::InvalidArgument,
            format!("a mysql decimal has at most {DECIMAL_DIGITS} digits, {DECIMAL_SCALE} of them after the point"),
        ));
    }
    Ok(decimal.to_plain_string())
}

/// A decimal sent as its own digits.
struct Decimal(String);

impl Type<MySql> for Decimal {
    fn type_info() -> MySqlTypeInfo {
        <BigDecimal as Type<MySql>>::type_info()
    }
}

impl Encode<'_, MySql> for Decimal {
    fn encode_by_ref(&self, buffer: &mut Vec<u8>) -> Result<IsNull, BoxDynError> {
        Encode::<MySql>::encode_by_ref(&self.0.as_str(), buffer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_in_plain_digits() {
        for (number, expected) in [("1.10", "1.10"), ("-1.5e3", "-1500"), ("25e-3", "0.025"), ("0", "0")] {
            assert_eq!(plain(number).unwrap(), expected);
        }
    }

    #[test]
    fn a_number_that_no_decimal_holds_is_refused() {
        for number in ["1e65", "1e-31", "1e999999999999", "-1e-999999999999", &"9".repeat(66), "0x10"] {
            assert_eq!(plain(number).unwrap_err().code(), ErrorCode::InvalidArgument, "{number}");
        }
    }
}
