//! Products by the `gemm` crate, one thread: the order of its sums depends on the shapes and the processor alone.

use super::Linear;
use crate::ops::simd::vectorize;
use gemm::Parallelism;

/// A row-major matrix or, with its strides swapped, the transpose of one.
struct Matrix {
    data: *const f32,
    row: usize,
    column: usize,
}

/// d (row-major `[rows, columns]`) = beta · d + a · b over `depth`.
fn product(d: &mut [f32], beta: f32, (rows, columns, depth): (usize, usize, usize), a: Matrix, b: Matrix) {
    // SAFETY: `d` has rows × columns elements (asserted); `a` and `b` were made from slices whose lengths the callers below
    // take from the same three numbers, and strides below 2^31 fit isize.
    unsafe {
        assert_eq!(d.len(), rows * columns);
        gemm::gemm(
            rows,
            columns,
            depth,
            d.as_mut_ptr(),
            1,
            columns as isize,
            beta != 0.0,
            a.data,
            a.column as isize,
            a.row as isize,
            b.data,
            b.column as isize,
            b.row as isize,
            beta,
            1.0,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}

fn matrix(data: &[f32], rows: usize, columns: usize) -> Matrix {
    assert_eq!(data.len(), rows * columns);
    Matrix { data: data.as_ptr(), row: columns, column: 1 }
}

fn transposed(data: &[f32], rows: usize, columns: usize) -> Matrix {
    let Matrix { data, row, column } = matrix(data, rows, columns);
    Matrix { data, row: column, column: row }
}

/// y += x · weight.
pub fn add_product(op: &Linear, y: &mut [f32], x: &[f32], weight: &[f32]) {
    let (n, i, o) = (op.samples, op.inputs, op.outputs);
    product(y, 1.0, (n, o, i), matrix(x, n, i), matrix(weight, i, o));
}

/// dx = dy · weightᵀ.
pub fn backward_data(op: &Linear, dx: &mut [f32], dy: &[f32], weight: &[f32]) {
    let (n, i, o) = (op.samples, op.inputs, op.outputs);
    product(dx, 0.0, (n, i, o), matrix(dy, n, o), transposed(weight, i, o));
}

/// dw = xᵀ · dy.
pub fn backward_weights(op: &Linear, dw: &mut [f32], x: &[f32], dy: &[f32]) {
    let (n, i, o) = (op.samples, op.inputs, op.outputs);
    product(dw, 0.0, (i, o, n), transposed(x, n, i), matrix(dy, n, o));
}

/// sums = Σ rows, in order.
pub fn sum_rows(sums: &mut [f32], rows: &[f32]) {
    vectorize(
        #[inline(always)]
        || super::reference::sum_rows(sums, rows),
    );
}
