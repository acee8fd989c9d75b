//! Templates: text of an author that becomes statements, with every value bound.

mod branches;
mod check;
mod environment;
mod known;
mod place;
mod value;

use std::{fmt, io, ops::Range, sync::Arc};

pub(crate) use place::{Described, Origin, Places};

pub use branches::Branch;
use minijinja::{
    Environment, Value as Jinja, machinery,
    syntax::SyntaxConfig,
    value::{Enumerator, Object},
};
use serde_json::{Map, Value as Json};
use tidegate_core::{Error, ErrorCode, Result, error::Fault, parameter::Parameter};

use self::environment::{Binds, MARK, NAME};
use crate::{
    Arguments, Bind, Dialect, Parameters, Statement,
    guard::{self, Analysis, Problem},
    parameters::failure,
};

/// The most bytes of a template.
const MAX_TEMPLATE: usize = 1 << 16;

/// A template, compiled once. It is shared between threads, and bound once a call.
pub struct Template {
    environment: Environment<'static>,
    source: Arc<str>,
    parameters: Parameters,
    dialect: Dialect,
}

impl Template {
    /// Compiles a template and its parameters, and tries it out with example values: once with all of them, once with
    /// only those that are required.
    ///
    /// `InvalidRequest` when the parameters are wrong, `InvalidTemplate` with line and column of every fault of the
    /// template, `InvalidStatement` when what comes out is not one statement of the dialect.
    pub fn compile(text: &str, parameters: &[Parameter], dialect: Dialect) -> Result<Self> {
        let template = Self::recompile(text, parameters, dialect)?;
        // Without examples there is nothing to try; whoever saves the query asks for them.
        for arguments in [template.parameters.examples(), template.parameters.required_examples()].into_iter().flatten()
        {
            template.bind(&arguments)?;
        }
        Ok(template)
    }

    /// Compiles a template that was compiled before, when it was saved. It is not tried out: each text that comes out of
    /// it is analysed when it is bound. The errors are those of [`Template::compile`].
    pub fn recompile(text: &str, parameters: &[Parameter], dialect: Dialect) -> Result<Self> {
        let parameters = Parameters::new(parameters)?;
        if text.len() > MAX_TEMPLATE {
            return Err(Error::new(ErrorCode::InvalidTemplate, "the template is longer than 64 KiB; shorten it"));
        }
        let refuse = |faults| failure(ErrorCode::InvalidTemplate, "the template has", faults).map_or(Ok(()), Err);
        refuse(check::text::faults(text))?;
        let parsed =
            machinery::parse(text, NAME, SyntaxConfig::default()).map_err(|error| template_error(text, &error))?;
        refuse(check::faults(text, &parsed, &parameters))?;

        let mut environment = environment::environment(dialect, &parameters);
        environment.add_template_owned(NAME, text.to_owned()).map_err(|error| template_error(text, &error))?;
        Ok(Self { environment, source: text.into(), parameters, dialect })
    }

    /// Its parameters.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// Checks the arguments of a call; see [`Parameters::check`].
    pub fn arguments(&self, given: &Map<String, Json>) -> Result<Arguments> {
        self.parameters.check(given)
    }

    /// The statement for these arguments, which have to be of this template.
    ///
    /// Its text depends on which branches were taken and how long lists are, and never on a value. `InvalidTemplate`
    /// or `InvalidStatement`, with the place in the template, when a branch that no example takes is wrong.
    pub fn bind(&self, arguments: &Arguments) -> Result<Statement> {
        if !arguments.parameters().is_same(&self.parameters) {
            return Err(Error::internal("arguments of another template"));
        }
        let (rendered, binds) = self.render(arguments)?;
        let text = (self.dialect, rendered);
        let analysis = match known::find(&text) {
            Some(analysis) => analysis,
            None => self.learn(text, arguments)?,
        };
        Ok(Statement::of_template(analysis, binds, self.origin(arguments)))
    }

    fn render(&self, arguments: &Arguments) -> Result<(String, Vec<Bind>)> {
        let template = self.environment.get_template(NAME).map_err(|error| Error::internal(error.kind()))?;
        let scope = Jinja::from_object(Scope(arguments.clone()));
        let mut text = Bounded(Vec::with_capacity(template.source().len()));
        let captured = template.render_captured_to(scope, &mut text);
        let mut captured = captured.map_err(|error| template_error(template.source(), &error))?;
        let binds = captured.with_state_mut(|state| state.get_extension_mut::<Binds>().map(std::mem::take));
        let text =
            String::from_utf8(text.0).map_err(|_| Error::internal("a template became text that is not UTF-8"))?;
        Ok((text, binds.unwrap_or_default().0))
    }

