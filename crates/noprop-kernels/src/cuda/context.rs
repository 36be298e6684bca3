//! What every operation of a thread's current step shares on a device: what products multiply, and where the step's values lie.

use super::multiply::Multiply;
use super::step::DeviceStep;
use crate::error::{Code, Error, Result};
use std::cell::Cell;

/// See the module.
#[derive(Debug, Clone, Copy, Default)]
pub struct Context {
    /// What products and convolutions multiply.
    pub multiply: Multiply,
    /// Training steps have one.
    pub step: Option<DeviceStep>,
    /// Rows that products are split in depth for, whatever rows they have: for results that do not depend on the number of
    /// samples. `None`: their own, of which a batch always has as many.
    pub nominal_rows: Option<usize>,
    /// Whether f32 tensors of the processor are worked on by the emulated kernels.
    pub emulate: bool,
}

thread_local! {
    static CURRENT: Cell<Context> = Cell::new(Context::default());
}

impl Context {
    /// That of this thread.
    pub fn current() -> Self {
        CURRENT.get()
    }

    /// Runs `work` in this context.
    pub fn run<R>(self, work: impl FnOnce() -> R) -> R {
        struct Restore(Context);
        impl Drop for Restore {
            fn drop(&mut self) {
                CURRENT.set(self.0);
            }
        }
        let _restore = Restore(CURRENT.replace(self));
        work()
    }

    /// Where the values of the running training step lie.
    pub fn step(&self) -> Result<DeviceStep> {
        self.step.ok_or_else(|| Error::new(Code::Internal, "a kernel of training runs outside of a training step"))
    }
}
