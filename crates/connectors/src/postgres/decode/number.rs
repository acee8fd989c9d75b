//! Numbers as text, with every digit.

use super::reader::{Malformed, Reader};

/// Writes a `numeric` with as many decimals as its scale says: `1.10` stays `1.10`.
///
/// Returns whether it is a number; NaN and the infinities are words.
pub(super) fn push_numeric(bytes: &[u8], out: &mut String) -> Result<bool, Malformed> {
    let mut reader = Reader::new(bytes);
    let count = reader.u16()?;
    // The power of 10,000 of the first group of four digits. Groups of zeros at either end are not sent.
    let weight = i32::from(reader.i16()?);
    let sign = reader.u16()?;
    let scale = reader.u16()?;
    let word = match sign {
        0x0000 => "",
        0x4000 => "-",
        0xC000 => "NaN",
        0xD000 => "Infinity",
        0xF000 => "-Infinity",
        _ => return Err(Malformed),
    };
    out.push_str(word);
    if sign & 0xC000 == 0xC000 {
        return Ok(false);
    }

    let mut groups = Groups { reader, left: count };
    let start = out.len();
    for _ in 0..=weight {
        let group = groups.next()?;
        if out.len() > start {
            push_digits(group, 4, out);
        } else if group > 0 {
            out.push_str(itoa::Buffer::new().format(group));
        }
    }
    if out.len() == start {
        out.push('0');
    }
    if scale > 0 {
        out.push('.');
        let mut left = scale;
        let mut power = -1;
        while left > 0 {
            let group = if power <= weight { groups.next()? } else { 0 };
            push_digits(group, left.min(4), out);
            left = left.saturating_sub(4);
            power -= 1;
        }
    }
    Ok(true)
}

struct Groups<'a> {
    reader: Reader<'a>,
    left: u16,
}

impl Groups<'_> {
    fn next(&mut self) -> Result<u16, Malformed> {
        if self.left == 0 {
            return Ok(0);
        }
        self.left -= 1;
        self.reader.u16().and_then(|group| if group < 10_000 { Ok(group) } else { Err(Malformed) })
    }
}

/// The first `count` of the four digits of a group.
fn push_digits(group: u16, count: u16, out: &mut String) {
    for divisor in [1_000, 100, 10, 1].into_iter().take(usize::from(count)) {
        out.push(char::from_digit(u32::from(group / divisor % 10), 10).unwrap_or('0'));
    }
}

/// A number with zeros in front, at least `width` digits wide.
pub(super) fn push_padded(number: u64, width: usize, out: &mut String) {
    let mut buffer = itoa::Buffer::new();
    let digits = buffer.format(number);
    for _ in digits.len()..width {
        out.push('0');
    }
    out.push_str(digits);
}

/// Writes a `money` value. The server sends the smallest unit of its locale's currency, and nothing says which that
/// is; two decimals are right for nearly all of them. A source with another cast to `numeric`.
pub(super) fn push_money(bytes: &[u8], out: &mut String) -> Result<(), Malformed> {
    let mut reader = Reader::new(bytes);
    let units = reader.i64()?;
    if units < 0 {
        out.push('-');
    }
    let units = units.unsigned_abs();
    out.push_str(itoa::Buffer::new().format(units / 100));
    out.push('.');
    push_padded(units % 100, 2, out);
    reader.end()
}

/// The `f64` that prints with the digits of the `f32`: widening alone would turn 0.1 into 0.10000000149011612.
pub(super) fn widen(number: f32) -> f64 {
    if !number.is_finite() {
        return f64::from(number);
    }
    ryu::Buffer::new().format_finite(number).parse().unwrap_or(f64::from(number))
}

/// A floating-point number as PostgreSQL prints it inside other values: `1`, `0.5`, `1e+20`, `Infinity`.
pub(super) fn push_float(number: f64, out: &mut String) {
    use std::fmt::Write;

    let magnitude = number.abs();
    if number.is_nan() {
        out.push_str("NaN");
    } else if magnitude.is_infinite() {
        out.push_str(if number < 0.0 { "-Infinity" } else { "Infinity" });
    } else if magnitude == 0.0 || (1e-4..1e15).contains(&magnitude) {
        // Writing to a string cannot fail.
        let _ = write!(out, "{number}");
    } else {
        let start = out.len();
        let _ = write!(out, "{number:e}");
        // Rust writes `1e20` and `1e-5`; PostgreSQL signs the exponent and gives it two digits.
        if let Some(at) = out.get(start..).and_then(|text| text.find('e')) {
            let exponent = out.split_off(start + at + 1);
            let (sign, digits) = match exponent.strip_prefix('-') {
                Some(digits) => ('-', digits),
                None => ('+', exponent.as_str()),
            };
            out.push(sign);
            if digits.len() == 1 {
                out.push('0');
            }
            out.push_str(digits);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numeric(weight: i16, sign: u16, scale: u16, groups: &[u16]) -> String {
        let mut bytes = Vec::new();
        bytes.extend((groups.len() as u16).to_be_bytes());
        bytes.extend(weight.to_be_bytes());
        bytes.extend(sign.to_be_bytes());
        bytes.extend(scale.to_be_bytes());
        groups.iter().for_each(|group| bytes.extend(group.to_be_bytes()));
        let mut out = String::new();
        push_numeric(&bytes, &mut out).unwrap();
        out
    }

    #[test]
    fn a_numeric_keeps_its_digits_and_its_scale() {
        assert_eq!(numeric(0, 0, 2, &[1, 1000]), "1.10");
        assert_eq!(numeric(0, 0, 0, &[]), "0");
        assert_eq!(numeric(0, 0, 3, &[]), "0.000");
        assert_eq!(numeric(-2, 0x4000, 8, &[12]), "-0.00000012");
        assert_eq!(numeric(2, 0, 0, &[1]), "100000000");
        assert_eq!(numeric(1, 0, 1, &[12, 3456, 7000]), "123456.7");
        assert_eq!(numeric(1, 0, 0, &[0, 7]), "7");
        assert_eq!(numeric(0, 0xC000, 0, &[]), "NaN");
        assert_eq!(numeric(0, 0xF000, 0, &[]), "-Infinity");
    }

    #[test]
    fn money_has_two_decimals() {
        let text = |units: i64| {
            let mut out = String::new();
            push_money(&units.to_be_bytes(), &mut out).unwrap();
            out
        };
        assert_eq!(text(123_456), "1234.56");
        assert_eq!(text(-5), "-0.05");
        assert_eq!(text(i64::MIN), "-92233720368547758.08");
    }

    #[test]
    fn a_float_is_written_as_postgresql_writes_it() {
        let text = |number| {
            let mut out = String::new();
            push_float(number, &mut out);
            out
        };
        assert_eq!(text(1.0), "1");
        assert_eq!(text(-0.5), "-0.5");
        assert_eq!(text(1e20), "1e+20");
        assert_eq!(text(1.5e-7), "1.5e-07");
        assert_eq!(text(f64::NEG_INFINITY), "-Infinity");
        assert_eq!(widen(0.1), 0.1);
    }
}