    /// Analyses a text that was not seen before, and remembers it.
    fn learn(&self, rendered: known::Text, arguments: &Arguments) -> Result<Arc<Analysis>> {
        let (text, placeholders) = expand(&rendered.1, self.dialect);
        let analysis = guard::analyse_with(&text, self.dialect, &placeholders)
            .map_err(|problem| self.blame(problem, arguments))?;
        let analysis = Arc::new(analysis);
        known::remember(rendered, Arc::clone(&analysis));
        Ok(analysis)
    }

    fn origin(&self, arguments: &Arguments) -> Origin {
        Origin::new(&self.source, self.dialect, arguments)
    }

    /// The error for a problem of a text that came out, at its place in the template.
    fn blame(&self, problem: Problem, arguments: &Arguments) -> Error {
        let places = self.origin(arguments).places();
        let is_template = matches!(problem, Problem::Placeholders(_));
        let error = problem.into_error(|offset, message| {
            Fault::at_offset(&self.source, places.source_offset(offset).unwrap_or(0), message)
        });
        if is_template {
            Error::new(ErrorCode::InvalidTemplate, error.message()).with_faults(error.faults().to_vec())
        } else {
            error
        }
    }
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Template").field("dialect", &self.dialect).finish_non_exhaustive()
    }
}

/// Puts placeholders where the marks are; their places, in bytes, come with the text.
fn expand(rendered: &str, dialect: Dialect) -> (String, Vec<Range<usize>>) {
    let mut text = String::with_capacity(rendered.len() + 32);
    let mut placeholders = Vec::new();
    for (index, part) in rendered.split(MARK).enumerate() {
        if let Some(number) = index.checked_sub(1) {
            let start = text.len();
            dialect.push_placeholder(&mut text, number);
            placeholders.push(start..text.len());
        }
        text.push_str(part);
    }
    (text, placeholders)
}

/// The error for a fault that minijinja found. Its own `Debug` would show values; its detail does not.
fn template_error(source: &str, error: &minijinja::Error) -> Error {
    use minijinja::ErrorKind::{OutOfFuel, SyntaxError, UndefinedError, WriteFailure};
    let message = match (error.kind(), value::refusal(error)) {
        (_, Some(sentence)) => sentence.to_owned(),
        (OutOfFuel, _) => "the template takes too long: make its loops shorter".into(),
        (WriteFailure, _) => "the statement is longer than a megabyte; make the loops shorter".into(),
        (SyntaxError, _) => format!("the template cannot be read: {}", error.detail().unwrap_or("syntax error")),
        (UndefinedError, _) => format!("{}; test it with `{{% if … %}}` first", error.detail().unwrap_or("this has no value")),
        (kind, _) => match error.detail() {
            // A NULL is an object of ours; so are the types that minijinja does not have.
            Some(detail) if detail.contains("plain object") => {
                "this cannot be computed in a template: a parameter may not be given, which `{% if … %}` tests, and dates and \
                 exact numbers are for the SQL to compute with"
                    .into()
            }
            detail => format!("this expression fails: {}", detail.map_or_else(|| kind.to_string(), str::to_owned)),
        },
    };
    let fault = match (error.range(), error.line()) {
        (Some(range), _) => Fault::at_offset(source, range.start, message),
        (None, Some(line)) => Fault::at(u32::try_from(line).unwrap_or(u32::MAX), 1, message),
        (None, None) => Fault { message, ..Fault::default() },
    };
    Error::new(ErrorCode::InvalidTemplate, fault.message.clone()).with_faults(vec![fault])
}

/// The variables of a template: its parameters.
#[derive(Debug)]
struct Scope(Arguments);

impl Object for Scope {
    fn get_value(self: &Arc<Self>, key: &Jinja) -> Option<Jinja> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, name: &str) -> Option<Jinja> {
        let declared = self.0.parameters().declared().iter().zip(self.0.values());
        declared
            .filter(|(declared, _)| declared.name == name)
            .map(|(declared, given)| value::given(declared, given))
            .next()
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::NonEnumerable
    }
}

/// Text up to the limit of a statement.
struct Bounded(Vec<u8>);

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > guard::MAX_LENGTH {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
