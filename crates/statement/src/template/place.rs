//! Where in a template a part of its output comes from.

use std::{io, ops::Range};

/// Takes the output of a rendering, and notes which parts of it are parts of the source.
pub(super) struct Map<'a> {
    source: &'a str,
    written: usize,
    /// The places in the output of what was copied from the source, and where it begins there.
    copied: Vec<(Range<usize>, usize)>,
}

impl<'a> Map<'a> {
    pub(super) fn of(source: &'a str) -> Self {
        Self { source, written: 0, copied: Vec::new() }
    }

    /// The place in the source of a place in the output. For a value, it is that of its `{{`.
    pub(super) fn source_offset(&self, offset: usize) -> usize {
        let after = self.copied.partition_point(|(output, _)| output.start <= offset);
        let Some((output, start)) = after.checked_sub(1).and_then(|before| self.copied.get(before)) else {
            return self.next_value(0);
        };
        if output.contains(&offset) { start + (offset - output.start) } else { self.next_value(start + output.len()) }
    }

    fn next_value(&self, from: usize) -> usize {
        let found = self.source.get(from..).and_then(|rest| rest.find("{{"));
        found.map_or(from, |found| from + found)
    }
}

impl io::Write for Map<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // Minijinja writes literal text straight from the source, so its address tells where it stands there.
        let source = self.source.as_bytes().as_ptr_range();
        let range = bytes.as_ptr_range();
        if source.start <= range.start && range.end <= source.end {
            let output = self.written..self.written + bytes.len();
            self.copied.push((output, range.start.addr() - source.start.addr()));
        }
        self.written += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
