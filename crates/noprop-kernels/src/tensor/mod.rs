//! What operations work on: buffers that they write, rows of stacked tensors, slots in flat buffers, element types, and the flag
//! that stops them.

mod buffer;
mod real;
mod rows;
mod slot;
mod stop;

pub use buffer::Buffer;
pub use real::Real;
pub(crate) use rows::Rows;
pub use slot::Slot;
pub use stop::StopFlag;

use crate::error::{Code, Error, Result};

/// A defect of this library, for shapes that configurations have already been checked for.
pub fn check(condition: bool, what: &str) -> Result<()> {
    if condition { Ok(()) } else { Err(Error::new(Code::Internal, format!("kernel contract broken: {what}"))) }
}
