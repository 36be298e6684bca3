//! Shapes of one sample's values.

use crate::data::InputShape;
use std::fmt;

/// Widest layer, and longest side of an image inside of a net.
pub(crate) const MAX_WIDTH: usize = 1 << 16;

/// The shape of one sample's value, as its last dimension lies closest together in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// `[len]`.
    Vector(usize),
    /// `[height, width, channels]`.
    Image {
        /// Rows.
        height: usize,
        /// Columns.
        width: usize,
        /// Values of a pixel.
        channels: usize,
    },
    /// `[count, width]`.
    Tokens {
        /// Number of tokens.
        count: usize,
        /// Values of a token.
        width: usize,
    },
}

impl Shape {
    /// Values of a sample.
    #[allow(clippy::len_without_is_empty, reason = "no shape is empty")]
    pub fn len(&self) -> usize {
        self.rows() * self.width()
    }

    /// Pixels of an image, number of tokens, 1 for a vector: what layers that work row by row take as many rows.
    pub fn rows(&self) -> usize {
        match *self {
            Self::Vector(_) => 1,
            Self::Image { height, width, .. } => height * width,
            Self::Tokens { count, .. } => count,
        }
    }

    /// The last dimension: what layers normalise or project.
    pub fn width(&self) -> usize {
        match *self {
            Self::Vector(len) => len,
            Self::Image { channels, .. } => channels,
            Self::Tokens { width, .. } => width,
        }
    }

    /// The same with another last dimension.
    pub fn with_width(self, width: usize) -> Self {
        match self {
            Self::Vector(_) => Self::Vector(width),
            Self::Image { height, width: columns, .. } => Self::Image { height, width: columns, channels: width },
            Self::Tokens { count, .. } => Self::Tokens { count, width },
        }
    }

    /// All dimensions.
    pub fn dims(&self) -> Vec<usize> {
        match *self {
            Self::Vector(len) => vec![len],
            Self::Image { height, width, channels } => vec![height, width, channels],
            Self::Tokens { count, width } => vec![count, width],
        }
    }
}

impl From<InputShape> for Shape {
    fn from(input: InputShape) -> Self {
        match input {
            InputShape::Vector { len } => Self::Vector(len),
            InputShape::Image { height, width, channels } => Self::Image { height, width, channels },
        }
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self {
            Self::Vector(_) => "a vector",
            Self::Image { .. } => "an image",
            Self::Tokens { .. } => "tokens",
        };
        write!(f, "{kind} {:?}", self.dims())
    }
}
