//! Pieces of text that several encodings write.

use std::io::Write;

use base64::{display::Base64Display, engine::general_purpose::STANDARD};
use tidegate_core::value::{Cell, MAX_SAFE_INTEGER};

/// Writes a string with JSON's quotes and escapes.
pub(super) fn json_string(out: &mut Vec<u8>, text: &str) {
    // Writing a `&str` into a `Vec` cannot fail.
    let _ = serde_json::to_writer(out, text);
}

/// Writes any value that serialises to JSON.
pub(super) fn json_value(out: &mut Vec<u8>, value: &impl serde::Serialize) {
    let _ = serde_json::to_writer(out, value);
}

/// Writes a cell as JSON.
pub(super) fn json_cell(out: &mut Vec<u8>, cell: Cell<'_>) {
    match cell {
        Cell::Null => out.extend_from_slice(b"null"),
        Cell::Boolean(true) => out.extend_from_slice(b"true"),
        Cell::Boolean(false) => out.extend_from_slice(b"false"),
        Cell::Integer(number) if number.unsigned_abs() <= MAX_SAFE_INTEGER => plain_cell(out, cell),
        Cell::Unsigned(number) if number <= MAX_SAFE_INTEGER => plain_cell(out, cell),
        Cell::Float(number) if number.is_finite() => plain_cell(out, cell),
        Cell::Json(text) => out.extend_from_slice(text.as_bytes()),
        Cell::Text(text) => json_string(out, text),
        Cell::Integer(_) | Cell::Unsigned(_) | Cell::Float(_) | Cell::Decimal(_) | Cell::Bytes(_) => {
            out.push(b'"');
            plain_cell(out, cell);
            out.push(b'"');
        }
    }
}

/// Writes a cell as bare text: NULL is empty, bytes are base64.
pub(super) fn plain_cell(out: &mut Vec<u8>, cell: Cell<'_>) {
    match cell {
        Cell::Null => {}
        Cell::Boolean(value) => out.extend_from_slice(if value { b"true" } else { b"false" }),
        Cell::Integer(number) => out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes()),
        Cell::Unsigned(number) => out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes()),
        Cell::Float(number) if number.is_nan() => out.extend_from_slice(b"NaN"),
        Cell::Float(number) if number.is_infinite() => {
            out.extend_from_slice(if number > 0.0 { b"Infinity" } else { b"-Infinity" });
        }
        Cell::Float(number) => out.extend_from_slice(ryu::Buffer::new().format_finite(number).as_bytes()),
        Cell::Decimal(text) | Cell::Text(text) | Cell::Json(text) => out.extend_from_slice(text.as_bytes()),
        Cell::Bytes(bytes) => {
            let _ = write!(out, "{}", Base64Display::new(bytes, &STANDARD));
        }
    }
}

/// Writes the members that end a JSON result.
pub(super) fn json_summary(out: &mut Vec<u8>, summary: &super::Summary) {
    let _ = write!(out, "\"row_count\":{},\"truncated\":", summary.row_count);
    json_value(out, &summary.truncated);
    out.extend_from_slice(b",\"next_cursor\":");
    json_value(out, &summary.next_cursor);
    let _ = write!(out, ",\"elapsed_ms\":{:.3}", summary.elapsed.as_secs_f64() * 1e3);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(cell: Cell<'_>) -> String {
        let mut out = Vec::new();
        json_cell(&mut out, cell);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn every_digit_is_kept() {
        assert_eq!(json(Cell::Integer(9_007_199_254_740_991)), "9007199254740991");
        assert_eq!(json(Cell::Integer(i64::MIN)), "\"-9223372036854775808\"");
        assert_eq!(json(Cell::Unsigned(u64::MAX)), "\"18446744073709551615\"");
        assert_eq!(json(Cell::Decimal("1.10")), "\"1.10\"");
        assert_eq!(json(Cell::Float(0.1)), "0.1");
        assert_eq!(json(Cell::Float(f64::NEG_INFINITY)), "\"-Infinity\"");
        assert_eq!(json(Cell::Bytes(&[1, 2, 255])), "\"AQL/\"");
        assert_eq!(json(Cell::Text("a\"\n")), r#""a\"\n""#);
        assert_eq!(json(Cell::Json("{\"a\":1}")), "{\"a\":1}");
        assert_eq!(json(Cell::Null), "null");
    }
}
