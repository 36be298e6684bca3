//! Rows of stacked tensors.

use candle_core::Layout;

/// The rows of a tensor `[K, …]` whose rows are contiguous.
#[derive(Clone, Copy, Default)]
pub(crate) struct Rows<D> {
    pub data: D,
    /// Index of the first value.
    pub start: usize,
    /// Values from one row to the next.
    pub stride: usize,
    pub count: usize,
    /// Values of a row.
    pub len: usize,
}

impl<D> Rows<D> {
    pub(crate) fn of(data: D, layout: &Layout, name: &str) -> candle_core::Result<Self> {
        let (dims, strides) = (layout.dims(), layout.stride());
        let mut expected = 1;
        for (dim, stride) in dims.iter().zip(strides).skip(1).rev() {
            if *dim != 1 && *stride != expected {
                candle_core::bail!("{name}: rows are not contiguous: {layout:?}")
            }
            expected *= dim;
        }
        let count = dims.first().copied().unwrap_or(1);
        Ok(Self {
            data,
            start: layout.start_offset(),
            stride: strides.first().copied().unwrap_or(0),
            count,
            len: expected,
        })
    }
}

impl Rows<()> {
    /// The rows of a destination, which must not overlap: contiguous rows do where the next begins inside of one. That is
    /// all that candle's own check would refuse, which sees only the first element of a [`Buffer`].
    pub(crate) fn of_destination(layout: &Layout, name: &str) -> candle_core::Result<Self> {
        let rows = Self::of((), layout, name)?;
        if rows.count > 1 && rows.stride < rows.len {
            candle_core::bail!("{name}: rows of the destination overlap: {layout:?}")
        }
        Ok(rows)
    }
}

impl<'a, T> Rows<&'a [T]> {
    pub(crate) fn row(&self, k: usize) -> &'a [T] {
        let start = self.start + if self.count == 1 { 0 } else { k * self.stride };
        &self.data[start..start + self.len]
    }
}
