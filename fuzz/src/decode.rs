//! Any bytes as a value of any type of PostgreSQL.

use serde_json::Value as Json;
use tidegate_connectors::postgres::fuzzing;
use tidegate_core::value::Cell;

/// The most characters that a value becomes, whatever its bytes, and for each of its bytes.
const LONGEST: usize = 8 << 20;
const GROWTH: usize = 32;

pub(crate) fn check(input: &[u8]) {
    let mut scratch = String::from("left over");
    let text = match fuzzing::decode(input, &mut scratch) {
        Some(Cell::Json(text)) => {
            serde_json::from_str::<Json>(text).unwrap_or_else(|error| panic!("{error}: {text}"));
            text
        }
        Some(Cell::Decimal(digits)) => {
            let is_plain = digits.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b'.'));
            assert!(is_plain && digits.parse::<f64>().is_ok(), "{digits}");
            digits
        }
        Some(Cell::Text(text)) => text,
        _ => return,
    };
    assert!(text.len() <= LONGEST + GROWTH * input.len(), "{} bytes become {}", input.len(), text.len());
}
