//! What Node loads: the binding, linked.
//!
//! All that is linked is optimised last at the level of the crate that it is linked in. Kernels need the highest; the binding is converted
//! types, and half as large at the lowest. So the two are not one crate.

#[expect(unused_imports, reason = "napi finds what it exports by its registry")]
pub use noprop_napi as _;
