//! The kernel against the reference.

use super::Add;
use crate::cuda::parity::{Input, Parity, Values};
use crate::error::Result;

pub(crate) fn parity(parity: &mut Parity) -> Result<()> {
    for (blocks, len) in [(1, 1), (3, 257), (10, 1000)] {
        let inputs = [Input(blocks, len + 2, Values::Normal), Input(blocks, len + 1, Values::Normal)];
        parity.compare(format!("add [{blocks}, {len}]"), 1e-6, &inputs, |b| Add { len }.forward(&b[0], &b[1]))?;
    }
    let shared = [Input(3, 70, Values::Normal), Input(1, 70, Values::Normal)];
    parity.compare("add [3, 70], one x for all", 1e-6, &shared, |b| Add { len: 70 }.forward(&b[0], &b[1]))
}
