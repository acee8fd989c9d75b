//! What each parameter can be given so that a template takes another branch.

use tidegate_core::{parameter::ParameterType, value::Value};

use super::Declared;
use crate::arguments::Given;

/// A value to try a parameter with.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Choice {
    /// What to call it in a report: `without origin`, `sort = carrier`.
    pub(crate) label: String,
    pub(crate) given: Given,
}

impl Declared {
    /// The values that can lead a template another way: given and left out, every value of an enum, both booleans, the
    /// bounds of numbers and dates, a list that is empty, has one item or is as in the example. The first is the
    /// example, or what stands for one.
    pub(crate) fn choices(&self) -> Vec<Choice> {
        let mut choices: Vec<Choice> = Vec::new();
        let mut offer = |given: Option<Given>| {
            let Some(given) = given else { return };
            if choices.iter().all(|choice| choice.given != given) {
                choices.push(Choice { label: self.label(&given), given });
            }
        };
        offer(self.made_up());
        if !self.required {
            offer(Some(self.default.clone().unwrap_or(Given::Nothing)));
        }
        if self.kind == ParameterType::List {
            let first = match self.made_up() {
                Some(Given::Many(items)) => items.first().cloned(),
                _ => None,
            };
            offer(first.filter(|_| self.items.0 <= 1 && self.items.1 >= 1).map(|item| Given::Many(vec![item])));
            offer((self.items.0 == 0).then(|| Given::Many(Vec::new())));
            return choices;
        }
        let landmarks = match self.kind {
            ParameterType::Boolean => vec![Value::Boolean(true), Value::Boolean(false)],
            _ => self.rules.landmarks(),
        };
        landmarks.into_iter().for_each(|value| offer(Some(Given::One(value))));
        choices
    }

    fn label(&self, given: &Given) -> String {
        let name = &self.name;
        match given {
            Given::Nothing => format!("without {name}"),
            Given::One(Value::Boolean(value)) => format!("{name} = {value}"),
            Given::One(Value::Integer(value)) => format!("{name} = {value}"),
            Given::One(Value::String(value)) if self.kind == ParameterType::Enum => format!("{name} = {value}"),
            Given::One(_) => format!("with {name}"),
            Given::Many(items) => format!("{} items in {name}", items.len()),
        }
    }
}
