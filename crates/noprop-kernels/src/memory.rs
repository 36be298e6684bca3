//! Memory that the system may refuse. `vec![…]` and candle's tensors end the process then, Node's with it; what a
//! configuration or data can make large is taken here instead.

use crate::error::{Code, Error, Result};
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
    }
}
