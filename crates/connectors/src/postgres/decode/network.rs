//! Addresses of networks and machines as text.

use std::{
    fmt::Write,
    net::{Ipv4Addr, Ipv6Addr},
};

use super::reader::{Malformed, Reader};

/// Writes an `inet` or `cidr`; an `inet` of a single host has no `/32` or `/128`.
pub(super) fn push_inet(reader: &mut Reader<'_>, out: &mut String) -> Result<(), Malformed> {
    const IPV4: u8 = 2;
    const IPV6: u8 = 3;
    let (family, prefix, is_cidr, length) = (reader.u8()?, reader.u8()?, reader.u8()?, reader.u8()?);
    let address = reader.take(usize::from(length))?;
    // Writing to a string cannot fail.
    let host_prefix = match family {
        IPV4 => {
            let octets: [u8; 4] = address.try_into().map_err(|_| Malformed)?;
            let _ = write!(out, "{}", Ipv4Addr::from(octets));
            32
        }
        IPV6 => {
            let octets: [u8; 16] = address.try_into().map_err(|_| Malformed)?;
            let _ = write!(out, "{}", Ipv6Addr::from(octets));
            128
        }
        _ => return Err(Malformed),
    };
    if is_cidr != 0 || prefix != host_prefix {
        let _ = write!(out, "/{prefix}");
    }
    Ok(())
}

/// Writes a `macaddr` or `macaddr8`.
pub(super) fn push_macaddr(bytes: &[u8], out: &mut String) -> Result<(), Malformed> {
    if !matches!(bytes.len(), 6 | 8) {
        return Err(Malformed);
    }
    for (index, byte) in bytes.iter().enumerate() {
        if index > 0 {
            out.push(':');
        }
        let _ = write!(out, "{byte:02x}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inet(bytes: &[u8]) -> Result<String, Malformed> {
        let mut out = String::new();
        push_inet(&mut Reader::new(bytes), &mut out).map(|()| out)
    }

    #[test]
    fn only_an_inet_of_one_host_hides_its_prefix() {
        assert_eq!(inet(&[2, 32, 0, 4, 10, 0, 0, 1]).as_deref(), Ok("10.0.0.1"));
        assert_eq!(inet(&[2, 32, 1, 4, 10, 0, 0, 1]).as_deref(), Ok("10.0.0.1/32"));
        assert_eq!(inet(&[2, 8, 0, 4, 10, 0, 0, 1]).as_deref(), Ok("10.0.0.1/8"));
        assert_eq!(inet(&[3, 128, 0, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]).as_deref(), Ok("::1"));
        assert_eq!(inet(&[2, 32, 0, 16, 10, 0, 0, 1]), Err(Malformed));
        assert_eq!(inet(&[9, 32, 0, 4, 10, 0, 0, 1]), Err(Malformed));
    }
}
