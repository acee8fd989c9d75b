//! Cursors: where the next page begins, sealed so that a caller can neither read, change nor use it elsewhere.

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chacha20poly1305::{
    Key, KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use tidegate_core::{
    Error, ErrorCode, Result,
    id::{QueryId, SourceId, TenantId},
    parameter::ParameterType,
    result::ColumnType,
    value::{Cell, Value},
};
use zeroize::Zeroizing;

use crate::{Bind, value};

/// The bytes of a nonce.
const NONCE: usize = 24;

/// The longest cursor, in characters. Order columns may be long texts.
const MAX_CURSOR: usize = 64 << 10;

/// The format of what is sealed; it is part of the binding, so that another format is never misread.
const FORMAT: &[u8] = b"tidegate cursor 1";

/// The key that cursors are sealed with. It is wiped when it is dropped.
#[derive(Clone)]
pub struct CursorKey(Zeroizing<[u8; 32]>);

impl From<[u8; 32]> for CursorKey {
    fn from(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }
}

impl fmt::Debug for CursorKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CursorKey")
    }
}

/// What a cursor belongs to; it opens with nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// The tenant.
    pub tenant: TenantId,
    /// What runs.
    pub subject: Subject,
    /// The hash of the arguments, from [`crate::Arguments::hash`]; zeros for SQL that is not a query.
    pub arguments: [u8; 32],
}

/// What a cursor pages through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A query at one revision.
    Query {
        /// The query.
        id: QueryId,
        /// The number of its revision.
        revision: u64,
    },
    /// SQL that is not a query.
    Raw {
        /// The source it runs on.
        source: SourceId,
        /// The fingerprint of its text.
        fingerprint: String,
    },
}

impl Binding {
    /// Every part with its length before it.
    fn to_bytes(&self) -> Vec<u8> {
        let (kind, id, rest): (&[u8], _, _) = match &self.subject {
            Subject::Query { id, revision } => (b"query", id.as_uuid(), revision.to_be_bytes().to_vec()),
            Subject::Raw { source, fingerprint } => (b"raw", source.as_uuid(), fingerprint.as_bytes().to_vec()),
        };
        let mut bytes = Vec::with_capacity(160);
        for part in [FORMAT, self.tenant.as_uuid().as_bytes(), kind, id.as_bytes(), &rest, &self.arguments] {
            bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
            bytes.extend_from_slice(part);
        }
        bytes
    }
}

/// Where a page begins.
#[derive(Clone, Debug, PartialEq)]
pub enum Position {
    /// After so many rows.
    Offset(u64),
    /// After the row with these values in the columns of the order.
    After(Vec<KeyValue>),
}

/// The value of an order column in the last row of a page, as it is bound for the next.
#[derive(Clone, Debug, PartialEq)]
pub struct KeyValue(Bind);

impl KeyValue {
    /// The value of a cell. `InvalidStatement` for a NULL, bytes or a document, which cannot order pages.
    pub fn new(column: ColumnType, cell: Cell<'_>) -> Result<Self> {
        let (kind, value) = match cell {
            Cell::Boolean(boolean) => (ParameterType::Boolean, Value::Boolean(boolean)),
            Cell::Integer(integer) => (ParameterType::Integer, Value::Integer(integer)),
            Cell::Unsigned(unsigned) => match i64::try_from(unsigned) {
                Ok(integer) => (ParameterType::Integer, Value::Integer(integer)),
                Err(_) => (ParameterType::Number, Value::Number(unsigned.to_string())),
            },
            Cell::Float(float) if float.is_finite() => (ParameterType::Number, Value::Number(float.to_string())),
            Cell::Decimal(digits) => (ParameterType::Number, Value::Number(digits.to_owned())),
            Cell::Text(text) => typed(column, text),
            Cell::Null => return Err(unordered("a NULL; order by columns that hold none")),
            Cell::Float(_) | Cell::Json(_) | Cell::Bytes(_) => {
                return Err(unordered("a value of this type; order by numbers, texts, dates or ids"));
            }
        };
        Ok(Self(Bind { value, kind }))
    }

    /// The value, as it is bound.
    pub(crate) fn bind(&self) -> &Bind {
        &self.0
    }
}

fn unordered(what: &str) -> Error {
    Error::new(ErrorCode::InvalidStatement, format!("an order column of this query holds {what}"))
}

/// Text of a typed column binds as its type. What the type cannot hold exactly, such as a timestamp without an offset,
/// stays text, which the database reads in its own notation.
fn typed(column: ColumnType, text: &str) -> (ParameterType, Value) {
    let kind = match column {
        ColumnType::Date => ParameterType::Date,
        ColumnType::Time => ParameterType::Time,
        ColumnType::Timestamp => ParameterType::Timestamp,
        ColumnType::Uuid => ParameterType::Uuid,
        ColumnType::Integer | ColumnType::Decimal => ParameterType::Number,
        _ => ParameterType::String,
    };
    match value::read(kind, &Json::from(text)) {
        Ok(value) => (kind, value),
        Err(_) => (ParameterType::String, Value::String(text.to_owned())),
    }
}

/// What is sealed.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Sealed {
    Offset(u64),
    After(Vec<(ParameterType, Json)>),
}

