//! NumPy's `.npy` files: a header that is a Python dictionary, then the values.

use crate::memory::reserved;
use crate::{Code, Error, Result};

const MAGIC: &[u8] = b"\x93NUMPY";
/// Longest header: those of NumPy have 118 bytes, or a few more for many sizes.
const MAX_HEADER: usize = 1 << 16;

/// NumPy's name of whole numbers of 16 bits without a sign.
pub(super) const UINT16: &str = "uint16";

/// An array in row-major order.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Array {
    pub shape: Vec<usize>,
    pub values: Values,
    /// The type of whole numbers that are not [`Values::Bytes`].
    pub whole: Option<&'static str>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Values {
    /// Unsigned bytes.
    Bytes(Vec<u8>),
    Numbers(Vec<f64>),
    Texts(Vec<String>),
}

/// Reads a file; `name` is that of the file, for errors.
///
/// # Errors
/// [`Code::FileFormat`], [`Code::FileTruncated`], [`Code::Memory`].
pub(super) fn read(name: &str, bytes: &[u8]) -> Result<Array> {
    let refused = |what: String, received: String| {
        Error::new(Code::FileFormat, format!("{name} {what}"))
            .expected("an array of numbers, booleans or texts, as numpy.save writes it")
            .received(received)
    };
    let truncated = || {
        Error::new(Code::FileTruncated, format!("{name} ends too early"))
            .hint("the file is damaged or its download stopped early; fetch it again")
    };
    let Some(rest) = bytes.strip_prefix(MAGIC) else {
        let start = bytes.get(..4).unwrap_or(bytes);
        return Err(refused("is not a NumPy array".to_owned(), format!("bytes {start:02x?}")));
    };
    let (header, data) = match *rest {
        [1, _, low, high, ref rest @ ..] => rest.split_at_checked(usize::from(u16::from_le_bytes([low, high]))),
        [2 | 3, _, a, b, c, d, ref rest @ ..] => {
            let len = u32::from_le_bytes([a, b, c, d]) as usize;
            if len > MAX_HEADER { None } else { rest.split_at_checked(len) }
        }
        _ => None,
    }
    .ok_or_else(truncated)?;
    let header = String::from_utf8_lossy(header);
    let unreadable = || refused("has a header that cannot be read".to_owned(), header.chars().take(80).collect());
    let after = |key: &str| header.split_once(key).map(|(_, rest)| rest.trim_start_matches(['\'', '"', ':', ' ']));
    let kind = after("descr").and_then(|rest| rest.split(['\'', '"']).next()).ok_or_else(unreadable)?;
    let is_fortran = after("fortran_order").ok_or_else(unreadable)?.starts_with("True");
    let sizes = after("shape").and_then(|rest| rest.strip_prefix('(')?.split_once(')')).ok_or_else(unreadable)?.0;
    let sizes = sizes.split(',').map(str::trim).filter(|size| !size.is_empty());
    let shape = sizes.map(str::parse::<usize>).collect::<std::result::Result<Vec<_>, _>>().map_err(|_| unreadable())?;
    let count = shape.iter().try_fold(1usize, |product, size| product.checked_mul(*size)).ok_or_else(unreadable)?;
    let (order, letter) = (kind.chars().next().unwrap_or(' '), kind.get(1..2).unwrap_or_default());
    let size = kind.get(2..).and_then(|size| size.parse::<usize>().ok()).ok_or_else(|| {
        refused(
            "holds values of a kind that is not read".to_owned(),
            format!("{:?}", kind.chars().take(40).collect::<String>()),
        )
    })?;
    let big = order == '>';
    let unit = if letter == "U" { size.checked_mul(4).ok_or_else(unreadable)? } else { size };
    if unit == 0 || shape.len() > 32 {
        return Err(unreadable());
    }
    let len = count.checked_mul(unit).ok_or_else(truncated)?;
    let data = data.get(..len).ok_or_else(truncated)?;
    let place = |index: usize| if is_fortran { fortran(index, &shape) } else { index };
    let cell = |index: usize| &data[place(index) * unit..(place(index) + 1) * unit];
    let values = match (letter, size) {
        ("u", 1) => {
            let mut values = reserved(count, "the values of an array")?;
            if is_fortran {
                values.extend((0..count).map(|index| cell(index)[0]))
            } else {
                values.extend_from_slice(data)
            }
            Values::Bytes(values)
        }
        ("U", _) => Values::Texts((0..count).map(|index| text(cell(index), big)).collect()),
        _ => {
            let number = reader(letter, size)
                .ok_or_else(|| refused("holds values of a kind that is not read".to_owned(), format!("{kind:?}")))?;
            let mut values = reserved(count, "the values of an array")?;
            values.extend((0..count).map(|index| {
                let mut bytes = [0; 8];
                bytes[..size].copy_from_slice(cell(index));
                if big {
                    bytes[..size].reverse();
                }
                number(bytes)
            }));
            Values::Numbers(values)
        }
    };
    let whole = match (letter, size) {
        ("i", 1) => Some("int8"),
        ("i", 2) => Some("int16"),
        ("i", 4) => Some("int32"),
        ("i", 8) => Some("int64"),
        ("u", 2) => Some(UINT16),
        ("u", 4) => Some("uint32"),
        ("u", 8) => Some("uint64"),
        _ => None,
    };
    Ok(Array { shape, values, whole })
}

