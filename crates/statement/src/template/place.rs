//! Where in a template a part of its output comes from.

use std::{fmt, io, ops::Range, sync::Arc};

use minijinja::{
    Error, Output, State, Value as Jinja,
    machinery::{self, Token},
    syntax::SyntaxConfig,
    value::{Object, ObjectRepr},
};

use super::{
    Scope,
    environment::{self, MARK, NAME, write_value},
};
use crate::{Arguments, Dialect};

/// Begins the place of a value in the output of a rendering that notes places.
const PLACE: u8 = 2;

/// The name of the filter around every value of such a rendering. No template has it, for no filter is named so.
const FILTER: &str = "place";

/// What a statement was made of.
#[derive(Clone)]
pub(crate) struct Origin {
    source: Arc<str>,
    dialect: Dialect,
    arguments: Arguments,
}

impl Origin {
    pub(super) fn new(source: &Arc<str>, dialect: Dialect, arguments: &Arguments) -> Self {
        Self { source: Arc::clone(source), dialect, arguments: arguments.clone() }
    }

    /// The template.
    pub(crate) fn source(&self) -> &str {
        &self.source
    }

    /// Renders once more and notes where everything comes from. It takes longer than a plain rendering, and is for errors.
    pub(crate) fn places(&self) -> Places {
        let Noted { text, insertions } = noted(&self.source);
        let mut environment = environment::environment(self.dialect, self.arguments.parameters());
        // The same rendering came to its end within the limit.
        environment.set_fuel(None);
        environment.add_filter(FILTER, |value: Jinja, place: usize| Jinja::from_object(Placed { value, place }));
        let dialect = self.dialect;
        environment.set_formatter(move |output, state, value| write_placed(dialect, output, state, value));
        let mut writer = Writer { text: text.as_bytes(), insertions, dialect, places: Places::default(), value: 0 };
        if let Ok(template) = environment.template_from_named_str(NAME, &text) {
            // Should it fail all the same, the places up to there are known.
            let _ = template.render_captured_to(Jinja::from_object(Scope(self.arguments.clone())), &mut writer);
        }
        writer.places
    }

    /// What the `{{` at a place puts into the statement.
    pub(crate) fn describe(&self, place: usize) -> Option<Described> {
        let emission = Emission::all(&self.source).into_iter().find(|emission| emission.start == place)?;
        let expression = self.source.get(emission.expression)?;
        let mut names: Vec<&str> = Vec::new();
        let mut is_member = false;
        for (token, _) in machinery::tokenize(expression, true, SyntaxConfig::default()).map_while(Result::ok) {
            if let Token::Ident(name) = token
                && !is_member
                && self.arguments.parameters().find(name).is_some()
                && !names.contains(&name)
            {
                names.push(name);
            }
            is_member = matches!(token, Token::Dot | Token::Pipe);
        }
        Some(match names.as_slice() {
            [name] => Described::Parameter((*name).to_owned()),
            _ => Described::Expression(expression.trim().to_owned()),
        })
    }
}

/// What a placeholder stands for.
pub(crate) enum Described {
    /// The value of the one parameter of this name, or what is made of it.
    Parameter(String),
    /// The value of an expression over none or several parameters.
    Expression(String),
}

impl fmt::Display for Described {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Parameter(name) => write!(f, "the parameter `{name}`"),
            Self::Expression(expression) => write!(f, "the value `{{{{ {expression} }}}}`"),
        }
    }
}

/// Where the parts of a statement come from.
#[derive(Default)]
pub(crate) struct Places {
    /// The bytes of the statement in order, and the place in the template that each run of them comes from.
    runs: Vec<(Range<usize>, From)>,
    /// The place of the `{{` of each value, in the order of the placeholders.
    pub(crate) values: Vec<usize>,
}

#[derive(Clone, Copy)]
enum From {
    /// Copied from here.
    Text(usize),
    /// Written for the `{{` here.
    Value(usize),
}

impl Places {
    /// The place in the template of a place in the statement; of a value, that of its `{{`. None behind its end.
    pub(crate) fn source_offset(&self, offset: usize) -> Option<usize> {
        let after = self.runs.partition_point(|(run, _)| run.start <= offset);
        let (run, from) = self.runs.get(after.checked_sub(1)?)?;
        match from {
            // The end of the statement is a place as well.
            From::Text(start) if offset < run.end || (offset == run.end && after == self.runs.len()) => {
                Some(start + (offset - run.start))
            }
            From::Value(start) if offset <= run.end => Some(*start),
            _ => None,
        }
    }
}