impl CursorKey {
    /// Seals a position into a cursor: base64url text that opens with this key and binding alone.
    pub fn seal(&self, binding: &Binding, position: &Position) -> Result<String> {
        let sealed = match position {
            Position::Offset(offset) => Sealed::Offset(*offset),
            Position::After(values) => {
                Sealed::After(values.iter().map(|KeyValue(bind)| (bind.kind, value::write(&bind.value))).collect())
            }
        };
        let plain = serde_json::to_vec(&sealed).map_err(Error::internal)?;
        let mut nonce = [0; NONCE];
        getrandom::fill(&mut nonce).map_err(Error::internal)?;
        let payload = Payload { msg: &plain, aad: &binding.to_bytes() };
        let cipher = self.cipher().encrypt(&XNonce::from(nonce), payload).map_err(Error::internal)?;
        let mut bytes = nonce.to_vec();
        bytes.extend_from_slice(&cipher);
        let cursor = URL_SAFE_NO_PAD.encode(bytes);
        if cursor.len() > MAX_CURSOR {
            return Err(unordered("a text too long for a cursor; order by shorter ones"));
        }
        Ok(cursor)
    }

    /// Opens a cursor. `InvalidCursor` when it was changed, or was made for another tenant, query, revision, statement or
    /// set of arguments.
    pub fn open(&self, cursor: &str, binding: &Binding) -> Result<Position> {
        self.opened(cursor, binding).ok_or_else(|| {
            let message = "the cursor is not of this query, revision and arguments, or was changed; \
                           send it back as it came with the same arguments, or begin again without a cursor";
            Error::new(ErrorCode::InvalidCursor, message)
        })
    }

    fn opened(&self, cursor: &str, binding: &Binding) -> Option<Position> {
        let bytes = URL_SAFE_NO_PAD.decode(Some(cursor).filter(|cursor| cursor.len() <= MAX_CURSOR)?).ok()?;
        let (nonce, cipher) = bytes.split_first_chunk::<NONCE>()?;
        let payload = Payload { msg: cipher, aad: &binding.to_bytes() };
        let plain = self.cipher().decrypt(&XNonce::from(*nonce), payload).ok()?;
        match serde_json::from_slice(&plain).ok()? {
            Sealed::Offset(offset) => Some(Position::Offset(offset)),
            Sealed::After(values) => {
                let values = values
                    .into_iter()
                    .map(|(kind, json)| Some(KeyValue(Bind { value: value::read(kind, &json).ok()?, kind })));
                values.collect::<Option<_>>().map(Position::After)
            }
        }
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(&Key::from(*self.0))
    }
}

#[cfg(test)]
mod tests {
    use chrono::NaiveDate;

    use super::*;

    fn binding() -> Binding {
        let id = |byte: u8| uuid::Uuid::from_bytes([byte; 16]);
        Binding {
            tenant: TenantId::from_uuid(id(1)),
            subject: Subject::Query { id: QueryId::from_uuid(id(2)), revision: 3 },
            arguments: [4; 32],
        }
    }

    #[test]
    fn a_position_comes_back_as_it_was() {
        let key = CursorKey::from([7; 32]);
        let values = [
            (ColumnType::Integer, Cell::Integer(i64::MIN)),
            (ColumnType::Integer, Cell::Unsigned(u64::MAX)),
            (ColumnType::Decimal, Cell::Decimal("1.10")),
            (ColumnType::Float, Cell::Float(0.1)),
            (ColumnType::String, Cell::Text("ä'\"")),
            (ColumnType::Date, Cell::Text("2024-02-29")),
            (ColumnType::Timestamp, Cell::Text("2024-02-29T01:02:03.123456+02:00")),
            (ColumnType::Timestamp, Cell::Text("2024-02-29T01:02:03")),
            (ColumnType::Uuid, Cell::Text("0190b1c0-7e50-7cc3-98c4-dc0c0c07398f")),
            (ColumnType::Boolean, Cell::Boolean(true)),
        ];
        let values: Vec<_> = values.into_iter().map(|(column, cell)| KeyValue::new(column, cell).unwrap()).collect();
        assert_eq!(values[5].bind().value, Value::Date(NaiveDate::from_ymd_opt(2024, 2, 29).unwrap()));
        assert_eq!(values[7].bind().kind, ParameterType::String);
        for position in [Position::After(values), Position::Offset(u64::MAX)] {
            let cursor = key.seal(&binding(), &position).unwrap();
            assert_eq!(key.open(&cursor, &binding()).unwrap(), position);
            assert_ne!(key.seal(&binding(), &position).unwrap(), cursor);
        }
    }

    #[test]
    fn a_cursor_opens_nowhere_else() {
        let key = CursorKey::from([7; 32]);
        let cursor = key.seal(&binding(), &Position::Offset(20)).unwrap();
        let source = SourceId::from_uuid(uuid::Uuid::from_bytes([2; 16]));
        let others = [
            Binding { tenant: TenantId::from_uuid(uuid::Uuid::from_bytes([9; 16])), ..binding() },
            Binding {
                subject: Subject::Query { id: QueryId::from_uuid(uuid::Uuid::from_bytes([2; 16])), revision: 4 },
                ..binding()
            },
            Binding { subject: Subject::Raw { source, fingerprint: "0000000000000003".into() }, ..binding() },
            Binding { arguments: [5; 32], ..binding() },
        ];
        for other in others {
            assert_eq!(key.open(&cursor, &other).unwrap_err().code(), ErrorCode::InvalidCursor);
        }
        assert!(CursorKey::from([8; 32]).open(&cursor, &binding()).is_err());
    }

    #[test]
    fn what_cannot_order_pages_is_refused() {
        for (column, cell) in [
            (ColumnType::String, Cell::Null),
            (ColumnType::Json, Cell::Json("{}")),
            (ColumnType::Binary, Cell::Bytes(b"x")),
            (ColumnType::Float, Cell::Float(f64::NAN)),
        ] {
            assert_eq!(KeyValue::new(column, cell).unwrap_err().code(), ErrorCode::InvalidStatement);
        }
    }

    #[test]
    fn a_key_is_not_shown() {
        assert_eq!(format!("{:?}", CursorKey::from([7; 32])), "CursorKey");
    }
}
