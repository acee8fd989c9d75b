//! Functions of SQLite whose time grows with the square of their arguments, replaced by ones that are linear, or limited.
//!
//! The progress handler cannot stop a function: it is asked only where a statement jumps. A quadratic function on a text
//! of megabytes would keep its thread busy for hours after its call has ended.
//!
//! | function | replaced by |
//! |---|---|
//! | `instr`, `replace` | a linear search |
//! | `trim`, `ltrim`, `rtrim` | a set of characters instead of a list |
//! | `json_patch`, `jsonb_patch`, `unhex` with two arguments | SQLite's own, for arguments up to a length |
//!
//! They answer what SQLite's own answer, with one exception: SQLite trims single bytes where a text is not UTF-8, even
//! out of the middle of a character, and these trim whole characters.

use std::{
    borrow::Cow,
    collections::HashSet,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use memchr::memmem;
use rusqlite::{
    Connection, Error, Result, ToSql, ffi,
    functions::{Context, FunctionFlags, SubType},
    params_from_iter,
    types::{ToSqlOutput, Value, ValueRef},
};

/// The longest document that `json_patch` takes, in bytes: it looks for every key of one among all of the other.
const MAX_PATCHED: usize = 64 << 10;

/// The longest text of characters that `unhex` passes over, in bytes: it looks for every character among them.
const MAX_PASSED_OVER: usize = 64;

/// The most bytes of a character of UTF-8 behind its first.
const MAX_CONTINUING: usize = 3;

/// What SQLite's own functions are, so that indexes and views can use them.
const PURE: FunctionFlags =
    FunctionFlags::SQLITE_UTF8.union(FunctionFlags::SQLITE_DETERMINISTIC).union(FunctionFlags::SQLITE_INNOCUOUS);

/// Replaces the functions on a connection. `max_length` is the limit of its values at any time, in bytes.
pub(super) fn replace(connection: &Connection, max_length: Arc<AtomicUsize>) -> Result<()> {
    let aside = Arc::new(Aside::default());
    let own = Arc::clone(&aside);
    connection.create_scalar_function("instr", 2, PURE, move |context| instr(context, &own))?;
    let own = Arc::clone(&aside);
    connection.create_scalar_function("replace", 3, PURE, move |context| {
        replaced(context, &own, max_length.load(Ordering::Relaxed))
    })?;
    for (name, ends) in [("trim", Ends::Both), ("ltrim", Ends::Left), ("rtrim", Ends::Right)] {
        for arguments in [1, 2] {
            let own = Arc::clone(&aside);
            connection.create_scalar_function(name, arguments, PURE, move |context| trimmed(context, &own, ends))?;
        }
    }
    for limited in [
        Limited { name: "json_patch", call: "SELECT json_patch(?1, ?2)", most: [MAX_PATCHED; 2], subtype: Some(JSON) },
        Limited { name: "jsonb_patch", call: "SELECT jsonb_patch(?1, ?2)", most: [MAX_PATCHED; 2], subtype: None },
        Limited { name: "unhex", call: "SELECT unhex(?1, ?2)", most: [usize::MAX, MAX_PASSED_OVER], subtype: None },
    ] {
        let own = Arc::clone(&aside);
        let flags = PURE | FunctionFlags::SQLITE_RESULT_SUBTYPE;
        connection.create_scalar_function(limited.name, 2, flags, move |context| limited.answer(context, &own))?;
    }
    Ok(())
}

/// A connection of its own, in memory, for what SQLite has to do itself. It is opened when it is first needed.
#[derive(Default)]
struct Aside(Mutex<Option<Connection>>);

impl Aside {
    /// The one value that a statement over some values gives.
    fn value(&self, statement: &str, values: &[ValueRef<'_>]) -> Result<Value> {
        let mut slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let connection = match &mut *slot {
            Some(connection) => connection,
            none => none.insert(Connection::open_in_memory()?),
        };
        let values = values.iter().map(|value| ToSqlOutput::Borrowed(*value));
        connection.prepare_cached(statement)?.query_row(params_from_iter(values), |row| row.get(0))
    }

    /// A value as SQLite makes a text of it; none for NULL.
    fn text<'a>(&self, value: ValueRef<'a>) -> Result<Option<Cow<'a, [u8]>>> {
        Ok(match value {
            ValueRef::Null => None,
            ValueRef::Text(bytes) | ValueRef::Blob(bytes) => Some(Cow::Borrowed(bytes)),
            ValueRef::Integer(value) => Some(Cow::Owned(value.to_string().into_bytes())),
            ValueRef::Real(_) => match self.value("SELECT CAST(?1 AS TEXT)", &[value])? {
                Value::Text(text) => Some(Cow::Owned(text.into_bytes())),
                _ => None,
            },
        })
    }
}

