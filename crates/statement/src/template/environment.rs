//! What a template may use, and how it is written out: every value becomes a placeholder.

use std::sync::Arc;

use minijinja::{
    AutoEscape, Environment, Error, Output, State, UndefinedBehavior, Value as Jinja, filters, tests,
    value::{Rest, ValueKind},
};

use super::value::{self, Identifier, Items, refused};
use crate::{Bind, Dialect, Parameters};

/// Stands for one bound value until the numbers of the placeholders are known. A template cannot have it in its text.
pub(super) const MARK: char = '\u{1}';

/// The name of the one template of an environment.
pub(super) const NAME: &str = "statement";

/// The most instructions of one rendering: enough for a loop over thousands of items.
const FUEL: u64 = 250_000;

/// How deep expressions may recurse.
const RECURSION: usize = 50;

/// The most bytes that `replace` may make of a text.
const MAX_REPLACED: usize = 1 << 20;

/// The filters there are.
pub(super) const FILTERS: &[&str] = &[
    "abs",
    "bool",
    "capitalize",
    "count",
    "d",
    "default",
    "dictsort",
    "first",
    "float",
    "ident",
    "inlist",
    "int",
    "items",
    "join",
    "last",
    "length",
    "list",
    "lower",
    "map",
    "max",
    "min",
    "reject",
    "rejectattr",
    "replace",
    "reverse",
    "round",
    "select",
    "selectattr",
    "sort",
    "split",
    "string",
    "sum",
    "title",
    "trim",
    "unique",
    "upper",
];

/// The tests there are.
pub(super) const TESTS: &[&str] = &[
    "boolean",
    "defined",
    "divisibleby",
    "endingwith",
    "eq",
    "even",
    "false",
    "ge",
    "gt",
    "in",
    "le",
    "lt",
    "mapping",
    "ne",
    "none",
    "null",
    "number",
    "odd",
    "sequence",
    "startingwith",
    "string",
    "true",
    "undefined",
];

/// The values that a rendering bound, in the order of their marks.
#[derive(Default)]
pub(super) struct Binds(pub(super) Vec<Bind>);

/// The environment of one template, without its text.
pub(super) fn environment(dialect: Dialect, parameters: &Parameters) -> Environment<'static> {
    let mut environment = Environment::empty();
    environment.set_undefined_behavior(UndefinedBehavior::SemiStrict);
    environment.set_debug(false);
    environment.set_fuel(Some(FUEL));
    environment.set_recursion_limit(RECURSION);
    // With an escape of its own, text that a template puts together arrives as safe text, and is refused.
    environment.set_auto_escape_callback(|_| AutoEscape::Custom("sql".into()));
    environment.set_formatter(move |output, state, value| write_value(dialect, output, state, value));
    add_filters(&mut environment);
    add_tests(&mut environment);
    let declared = parameters.declared().iter();
    let identifiers: Arc<[String]> = declared.flat_map(|declared| declared.rules.identifiers()).cloned().collect();
    environment.add_filter("ident", move |value: &Jinja| identifier(value, &identifiers));
    environment
}

fn add_filters(environment: &mut Environment<'static>) {
    environment.add_filter("abs", filters::abs);
    environment.add_filter("bool", filters::bool);
    environment.add_filter("capitalize", filters::capitalize);
    environment.add_filter("count", filters::length);
    environment.add_filter("d", default);
    environment.add_filter("default", default);
    environment.add_filter("dictsort", filters::dictsort);
    environment.add_filter("first", filters::first);
    environment.add_filter("float", filters::float);
    environment.add_filter("inlist", items);
    environment.add_filter("int", filters::int);
    environment.add_filter("items", filters::items);
    environment.add_filter("join", filters::join);
    environment.add_filter("last", filters::last);
    environment.add_filter("length", filters::length);
    environment.add_filter("list", filters::list);
    environment.add_filter("lower", filters::lower);
    environment.add_filter("map", filters::map);
    environment.add_filter("max", filters::max);
    environment.add_filter("min", filters::min);
    environment.add_filter("reject", filters::reject);
    environment.add_filter("rejectattr", filters::rejectattr);
    environment.add_filter("replace", replace);
    environment.add_filter("reverse", filters::reverse);
    environment.add_filter("round", filters::round);
    environment.add_filter("select", filters::select);
    environment.add_filter("selectattr", filters::selectattr);
    environment.add_filter("sort", filters::sort);
    environment.add_filter("split", filters::split);
    environment.add_filter("string", filters::string);
    environment.add_filter("sum", filters::sum);
    environment.add_filter("title", filters::title);
    environment.add_filter("trim", filters::trim);
    environment.add_filter("unique", filters::unique);
    environment.add_filter("upper", filters::upper);
}

