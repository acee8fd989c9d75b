//! Parameters: the typed arguments of a query, and the JSON Schema that clients see.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json, json};
use utoipa::ToSchema;

use crate::error::Fault;

/// The most items a list argument may have when its parameter sets no `max_length`.
pub const DEFAULT_MAX_LIST_LENGTH: u64 = 1_000;

/// The type of a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ParameterType {
    /// Text.
    String,
    /// A 64-bit whole number.
    Integer,
    /// An exact decimal.
    Number,
    /// `true` or `false`.
    Boolean,
    /// `YYYY-MM-DD`.
    Date,
    /// `HH:MM[:SS[.ffffff]]`.
    Time,
    /// RFC 3339 date and time with an offset.
    Timestamp,
    /// A UUID.
    Uuid,
    /// Any JSON document.
    Json,
    /// One of the declared texts. Only an enum may become an identifier.
    Enum,
    /// A list of `items`.
    List,
}

impl ParameterType {
    /// The word in declarations.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Boolean => "boolean",
            Self::Date => "date",
            Self::Time => "time",
            Self::Timestamp => "timestamp",
            Self::Uuid => "uuid",
            Self::Json => "json",
            Self::Enum => "enum",
            Self::List => "list",
        }
    }
}

/// What values of one type are allowed. The items of a list have one of their own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Items {
    /// The type of every item; not `list`.
    #[serde(rename = "type")]
    pub kind: ParameterType,
    /// The least number or date.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Value>)]
    pub minimum: Option<Json>,
    /// The greatest number or date.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Value>)]
    pub maximum: Option<Json>,
    /// The fewest characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_length: Option<u64>,
    /// The most characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_length: Option<u64>,
    /// A regular expression (RE2 syntax) that a text has to match somewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
    /// The values allowed.
    #[serde(default, rename = "enum", skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
}

/// A parameter of a query.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Parameter {
    /// Its name in the template: letters, digits and `_`, not beginning with a digit.
    #[schema(pattern = "^[A-Za-z_][A-Za-z0-9_]{0,63}$")]
    pub name: String,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: ParameterType,
    /// What it means; assistants read this.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Whether it must be given. A parameter without a default is required unless this says `false`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub required: Option<bool>,
    /// The value when it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Value>)]
    pub default: Option<Json>,
    /// A value that works; the query is checked with it when it is saved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Value>)]
    pub example: Option<Json>,
    /// The least number or date.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Value>)]
    pub minimum: Option<Json>,
    /// The greatest number or date.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Value>)]
    pub maximum: Option<Json>,
    /// The fewest characters, or items of a list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_length: Option<u64>,
    /// The most characters, or items of a list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_length: Option<u64>,
    /// A regular expression (RE2 syntax) that a text has to match somewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
    /// The values allowed; required for `type: enum`.
    #[serde(default, rename = "enum", skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
    /// What a list holds; required for `type: list`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub items: Option<Items>,
}

impl Parameter {
    /// Whether a call must give it.
    pub fn is_required(&self) -> bool {
        self.required.unwrap_or(self.default.is_none())
    }

    /// The constraints on one value: those of the items for a list, the parameter's own otherwise.
    pub fn item(&self) -> Items {
        self.items.clone().filter(|_| self.kind == ParameterType::List).unwrap_or_else(|| Items {
            kind: self.kind,
            minimum: self.minimum.clone(),
            maximum: self.maximum.clone(),
            min_length: self.min_length,
            max_length: self.max_length,
            pattern: self.pattern.clone(),
            values: self.values.clone(),
        })
    }

    /// The most items of a list.
    pub fn max_items(&self) -> u64 {
        self.max_length.unwrap_or(DEFAULT_MAX_LIST_LENGTH)
    }

