//! The shape of one sample.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Code, Error, Result};

/// The largest number of values of one sample.
pub const MAX_VALUES: usize = 1 << 24;

/// The shape of one sample. Serialised as an array: `[height, width, channels]` or `[length]`; `[height, width]` is read as
/// one channel.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[serde(try_from = "Vec<usize>", into = "Vec<usize>")]
pub enum InputShape {
    /// An image, stored row by row with its channels innermost (HWC).
    Image {
        /// Rows.
        height: usize,
        /// Columns.
        width: usize,
        /// Values per pixel.
        channels: usize,
    },
    /// A plain feature vector.
    Vector {
        /// Number of features.
        len: usize,
    },
}

impl InputShape {
    /// The shape with these sizes: `[height, width, channels]`, `[height, width]` (one channel) or `[length]`.
    ///
    /// # Errors
    /// [`Code::Shape`] for another number of sizes, a size of 0 or more than [`MAX_VALUES`] values in all.
    pub fn new(sizes: &[usize]) -> Result<Self> {
        let shape = match *sizes {
            [len] => Self::Vector { len },
            [height, width] => Self::Image { height, width, channels: 1 },
            [height, width, channels] => Self::Image { height, width, channels },
            _ => {
                return Err(Error::new(Code::Shape, "a sample has the wrong number of dimensions")
                    .expected("[height, width, channels], [height, width] or [length]")
                    .received(if sizes.len() <= 8 { format!("{sizes:?}") } else { format!("{} sizes", sizes.len()) })
                    .hint("give the shape of one sample, without the number of samples"));
            }
        };
        shape.check()?;
        Ok(shape)
    }

    /// Checks a shape that was not made with [`new`](Self::new).
    ///
    /// # Errors
    /// [`Code::Shape`] as in [`new`](Self::new).
    pub fn check(&self) -> Result<()> {
        let sizes = self.sizes();
        let product = sizes.iter().try_fold(1usize, |product, &size| product.checked_mul(size));
        if sizes.contains(&0) || product.is_none_or(|product| product > MAX_VALUES) {
            return Err(Error::new(Code::Shape, "the shape of a sample is out of range")
                .expected(format!("sizes of at least 1, at most {MAX_VALUES} values in all"))
                .received(format!("{sizes:?}")));
        }
        Ok(())
    }

    /// Channels of an image; 1 for vectors.
    pub(crate) fn channels(self) -> usize {
        match self {
            Self::Image { channels, .. } => channels,
            Self::Vector { .. } => 1,
        }
    }

    /// The same with channels by fours, as convolutions on devices have them.
    pub(crate) fn by_fours(self) -> Self {
        match self {
            Self::Image { height, width, channels } => {
                Self::Image { height, width, channels: channels.next_multiple_of(4) }
            }
            Self::Vector { .. } => self,
        }
    }

    /// The number of values of one sample.
    #[allow(clippy::len_without_is_empty, reason = "a shape is never empty")]
    pub fn len(&self) -> usize {
        match *self {
            Self::Image { height, width, channels } => height * width * channels,
            Self::Vector { len } => len,
        }
    }

    /// The sizes: `[height, width, channels]` or `[length]`.
    pub fn sizes(&self) -> Vec<usize> {
        match *self {
            Self::Image { height, width, channels } => vec![height, width, channels],
            Self::Vector { len } => vec![len],
        }
    }
}

impl TryFrom<Vec<usize>> for InputShape {
    type Error = Error;

    fn try_from(sizes: Vec<usize>) -> Result<Self> {
        Self::new(&sizes)
    }
}

impl From<InputShape> for Vec<usize> {
    fn from(shape: InputShape) -> Self {
        shape.sizes()
    }
}

/// For example `28x28x1`, or `784` for a vector.
impl fmt::Display for InputShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Image { height, width, channels } => write!(f, "{height}x{width}x{channels}"),
            Self::Vector { len } => write!(f, "{len}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shape_is_an_array() {
        for (json, shape, text, back) in [
            ("[28,28]", InputShape::Image { height: 28, width: 28, channels: 1 }, "28x28x1", "[28,28,1]"),
            ("[4,6,3]", InputShape::Image { height: 4, width: 6, channels: 3 }, "4x6x3", "[4,6,3]"),
            ("[784]", InputShape::Vector { len: 784 }, "784", "[784]"),
        ] {
            let parsed: InputShape = serde_json::from_str(json).unwrap();
            assert_eq!((parsed, parsed.to_string().as_str()), (shape, text));
            assert_eq!(serde_json::to_string(&parsed).unwrap(), back);
        }
        assert_eq!(InputShape::new(&[4, 6, 3]).unwrap().len(), 72);
    }

    #[test]
    fn bad_shapes_are_refused() {
        let bad: [&[usize]; 8] =
            [&[], &[1, 2, 3, 4], &[0], &[28, 0], &[1, 1, 0], &[MAX_VALUES + 1], &[4097, 4096], &[usize::MAX, 2, 2]];
        for sizes in bad {
            assert_eq!(InputShape::new(sizes).unwrap_err().code, Code::Shape, "{sizes:?}");
        }
        assert_eq!(InputShape::new(&[usize::MAX; 100]).unwrap_err().received, "100 sizes");
        assert!(InputShape::new(&[4096, 4096]).is_ok());
        for json in ["[-1]", "[1.5]", "[]", "28", "[28,0,1]"] {
            assert!(serde_json::from_str::<InputShape>(json).is_err(), "{json}");
        }
    }
}
