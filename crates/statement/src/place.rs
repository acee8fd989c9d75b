//! Places in a text.

/// The line and column, both from 1 and in characters, of a byte offset.
pub(crate) fn line_and_column(text: &str, offset: usize) -> (u32, u32) {
    let before = text.get(..offset.min(text.len())).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
    let column = before.get(line_start..).unwrap_or_default().chars().count() + 1;
    (saturated(line), saturated(column))
}

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

fn saturated(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_and_offsets_are_each_others_inverse() {
        let text = "select é,\n  'ß'\n\nfrom t";
        for (at, _) in text.char_indices() {
            let (line, column) = line_and_column(text, at);
            assert_eq!(offset(text, line.into(), column.into()), at);
        }
        assert_eq!(line_and_column(text, 10), (1, 10));
        assert_eq!(offset(text, 99, 1), text.len());
    }
}
