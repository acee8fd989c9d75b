//! `key=value` on the command line, read as the query declares it.

use serde_json::{Map, Number, Value as Json};
use tidegate_core::{
    name::nearest,
    parameter::{Parameter, ParameterType},
};

/// Takes `key=value` apart.
pub(super) fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("write an argument as KEY=VALUE".to_owned()),
    }
}

/// The arguments of a call. The server checks them against the constraints; here they only become JSON of the
/// declared type.
pub(super) fn typed(parameters: &[Parameter], pairs: &[(String, String)]) -> Result<Map<String, Json>, String> {
    let mut values = Map::new();
    for (key, text) in pairs {
        let parameter =
            parameters.iter().find(|parameter| parameter.name == *key).ok_or_else(|| unknown(key, parameters))?;
        if parameter.kind != ParameterType::List {
            if values.insert(key.clone(), value(key, parameter.kind, text)?).is_some() {
                return Err(format!("`{key}` is given twice, and it is not a list"));
            }
            continue;
        }
        let given_once = pairs.iter().filter(|(other, _)| other == key).count() == 1;
        let items = items(key, parameter.item().kind, text, given_once)?;
        match values.get_mut(key) {
            Some(Json::Array(earlier)) => earlier.extend(items),
            _ => drop(values.insert(key.clone(), Json::Array(items))),
        }
    }
    Ok(values)
}

/// The arguments of a call to a query whose declaration cannot be seen: JSON where it is JSON, text elsewhere, and a
/// list where a key is given several times.
pub(super) fn untyped(pairs: &[(String, String)]) -> Map<String, Json> {
    let mut values: Map<String, Json> = Map::new();
    for (key, text) in pairs {
        let value = serde_json::from_str(text).unwrap_or_else(|_| Json::String(text.clone()));
        let given_once = pairs.iter().filter(|(other, _)| other == key).count() == 1;
        match values.get_mut(key) {
            Some(Json::Array(earlier)) => earlier.push(value),
            _ => drop(values.insert(key.clone(), if given_once { value } else { Json::Array(vec![value]) })),
        }
    }
    values
}

fn unknown(key: &str, parameters: &[Parameter]) -> String {
    let names = || parameters.iter().map(|parameter| parameter.name.as_str());
    let hint = match nearest(key, names()) {
        Some(near) => format!("did you mean `{near}`?"),
        None if parameters.is_empty() => "it has none".to_owned(),
        None => format!("it has {}", names().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")),
    };
    format!("the query has no parameter `{key}`; {hint}")
}

fn items(key: &str, kind: ParameterType, text: &str, given_once: bool) -> Result<Vec<Json>, String> {
    if text.starts_with('[') {
        return serde_json::from_str(text).map_err(|error| format!("`{key}` is not a JSON list: {error}"));
    }
    match (given_once, text.is_empty()) {
        (true, true) => Ok(Vec::new()),
        (true, false) => text.split(',').map(|item| value(key, kind, item)).collect(),
        (false, _) => Ok(vec![value(key, kind, text)?]),
    }
}

fn value(key: &str, kind: ParameterType, text: &str) -> Result<Json, String> {
    let is_not = |what: &str| format!("`{key}` takes {what}, and `{text}` is none");
    match kind {
        ParameterType::Integer => text.parse().map(|integer: i64| integer.into()).map_err(|_| is_not("a whole number")),
        // Read by JSON's own rules, which keeps every digit.
        ParameterType::Number => serde_json::from_str::<Number>(text).map(Json::Number).map_err(|_| is_not("a number")),
        ParameterType::Boolean => text.parse().map(Json::Bool).map_err(|_| is_not("`true` or `false`")),
        ParameterType::Json => serde_json::from_str(text).map_err(|error| format!("`{key}` is not JSON: {error}")),
        ParameterType::String
        | ParameterType::Date
        | ParameterType::Time
        | ParameterType::Timestamp
        | ParameterType::Uuid
        | ParameterType::Enum
        | ParameterType::List => Ok(Json::String(text.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parameters() -> Vec<Parameter> {
        let declared = json!([
            {"name": "carrier", "type": "string"},
            {"name": "limit", "type": "integer"},
            {"name": "price", "type": "number"},
            {"name": "late", "type": "boolean"},
            {"name": "filter", "type": "json"},
            {"name": "codes", "type": "list", "items": {"type": "string"}},
            {"name": "years", "type": "list", "items": {"type": "integer"}},
        ]);
        serde_json::from_value(declared).unwrap()
    }

    fn read(given: &[&str]) -> Result<Json, String> {
        let pairs: Vec<_> = given.iter().map(|text| pair(text).unwrap()).collect();
        typed(&parameters(), &pairs).map(Json::Object)
    }

    #[test]
    fn values_take_the_declared_type() {
        let given = ["carrier=12=3", "limit=-5", "price=1.10000000000000000001", "late=true", r#"filter={"a":[1]}"#];
        let price: Json = serde_json::from_str("1.10000000000000000001").unwrap();
        let expected = json!({"carrier": "12=3", "limit": -5, "price": price, "late": true, "filter": {"a": [1]}});
        assert_eq!(read(&given), Ok(expected));
    }

    #[test]
    fn lists_come_by_comma_by_repetition_or_as_json() {
        assert_eq!(read(&["codes=a,b", "years=1,2"]), Ok(json!({"codes": ["a", "b"], "years": [1, 2]})));
        assert_eq!(read(&["codes=a,b", "codes=c"]), Ok(json!({"codes": ["a,b", "c"]})));
        assert_eq!(read(&[r#"codes=["a,b"]"#, "years="]), Ok(json!({"codes": ["a,b"], "years": []})));
    }

    #[test]
    fn without_a_declaration_json_is_json_and_the_rest_is_text() {
        let given = ["a=AA", "b=10", r#"c="10""#, "d=[1]", "e=x", "e=2", "f=2020-01-01"];
        let pairs: Vec<_> = given.iter().map(|text| pair(text).unwrap()).collect();
        let expected = json!({"a": "AA", "b": 10, "c": "10", "d": [1], "e": ["x", 2], "f": "2020-01-01"});
        assert_eq!(Json::Object(untyped(&pairs)), expected);
    }

    #[test]
    fn what_does_not_fit_is_named() {
        for (given, message) in [
            ("carier=x", "the query has no parameter `carier`; did you mean `carrier`?"),
            ("limit=1.5", "`limit` takes a whole number, and `1.5` is none"),
            ("price=NaN", "`price` takes a number, and `NaN` is none"),
            ("late=yes", "`late` takes `true` or `false`, and `yes` is none"),
            ("years=1,x", "`years` takes a whole number, and `x` is none"),
        ] {
            assert_eq!(read(&[given]), Err(message.to_owned()));
        }
        assert_eq!(read(&["late=true", "late=false"]), Err("`late` is given twice, and it is not a list".to_owned()));
        assert!(pair("carrier").is_err() && pair("=x").is_err());
    }
}
