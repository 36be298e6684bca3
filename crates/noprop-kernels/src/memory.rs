//! Memory that the system may refuse. `vec![…]` and candle's tensors end the process then, Node's with it; what a
//! configuration or data can make large is taken here instead.

use crate::error::{Code, Error, Result};
use bytemuck::Zeroable;
use candle_core::{DType, Device, Tensor};

/// An empty vector with room for `len` values of `what`, a plural such as `the states`.
///
/// # Errors
/// [`Code::Memory`].
pub fn reserved<T>(len: usize, what: &str) -> Result<Vec<T>> {
    let mut values = Vec::new();
    match values.try_reserve_exact(len) {
        Ok(()) => Ok(values),
        Err(_) => Err(refused(len.saturating_mul(size_of::<T>()), what)),
    }
}

/// `len` times the default: zeros.
///
/// # Errors
/// [`Code::Memory`].
pub fn zeros<T: Clone + Default>(len: usize, what: &str) -> Result<Vec<T>> {
    let mut values = reserved(len, what)?;
    values.resize(len, T::default());
    Ok(values)
}

/// As [`zeros`]; the system gives each page of it when it is first written, large ones where it can. For what many threads fill.
///
/// # Errors
/// [`Code::Memory`].
pub fn untouched_zeros<T: Zeroable>(len: usize, what: &str) -> Result<Vec<T>> {
    let values = bytemuck::try_zeroed_vec(len).map_err(|()| refused(len.saturating_mul(size_of::<T>()), what))?;
    // Smaller blocks may be parts of an allocator's heap, whose later owners nobody has asked.
    if size_of_val(&*values) >= LARGE {
        in_large_pages(&values);
    }
    Ok(values)
}

/// Bytes from which on glibc gives every block a mapping of its own.
const LARGE: usize = 32 << 20;

/// Asks for large pages: a page fault for 2 MiB instead of one for 4 KiB.
#[cfg(target_os = "linux")]
fn in_large_pages<T>(values: &[T]) {
    const PAGE: usize = 1 << 16; // No Linux has larger ones of the usual kind.
    let bytes = values.as_ptr_range();
    let (start, end) = (bytes.start.addr().next_multiple_of(PAGE), bytes.end.addr() / PAGE * PAGE);
    if start < end {
        // SAFETY: the pages lie within `values`. The advice changes neither what is in them nor who owns them; a system that does not
        // take it answers with an error, which changes nothing.
        unsafe { libc::madvise(bytes.start.with_addr(start).cast_mut().cast(), end - start, libc::MADV_HUGEPAGE) };
    }
}

#[cfg(not(target_os = "linux"))]
fn in_large_pages<T>(_: &[T]) {}

/// Zeros `[rows, len]` of f32 or f64 in the processor's memory.
///
/// # Errors
/// [`Code::Memory`].
pub fn zero_tensor(rows: usize, len: usize, dtype: DType, what: &str) -> Result<Tensor> {
    let (shape, count) = ((rows, len), rows.saturating_mul(len));
    Ok(match dtype {
        DType::F32 => Tensor::from_vec(zeros::<f32>(count, what)?, shape, &Device::Cpu)?,
        DType::F64 => Tensor::from_vec(zeros::<f64>(count, what)?, shape, &Device::Cpu)?,
        other => return Err(Error::new(Code::Internal, format!("no memory is taken for values of {other:?}"))),
    })
}

fn refused(bytes: usize, what: &str) -> Error {
    Error::new(Code::Memory, format!("there is not enough memory for {what}"))
        .expected(format!("{:.1} MiB more", bytes as f64 / f64::from(1 << 20)))
        .hint("use a smaller net, a smaller batch or fewer samples at a time, or raise the process's memory limit")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_machine_has_is_refused_with_how_much_it_was() {
        for len in [1 << 50, usize::MAX] {
            let error = zeros::<f32>(len, "the states").unwrap_err();
            assert_eq!((error.code, &error.what[..]), (Code::Memory, "there is not enough memory for the states"));
        }
        assert_eq!(zeros::<f32>(1 << 50, "x").unwrap_err().expected, "4294967296.0 MiB more");
        assert_eq!(zero_tensor(1 << 30, 1 << 30, DType::F64, "x").unwrap_err().code, Code::Memory);
        assert_eq!(zeros::<u64>(3, "x").unwrap(), [0; 3]);
        assert_eq!(untouched_zeros::<f32>(usize::MAX, "x").unwrap_err().code, Code::Memory);
        assert_eq!(untouched_zeros::<f32>(3, "x").unwrap(), [0.0; 3]);
        assert!(untouched_zeros::<u8>(LARGE + 5, "x").unwrap().iter().all(|value| *value == 0));
        assert_eq!(untouched_zeros::<u8>(0, "x").unwrap(), [0; 0]);
    }
}
