//! The declared parameters of a query, compiled once and checked against every call.

mod choices;

pub(crate) use choices::Choice;

use std::sync::Arc;

use serde_json::{Map, Value as Json};
use tidegate_core::{
    Error, ErrorCode, Result,
    error::Fault,
    name::nearest,
    parameter::{Parameter, ParameterType, declaration_faults},
};

use crate::{
    arguments::{Arguments, Given},
    value::{Rules, described},
};

/// The compiled parameters of a query. A clone shares them.
#[derive(Clone, Debug)]
pub struct Parameters {
    declared: Arc<[Declared]>,
}

/// One compiled parameter.
#[derive(Debug)]
pub(crate) struct Declared {
    pub(crate) name: String,
    pub(crate) kind: ParameterType,
    /// The rules of the items for a list.
    pub(crate) rules: Rules,
    /// The fewest and the most items of a list.
    items: (u64, u64),
    required: bool,
    default: Option<Given>,
    example: Option<Given>,
}

impl Parameters {
    /// Compiles declarations. `InvalidRequest` with a fault for every name, constraint, default or example that is
    /// wrong; the field of each is `parameters.<name>`.
    pub fn new(parameters: &[Parameter]) -> Result<Self> {
        let mut faults = declaration_faults(parameters);
        let declared = parameters.iter().map(|parameter| Declared::new(parameter, &mut faults)).collect();
        match failure(ErrorCode::InvalidRequest, "the parameters have", faults) {
            Some(error) => Err(error),
            None => Ok(Self { declared }),
        }
    }

    /// Checks the arguments of a call, and fills in the defaults. `InvalidArgument` with a fault for every argument
    /// that is missing, unknown or wrong; the field of each is the name of the argument, and for an item of a list its
    /// index too: `ids.3`. A parameter that need not be given may be `null`.
    pub fn check(&self, given: &Map<String, Json>) -> Result<Arguments> {
        let mut faults = Vec::new();
        for name in given.keys().filter(|name| self.find(name).is_none()) {
            faults.push(Fault::of(name, self.unknown(name)));
        }
        let values = self.declared.iter().map(|declared| declared.check(given.get(&declared.name), &mut faults));
        let values = values.collect();
        match failure(ErrorCode::InvalidArgument, "the arguments have", faults) {
            Some(error) => Err(error),
            None => Ok(Arguments::new(self.clone(), values)),
        }
    }

    /// A value for every parameter: its example, else its default, else one made up from its constraints. With these a
    /// query is checked when it is saved. A document without an example is left NULL. `InvalidRequest` when no value that
    /// meets the constraints can be made up.
    pub fn examples(&self) -> Result<Arguments> {
        self.made_up(|_| true)
    }

    /// As [`Parameters::examples`], with only what a call must give.
    pub fn required_examples(&self) -> Result<Arguments> {
        self.made_up(|declared| declared.required)
    }

    fn made_up(&self, is_given: impl Fn(&Declared) -> bool) -> Result<Arguments> {
        let mut faults = Vec::new();
        let values = self.declared.iter().map(|declared| {
            if is_given(declared) {
                declared.made_up().unwrap_or_else(|| {
                    let message = format!(
                        "give `{}` an `example`: none can be made up that meets its constraints",
                        declared.name
                    );
                    faults.push(Fault::of(format!("parameters.{}", declared.name), message));
                    Given::Nothing
                })
            } else {
                declared.default.clone().unwrap_or(Given::Nothing)
            }
        });
        let values = values.collect();
        match failure(ErrorCode::InvalidRequest, "the parameters have", faults) {
            Some(error) => Err(error),
            None => Ok(Arguments::new(self.clone(), values)),
        }
    }

    /// Arguments with these values, in the order of the parameters. They are from [`Declared::choices`], so they fit.
    pub(crate) fn chosen(&self, values: Vec<Given>) -> Arguments {
        Arguments::new(self.clone(), values)
    }

