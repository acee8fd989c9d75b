//! Values: what a parameter binds, and what a cell of a result is.

use chrono::{DateTime, FixedOffset, NaiveDate, NaiveTime};
use uuid::Uuid;

/// A value that a statement binds. Its variant follows from the declared type of the parameter, never from the text.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// No value. A parameter that is neither required nor given binds this.
    Null,
    /// `true` or `false`.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// An exact decimal, in the plain or scientific notation of JSON.
    Number(String),
    /// Text.
    String(String),
    /// A calendar date.
    Date(NaiveDate),
    /// A time of day.
    Time(NaiveTime),
    /// A point in time with its offset.
    Timestamp(DateTime<FixedOffset>),
    /// A UUID.
    Uuid(Uuid),
    /// A JSON document.
    Json(serde_json::Value),
}

/// The largest whole number that every client of JSON reads exactly (RFC 8259 §6). One further from 0 is written as a
/// string.
pub const MAX_SAFE_INTEGER: u64 = (1 << 53) - 1;

/// One cell of a result, borrowed from the driver's row.
///
/// Whatever has no variant here reaches the sink as [`Cell::Text`] in the database's own notation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cell<'a> {
    /// SQL NULL.
    Null,
    /// `true` or `false`.
    Boolean(bool),
    /// A signed whole number.
    Integer(i64),
    /// An unsigned whole number.
    Unsigned(u64),
    /// A binary floating-point number. NaN and the infinities are written as text.
    Float(f64),
    /// A decimal in plain digits, exact. NaN and the infinities are written as text.
    Decimal(&'a str),
    /// Text; dates and times arrive as RFC 3339 text.
    Text(&'a str),
    /// A JSON document as text.
    Json(&'a str),
    /// Bytes; written as base64.
    Bytes(&'a [u8]),
}
