//! From a tree to the domain's types, with the place of what does not fit.

use std::fmt;

use serde::{
    Deserialize,
    de::{
        self, DeserializeSeed, Deserializer, EnumAccess, Expected, IntoDeserializer, MapAccess, SeqAccess, Unexpected,
        VariantAccess, Visitor, value::StrDeserializer,
    },
    forward_to_deserialize_any,
};
use tidegate_core::name::nearest;

use super::node::{Content, Entry, Node, Place};

/// What does not fit, and where.
#[derive(Debug)]
pub(crate) struct Mismatch {
    pub(crate) message: String,
    pub(crate) place: Option<Place>,
    /// The keys that lead to it, the innermost first.
    keys: Vec<String>,
}

impl Mismatch {
    fn at(mut self, place: Place) -> Self {
        self.place.get_or_insert(place);
        self
    }

    fn under(mut self, key: &str) -> Self {
        self.keys.push(key.to_owned());
        self
    }

    /// The message with the dotted key that it is about.
    pub(crate) fn with_key(&self) -> String {
        let keys: Vec<&str> = self.keys.iter().rev().map(String::as_str).collect();
        if keys.is_empty() { self.message.clone() } else { format!("`{}`: {}", keys.join("."), self.message) }
    }
}

/// The tree as a value of the domain.
pub(crate) fn read<'a, T: Deserialize<'a>>(node: &'a Node) -> Result<T, Mismatch> {
    T::deserialize(Typed(node))
}

/// The message for a key that is not among the known ones.
pub(crate) fn unknown_key(key: &str, known: &[&str]) -> String {
    match nearest(key, known.iter().copied()) {
        Some(near) => format!("there is no key `{key}` here; did you mean `{near}`?"),
        None => format!("there is no key `{key}` here; the keys are {}", quoted(known)),
    }
}

fn quoted(words: &[&str]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Mismatch {}

impl de::Error for Mismatch {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self { message: message.to_string(), place: None, keys: Vec::new() }
    }

    // What was found is named by its kind alone: the value may be a secret.
    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let expected = expected.to_string();
        let expected = in_plain_words(&expected);
        let (found, is_scalar) = match found {
            Unexpected::Bool(_) => ("`true` or `false`", true),
            Unexpected::Unsigned(_) | Unexpected::Signed(_) | Unexpected::Float(_) => ("a number", true),
            Unexpected::Str(_) | Unexpected::Char(_) => ("a text", false),
            Unexpected::Unit | Unexpected::Option => ("nothing", false),
            Unexpected::Seq => ("a list", false),
            Unexpected::Map => ("a mapping", false),
            _ => ("something else", false),
        };
        let hint = if is_scalar && expected == "a text" { "; put it in quotes" } else { "" };
        Self::custom(format_args!("expected {expected}, found {found}{hint}"))
    }

    fn invalid_value(_found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::custom(format_args!("expected {}", in_plain_words(&expected.to_string())))
    }

    fn unknown_variant(variant: &str, known: &'static [&'static str]) -> Self {
        let hint = match nearest(variant, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("use one of {}", quoted(known)),
        };
        Self::custom(format_args!("`{variant}` is not known here; {hint}"))
    }

    fn unknown_field(field: &str, known: &'static [&'static str]) -> Self {
        Self::custom(unknown_key(field, known))
    }

    fn missing_field(field: &'static str) -> Self {
        Self::custom(format_args!("the key `{field}` is missing"))
    }
}

/// Serde names what it expects in the words of Rust.
fn in_plain_words(expected: &str) -> &str {
    match expected {
        "a string" => "a text",
        "a boolean" => "`true` or `false`",
        "a sequence" => "a list",
        "u16" => "a whole number from 0 to 65535",
        "u32" => "a whole number from 0 to 4294967295",
        "u64" => "a whole number, not negative",
        _ if expected.starts_with("struct ") => "a mapping",
        _ => expected,
    }
}

struct Typed<'a>(&'a Node);