    fn json_schema(&self) -> Json {
        let mut schema = match self.kind {
            ParameterType::List => {
                let mut schema = Map::new();
                schema.insert("type".into(), json!("array"));
                schema.insert("items".into(), Json::Object(self.item().json_schema()));
                schema.insert("maxItems".into(), json!(self.max_items()));
                if let Some(least) = self.min_length {
                    schema.insert("minItems".into(), json!(least));
                }
                schema
            }
            _ => self.item().json_schema(),
        };
        if !self.description.is_empty() {
            schema.insert("description".into(), json!(self.description));
        }
        if let Some(default) = &self.default {
            schema.insert("default".into(), default.clone());
        }
        if let Some(example) = &self.example {
            schema.insert("examples".into(), json!([example]));
        }
        Json::Object(schema)
    }
}

impl Items {
    fn json_schema(&self) -> Map<String, Json> {
        let (kind, format) = match self.kind {
            ParameterType::String | ParameterType::Enum => (Some("string"), None),
            ParameterType::Integer => (Some("integer"), None),
            ParameterType::Number => (Some("number"), None),
            ParameterType::Boolean => (Some("boolean"), None),
            ParameterType::Date => (Some("string"), Some("date")),
            ParameterType::Time => (Some("string"), Some("time")),
            ParameterType::Timestamp => (Some("string"), Some("date-time")),
            ParameterType::Uuid => (Some("string"), Some("uuid")),
            ParameterType::Json | ParameterType::List => (None, None),
        };
        let mut schema = Map::new();
        let mut set = |key: &str, value: Option<Json>| {
            if let Some(value) = value {
                schema.insert(key.into(), value);
            }
        };
        set("type", kind.map(Json::from));
        set("format", format.map(Json::from));
        // JSON Schema bounds numbers only; the bounds of dates are in the description of the tool.
        if matches!(self.kind, ParameterType::Integer | ParameterType::Number) {
            set("minimum", self.minimum.clone());
            set("maximum", self.maximum.clone());
        } else {
            set("formatMinimum", self.minimum.clone());
            set("formatMaximum", self.maximum.clone());
        }
        set("minLength", self.min_length.map(Json::from));
        set("maxLength", self.max_length.map(Json::from));
        set("pattern", self.pattern.clone().map(Json::from));
        set("enum", (!self.values.is_empty()).then(|| json!(self.values)));
        schema
    }
}

/// The JSON Schema (2020-12) of the arguments of a query with these parameters.
pub fn json_schema(parameters: &[Parameter]) -> Map<String, Json> {
    let properties: Map<String, Json> = parameters.iter().map(|p| (p.name.clone(), p.json_schema())).collect();
    let required: Vec<&str> = parameters.iter().filter(|p| p.is_required()).map(|p| p.name.as_str()).collect();
    let mut schema = Map::new();
    schema.insert("type".into(), json!("object"));
    schema.insert("properties".into(), Json::Object(properties));
    if !required.is_empty() {
        schema.insert("required".into(), json!(required));
    }
    schema.insert("additionalProperties".into(), json!(false));
    schema
}

