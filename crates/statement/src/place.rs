//! Places in a text.

/// The byte offset of a line and column, both from 1; the end of the text when it is shorter.
pub(crate) fn offset(text: &str, line: u64, column: u64) -> usize {
    let mut at = (1, 1);
    for (offset, character) in text.char_indices() {
        if at >= (line, column) {
            return offset;
        }
        at = if character == '\n' { (at.0 + 1, 1) } else { (at.0, at.1 + 1) };
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use tidegate_core::error::Fault;

    use super::*;

    #[test]
    fn places_and_offsets_are_each_others_inverse() {
        let text = "select é,\n  'ß'\n\nfrom t";
        for (at, _) in text.char_indices() {
            let Fault { line, column, .. } = Fault::at_offset(text, at, "here");
            assert_eq!(offset(text, line.unwrap().into(), column.unwrap().into()), at);
        }
        assert_eq!(offset(text, 99, 1), text.len());
    }
}
