//! What a launch of a kernel is.

use crate::error::{Code, Error, Result};

/// The arguments of a kernel: plain data, laid out as the struct of the same name in its `.cu`.
///
/// # Safety
/// The type must be `#[repr(C)]` without padding that the kernel would read, and its addresses must be valid on the device
/// while the kernel runs.
pub unsafe trait Arguments: Copy {
    /// Of a product, whether each of its factors is read four values at once.
    #[cfg(all(any(test, feature = "testing"), feature = "emulation"))]
    fn in_fours(&self) -> Vec<bool> {
        Vec::new()
    }
}

/// One launch of a kernel.
#[derive(Debug, Clone, Copy)]
pub struct Launch<'a, A> {
    /// Name of the kernel.
    pub kernel: &'a str,
    /// Blocks of threads.
    pub grid: [u32; 3],
    /// Threads of a block.
    pub threads: u32,
    /// Dynamic shared memory of a block, in bytes.
    pub shared: u32,
    /// What the kernel is given.
    pub arguments: A,
}

/// Most blocks of threads of a grid in each direction, on every card (CUDA C++ Programming Guide, table "Technical
/// Specifications per Compute Capability").
const MOST_BLOCKS: [u32; 3] = [(1 << 31) - 1, 65_535, 65_535];

/// Refuses a grid that no card takes. The last two directions are parts of a product and blocks that run together.
pub(super) fn check_grid(kernel: &str, grid: [u32; 3]) -> Result<()> {
    if grid.iter().zip(MOST_BLOCKS).all(|(blocks, most)| *blocks <= most) {
        return Ok(());
    }
    let [x, y, z] = MOST_BLOCKS;
    Err(Error::new(Code::DeviceMemory, format!("kernel {kernel}: a step is too large for the GPU"))
        .expected(format!("a grid of at most {x} x {y} x {z} blocks of threads"))
        .received(grid.map(|blocks| blocks.to_string()).join(" x "))
        .hint("use a smaller batch, or fewer blocks in flight (inFlight)"))
}

/// f32 of the buffer that serves an operation which asks for `values`: few sizes, so that operations share buffers.
pub(super) fn scratch_class(values: usize) -> usize {
    const LEAST: usize = 1 << 18;
    values.next_power_of_two().max(LEAST)
}

/// ⌈len / part⌉ as a number of blocks of threads.
pub fn ceil_div(len: usize, part: usize) -> u32 {
    u32::try_from(len.div_ceil(part)).expect("sizes are checked to be far below 2^32 blocks")
}
