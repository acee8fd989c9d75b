//! Where a declared item stands, and how the places inside it map to its file.

use std::{path::PathBuf, sync::Arc};

use tidegate_core::error::Fault;

use super::node::{Node, Place};

/// A file that was read.
#[derive(Debug)]
pub(crate) struct File {
    pub(crate) path: PathBuf,
    pub(crate) text: String,
}

/// Where a declared item comes from.
#[derive(Debug)]
pub(crate) struct Origin {
    pub(crate) file: Arc<File>,
    pub(crate) node: Node,
}

impl Origin {
    /// Where the value under a dotted path stands, or as much of the path as there is.
    pub(crate) fn place(&self, path: &str) -> Place {
        self.deepest(path).place
    }

    /// Where a fault of this item stands: its line and column count in the statement, its field in the item.
    pub(crate) fn place_of(&self, fault: &Fault) -> Place {
        match (fault.line, self.node.child("statement")) {
            (Some(line), Some(statement)) => self.in_text(statement, line, fault.column.unwrap_or(1)),
            _ => self.place(fault.field.as_deref().unwrap_or_default()),
        }
    }

    fn deepest(&self, path: &str) -> &Node {
        let mut node = &self.node;
        for step in path.split(['.', '[', ']']).filter(|step| !step.is_empty()) {
            match node.child(step) {
                Some(child) => node = child,
                None => break,
            }
        }
        node
    }

    /// Maps a line and a column of a text to the file. A folded or escaped text does not stand in the file as it reads,
    /// so there the answer is where it begins.
    fn in_text(&self, text: &Node, line: u32, column: u32) -> Place {
        let (start, value) = (text.place, text.as_text().unwrap_or_default());
        // A block begins at its first line that is not empty.
        let empty_lines = u32::try_from(value.len() - value.trim_start_matches('\n').len()).unwrap_or(0);
        let wanted = value.lines().nth(line.saturating_sub(1) as usize).unwrap_or_default();
        let at = Place { line: (start.line + line).saturating_sub(empty_lines + 1), column: start.column };
        let quote = u32::from(self.rest_of_line(start).starts_with(['"', '\'']));
        let at = Place { column: at.column + quote, ..at };
        if self.rest_of_line(at).starts_with(wanted) {
            Place { column: (at.column + column).saturating_sub(1), ..at }
        } else {
            start
        }
    }

    /// What stands in the file from a place to the end of its line.
    fn rest_of_line(&self, place: Place) -> &str {
        let line = self.file.text.lines().nth(place.line.saturating_sub(1) as usize).unwrap_or_default();
        let mut characters = line.chars();
        characters.by_ref().take(place.column.saturating_sub(1) as usize).for_each(drop);
        characters.as_str()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(text: &str) -> Origin {
        let node = crate::declaration::parse(text).unwrap();
        Origin { file: Arc::new(File { path: PathBuf::new(), text: text.to_owned() }), node }
    }

    fn place(text: &str, line: u32, column: u32) -> (u32, u32) {
        let Place { line, column } = origin(text).place_of(&Fault::at(line, column, "x"));
        (line, column)
    }

    #[test]
    fn a_place_in_a_literal_block_is_the_same_character_of_the_file() {
        for text in [
            "statement: |\n  one\n    two\n",
            "statement:   |-\n  one\n    two\n",
            "statement: | # why\n  one\n    two\n",
            "a: é\nstatement: |+2\n  one\n    two\n",
            "statement:\n  |\n  one\n    two\n",
            "statement: |\n\n  one\n\n    two\n",
            "statement: |\r\n  one\r\n    two\r\n",
        ] {
            let value = origin(text).node.child("statement").unwrap().as_text().unwrap().to_owned();
            let at = 1 + u32::try_from(value.lines().position(|line| line == "  two").unwrap()).unwrap();
            let (line, column) = place(text, at, 3);
            let found = text.lines().nth(line as usize - 1).unwrap();
            assert_eq!(found.chars().skip(column as usize - 1).collect::<String>(), "two", "{text:?}");
        }
    }

    #[test]
    fn a_place_in_another_style_is_exact_in_its_first_line() {
        assert_eq!(place("statement: SELECT x\n", 1, 8), (1, 19));
        assert_eq!(place("statement: \"SELECT x\"\n", 1, 8), (1, 20));
        assert_eq!(place("statement: >\n  SELECT\n  x\n", 1, 8), (2, 3));
        assert_eq!(place("statement: 'SELECT\n\n  x'\n", 2, 1), (1, 12));
    }

    #[test]
    fn a_field_is_found_by_key_name_or_index() {
        let origin = origin("a:\n  - name: x\n    b: 1\n  - name: y\n    b: 2\n");
        for (path, line, column) in [("a.y.b", 5, 8), ("a[0].b", 3, 8), ("a.1.c.d", 4, 5), ("z", 1, 1), ("", 1, 1)] {
            assert_eq!(origin.place(path), Place { line, column }, "{path}");
        }
    }
}
