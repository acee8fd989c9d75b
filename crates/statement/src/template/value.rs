//! Values inside a template.
//!
//! Text, whole numbers and booleans are minijinja's own, so that `==`, `~` and the filters work on them. The other
//! types, a NULL and a document are objects that keep what they are until they are bound.

use std::{cmp::Ordering, fmt, sync::Arc};

use minijinja::{
    Error, ErrorKind, Value as Jinja,
    value::{DynObject, Enumerator, Object, ObjectRepr, ValueKind},
};
use serde_json::Value as Json;
use tidegate_core::{parameter::ParameterType, value::Value};

use crate::{Bind, arguments::Given, parameters::Declared, value};

/// What was given for a parameter, as the template sees it.
pub(super) fn given(declared: &Declared, given: &Given) -> Jinja {
    match given {
        Given::Nothing => Jinja::from_object(Scalar(Bind { value: Value::Null, kind: declared.kind })),
        Given::One(value) => one(declared.item_kind(), value),
        Given::Many(values) => values.iter().map(|value| one(declared.item_kind(), value)).collect::<Vec<_>>().into(),
    }
}

fn one(kind: ParameterType, value: &Value) -> Jinja {
    match value {
        Value::Boolean(boolean) => (*boolean).into(),
        Value::Integer(integer) => (*integer).into(),
        Value::String(text) => text.as_str().into(),
        Value::Json(json) if json.is_object() || json.is_array() => {
            Jinja::from_object(Document(Arc::new(json.clone())))
        }
        value => Jinja::from_object(Scalar(Bind { value: value.clone(), kind })),
    }
}

/// A member of a document.
fn member(json: &Json) -> Jinja {
    match json {
        Json::Null => Jinja::from_object(Scalar(Bind { value: Value::Null, kind: ParameterType::String })),
        Json::Bool(boolean) => (*boolean).into(),
        Json::Number(number) => match number.as_i64() {
            Some(integer) => integer.into(),
            None => one(ParameterType::Number, &Value::Number(number.to_string())),
        },
        Json::String(text) => text.as_str().into(),
        Json::Array(_) | Json::Object(_) => Jinja::from_object(Document(Arc::new(json.clone()))),
    }
}

/// What a value binds as. The error says what to write instead.
pub(super) fn bind(value: &Jinja) -> Result<Bind, Error> {
    if value.is_safe() {
        return Err(refused("text that was put together in the template cannot become part of the SQL"));
    }
    if let Some(scalar) = value.downcast_object_ref::<Scalar>() {
        return Ok(scalar.0.clone());
    }
    if let Some(document) = value.downcast_object_ref::<Document>() {
        return Ok(Bind { value: Value::Json(document.0.as_ref().clone()), kind: ParameterType::Json });
    }
    if value.downcast_object_ref::<Identifier>().is_some() || value.downcast_object_ref::<Items>().is_some() {
        return Err(refused("`ident` and `inlist` have to be the last filter, and stand alone"));
    }
    let (value, kind) = match value.kind() {
        ValueKind::None => (Value::Null, ParameterType::String),
        ValueKind::Bool => (Value::Boolean(value.is_true()), ParameterType::Boolean),
        ValueKind::String => (Value::String(value.as_str().unwrap_or_default().to_owned()), ParameterType::String),
        ValueKind::Number => match value.as_i64() {
            Some(integer) if value.is_integer() => (Value::Integer(integer), ParameterType::Integer),
            _ if value.is_integer() => return Err(refused("a computed number is outside the 64-bit range")),
            _ => match f64::try_from(value.clone()) {
                Ok(float) if float.is_finite() => (Value::Number(float.to_string()), ParameterType::Number),
                _ => return Err(refused("a computed number is not finite")),
            },
        },
        ValueKind::Seq | ValueKind::Iterable => {
            return Err(refused("a list cannot be one value: write `IN ({{ name | inlist }})`, or a `{% for %}` loop"));
        }
        ValueKind::Undefined => {
            return Err(refused(
                "this has no value: an `if` without `else`, or a member that the document does not have",
            ));
        }
        _ => return Err(refused("this is not a value that a database knows")),
    };
    Ok(Bind { value, kind })
}