/// What is wrong with the declarations themselves, apart from their values: names, and constraints that do not fit
/// the type. The statement crate checks the values (defaults, examples, patterns, bounds).
pub fn declaration_faults(parameters: &[Parameter]) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (index, parameter) in parameters.iter().enumerate() {
        let mut fault = |message: String| faults.push(Fault::of(format!("parameters.{}", parameter.name), message));
        if !is_identifier(&parameter.name) {
            fault(format!(
                "`{}` cannot name a parameter: use letters, digits and _, not beginning with a digit",
                parameter.name
            ));
        }
        if parameters.iter().take(index).any(|earlier| earlier.name == parameter.name) {
            fault(format!("the parameter `{}` is declared twice", parameter.name));
        }
        match (parameter.kind, &parameter.items) {
            (ParameterType::List, None) => fault("a list needs `items` with the type of its items".into()),
            (ParameterType::List, Some(items)) if items.kind == ParameterType::List => {
                fault("a list cannot hold lists".into());
            }
            (kind, Some(_)) if kind != ParameterType::List => {
                fault(format!("`items` belongs to `type: list`, not to `type: {}`", kind.as_str()));
            }
            _ => {}
        }
        if parameter.is_required() && parameter.default.is_some() {
            fault("a parameter with a default is never missing: drop `required: true` or the default".into());
        }
        let item = parameter.item();
        let wants_values = item.kind == ParameterType::Enum;
        if wants_values && item.values.is_empty() {
            fault("an enum needs `enum` with its values".into());
        }
        if !item.values.is_empty() && !matches!(item.kind, ParameterType::Enum | ParameterType::String) {
            fault(format!("`enum` belongs to `type: enum` or `type: string`, not to `type: {}`", item.kind.as_str()));
        }
        if item.pattern.is_some() && item.kind != ParameterType::String {
            fault(format!("`pattern` belongs to `type: string`, not to `type: {}`", item.kind.as_str()));
        }
        if (item.min_length.is_some() || item.max_length.is_some()) && item.kind != ParameterType::String {
            fault(format!(
                "`min_length` and `max_length` belong to `type: string` or `type: list`, not to `type: {}`",
                item.kind.as_str()
            ));
        }
        let bounded = matches!(
            item.kind,
            ParameterType::Integer
                | ParameterType::Number
                | ParameterType::Date
                | ParameterType::Time
                | ParameterType::Timestamp
        );
        if (item.minimum.is_some() || item.maximum.is_some()) && !bounded {
            fault(format!(
                "`minimum` and `maximum` belong to numbers, dates and times, not to `type: {}`",
                item.kind.as_str()
            ));
        }
    }
    faults
}

fn is_identifier(name: &str) -> bool {
    let mut characters = name.bytes();
    characters.next().is_some_and(|c| c.is_ascii_alphabetic() || c == b'_')
        && characters.all(|c| c.is_ascii_alphanumeric() || c == b'_')
        && name.len() <= 64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: Json) -> Parameter {
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn every_constraint_is_published() {
        let parameters = [
            parse(json!({"name": "n", "type": "integer", "minimum": 1, "maximum": 9, "default": 3, "example": 4})),
            parse(json!({"name": "s", "type": "string", "min_length": 1, "max_length": 2, "pattern": "^a",
                         "description": "text"})),
            parse(json!({"name": "xs", "type": "list", "items": {"type": "enum", "enum": ["a", "b"]},
                         "min_length": 1, "max_length": 5})),
        ];
        assert_eq!(
            Json::Object(json_schema(&parameters)),
            json!({
                "type": "object",
                "properties": {
                    "n": {"type": "integer", "minimum": 1, "maximum": 9, "default": 3, "examples": [4]},
                    "s": {"type": "string", "minLength": 1, "maxLength": 2, "pattern": "^a", "description": "text"},
                    "xs": {"type": "array", "items": {"type": "string", "enum": ["a", "b"]},
                           "maxItems": 5, "minItems": 1}
                },
                "required": ["s", "xs"],
                "additionalProperties": false
            })
        );
    }

    #[test]
    fn constraints_that_do_not_fit_are_faults() {
        let bad = [
            json!({"name": "9", "type": "string"}),
            json!({"name": "a", "type": "list"}),
            json!({"name": "a", "type": "enum"}),
            json!({"name": "a", "type": "integer", "pattern": "x"}),
            json!({"name": "a", "type": "integer", "max_length": 3}),
            json!({"name": "a", "type": "boolean", "minimum": 3}),
            json!({"name": "a", "type": "string", "items": {"type": "string"}}),
            json!({"name": "a", "type": "list", "items": {"type": "list"}}),
            json!({"name": "a", "type": "integer", "enum": ["1"]}),
            json!({"name": "a", "type": "string", "required": true, "default": "x"}),
        ];
        for declaration in bad {
            assert_eq!(declaration_faults(&[parse(declaration.clone())]).len(), 1, "{declaration}");
        }
        let twice = parse(json!({"name": "a", "type": "string"}));
        assert_eq!(declaration_faults(&[twice.clone(), twice]).len(), 1);
    }
}
