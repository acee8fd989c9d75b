//! Text search vectors in PostgreSQL's own text form.

use super::reader::{Malformed, Reader, utf8};

/// Writes a `tsvector`: a count, then each lexeme with its positions, which have a weight in their highest two bits.
pub(super) fn push_vector(reader: &mut Reader<'_>, out: &mut String) -> Result<(), Malformed> {
    let lexemes = reader.count()?;
    for index in 0..lexemes {
        if index > 0 {
            out.push(' ');
        }
        out.push('\'');
        for character in utf8(reader.terminated()?)?.chars() {
            if matches!(character, '\'' | '\\') {
                out.push(character);
            }
            out.push(character);
        }
        out.push('\'');
        let positions = reader.u16()?;
        for index in 0..positions {
            out.push(if index == 0 { ':' } else { ',' });
            let position = reader.u16()?;
            out.push_str(itoa::Buffer::new().format(position & 0x3FFF));
            match position >> 14 {
                3 => out.push('A'),
                2 => out.push('B'),
                1 => out.push('C'),
                _ => {}
            }
        }
    }
    Ok(())
}
