//! The kernel against the reference.

use super::CopyColumns;
use crate::cuda::parity::{Input, Parity, Values};
use crate::error::Result;

pub(crate) fn parity(parity: &mut Parity) -> Result<()> {
    for (blocks, rows, width) in [(1, 1, 1), (3, 5, 33), (10, 130, 7)] {
        for add in [false, true] {
            let (from_stride, to_stride) = (width + 3, width + 5);
            let op = CopyColumns { rows, width, from_stride, from_offset: 2, to_stride, to_offset: 4, add };
            let written = if add { Values::Normal } else { Values::Poison };
            let name = format!("[{blocks}, {rows}, {width}]{}", if add { ", added" } else { "" });
            let inputs = |to, from| [Input(blocks, rows * to_stride + 1, to), Input(blocks, rows * from_stride, from)];
            let there = inputs(written.clone(), Values::Normal);
            parity.compare(format!("copy columns {name}"), 1e-6, &there, |b| op.forward(&b[0], &b[1]))?;
            let back = inputs(Values::Normal, written);
            parity.compare(format!("copy columns back {name}"), 1e-6, &back, |b| op.backward(&b[1], &b[0]))?;
        }
    }
    let op = CopyColumns { rows: 4, width: 3, from_stride: 0, from_offset: 0, to_stride: 5, to_offset: 1, add: false };
    let inputs = [Input(3, 20, Values::Poison), Input(1, 3, Values::Normal)];
    parity.compare("copy columns [3, 4, 3], one row for all", 1e-7, &inputs, |b| op.forward(&b[0], &b[1]))
}
