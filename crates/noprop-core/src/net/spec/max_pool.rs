//! The greatest of 2 × 2 pixels.

use super::{Fit, Misfit, Spec, one_image};
use crate::error::{Code, Error, Result};
use crate::net::graph::NodeId;
use crate::net::program::{At, Lowering};
use crate::net::shape::Shape;
use serde::{Deserialize, Serialize};

/// Windows of 2 × 2 with a stride of 2; a last odd row and column are left out.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MaxPool {}

/// The shape after windows of 2 × 2.
pub(super) fn halved(inputs: &[Shape]) -> Fit {
    let [height, width, channels] = one_image(inputs)?;
    if height.min(width) < 2 {
        let image = Shape::Image { height, width, channels };
        return Err(Misfit::new("an image of at least 2 x 2 pixels", image.to_string()).field("from"));
    }
    Ok(Shape::Image { height: height / 2, width: width / 2, channels })
}

impl Spec for MaxPool {
    fn output(&self, inputs: &[Shape], _: usize) -> Fit {
        halved(inputs)
    }
    fn lower(&self, _: &mut Lowering<'_>, _: NodeId) -> Result<()> {
        Err(Error::new(Code::Internal, "max-pool"))
    }
    fn differentiate(&self, _: &mut Lowering<'_>, _: NodeId, _: At) -> Result<()> {
        Err(Error::new(Code::Internal, "max-pool"))
    }
}
