//! Geometric types in PostgreSQL's own text form.

use super::{
    number::push_float,
    reader::{Malformed, Reader},
};

pub(super) fn push_point(reader: &mut Reader<'_>, out: &mut String) -> Result<(), Malformed> {
    out.push('(');
    push_float(reader.f64()?, out);
    out.push(',');
    push_float(reader.f64()?, out);
    out.push(')');
    Ok(())
}

/// Points with commas between them.
fn push_points(reader: &mut Reader<'_>, count: usize, out: &mut String) -> Result<(), Malformed> {
    for index in 0..count {
        if index > 0 {
            out.push(',');
        }
        push_point(reader, out)?;
    }
    Ok(())
}

pub(super) fn push_segment(reader: &mut Reader<'_>, out: &mut String) -> Result<(), Malformed> {
    out.push('[');
    push_points(reader, 2, out)?;
    out.push(']');
    Ok(())
}

pub(super) fn push_box(reader: &mut Reader<'_>, out: &mut String) -> Result<(), Malformed> {
    push_points(reader, 2, out)
}

/// A closed path has round brackets, an open one square ones.
pub(super) fn push_path(reader: &mut Reader<'_>, out: &mut String) -> Result<(), Malformed> {
    let (open, close) = if reader.u8()? == 0 { ('[', ']') } else { ('(', ')') };
    let count = reader.count()?;
    out.push(open);
    push_points(reader, count, out)?;
    out.push(close);
    Ok(())
}

pub(super) fn push_polygon(reader: &mut Reader<'_>, out: &mut String) -> Result<(), Malformed> {
    let count = reader.count()?;
    out.push('(');
    push_points(reader, count, out)?;
    out.push(')');
    Ok(())
}

/// The coefficients of a line's equation.
pub(super) fn push_line(reader: &mut Reader<'_>, out: &mut String) -> Result<(), Malformed> {
    out.push('{');
    push_float(reader.f64()?, out);
    out.push(',');
    push_float(reader.f64()?, out);
    out.push(',');
    push_float(reader.f64()?, out);
    out.push('}');
    Ok(())
}

pub(super) fn push_circle(reader: &mut Reader<'_>, out: &mut String) -> Result<(), Malformed> {
    out.push('<');
    push_point(reader, out)?;
    out.push(',');
    push_float(reader.f64()?, out);
    out.push('>');
    Ok(())
}