fn add_tests(environment: &mut Environment<'static>) {
    environment.add_test("boolean", tests::is_boolean);
    environment.add_test("defined", tests::is_defined);
    environment.add_test("divisibleby", tests::is_divisibleby);
    environment.add_test("endingwith", tests::is_endingwith);
    environment.add_test("eq", tests::is_eq);
    environment.add_test("even", tests::is_even);
    environment.add_test("false", tests::is_false);
    environment.add_test("ge", tests::is_ge);
    environment.add_test("gt", tests::is_gt);
    environment.add_test("in", tests::is_in);
    environment.add_test("le", tests::is_le);
    environment.add_test("lt", tests::is_lt);
    environment.add_test("mapping", tests::is_mapping);
    environment.add_test("ne", tests::is_ne);
    environment.add_test("none", |value: &Jinja| value::is_null(value));
    environment.add_test("null", |value: &Jinja| value::is_null(value));
    environment.add_test("number", |value: &Jinja| value::is_number(value));
    environment.add_test("odd", tests::is_odd);
    environment.add_test("sequence", tests::is_sequence);
    environment.add_test("startingwith", tests::is_startingwith);
    environment.add_test("string", tests::is_string);
    environment.add_test("true", tests::is_true);
    environment.add_test("undefined", tests::is_undefined);
}

/// Writes a mark for a value and keeps the value; nothing of the value reaches the text.
pub(super) fn write_value(
    dialect: Dialect,
    output: &mut Output<'_>,
    state: &mut State<'_, '_>,
    value: &Jinja,
) -> Result<(), Error> {
    let mut mark = [0; 4];
    let mark: &str = MARK.encode_utf8(&mut mark);
    if let Some(Identifier(name)) = value.downcast_object_ref::<Identifier>() {
        let mut quoted = String::with_capacity(name.len() + 2);
        dialect.push_identifier(&mut quoted, name);
        output.write_str(&quoted)?;
        return Ok(());
    }
    let binds = &mut state.get_or_insert_extension_with(Binds::default).0;
    let Some(Items(items)) = value.downcast_object_ref::<Items>() else {
        binds.push(value::bind(value)?);
        output.write_str(mark)?;
        return Ok(());
    };
    if items.is_empty() {
        output.write_str("NULL")?;
    }
    for (index, item) in items.iter().enumerate() {
        binds.push(value::bind(item)?);
        if index > 0 {
            output.write_str(", ")?;
        }
        output.write_str(mark)?;
    }
    Ok(())
}

/// `ident`: lets a value through that an enum parameter declares.
fn identifier(value: &Jinja, allowed: &[String]) -> Result<Jinja, Error> {
    match value.as_str().filter(|_| !value.is_safe()) {
        Some(name) if allowed.iter().any(|allowed| allowed == name) && !name.contains(char::is_control) => {
            Ok(Jinja::from_object(Identifier(name.to_owned())))
        }
        Some(_) => Err(refused("`ident` takes a value of an enum parameter, without control characters")),
        None => {
            Err(refused("`ident` takes a value of an enum parameter, and none was given; test it with `{% if … %}`"))
        }
    }
}

/// `inlist`: spreads a list out into values with commas between them.
fn items(value: &Jinja) -> Result<Jinja, Error> {
    match value.kind() {
        ValueKind::Seq | ValueKind::Iterable => Ok(Jinja::from_object(Items(value.try_iter()?.collect()))),
        _ if value::is_null(value) => Ok(Jinja::from_object(Items(Vec::new()))),
        _ => Err(refused("`inlist` takes a list")),
    }
}

/// `default`: another value for one that was not given, or with `true` after it for one that is false.
fn default(value: &Jinja, arguments: Rest<Jinja>) -> Jinja {
    let is_lax = arguments.get(1).is_some_and(Jinja::is_true);
    if value.is_undefined() || value::is_null(value) || (is_lax && !value.is_true()) {
        arguments.first().cloned().unwrap_or_else(|| "".into())
    } else {
        value.clone()
    }
}

/// `replace`, within a limit.
fn replace(text: String, from: String, to: String) -> Result<String, Error> {
    let count = text.matches(&from).count();
    if count.saturating_mul(to.len()) > MAX_REPLACED {
        return Err(refused("`replace` would make a text longer than a megabyte"));
    }
    Ok(text.replace(&from, &to))
}

#[cfg(test)]
mod names {
    use minijinja::ErrorKind;

    use super::*;

    #[test]
    fn the_names_listed_are_those_that_exist() {
        let environment = environment(Dialect::Postgres, &Parameters::new(&[]).unwrap());
        let mut state = environment.empty_state();
        for name in FILTERS {
            let kind = state.apply_filter(name, &[]).map_err(|error| error.kind());
            assert_ne!(kind.err(), Some(ErrorKind::UnknownFilter), "{name}");
        }
        for name in TESTS {
            let kind = state.perform_test(name, &[]).map_err(|error| error.kind());
            assert_ne!(kind.err(), Some(ErrorKind::UnknownTest), "{name}");
        }
    }
}
