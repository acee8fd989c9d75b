//! The declarative format: sources, queries and servers in YAML files.

mod node;
mod origin;
mod placeholder;
mod typed;

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::Deserialize;
use tidegate_core::{query::QuerySpec, server::ServerSpec, source::SourceSpec};

pub(crate) use node::{Content, Node, Place};
pub(crate) use origin::{File, Origin};

use crate::{
    diagnostic::{Diagnostic, Severity},
    failure::Failure,
};

/// An item and where it is declared.
#[derive(Debug)]
pub(crate) struct Declared<T> {
    pub(crate) spec: T,
    pub(crate) origin: Origin,
}

/// What a set of files declares.
#[derive(Debug, Default)]
pub(crate) struct Declaration {
    pub(crate) sources: Vec<Declared<SourceSpec>>,
    pub(crate) queries: Vec<Declared<QuerySpec>>,
    pub(crate) servers: Vec<Declared<ServerSpec>>,
}

/// The lists a file may hold.
const LISTS: [&str; 3] = ["sources", "queries", "servers"];

/// Reads files, and folders for the `*.yaml` in them. What could be read is in the declaration, what could not is
/// among the diagnostics. Fails when a file or folder itself cannot be read.
pub(crate) fn load(paths: &[PathBuf]) -> Result<(Declaration, Vec<Diagnostic>), Failure> {
    let mut reader = Reader::default();
    for path in files_of(paths)? {
        let text = fs::read_to_string(&path).map_err(|error| unreadable(&path, &error))?;
        reader.file(Arc::new(File { path, text }));
    }
    Ok((reader.declaration, reader.diagnostics))
}

/// Reads a file that holds one value, such as an environment, or says what does not fit. Fails when the file itself
/// cannot be read.
pub(crate) fn read<T: for<'a> Deserialize<'a>>(path: &Path) -> Result<Result<Declared<T>, Diagnostic>, Failure> {
    let text = fs::read_to_string(path).map_err(|error| unreadable(path, &error))?;
    let file = Arc::new(File { path: path.to_owned(), text });
    let read = parse(&file.text).and_then(|node| match typed::read(&node) {
        Ok(spec) => Ok((spec, node)),
        Err(mismatch) => Err((mismatch.place.or(Some(node.place)), mismatch.with_key())),
    });
    Ok(match read {
        Ok((spec, node)) => Ok(Declared { spec, origin: Origin { file, node } }),
        Err((place, message)) => Err(Diagnostic { severity: Severity::Error, file: file.path.clone(), place, message }),
    })
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::message(format!("`{}` cannot be read: {error}", path.display()))
}

fn files_of(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    for path in paths {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let entries = fs::read_dir(path).map_err(|error| unreadable(path, &error))?;
        let entries: Result<Vec<_>, _> = entries.map(|entry| entry.map(|entry| entry.path())).collect();
        let mut inside = entries.map_err(|error| unreadable(path, &error))?;
        inside.retain(|file| file.is_file() && file.extension().is_some_and(|extension| extension == "yaml"));
        if inside.is_empty() {
            return Err(Failure::message(format!("the folder `{}` has no *.yaml file", path.display())));
        }
        inside.sort();
        files.append(&mut inside);
    }
    Ok(files)
}

#[derive(Default)]
struct Reader {
    declaration: Declaration,
    diagnostics: Vec<Diagnostic>,
    /// Where each name of each list was declared first.
    names: HashMap<(&'static str, String), String>,
}

impl Reader {
    fn fault(&mut self, file: &File, place: Option<Place>, message: impl Into<String>) {
        let (file, message) = (file.path.clone(), message.into());
        self.diagnostics.push(Diagnostic { severity: Severity::Error, file, place, message });
    }

