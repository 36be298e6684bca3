//! Which version of the package this addon belongs to.

use napi_derive::napi;

/// The version that this addon was built as. Cheap: the loader asks before anything else is used.
#[napi]
pub fn version() -> String {
    env!("CARGO_PKG_VERSION").to_owned()
}