    pub(crate) fn declared(&self) -> &[Declared] {
        &self.declared
    }

    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.declared, &other.declared)
    }

    pub(crate) fn find(&self, name: &str) -> Option<&Declared> {
        self.declared.iter().find(|declared| declared.name == name)
    }

    /// What to say of a name that is not declared.
    pub(crate) fn unknown(&self, name: &str) -> String {
        let names = || self.declared.iter().map(|declared| declared.name.as_str());
        if let Some(meant) = nearest(name, names()) {
            return format!("there is no parameter `{name}`; did you mean `{meant}`?");
        }
        if self.declared.is_empty() {
            return format!("there is no parameter `{name}`: none is declared");
        }
        let names: Vec<String> = names().map(|name| format!("`{name}`")).collect();
        format!("there is no parameter `{name}`; there is {}", names.join(", "))
    }
}

impl Declared {
    fn new(parameter: &Parameter, faults: &mut Vec<Fault>) -> Self {
        let mut fault = |message: String| faults.push(Fault::of(format!("parameters.{}", parameter.name), message));
        let rules = Rules::new(&parameter.item(), &mut fault);
        let items = (parameter.min_length.unwrap_or(0), parameter.max_items());
        if parameter.kind == ParameterType::List && items.0 > items.1 {
            fault(format!("`min_length` is greater than the most items, which are {}", items.1));
        }
        let mut declared = Self {
            name: parameter.name.clone(),
            kind: parameter.kind,
            rules,
            items,
            required: parameter.is_required(),
            default: None,
            example: None,
        };
        let mut value = |what: &str, json: &Option<Json>| {
            let mut problems = Vec::new();
            let given = json.as_ref().filter(|json| !json.is_null()).map(|json| declared.read(json, &mut problems));
            for problem in problems {
                fault(format!("`{what}` {}", problem.message));
            }
            given
        };
        let default = value("default", &parameter.default);
        let example = value("example", &parameter.example);
        declared.default = default;
        declared.example = example;
        declared
    }

    /// The kind of one value: that of the items for a list.
    pub(crate) fn item_kind(&self) -> ParameterType {
        self.rules.kind
    }

    fn check(&self, json: Option<&Json>, faults: &mut Vec<Fault>) -> Given {
        match json.filter(|json| !json.is_null()) {
            Some(json) => {
                let first = faults.len();
                let given = self.read(json, faults);
                for fault in faults.iter_mut().skip(first) {
                    let path = match &fault.field {
                        Some(index) => format!("{}.{index}", self.name),
                        None => self.name.clone(),
                    };
                    fault.message = format!("`{path}` {}", fault.message);
                    fault.field = Some(path);
                }
                given
            }
            None if self.required && json.is_some() => {
                faults.push(Fault::of(&self.name, format!("`{}` is required and cannot be null", self.name)));
                Given::Nothing
            }
            None if self.required => {
                faults.push(Fault::of(&self.name, format!("`{}` is required and was not given", self.name)));
                Given::Nothing
            }
            None => self.default.clone().unwrap_or(Given::Nothing),
        }
    }

    /// Reads one value or a list. The field of a fault is the index of the item, or none.
    fn read(&self, json: &Json, faults: &mut Vec<Fault>) -> Given {
        let mut fault = |index: Option<usize>, message| {
            faults.push(Fault { message, field: index.map(|index| index.to_string()), ..Fault::default() });
        };
        if self.kind != ParameterType::List {
            return self.rules.read(json).map_err(|problem| fault(None, problem)).map_or(Given::Nothing, Given::One);
        }
        let Some(items) = json.as_array() else {
            fault(None, format!("must be a list, not {}", described(json)));
            return Given::Nothing;
        };
        let (count, (least, most)) = (items.len() as u64, self.items);
        if count < least {
            fault(None, format!("must have at least {least} items, not {count}"));
        }
        if count > most {
            // The items are not looked at: there may be millions.
            fault(None, format!("must have at most {most} items, not {count}"));
            return Given::Nothing;
        }
        let values = items.iter().enumerate();
        let values = values
            .filter_map(|(index, item)| self.rules.read(item).map_err(|problem| fault(Some(index), problem)).ok());
        Given::Many(values.collect())
    }

