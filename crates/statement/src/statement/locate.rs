//! An error of the database, in the terms of the template.

use tidegate_core::{Error, ErrorCode, error::Fault};

use super::Statement;
use crate::{
    Dialect,
    place::offset,
    template::{Described, Origin, Places},
};

impl Statement {
    /// An error that a database has given for this statement, as one of the template that it was made of: lines and
    /// columns are those of the template, and `$2` is said to be the parameter that it stands for. What is not of the
    /// template says that its place is that of the compiled statement; a fault whose field is `$2` becomes one of the
    /// parameter. The error of SQL that is not a template stays as it is.
    #[must_use]
    pub fn locate(&self, error: Error) -> Error {
        let Some(origin) = &self.origin else { return error };
        let code = error.code();
        if !matches!(code, ErrorCode::DatabaseError | ErrorCode::InvalidStatement | ErrorCode::InvalidArgument) {
            return error;
        }
        let located = Located { statement: self, origin, places: origin.places() };
        let faults = error.faults().iter().map(|fault| match value_of(fault) {
            Some(number) => located.value_fault(fault, number, code),
            None => located.fault(fault),
        });
        let faults = faults.collect();
        let message = located.message(error.message());
        error.with_message(message).with_faults(faults)
    }
}

/// The number of the placeholder, from 1, that a fault has for its field.
fn value_of(fault: &Fault) -> Option<usize> {
    fault.field.as_deref()?.strip_prefix('$')?.parse().ok()
}

struct Located<'a> {
    statement: &'a Statement,
    origin: &'a Origin,
    places: Places,
}

impl Located<'_> {
    fn fault(&self, fault: &Fault) -> Fault {
        let message = self.message(&fault.message);
        let Some(line) = fault.line else { return Fault { message, ..fault.clone() } };
        let at = match fault.column {
            Some(column) => offset(self.statement.text(), line.into(), column.into()),
            None => self.first_of_line(line),
        };
        let place = at.checked_sub(self.statement.before).and_then(|at| self.places.source_offset(at));
        match place.map(|place| Fault::at_offset(self.origin.source(), place, &*message)) {
            Some(at) => Fault { column: fault.column.and(at.column), field: fault.field.clone(), ..at },
            None => {
                let column = fault.column.map_or_else(String::new, |column| format!(", column {column}"));
                let message = format!("{message} (line {line}{column} of the compiled statement)");
                Fault { message, line: None, column: None, ..fault.clone() }
            }
        }
    }

    /// A fault of a value: of the argument that it is, or of the template that it does not fit into.
    fn value_fault(&self, fault: &Fault, number: usize, code: ErrorCode) -> Fault {
        let message = self.message(&fault.message);
        match self.value(number) {
            Some((_, Described::Parameter(name))) if code == ErrorCode::InvalidArgument => Fault::of(name, message),
            Some((place, _)) => Fault::at_offset(self.origin.source(), place, message),
            None => Fault { message, ..Fault::default() },
        }
    }

    /// The first byte of a line that is not a space.
    fn first_of_line(&self, line: u32) -> usize {
        let begin = offset(self.statement.text(), line.into(), 1);
        let rest = self.statement.text().get(begin..).unwrap_or_default();
        begin + (rest.len() - rest.trim_start_matches([' ', '\t']).len())
    }

    /// Says behind each `$2` of a message what it stands for. What the message quotes stays as it is.
    fn message(&self, message: &str) -> String {
        if self.statement.dialect() != Dialect::Postgres {
            return message.to_owned();
        }
        let parts = message.split('"').enumerate();
        let named = parts.map(|(index, part)| if index % 2 == 0 { self.with_names(part) } else { part.to_owned() });
        named.collect::<Vec<_>>().join("\"")
    }

    fn with_names(&self, text: &str) -> String {
        let mut parts = text.split('$');
        let mut named = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let (digits, rest) = part.split_at(part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len()));
            named.push('$');
            named.push_str(digits);
            if let Some((_, described)) = digits.parse().ok().and_then(|number| self.value(number)) {
                named.push_str(&format!(" ({described})"));
            }
            named.push_str(rest);
        }
        named
    }

    /// What the placeholder of a number from 1 stands for, and where; none when a page put it there.
    fn value(&self, number: usize) -> Option<(usize, Described)> {
        let place = *self.places.values.get(number.checked_sub(1)?)?;
        Some((place, self.origin.describe(place)?))
    }
}
