//! Decimals in the binary format of `numeric`.

/// The digits of a decimal in the notation of JSON, and the place of its point.
struct Decimal<'a> {
    is_negative: bool,
    integer: &'a str,
    fraction: &'a str,
    /// How many places the point moves to the right.
    exponent: i32,
}

/// The most digits before the point that `numeric` holds, and after it.
const MAX_INTEGER_DIGITS: i32 = 131_072;
const MAX_SCALE: i32 = 16_383;

impl<'a> Decimal<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let (is_negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let (mantissa, exponent) = text
            .split_once(['e', 'E'])
            .map_or((text, Some(0)), |(mantissa, exponent)| (mantissa, exponent.parse().ok()));
        let (integer, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let is_decimal = |digits: &str| digits.bytes().all(|digit| digit.is_ascii_digit());
        let exponent = exponent.filter(|exponent: &i32| exponent.abs() <= MAX_INTEGER_DIGITS)?;
        let is_one = !integer.is_empty() && is_decimal(integer) && is_decimal(fraction);
        is_one.then_some(Self { is_negative, integer, fraction, exponent })
    }

    fn digits(&self) -> impl Iterator<Item = u8> {
        self.integer.bytes().chain(self.fraction.bytes()).map(|digit| digit - b'0')
    }

    /// The power of ten of the first digit.
    fn first_power(&self) -> Option<i32> {
        i32::try_from(self.integer.len()).ok()?.checked_sub(1)?.checked_add(self.exponent)
    }

    /// How many decimals it has.
    fn scale(&self) -> Option<i32> {
        Some(i32::try_from(self.fraction.len()).ok()?.checked_sub(self.exponent)?.max(0))
    }
}

/// Writes a decimal with as many decimals as it has. `None` when it is not one, or has more digits than `numeric`.
pub(super) fn encode(text: &str, out: &mut Vec<u8>) -> Option<()> {
    let decimal = Decimal::parse(text)?;
    let scale = decimal.scale().filter(|scale| *scale <= MAX_SCALE)?;
    // Groups of four digits, whose borders are at the point. The first one may have fewer.
    let mut groups: Vec<u16> = Vec::new();
    let mut weight = 0;
    let mut power = decimal.first_power()?;
    for digit in decimal.digits() {
        let group = power.div_euclid(4);
        if groups.is_empty() {
            if digit == 0 {
                power -= 1;
                continue;
            }
            if power >= MAX_INTEGER_DIGITS {
                return None;
            }
            weight = group;
        }
        let index = usize::try_from(weight - group).ok()?;
        if index == groups.len() {
            groups.push(0);
        }
        *groups.get_mut(index)? += u16::from(digit) * 10_u16.pow(power.rem_euclid(4).unsigned_abs());
        power -= 1;
    }
    while groups.last() == Some(&0) {
        groups.pop();
    }
    let sign: u16 = if decimal.is_negative && !groups.is_empty() { 0x4000 } else { 0 };
    out.extend(u16::try_from(groups.len()).ok()?.to_be_bytes());
    out.extend(i16::try_from(weight).ok()?.to_be_bytes());
    out.extend(sign.to_be_bytes());
    out.extend(u16::try_from(scale).ok()?.to_be_bytes());
    out.extend(groups.iter().flat_map(|group| group.to_be_bytes()));
    Some(())
}

/// The value of a decimal without a fraction, in whichever notation it is.
pub(super) fn whole(text: &str) -> Option<i64> {
    let decimal = Decimal::parse(text)?;
    let mut power = decimal.first_power()?;
    let mut value = 0_i64;
    for digit in decimal.digits() {
        if power >= 0 {
            value = value.checked_mul(10)?.checked_sub(i64::from(digit))?;
        } else if digit != 0 {
            return None;
        }
        power -= 1;
    }
    // Zeros that the exponent stands for. A zero stays one however many they are.
    for _ in 0..=power {
        if value == 0 {
            break;
        }
        value = value.checked_mul(10)?;
    }
    // It was counted downwards, since there is one negative number more.
    if decimal.is_negative { Some(value) } else { value.checked_neg() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Weight, sign, scale and groups.
    fn parts(text: &str) -> Option<(i16, u16, u16, Vec<u16>)> {
        let mut out = Vec::new();
        encode(text, &mut out)?;
        let words: Vec<u16> = out.chunks(2).map(|word| u16::from_be_bytes([word[0], word[1]])).collect();
        assert_eq!(usize::from(words[0]), words.len() - 4);
        Some((words[1] as i16, words[2], words[3], words[4..].to_vec()))
    }

    #[test]
    fn digits_are_grouped_around_the_point() {
        assert_eq!(parts("0"), Some((0, 0, 0, vec![])));
        assert_eq!(parts("-0.00"), Some((0, 0, 2, vec![])));
        assert_eq!(parts("1.10"), Some((0, 0, 2, vec![1, 1000])));
        assert_eq!(parts("-123456.789"), Some((1, 0x4000, 3, vec![12, 3456, 7890])));
        assert_eq!(parts("0.00000012"), Some((-2, 0, 8, vec![12])));
        assert_eq!(parts("100000000"), Some((2, 0, 0, vec![1])));
        assert_eq!(parts("0010001"), Some((1, 0, 0, vec![1, 1])));
    }

    #[test]
    fn an_exponent_moves_the_point() {
        assert_eq!(parts("1.5e3"), Some((0, 0, 0, vec![1500])));
        assert_eq!(parts("1E+20"), Some((5, 0, 0, vec![1])));
        assert_eq!(parts("25e-3"), Some((-1, 0, 3, vec![250])));
    }

    #[test]
    fn what_is_no_decimal_or_too_long_is_refused() {
        for text in ["", "-", "1.2.3", "1e", "NaN", "1e131072", "1e-16384", "1e99999999999", "٣"] {
            assert_eq!(parts(text), None, "{text}");
        }
    }

    #[test]
    fn a_whole_number_is_one_in_every_notation() {
        assert_eq!(whole("-9223372036854775808"), Some(i64::MIN));
        assert_eq!(whole("9223372036854775808"), None);
        assert_eq!(whole("1.50e1"), Some(15));
        assert_eq!(whole("12e3"), Some(12_000));
        assert_eq!(whole("0e100000"), Some(0));
        assert_eq!(whole("1.000"), Some(1));
        assert_eq!(whole("0.5"), None);
    }
}