/// Reads a number from its little-endian bytes.
fn reader(letter: &str, size: usize) -> Option<fn([u8; 8]) -> f64> {
    Some(match (letter, size) {
        ("b", 1) => |bytes| f64::from(u8::from(bytes[0] != 0)),
        ("i", 1) => |bytes| f64::from(bytes[0] as i8),
        ("i", 2) => |bytes| f64::from(i16::from_le_bytes([bytes[0], bytes[1]])),
        ("i", 4) => |bytes| f64::from(i32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])),
        ("i", 8) => |bytes| i64::from_le_bytes(bytes) as f64,
        ("u", 2) => |bytes| f64::from(u16::from_le_bytes([bytes[0], bytes[1]])),
        ("u", 4) => |bytes| f64::from(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])),
        ("u", 8) => |bytes| u64::from_le_bytes(bytes) as f64,
        ("f", 2) => |bytes| half(u16::from_le_bytes([bytes[0], bytes[1]])),
        ("f", 4) => |bytes| f64::from(f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])),
        ("f", 8) => f64::from_le_bytes,
        _ => return None,
    })
}

/// An IEEE 754 half.
fn half(bits: u16) -> f64 {
    let (sign, exponent, fraction) =
        (if bits >> 15 == 1 { -1.0 } else { 1.0 }, i32::from(bits >> 10 & 31), f64::from(bits & 1023));
    sign * match exponent {
        0 => fraction * 2f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1.0 + fraction / 1024.0) * 2f64.powi(exponent - 15),
    }
}

/// A text of four bytes a character, which NUL fills up.
fn text(bytes: &[u8], big: bool) -> String {
    let code = |unit: &[u8]| {
        let unit = [unit[0], unit[1], unit[2], unit[3]];
        if big { u32::from_be_bytes(unit) } else { u32::from_le_bytes(unit) }
    };
    let codes = bytes.chunks_exact(4).map(code).take_while(|code| *code != 0);
    codes.map(|code| char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}

/// Where in column-major order the value is that is the `index`th in row-major order.
fn fortran(mut index: usize, shape: &[usize]) -> usize {
    let (mut place, mut stride) = (0, shape.iter().product::<usize>());
    for size in shape.iter().rev() {
        stride /= size;
        place += index % size * stride;
        index /= size;
    }
    place
}

#[cfg(test)]
mod tests {
    use super::*;

    fn npy(kind: &str, order: &str, shape: &str, data: &[u8]) -> Vec<u8> {
        let header = format!("{{'descr': '{kind}', 'fortran_order': {order}, 'shape': ({shape}), }}\n");
        let len = (header.len() as u16).to_le_bytes();
        [MAGIC, &[1, 0], &len, header.as_bytes(), data].concat()
    }

    #[test]
    fn orders_and_kinds() {
        let array =
            |kind: &str, order: &str, shape: &str, data: &[u8]| read("x", &npy(kind, order, shape, data)).unwrap();
        assert_eq!(array("|u1", "False", "2, 2", &[1, 2, 3, 4]).values, Values::Bytes(vec![1, 2, 3, 4]));
        assert_eq!(array("|u1", "True", "2, 2", &[1, 2, 3, 4]).values, Values::Bytes(vec![1, 3, 2, 4]));
        assert_eq!(array(">i2", "False", "2,", &[0, 1, 255, 255]).values, Values::Numbers(vec![1.0, -1.0]));
        assert_eq!(
            array("<f2", "False", "3,", &[0, 0x3c, 0, 0xc0, 1, 0]).values,
            Values::Numbers(vec![1.0, -2.0, 2f64.powi(-24)])
        );
        assert_eq!(array("|b1", "False", "2,", &[0, 1]).values, Values::Numbers(vec![0.0, 1.0]));
        let cat: Vec<u8> = "cat\0".chars().flat_map(|letter| u32::from(letter).to_le_bytes()).collect();
        assert_eq!(array("<U4", "False", "1,", &cat).values, Values::Texts(vec!["cat".to_owned()]));
        assert_eq!(fortran(5, &[2, 3, 4]), 8);
    }

    #[test]
    fn hostile_headers_are_refused() {
        let code = |bytes: &[u8]| read("x", bytes).unwrap_err().code;
        assert_eq!(code(b"\x93NUMPY"), Code::FileTruncated);
        assert_eq!(code(b"PK"), Code::FileFormat);
        assert_eq!(code(&npy("|u1", "False", "5,", &[1, 2])), Code::FileTruncated);
        assert_eq!(code(&npy("|u1", "False", "18446744073709551615, 3", &[1, 2])), Code::FileFormat);
        assert_eq!(code(&npy("<f8", "False", "2305843009213693952,", &[1, 2])), Code::FileTruncated);
        for kind in ["|O", "<c8", "<M8[ns]", "|S3", "<f16", "<U18446744073709551615", "é"] {
            assert_eq!(code(&npy(kind, "False", "1,", &[0; 16])), Code::FileFormat, "{kind}");
        }
        assert_eq!(code(&npy("|u1", "False", "-1,", &[1])), Code::FileFormat);
    }
}