    fn file(&mut self, file: Arc<File>) {
        let root = match parse(&file.text) {
            Ok(root) => root,
            Err((place, message)) => return self.fault(&file, place, message),
        };
        let entries = match root.content {
            Content::Mapping(entries) => entries,
            Content::Null => return,
            _ => {
                let message = "expected the keys `sources`, `queries` or `servers`, each with a list below it";
                return self.fault(&file, Some(root.place), message);
            }
        };
        for entry in entries {
            let Some(list) = LISTS.into_iter().find(|list| *list == entry.key) else {
                self.fault(&file, Some(entry.place), typed::unknown_key(&entry.key, &LISTS));
                continue;
            };
            let items = match entry.value.content {
                Content::Sequence(items) => items,
                Content::Null => continue,
                _ => {
                    let message = format!("expected a list of {list}, each beginning with `- name:`");
                    self.fault(&file, Some(entry.value.place), message);
                    continue;
                }
            };
            for item in items {
                self.item(list, &file, item);
            }
        }
    }

    fn item(&mut self, list: &'static str, file: &Arc<File>, mut item: Node) {
        let folder = file.path.parent().unwrap_or(Path::new(""));
        let mut faults = Vec::new();
        placeholder::fill(&mut item, folder, &mut faults);
        for (place, message) in faults {
            self.fault(file, Some(place), message);
        }
        if let Some(name) = item.child("name")
            && let Some(text) = name.as_text()
        {
            let here = format!("{}:{}:{}", file.path.display(), name.place.line, name.place.column);
            let first = self.names.entry((list, text.to_owned())).or_insert_with(|| here.clone());
            if *first != here {
                let message = format!("`{text}` is declared twice among the {list}; the first is at {first}");
                let place = name.place;
                return self.fault(file, Some(place), message);
            }
        }
        let origin = Origin { file: Arc::clone(file), node: item };
        match list {
            "sources" => {
                let declared = self.typed(origin);
                self.declaration.sources.extend(declared);
            }
            "queries" => {
                let declared = self.typed(origin);
                self.declaration.queries.extend(declared);
            }
            _ => {
                let declared = self.typed(origin);
                self.declaration.servers.extend(declared);
            }
        }
    }

    fn typed<T: for<'a> Deserialize<'a>>(&mut self, origin: Origin) -> Option<Declared<T>> {
        match typed::read(&origin.node) {
            Ok(spec) => Some(Declared { spec, origin }),
            Err(mismatch) => {
                let place = mismatch.place.unwrap_or(origin.node.place);
                self.fault(&origin.file, Some(place), mismatch.message);
                None
            }
        }
    }
}

fn parse(text: &str) -> Result<Node, (Option<Place>, String)> {
    let options = serde_saphyr::options! { strict_booleans: true, with_snippet: false };
    serde_saphyr::from_str_with_options::<Node>(text, options).map_err(|error| {
        let place = error.location().map(Place::from);
        let mut message = match error.without_snippet() {
            serde_saphyr::Error::DuplicateMappingKey { key: Some(key), .. } => {
                format!("the key `{key}` is given twice; keep one")
            }
            other => other.to_string(),
        };
        let Some(place) = place else { return (None, message) };
        if let Some(tab) = message.contains("tab").then(|| tab_in_indentation(text, place)).flatten() {
            return (Some(tab), "a tab stands in the indentation; YAML is indented with spaces".to_owned());
        }
        // The place is printed in front of the message.
        let suffix = format!(" at line {}, column {}", place.line, place.column);
        message.truncate(message.strip_suffix(&suffix).unwrap_or(&message).len());
        (Some(place), message)
    })
}

/// The first tab in an indentation, from the line where the parser gave up.
fn tab_in_indentation(text: &str, from: Place) -> Option<Place> {
    (1..).zip(text.lines()).skip_while(|(line, _)| *line < from.line).find_map(|(line, content)| {
        let column = (1..).zip(content.chars()).take_while(|(_, c)| c.is_whitespace()).find(|(_, c)| *c == '\t')?.0;
        Some(Place { line, column })
    })
}