/// An error with a sentence of ours, which may be shown as it is.
pub(super) fn refused(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, "refused").with_source(Refusal(message.into()))
}

/// The sentence of an error that [`refused`] made.
pub(super) fn refusal(error: &Error) -> Option<&str> {
    std::error::Error::source(error)?.downcast_ref::<Refusal>().map(|refusal| refusal.0.as_str())
}

#[derive(Debug)]
struct Refusal(String);

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refusal {}

/// Whether a value is a NULL: `none`, or a parameter that was not given.
pub(super) fn is_null(value: &Jinja) -> bool {
    value.is_none() || value.downcast_object_ref::<Scalar>().is_some_and(|scalar| scalar.0.value == Value::Null)
}

/// Whether a value is a number, exact decimals included.
pub(super) fn is_number(value: &Jinja) -> bool {
    let is_decimal = |scalar: &Scalar| matches!(scalar.0.value, Value::Number(_));
    value.is_number() || value.downcast_object_ref::<Scalar>().is_some_and(is_decimal)
}

/// A value that minijinja has no type for, or a NULL.
pub(super) struct Scalar(Bind);

impl Object for Scalar {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        // A list that was not given can be looped over, and a document that was not given has members without value.
        match (&self.0.value, self.0.kind) {
            (Value::Null, ParameterType::List) => ObjectRepr::Seq,
            (Value::Null, ParameterType::Json) => ObjectRepr::Map,
            _ => ObjectRepr::Plain,
        }
    }

    fn get_value(self: &Arc<Self>, _key: &Jinja) -> Option<Jinja> {
        let is_document = self.0.value == Value::Null && self.0.kind == ParameterType::Json;
        is_document.then(|| Jinja::from_dyn_object(self.clone()))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        match self.repr() {
            ObjectRepr::Plain => Enumerator::NonEnumerable,
            _ => Enumerator::Empty,
        }
    }

    fn is_true(self: &Arc<Self>) -> bool {
        match &self.0.value {
            Value::Null => false,
            Value::Number(_) => value::compare(&self.0.value, &Value::Number("0".into())) != Some(Ordering::Equal),
            Value::Json(json) => member(json).is_true(),
            _ => true,
        }
    }

    fn custom_cmp(self: &Arc<Self>, other: &DynObject) -> Option<Ordering> {
        let other = other.downcast_ref::<Self>()?;
        value::compare(&self.0.value, &other.0.value)
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match value::write(&self.0.value) {
            Json::Null => Ok(()),
            Json::String(text) => f.write_str(&text),
            json => write!(f, "{json}"),
        }
    }
}

impl fmt::Debug for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.kind.as_str())
    }
}

/// A JSON object or array.
pub(super) struct Document(Arc<Json>);

impl Object for Document {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        if self.0.is_array() { ObjectRepr::Seq } else { ObjectRepr::Map }
    }

    fn get_value(self: &Arc<Self>, key: &Jinja) -> Option<Jinja> {
        match self.0.as_ref() {
            Json::Array(items) => items.get(key.as_usize()?),
            json => json.get(key.as_str()?),
        }
        .map(member)
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        match self.0.as_ref() {
            Json::Array(items) => Enumerator::Seq(items.len()),
            json => Enumerator::Values(
                json.as_object()
                    .into_iter()
                    .flat_map(|members| members.keys())
                    .map(|key| key.as_str().into())
                    .collect(),
            ),
        }
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("json")
    }
}

/// The items that `inlist` spreads out.
#[derive(Debug)]
pub(super) struct Items(pub(super) Vec<Jinja>);

impl Object for Items {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }
}

/// A name that `ident` lets through.
#[derive(Debug)]
pub(super) struct Identifier(pub(super) String);

impl Object for Identifier {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }
}