/// A text as the answer of a function. It need not be UTF-8.
enum Text {
    /// The first argument as it is.
    First,
    Other(Vec<u8>),
}

impl Text {
    /// The first argument, whose text this is.
    fn first(context: &Context<'_>, text: Cow<'_, [u8]>) -> Self {
        match context.get_raw(0) {
            ValueRef::Text(_) => Self::First,
            _ => Self::Other(text.into_owned()),
        }
    }
}

impl ToSql for Text {
    fn to_sql(&self) -> Result<ToSqlOutput<'_>> {
        Ok(match self {
            Self::First => ToSqlOutput::Arg(0),
            Self::Other(bytes) => ToSqlOutput::Borrowed(ValueRef::Text(bytes)),
        })
    }
}

/// Whether a byte continues a character of UTF-8.
fn continues(byte: u8) -> bool {
    byte & 0xC0 == 0x80
}

/// Where the second argument first stands in the first, in characters from 1, or in bytes when both are blobs.
fn instr(context: &Context<'_>, aside: &Aside) -> Result<Option<i64>> {
    let (first, second) = (context.get_raw(0), context.get_raw(1));
    let (Some(text), Some(part)) = (aside.text(first)?, aside.text(second)?) else { return Ok(None) };
    let in_bytes = matches!((first, second), (ValueRef::Blob(_), ValueRef::Blob(_)));
    let found = match part.first() {
        None => Some(0),
        // Only the beginning of a character is a place to look, and the beginning of the text.
        Some(byte) if !in_bytes && continues(*byte) => text.starts_with(&part).then_some(0),
        Some(_) => memmem::find(&text, &part),
    };
    let place = found.map_or(0, |bytes| match text.get(1..=bytes) {
        Some(before) if !in_bytes => 1 + before.iter().filter(|byte| !continues(**byte)).count(),
        _ => bytes + 1,
    });
    Ok(i64::try_from(place).ok())
}

/// The first argument with the third in the place of the second.
fn replaced(context: &Context<'_>, aside: &Aside, max_length: usize) -> Result<Option<Text>> {
    let Some(text) = aside.text(context.get_raw(0))? else { return Ok(None) };
    let Some(old) = aside.text(context.get_raw(1))? else { return Ok(None) };
    // SQLite takes a text that begins with a zero for an empty one here.
    if matches!(old.first(), None | Some(0)) {
        return Ok(Some(Text::first(context, text)));
    }
    let Some(new) = aside.text(context.get_raw(2))? else { return Ok(None) };
    let finder = memmem::Finder::new(old.as_ref());
    let mut places = finder.find_iter(&text).peekable();
    if places.peek().is_none() {
        return Ok(Some(Text::first(context, text)));
    }
    let mut out = Vec::with_capacity(text.len());
    let mut end = 0;
    for begin in places {
        out.extend_from_slice(text.get(end..begin).unwrap_or_default());
        if out.len().saturating_add(new.len()) > max_length {
            return Err(Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_TOOBIG), None));
        }
        out.extend_from_slice(&new);
        end = begin + old.len();
    }
    out.extend_from_slice(text.get(end..).unwrap_or_default());
    Ok(Some(Text::Other(out)))
}

/// The ends that a text is trimmed at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ends {
    Left,
    Right,
    Both,
}

