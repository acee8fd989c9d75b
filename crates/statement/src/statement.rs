//! Statements: text and bound values, never text with values in it.

use std::sync::Arc;

use tidegate_core::{parameter::ParameterType, value::Value};

use crate::{Class, Dialect};

/// A bound value and the type its parameter declares, which a NULL has too.
#[derive(Clone, Debug, PartialEq)]
pub struct Bind {
    /// The value.
    pub value: Value,
    /// The declared type; that of the items for an item of a list.
    pub kind: ParameterType,
}

/// What a template compiles to. Only this crate makes one, and only a statement reaches a connector.
#[derive(Clone, Debug)]
pub struct Statement {
    text: Arc<str>,
    binds: Vec<Bind>,
    dialect: Dialect,
    class: Class,
}

impl Statement {
    /// The text, with the dialect's placeholders.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The values, in the order of the placeholders.
    pub fn binds(&self) -> &[Bind] {
        &self.binds
    }

    /// The dialect it is written in.
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// What it may do. A connector locks its engine read-only unless this says `Write` or worse.
    pub fn class(&self) -> Class {
        self.class
    }
}
