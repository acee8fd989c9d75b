//! JSON values written as YAML.

use serde::{Serialize, Serializer};
use serde_json::Value as Json;

use crate::failure::Failure;

/// The value as a block of YAML, ending with a line end.
pub(crate) fn write(value: &Json) -> Result<String, Failure> {
    serde_saphyr::to_string(&Plain(value))
        .map_err(|error| Failure::message(format!("a value cannot be written as YAML: {error}")))
}

/// `serde_json` hands numbers of arbitrary precision on in a form of its own, which YAML would write as a mapping.
struct Plain<'a>(&'a Json);

impl Serialize for Plain<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Json::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
                (Some(integer), _, _) => serializer.serialize_i64(integer),
                (_, Some(unsigned), _) => serializer.serialize_u64(unsigned),
                (_, _, Some(float)) => serializer.serialize_f64(float),
                _ => serializer.serialize_str(&number.to_string()),
            },
            Json::Array(items) => serializer.collect_seq(items.iter().map(Plain)),
            Json::Object(fields) => {
                serializer.collect_map(fields.iter().map(|(key, value)| (key.as_str(), Plain(value))))
            }
            other => other.serialize(serializer),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn texts_of_several_lines_are_blocks_and_numbers_stay_numbers() {
        let value = json!({"statement": "SELECT 1\nFROM x\n", "n": 1, "f": 2.5, "yes": "yes", "list": [{"a": 1}]});
        insta::assert_snapshot!(write(&value).unwrap(), @r#"
        statement: |
          SELECT 1
          FROM x
        "n": 1
        f: 2.5
        "yes": "yes"
        list:
        - a: 1
        "#);
    }
}