/// The first argument without the characters of the second, or spaces, at its ends.
fn trimmed(context: &Context<'_>, aside: &Aside, ends: Ends) -> Result<Option<Text>> {
    let Some(text) = aside.text(context.get_raw(0))? else { return Ok(None) };
    let unwanted = match context.len() {
        1 => Cow::Borrowed(b" ".as_slice()),
        _ => match aside.text(context.get_raw(1))? {
            Some(unwanted) => unwanted,
            None => return Ok(None),
        },
    };
    let unwanted = Characters::of(&unwanted);
    let left = if ends == Ends::Right { 0 } else { unwanted.at_the_left_of(&text) };
    let kept = text.get(left..).unwrap_or_default();
    let right = if ends == Ends::Left { 0 } else { unwanted.at_the_right_of(kept) };
    if left + right == 0 {
        return Ok(Some(Text::first(context, text)));
    }
    Ok(Some(Text::Other(kept.get(..kept.len() - right).unwrap_or_default().to_vec())))
}

/// A set of characters: single bytes, and leading bytes with the continuing ones behind them.
struct Characters<'a> {
    /// By their only byte.
    single: [bool; 256],
    longer: HashSet<&'a [u8]>,
}

impl<'a> Characters<'a> {
    /// Those of a text, which ends at a zero as SQLite's does.
    fn of(text: &'a [u8]) -> Self {
        let mut characters = Self { single: [false; 256], longer: HashSet::new() };
        let mut rest = text.split(|byte| *byte == 0).next().unwrap_or_default();
        while let Some((character, behind)) = rest.split_at_checked(first_length(rest)).filter(|(c, _)| !c.is_empty()) {
            match character {
                [byte] => {
                    if let Some(is_in) = characters.single.get_mut(usize::from(*byte)) {
                        *is_in = true;
                    }
                }
                _ => {
                    characters.longer.insert(character);
                }
            }
            rest = behind;
        }
        characters
    }

    fn contains(&self, character: &[u8]) -> bool {
        match character {
            [byte] => self.single.get(usize::from(*byte)).is_some_and(|is_in| *is_in),
            _ => self.longer.contains(character),
        }
    }

    /// How many bytes at the beginning of a text are of these characters.
    fn at_the_left_of(&self, text: &[u8]) -> usize {
        let mut rest = text;
        while let Some((character, behind)) = rest.split_at_checked(first_length(rest)) {
            if character.is_empty() || !self.contains(character) {
                break;
            }
            rest = behind;
        }
        text.len() - rest.len()
    }

    /// How many bytes at the end of a text are of these characters.
    fn at_the_right_of(&self, text: &[u8]) -> usize {
        let mut rest = text;
        while let Some((before, character)) = rest.split_at_checked(rest.len() - last_length(rest)) {
            if character.is_empty() || !self.contains(character) {
                break;
            }
            rest = before;
        }
        text.len() - rest.len()
    }
}

/// The length of the first character of a text, in bytes.
fn first_length(text: &[u8]) -> usize {
    match text.split_first() {
        None => 0,
        Some((0xC0.., rest)) => 1 + rest.iter().take(MAX_CONTINUING).take_while(|byte| continues(**byte)).count(),
        Some(_) => 1,
    }
}

/// The length of the last character of a text, in bytes.
fn last_length(text: &[u8]) -> usize {
    let continuing = text.iter().rev().take(MAX_CONTINUING).take_while(|byte| continues(**byte)).count();
    let lead = text.len().checked_sub(continuing + 1).and_then(|at| text.get(at));
    match lead {
        Some(0xC0..) => continuing + 1,
        _ => text.len().min(1),
    }
}

/// The subtype by which SQLite's functions tell JSON from text.
const JSON: std::ffi::c_uint = 'J' as std::ffi::c_uint;

/// A function of SQLite's own that takes no more than so many bytes.
#[derive(Clone, Copy)]
struct Limited {
    name: &'static str,
    call: &'static str,
    most: [usize; 2],
    subtype: SubType,
}

impl Limited {
    fn answer(&self, context: &Context<'_>, aside: &Aside) -> Result<(Value, SubType)> {
        let values = [context.get_raw(0), context.get_raw(1)];
        for (place, (value, most)) in values.iter().zip(self.most).enumerate() {
            if let ValueRef::Text(bytes) | ValueRef::Blob(bytes) = value
                && bytes.len() > most
            {
                let message = format!("argument {} of {} is longer than {most} bytes", place + 1, self.name);
                return Err(Error::UserFunctionError(message.into()));
            }
        }
        Ok((aside.value(self.call, &values)?, self.subtype))
    }
}

#[cfg(test)]
mod tests;
