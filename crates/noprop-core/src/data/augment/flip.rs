//! Which training images are mirrored. JSON has `true`, `false` or `"alternating"`.

use crate::ops::batch::Mirrored;
use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// Which images are mirrored left to right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Flip {
    /// None.
    #[default]
    Never,
    /// Every second one, by chance, anew in every epoch.
    Random,
    /// Every second one, by chance, in the first epoch, and the others in the next: each is seen either way in any two epochs that follow each
    /// other (Jordan 2024, arXiv 2404.00498).
    Alternating,
}

const ALTERNATING: &str = "alternating";

impl Flip {
    /// The same for the kernel that gathers samples on a device.
    pub(super) fn mirrored(self) -> Mirrored {
        match self {
            Self::Never => Mirrored::Never,
            Self::Random => Mirrored::Random,
            Self::Alternating => Mirrored::Alternating,
        }
    }
}

impl Serialize for Flip {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Never => to.serialize_bool(false),
            Self::Random => to.serialize_bool(true),
            Self::Alternating => to.serialize_str(ALTERNATING),
        }
    }
}

impl<'de> Deserialize<'de> for Flip {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct BooleanOrName;
        impl Visitor<'_> for BooleanOrName {
            type Value = Flip;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("true, false or 'alternating'")
            }
            fn visit_bool<E: Error>(self, flip: bool) -> Result<Flip, E> {
                Ok(if flip { Flip::Random } else { Flip::Never })
            }
            fn visit_str<E: Error>(self, name: &str) -> Result<Flip, E> {
                if name == ALTERNATING {
                    return Ok(Flip::Alternating);
                }
                Err(E::invalid_value(Unexpected::Str(name), &self))
            }
        }
        from.deserialize_any(BooleanOrName)
    }
}
