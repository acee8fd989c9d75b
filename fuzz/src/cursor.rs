//! Any text as a cursor, and any position in a cursor.

use tidegate_core::{
    ErrorCode,
    id::{QueryId, SourceId, TenantId},
    query::{Direction, OrderColumn},
    result::ColumnType,
    value::Cell,
};
use tidegate_statement::{Binding, CursorKey, Dialect, KeyValue, Position, Statement, Subject, Window};
use uuid::Uuid;

use crate::bytes::Bytes;

/// Where the sealed part of a cursor begins, in characters: behind 24 bytes of nonce.
const SEALED: usize = 32;

const COLUMNS: [ColumnType; 10] = [
    ColumnType::Boolean,
    ColumnType::Integer,
    ColumnType::Float,
    ColumnType::Decimal,
    ColumnType::String,
    ColumnType::Date,
    ColumnType::Time,
    ColumnType::Timestamp,
    ColumnType::Uuid,
    ColumnType::Any,
];

pub(crate) fn check(input: &[u8]) {
    let key = CursorKey::from([5; 32]);
    let error = key.open(&String::from_utf8_lossy(input), &binding(3)).expect_err("nobody guesses a cursor");
    assert_eq!(error.code(), ErrorCode::InvalidCursor);

    let mut bytes = Bytes(input);
    let (edit, number) = (u16::from_be_bytes(bytes.array()), u64::from_be_bytes(bytes.array()));
    came_back(&key, &Position::Offset(number), edit);
    let mut values = Vec::new();
    while !bytes.0.is_empty() && values.len() < 4 {
        values.extend(value(&mut bytes));
    }
    if !values.is_empty() {
        pages(values.clone());
        came_back(&key, &Position::After(values), edit);
    }
}

fn binding(revision: u64) -> Binding {
    let query = Subject::Query { id: QueryId::from_uuid(Uuid::from_bytes([2; 16])), revision };
    Binding { tenant: TenantId::from_uuid(Uuid::from_bytes([1; 16])), subject: query, arguments: [4; 32] }
}

/// A cell of a row, as a connector gives it. None when it cannot order pages.
fn value(bytes: &mut Bytes<'_>) -> Option<KeyValue> {
    let column = COLUMNS[usize::from(bytes.u8()) % COLUMNS.len()];
    let number = |bytes: &mut Bytes<'_>| u64::from_be_bytes(bytes.array());
    let decimal;
    let text;
    let cell = match bytes.u8() % 6 {
        0 => Cell::Boolean(bytes.u8() % 2 == 1),
        1 => Cell::Integer(number(bytes).cast_signed()),
        2 => Cell::Unsigned(number(bytes)),
        3 => Cell::Float(f64::from_bits(number(bytes))),
        4 => {
            let digits = number(bytes).cast_signed().to_string();
            let scale = usize::from(bytes.u8());
            decimal = if scale == 0 { digits } else { format!("{digits}.{}", "5".repeat(scale)) };
            Cell::Decimal(&decimal)
        }
        _ => {
            let length = usize::from(bytes.u8());
            text = String::from_utf8_lossy(bytes.take(length)).into_owned();
            Cell::Text(&text)
        }
    };
    KeyValue::new(column, cell).inspect_err(|error| assert_eq!(error.code(), ErrorCode::InvalidStatement)).ok()
}

/// Seals and opens a position, then tries everything but the cursor as it came.
fn came_back(key: &CursorKey, position: &Position, edit: u16) {
    let cursor = key.seal(&binding(3), position).expect("it is short");
    let opened = key.open(&cursor, &binding(3)).unwrap_or_else(|error| panic!("{position:?}: {error:?}"));
    assert_eq!(opened, *position);

    let source = Subject::Raw { source: SourceId::from_uuid(Uuid::from_bytes([2; 16])), fingerprint: "3".into() };
    for other in [binding(4), Binding { subject: source, ..binding(3) }, Binding { arguments: [0; 32], ..binding(3) }] {
        assert!(key.open(&cursor, &other).is_err());
    }
    assert!(CursorKey::from([6; 32]).open(&cursor, &binding(3)).is_err());

    let (at, bit) = (usize::from(edit >> 3) % cursor.len(), edit & 7);
    assert!(key.open(&cursor[..at], &binding(3)).is_err());
    let mut edited = cursor.into_bytes();
    edited[at] ^= 1 << bit;
    let edited = String::from_utf8_lossy(&edited);
    assert!(key.open(&edited, &binding(3)).is_err(), "bit {bit} of {at} (the seal begins at {SEALED})");
}

/// A page after any row is a statement that only reads.
fn pages(values: Vec<KeyValue>) {
    let columns =
        ["a", "B\"`b", "c", "d"].map(|column| OrderColumn { column: column.into(), direction: Direction::Desc });
    let order = &columns[..values.len()];
    let count = values.len();
    let position = Position::After(values);
    for dialect in [Dialect::Postgres, Dialect::Mysql, Dialect::Sqlite] {
        let statement = Statement::raw("SELECT a, b, c, d FROM t", dialect).expect("it is a statement");
        let page = statement.page(Window { rows: 11, from: Some(&position), order }).expect("it has pages").statement;
        // a > 1 OR (a = 1 AND b > 2) …, and the number of rows.
        assert_eq!(page.binds().len(), count * (count + 1) / 2 + 1);
    }
}
