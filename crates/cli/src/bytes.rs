//! Numbers of bytes as people write them.

/// Reads a number of bytes such as `65536`, `512K` or `2MiB`: units are powers of 1,024, and `MB`, which is none to some, is
/// refused.
pub(crate) fn bytes(text: &str) -> Result<u64, String> {
    const FORM: &str = "write a number of bytes such as 65536, 512K, 10M or 2GiB";
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let shift = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kib" => 10,
        "m" | "mib" => 20,
        "g" | "gib" => 30,
        "t" | "tib" => 40,
        _ => return Err(FORM.to_owned()),
    };
    let bytes = number.parse::<u64>().ok().and_then(|number| number.checked_mul(1 << shift));
    bytes.ok_or_else(|| FORM.to_owned())
}

/// Reads a rate: a number of bytes in each second, and not none.
pub(crate) fn per_second(text: &str) -> Result<u64, String> {
    match bytes(text)? {
        0 => Err("a rate is 1 byte in each second at least".to_owned()),
        rate => Ok(rate),
    }
}

#[cfg(test)]
mod tests {
    use super::{bytes, per_second};

    #[test]
    fn numbers_of_bytes_are_read() {
        for (text, number) in [
            ("0", 0),
            ("1", 1),
            ("65536", 65_536),
            ("512K", 524_288),
            ("10m", 10 << 20),
            ("2G", 2 << 30),
            ("3TiB", 3 << 40),
            ("500KiB", 512_000),
            ("2mib", 2 << 20),
            ("7b", 7),
        ] {
            assert_eq!(bytes(text), Ok(number), "{text}");
        }
        assert_eq!(per_second("7b"), Ok(7));
        assert!(per_second("0").is_err());
        for bad in ["", "k", "-1", "1.5M", "1MB", "1 M", "18446744073709551615K", "1P"] {
            assert!(bytes(bad).is_err(), "{bad}");
        }
    }
}
