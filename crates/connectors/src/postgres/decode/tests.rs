//! No bytes, however wrong, make a decoder panic, and what is decoded as JSON is JSON.

use proptest::prelude::*;

use super::*;

fn scalars() -> impl Strategy<Value = Kind> {
    prop::sample::select(vec![
        Kind::Boolean,
        Kind::Int2,
        Kind::Int4,
        Kind::Int8,
        Kind::Unsigned4,
        Kind::Unsigned8,
        Kind::Float4,
        Kind::Float8,
        Kind::Numeric,
        Kind::Money,
        Kind::Text,
        Kind::VersionedText,
        Kind::Char,
        Kind::Bytea,
        Kind::Date,
        Kind::Time,
        Kind::Timetz,
        Kind::Timestamp,
        Kind::Timestamptz,
        Kind::Interval,
        Kind::Uuid,
        Kind::Inet,
        Kind::Macaddr,
        Kind::Bit,
        Kind::Point,
        Kind::Line,
        Kind::Segment,
        Kind::Box,
        Kind::Path,
        Kind::Polygon,
        Kind::Circle,
        Kind::LogPosition,
        Kind::TupleId,
        Kind::TextSearchVector,
        Kind::Hstore,
    ])
}

fn kinds() -> impl Strategy<Value = Kind> {
    scalars().prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(|element| Kind::Array(Box::new(element))),
            inner.clone().prop_map(|bound| Kind::Range(Box::new(bound))),
            prop::collection::vec(("[a-z\"]{1,3}", inner), 0..3).prop_map(|fields| Kind::Composite(fields.into())),
        ]
    })
}

/// Bytes of which many begin as the formats do: with a small count.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let small = prop::collection::vec(prop_oneof![3 => Just(0_u8), 2 => 1..8_u8, 1 => any::<u8>()], 0..48);
    prop_oneof![small, prop::collection::vec(any::<u8>(), 0..48)]
}

/// An array of one dimension, as the server sends it.
fn array(elements: &[Option<Vec<u8>>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for word in [1, 0, 0, elements.len() as i32, 1] {
        bytes.extend(word.to_be_bytes());
    }
    for element in elements {
        bytes.extend(element.as_ref().map_or(-1, |element| element.len() as i32).to_be_bytes());
        bytes.extend(element.iter().flatten());
    }
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_096, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_make_a_decoder_panic(kind in kinds(), bytes in bytes()) {
        if let Ok(Cell::Json(text)) = cell(&kind, &bytes, &mut String::new()) {
            prop_assert!(serde_json::from_str::<serde_json::Value>(text).is_ok(), "{kind:?}: {text}");
        }
    }

    #[test]
    fn an_array_of_any_elements_is_json_or_malformed(
        kind in scalars(),
        elements in prop::collection::vec(prop::option::of(bytes()), 0..4),
    ) {
        let bytes = array(&elements);
        if let Ok(Cell::Json(text)) = cell(&Kind::Array(Box::new(kind.clone())), &bytes, &mut String::new()) {
            let json: serde_json::Value = serde_json::from_str(text).map_err(|error| {
                TestCaseError::fail(format!("{kind:?}: {error}: {text}"))
            })?;
            prop_assert_eq!(json.as_array().map(Vec::len), Some(elements.len()));
        }
    }

    #[test]
    fn any_text_survives_as_an_element(texts in prop::collection::vec(any::<String>(), 0..4)) {
        let elements: Vec<_> = texts.iter().map(|text| Some(text.clone().into_bytes())).collect();
        let bytes = array(&elements);
        let mut scratch = String::new();
        let Ok(Cell::Json(json)) = cell(&Kind::Array(Box::new(Kind::Text)), &bytes, &mut scratch) else {
            return Err(TestCaseError::fail("not JSON"));
        };
        prop_assert_eq!(serde_json::from_str::<Vec<String>>(json).unwrap(), texts);
    }
}

#[test]
fn a_huge_empty_array_is_refused_without_counting_to_its_end() {
    let mut bytes = Vec::new();
    for word in [2, 0, 23, 0, 1, i32::MAX, 1] {
        bytes.extend(word.to_be_bytes());
    }
    assert_eq!(cell(&Kind::Array(Box::new(Kind::Int4)), &bytes, &mut String::new()), Ok(Cell::Json("[]")));
    let mut bytes = Vec::new();
    for word in [2, 0, 23, i32::MAX, 1, i32::MAX, 1] {
        bytes.extend(word.to_be_bytes());
    }
    assert_eq!(cell(&Kind::Array(Box::new(Kind::Int4)), &bytes, &mut String::new()), Err(Malformed));
}

#[test]
fn an_array_of_numbers_with_very_many_zeros_is_refused_before_it_fills_the_memory() {
    // 1e131068: one group of digits, 32,767 groups in front of the point.
    let number = [0, 1, 0x7F, 0xFF, 0, 0, 0, 0, 0, 1].to_vec();
    let few = array(&vec![Some(number.clone()); 10]);
    let kind = Kind::Array(Box::new(Kind::Numeric));
    assert!(matches!(cell(&kind, &few, &mut String::new()), Ok(Cell::Json(text)) if text.len() > 1_310_000));
    let mut scratch = String::new();
    let many = array(&vec![Some(number); 2_000]);
    assert_eq!(cell(&kind, &many, &mut scratch), Err(Malformed));
    assert!(scratch.len() < 16 << 20, "{}", scratch.len());
    let fields = Kind::Composite(vec![("a".to_owned(), kind.clone()), ("b".to_owned(), kind)].into());
    let mut bytes = 2_i32.to_be_bytes().to_vec();
    for _ in 0..2 {
        bytes.extend([0; 4]);
        bytes.extend((many.len() as i32).to_be_bytes());
        bytes.extend(&many);
    }
    assert_eq!(cell(&fields, &bytes, &mut String::new()), Err(Malformed));
}

#[test]
fn text_that_is_not_utf8_is_given_as_bytes() {
    assert_eq!(cell(&Kind::Text, b"\xE9t\xE9", &mut String::new()), Ok(Cell::Bytes(b"\xE9t\xE9")));
}
