//! Asking native work to stop.

use napi_derive::napi;
use noprop_core::tensor::StopFlag;

/// A flag that native work polls.
#[napi]
#[derive(Default)]
pub struct StopSignal {
    flag: StopFlag,
}

#[napi]
impl StopSignal {
    /// A flag that is not raised.
    #[napi(constructor)]
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks the work to stop.
    #[napi]
    pub fn stop(&self) {
        self.flag.stop();
    }

    pub(crate) fn flag(&self) -> StopFlag {
        self.flag.clone()
    }
}
