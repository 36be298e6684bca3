//! The core's errors as JavaScript receives them.

use noprop_core::train::progress::Failure;

/// An `Error` whose message is the core's error as JSON.
pub fn to_js(error: noprop_core::Error) -> napi::Error {
    let text = serde_json::to_string(&Failure(error));
    napi::Error::from_reason(text.unwrap_or_else(|error| error.to_string()))
}

/// Adds the conversion to results.
pub trait IntoJs<T> {
    /// The same result with a JavaScript error.
    fn into_js(self) -> napi::Result<T>;
}

impl<T> IntoJs<T> for noprop_core::Result<T> {
    fn into_js(self) -> napi::Result<T> {
        self.map_err(to_js)
    }
}

/// A value of the core as JSON text.
pub fn json(value: &impl serde::Serialize) -> noprop_core::Result<String> {
    serde_json::to_string(value)
        .map_err(|error| noprop_core::Error::new(noprop_core::Code::Internal, error.to_string()))
}
