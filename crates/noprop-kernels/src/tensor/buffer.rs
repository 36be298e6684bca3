//! Buffers: what operations write.

use crate::error::Result;
use candle_core::{InplaceOp1, Tensor};
use std::ops::Deref;

/// A tensor that operations write. It reads as the tensor itself; a clone shares its values.
///
/// candle asks of every destination whether its elements overlap, and lists the dimensions above 1 for it: an allocation
/// an operation. So a buffer keeps a view of its first element, whose list is empty, to enter candle by. The view gives the
/// operation the whole storage; which of it is written follows from the tensor's own layout, whose rows `apply` checks
/// for what candle would refuse.
#[derive(Debug, Clone)]
pub struct Buffer {
    tensor: Tensor,
    /// The first element of `tensor` in the same storage.
    handle: Tensor,
}

impl Buffer {
    /// Makes `tensor` a destination. Its values are not copied.
    pub fn new(tensor: Tensor) -> Result<Self> {
        let mut handle = tensor.clone();
        // Narrowing never copies, whatever the strides. A tensor without elements keeps its empty dimensions.
        for (dimension, len) in tensor.dims().iter().enumerate() {
            handle = handle.narrow(dimension, 0, 1.min(*len))?;
        }
        Ok(Self { tensor, handle })
    }

    /// Gives `op` the storage, with the layout of the first element instead of the tensor's.
    pub(crate) fn write(&self, op: &impl InplaceOp1) -> candle_core::Result<()> {
        self.handle.inplace_op1(op)
    }
}

impl Deref for Buffer {
    type Target = Tensor;

    fn deref(&self) -> &Tensor {
        &self.tensor
    }
}

#[cfg(test)]
mod tests {
    use super::Buffer;
    use crate::error::Result;
    use crate::ops::testing::values;
    use crate::ops::{BlockOp, apply};
    use crate::tensor::Real;
    use crate::tensor::Rows;
    use candle_core::{DType, Device, Layout, Tensor};

    /// Row k becomes k + 1.
    struct Number;

    impl BlockOp<0> for Number {
        const NAME: &'static str = "number";
        fn block<T: Real>(&self, k: usize, destination: &mut [T], []: [&[T]; 0]) -> Result<()> {
            destination.fill(T::of(k as f64 + 1.0));
            Ok(())
        }
    }

    fn zeros(shape: &[usize]) -> Tensor {
        Tensor::zeros(shape, DType::F32, &Device::Cpu).unwrap()
    }

    #[test]
    fn an_operation_writes_the_whole_tensor_and_nothing_beside_it() {
        let tensor = zeros(&[2, 2, 2]);
        apply(&Number, &Buffer::new(tensor.clone()).unwrap(), []).unwrap();
        assert_eq!(values(&tensor), [1.0, 1.0, 1.0, 1.0, 2.0, 2.0, 2.0, 2.0]);
        let tensor = zeros(&[3, 4]);
        let part = tensor.narrow(0, 1, 2).and_then(|part| part.narrow(1, 1, 2)).unwrap();
        apply(&Number, &Buffer::new(part).unwrap(), []).unwrap();
        assert_eq!(values(&tensor), [0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 2.0, 2.0, 0.0]);
        apply(&Number, &Buffer::new(zeros(&[2, 0])).unwrap(), []).unwrap();
    }

    #[test]
    fn the_handle_has_no_dimension_above_one() {
        for shape in [&[][..], &[1], &[7], &[3, 4], &[2, 3, 4, 5], &[0], &[2, 0]] {
            let buffer = Buffer::new(zeros(shape)).unwrap();
            assert!(buffer.handle.dims().iter().all(|dim| *dim <= 1), "{shape:?}");
            assert_eq!(buffer.dims(), shape);
        }
    }

    #[test]
    fn rows_that_overlap_are_refused_as_candle_would() {
        // One row for all, and rows that are columns.
        let row = zeros(&[1, 4]);
        let square = zeros(&[4, 4]);
        for tensor in [row.broadcast_as((3, 4)).unwrap(), square.t().unwrap()] {
            assert!(apply(&Number, &Buffer::new(tensor).unwrap(), []).is_err());
        }
        assert_eq!(values(&row), [0.0; 4]);
        assert_eq!(values(&square), [0.0; 16]);
        // Rows of 6 values.
        for stride in 0..8 {
            for blocks in [1, 2, 5] {
                let layout = Layout::new((blocks, 2, 3).into(), vec![stride, 3, 1], 0);
                let refused = Rows::of_destination(&layout, "test").is_err();
                assert_eq!(refused, layout.has_internal_overlap(), "{layout:?}");
            }
        }
    }
}