    fn made_up(&self) -> Option<Given> {
        if let Some(given) = self.example.as_ref().or(self.default.as_ref()) {
            return Some(given.clone());
        }
        if self.item_kind() == ParameterType::Json {
            // A NULL, whose members are NULL as well.
            return Some(Given::Nothing);
        }
        let value = self.rules.plausible()?;
        Some(if self.kind == ParameterType::List {
            let count = usize::try_from(self.items.0.max(1)).ok()?;
            Given::Many(vec![value; count])
        } else {
            Given::One(value)
        })
    }
}

/// One error out of faults; none when there are none. A single fault is the message itself.
pub(crate) fn failure(code: ErrorCode, subject: &str, faults: Vec<Fault>) -> Option<Error> {
    let first = faults.first()?;
    let message = match faults.len() {
        1 => first.message.clone(),
        count => format!("{subject} {count} faults; the first: {}", first.message),
    };
    Some(Error::new(code, message).with_faults(faults))
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tidegate_core::value::Value;

    use super::*;

    fn parameters(declarations: Json) -> Result<Parameters> {
        let declarations: Vec<Parameter> = serde_json::from_value(declarations).unwrap();
        Parameters::new(&declarations)
    }

    fn faults(error: &Error) -> Vec<(&str, &str)> {
        error.faults().iter().map(|fault| (fault.field.as_deref().unwrap_or(""), fault.message.as_str())).collect()
    }

    fn check(parameters: &Parameters, arguments: Json) -> Result<Arguments> {
        parameters.check(arguments.as_object().unwrap())
    }

    #[test]
    fn every_wrong_argument_is_a_fault_of_its_own() {
        let parameters = parameters(json!([
            {"name": "carrier", "type": "string", "max_length": 2, "pattern": "^[A-Z]+$"},
            {"name": "since", "type": "date", "minimum": "2020-01-01", "required": false},
            {"name": "limit", "type": "integer", "default": 10, "maximum": 100},
            {"name": "ids", "type": "list", "items": {"type": "integer", "minimum": 1}, "max_length": 4, "required": false},
            {"name": "sort", "type": "enum", "enum": ["origin", "delay"], "required": false},
        ]))
        .unwrap();
        let error = check(
            &parameters,
            json!({"carier": "UA", "since": "2019-12-31", "limit": 101, "ids": [1, "2", 3, 0], "sort": "delays"}),
        )
        .unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidArgument);
        assert_eq!(
            faults(&error),
            [
                ("carier", "there is no parameter `carier`; did you mean `carrier`?"),
                ("carrier", "`carrier` is required and was not given"),
                ("since", "`since` must be at least 2020-01-01"),
                ("limit", "`limit` must be at most 100"),
                ("ids.1", "`ids.1` must be a whole number, not this text"),
                ("ids.3", "`ids.3` must be at least 1"),
                ("sort", "`sort` must be one of `origin`, `delay`; did you mean `delay`?"),
            ]
        );
        let error = check(&parameters, json!({"carrier": null, "ids": [1, 2, 3, 4, 5]})).unwrap_err();
        assert_eq!(
            faults(&error),
            [
                ("carrier", "`carrier` is required and cannot be null"),
                ("ids", "`ids` must have at most 4 items, not 5"),
            ]
        );
        let error = check(&parameters, json!({"carrier": "ua", "zzz": 1, "ids": 7})).unwrap_err();
        assert_eq!(
            faults(&error),
            [
                ("zzz", "there is no parameter `zzz`; there is `carrier`, `since`, `limit`, `ids`, `sort`"),
                ("carrier", "`carrier` must match the pattern `^[A-Z]+$`"),
                ("ids", "`ids` must be a list, not this number"),
            ]
        );
    }

    #[test]
    fn defaults_fill_in_and_null_is_not_given() {
        let parameters = parameters(json!([
            {"name": "a", "type": "integer", "default": 3},
            {"name": "b", "type": "string", "required": false},
        ]))
        .unwrap();
        let arguments = check(&parameters, json!({"a": null, "b": null})).unwrap();
        assert_eq!(arguments.values(), [Given::One(Value::Integer(3)), Given::Nothing]);
        assert_eq!(arguments.hash(), check(&parameters, json!({"a": 3})).unwrap().hash());
        assert_ne!(arguments.hash(), check(&parameters, json!({"b": ""})).unwrap().hash());
    }

    #[test]
    fn wrong_declarations_are_faults() {
        let error = parameters(json!([
            {"name": "a", "type": "integer", "minimum": 1.5, "default": "x"},
            {"name": "b", "type": "string", "pattern": "(", "example": 3},
            {"name": "c", "type": "string", "pattern": "(a{1000}){1000}"},
            {"name": "d", "type": "date", "minimum": "2024-01-01", "maximum": "2023-01-01"},
            {"name": "e", "type": "list", "items": {"type": "string"}, "default": ["a", 1], "min_length": 9, "max_length": 3},
            {"name": "f", "type": "string", "min_length": 3, "max_length": 2},
        ]))
        .unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidRequest);
        assert_eq!(
            faults(&error),
            [
                ("parameters.a", "`minimum` must be a whole number without a fraction or an exponent, not this number"),
                ("parameters.a", "`default` must be a whole number, not this text"),
                ("parameters.b", "`pattern` cannot be used: unclosed group"),
                ("parameters.b", "`example` must be text, not this number"),
                ("parameters.c", "`pattern` cannot be used: compiled regex exceeds size limit of 1048576 bytes."),
                ("parameters.d", "`minimum` is greater than `maximum`"),
                ("parameters.e", "`min_length` is greater than the most items, which are 3"),
                ("parameters.e", "`default` must have at least 9 items, not 2"),
                ("parameters.e", "`default` must be text, not this number"),
                ("parameters.f", "`min_length` is greater than `max_length`"),
            ]
        );
    }

    #[test]
    fn examples_are_made_up_from_the_constraints() {
        let parameters = parameters(json!([
            {"name": "a", "type": "integer", "minimum": 10},
            {"name": "b", "type": "number", "maximum": 0.5},
            {"name": "c", "type": "string", "min_length": 3, "required": false},
            {"name": "d", "type": "date", "maximum": "2010-01-01"},
            {"name": "e", "type": "list", "items": {"type": "enum", "enum": ["p", "q"]}, "min_length": 2},
            {"name": "f", "type": "string", "example": "given", "default": "other"},
            {"name": "g", "type": "string", "pattern": "^[A-Z]{2}$"},
            {"name": "h", "type": "uuid", "required": false},
        ]))
        .unwrap();
        let all = parameters.examples().unwrap();
        let text = |text: &str| Given::One(Value::String(text.into()));
        assert_eq!(all.values()[0], Given::One(Value::Integer(10)));
        assert_eq!(all.values()[1], Given::One(Value::Number("0.5".into())));
        assert_eq!(all.values()[2], text("xxx"));
        assert_eq!(all.values()[4], Given::Many(vec![Value::String("p".into()); 2]));
        assert_eq!((&all.values()[5], &all.values()[6]), (&text("given"), &text("AA")));
        assert!(matches!(all.values()[7], Given::One(Value::Uuid(_))));
        let required = parameters.required_examples().unwrap();
        assert_eq!((&required.values()[2], &required.values()[5]), (&Given::Nothing, &text("other")));
    }

    #[test]
    fn an_example_that_cannot_be_made_up_is_asked_for() {
        let parameters = parameters(json!([{"name": "code", "type": "string", "pattern": "^K-[0-9]{9}$"}])).unwrap();
        let error = parameters.examples().unwrap_err();
        assert_eq!(error.message(), "give `code` an `example`: none can be made up that meets its constraints");
    }
}