/// A `{{ … }}` of a template, in bytes.
struct Emission {
    start: usize,
    expression: Range<usize>,
}

impl Emission {
    fn all(source: &str) -> Vec<Self> {
        let mut found = Vec::new();
        let mut start = None;
        for (token, span) in machinery::tokenize(source, false, SyntaxConfig::default()).map_while(Result::ok) {
            let (from, to) = (span.start_offset as usize, span.end_offset as usize);
            match token {
                Token::VariableStart => start = Some((from, to)),
                Token::VariableEnd => {
                    found.extend(start.take().map(|(start, inside)| Self { start, expression: inside..from }));
                }
                _ => {}
            }
        }
        found
    }
}

/// A template whose values tell their places.
struct Noted {
    text: String,
    /// Where in it something was inserted, and how much up to there.
    insertions: Vec<(usize, usize)>,
}

/// Wraps every `{{ expression }}` as `{{ (expression)|place(17) }}`. Nothing else changes, so that white space is
/// trimmed as before.
fn noted(source: &str) -> Noted {
    let mut text = String::with_capacity(source.len() * 2);
    let mut insertions = Vec::new();
    let mut copied = 0;
    for Emission { start, expression } in Emission::all(source) {
        for (at, insertion) in [(expression.start, "(".to_owned()), (expression.end, format!(")|{FILTER}({start})"))] {
            text.push_str(source.get(copied..at).unwrap_or_default());
            text.push_str(&insertion);
            copied = at;
            insertions.push((text.len(), text.len() - copied));
        }
    }
    text.push_str(source.get(copied..).unwrap_or_default());
    Noted { text, insertions }
}

/// A value and the place of its `{{`.
#[derive(Debug)]
struct Placed {
    value: Jinja,
    place: usize,
}

impl Object for Placed {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }
}

fn write_placed(
    dialect: Dialect,
    output: &mut Output<'_>,
    state: &mut State<'_, '_>,
    value: &Jinja,
) -> Result<(), Error> {
    let Some(Placed { value, place }) = value.downcast_object_ref::<Placed>() else {
        return write_value(dialect, output, state, value);
    };
    output.write_str(&format!("{}{place}", char::from(PLACE)))?;
    write_value(dialect, output, state, value)
}

/// Takes the output of a rendering that notes places.
struct Writer<'a> {
    text: &'a [u8],
    insertions: Vec<(usize, usize)>,
    dialect: Dialect,
    places: Places,
    /// The place of the value under way.
    value: usize,
}

impl Writer<'_> {
    fn push(&mut self, length: usize, from: From) {
        let start = self.places.runs.last().map_or(0, |(run, _)| run.end);
        self.places.runs.push((start..start + length, from));
    }

    /// The place in the template of a place in the text that was rendered.
    fn source_offset(&self, at: usize) -> usize {
        let before = self.insertions.partition_point(|(end, _)| *end <= at);
        let inserted =
            before.checked_sub(1).and_then(|last| self.insertions.get(last)).map_or(0, |(_, inserted)| *inserted);
        at - inserted
    }
}

impl io::Write for Writer<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // Minijinja writes literal text straight from its source, so its address tells where it stands there.
        let (text, range) = (self.text.as_ptr_range(), bytes.as_ptr_range());
        if text.start <= range.start && range.end <= text.end {
            let from = self.source_offset(range.start.addr() - text.start.addr());
            self.push(bytes.len(), From::Text(from));
        } else if let Some((&PLACE, place)) = bytes.split_first() {
            self.value = std::str::from_utf8(place).ok().and_then(|place| place.parse().ok()).unwrap_or(self.value);
        } else if bytes == MARK.encode_utf8(&mut [0; 4]).as_bytes() {
            let mut placeholder = String::new();
            self.dialect.push_placeholder(&mut placeholder, self.places.values.len());
            self.places.values.push(self.value);
            self.push(placeholder.len(), From::Value(self.value));
        } else {
            self.push(bytes.len(), From::Value(self.value));
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