impl<'de> Deserializer<'de> for Typed<'de> {
    type Error = Mismatch;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        match &self.0.content {
            Content::Null => visitor.visit_unit(),
            Content::Boolean(value) => visitor.visit_bool(*value),
            Content::Integer(value) => visitor.visit_i64(*value),
            Content::Unsigned(value) => visitor.visit_u64(*value),
            Content::Float(value) => visitor.visit_f64(*value),
            Content::Text(text) => visitor.visit_borrowed_str(text),
            Content::Sequence(items) => visitor.visit_seq(Items(items.iter())),
            Content::Mapping(entries) => visitor.visit_map(Entries { rest: entries.iter(), current: None }),
        }
        .map_err(|mismatch| mismatch.at(self.0.place))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        match self.0.content {
            Content::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        // Serde would take a list for the fields in their order.
        match self.0.content {
            Content::Sequence(_) => {
                Err(<Mismatch as de::Error>::invalid_type(Unexpected::Seq, &visitor).at(self.0.place))
            }
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        let place = self.0.place;
        match &self.0.content {
            Content::Text(text) => visitor.visit_enum(Variant { name: text, place, value: None }),
            Content::Mapping(entries) => match entries.as_slice() {
                [Entry { key, place, value }] => {
                    visitor.visit_enum(Variant { name: key, place: *place, value: Some(value) })
                }
                _ => Err(de::Error::custom(format_args!("expected exactly one of the keys {}", quoted(variants)))),
            },
            _ => Err(de::Error::custom(format_args!("expected one of {}", quoted(variants)))),
        }
        .map_err(|mismatch: Mismatch| mismatch.at(place))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map identifier ignored_any
    }
}

struct Items<'a>(std::slice::Iter<'a, Node>);

impl<'de> SeqAccess<'de> for Items<'de> {
    type Error = Mismatch;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Mismatch> {
        self.0.next().map(|item| seed.deserialize(Typed(item)).map_err(|mismatch| mismatch.at(item.place))).transpose()
    }
}

struct Entries<'a> {
    rest: std::slice::Iter<'a, Entry>,
    current: Option<&'a Entry>,
}

impl<'de> MapAccess<'de> for Entries<'de> {
    type Error = Mismatch;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Mismatch> {
        let Some(entry) = self.rest.next() else { return Ok(None) };
        self.current = Some(entry);
        let key: StrDeserializer<'_, Mismatch> = entry.key.as_str().into_deserializer();
        seed.deserialize(key).map(Some).map_err(|mismatch| mismatch.at(entry.place))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Mismatch> {
        let Entry { key, value, .. } =
            self.current.take().ok_or_else(|| <Mismatch as de::Error>::custom("a value was read before its key"))?;
        seed.deserialize(Typed(value)).map_err(|mismatch| mismatch.at(value.place).under(key))
    }
}

struct Variant<'a> {
    name: &'a str,
    place: Place,
    value: Option<&'a Node>,
}

impl<'de> EnumAccess<'de> for Variant<'de> {
    type Error = Mismatch;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Mismatch> {
        let name: StrDeserializer<'_, Mismatch> = self.name.into_deserializer();
        let variant = seed.deserialize(name).map_err(|mismatch| mismatch.at(self.place))?;
        Ok((variant, self))
    }
}

impl<'de> Variant<'de> {
    fn settings(&self) -> Result<Typed<'de>, Mismatch> {
        let missing = || <Mismatch as de::Error>::custom(format_args!("`{}` needs its settings below it", self.name));
        self.value.map(Typed).ok_or_else(missing)
    }
}

impl<'de> VariantAccess<'de> for Variant<'de> {
    type Error = Mismatch;

    fn unit_variant(self) -> Result<(), Mismatch> {
        match self.value {
            None => Ok(()),
            Some(_) => Err(de::Error::custom(format_args!("`{}` stands alone, without anything below it", self.name))),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Mismatch> {
        seed.deserialize(self.settings()?)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _length: usize, visitor: V) -> Result<V::Value, Mismatch> {
        self.settings()?.deserialize_any(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        self.settings()?.deserialize_any(visitor)
    }
}
