//! What the machine is, how fast it is, and whether an output can be written.

use crate::error::{IntoJs, json};
use crate::stop::StopSignal;
use crate::tasks::promise;
use napi::bindgen_prelude::{Env, Object};
use napi_derive::napi;
use noprop_core::bench;
use noprop_core::config::{Precision, from_json};
use noprop_core::device;
use noprop_core::ops::simd::InstructionSet;
use noprop_core::parity;
use noprop_core::storage;
use noprop_core::train::progress::Failure;
use serde_json::json;
use std::path::PathBuf;

/// Fails with NOPROP_OUTPUT if a file could not be written at `path`.
#[napi]
pub fn probe_output(path: String) -> napi::Result<()> {
    storage::probe_output(&PathBuf::from(path), 0).into_js()
}

/// Version, processor and devices as JSON.
#[napi]
pub fn system_info() -> String {
    let sets: Vec<_> = InstructionSet::available().into_iter().map(InstructionSet::as_str).collect();
    let precisions: Vec<_> = Precision::OF_PROCESSORS.into_iter().filter(|one| one.check_processor().is_ok()).collect();
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "instructionSet": InstructionSet::current().as_str(),
        "cores": std::thread::available_parallelism().map_or(1, usize::from),
        "features": sets,
        "cuda": cfg!(feature = "cuda"),
        "devices": [{ "device": "cpu", "name": std::env::consts::ARCH, "usable": true, "reason": "", "precisions": precisions }],
    })
    .to_string()
}

/// Bytes outside its heap that V8 knows of; `process.memoryUsage()` does not count all of them. For tests.
#[napi]
pub fn external_memory(env: Env) -> napi::Result<f64> {
    Ok(env.adjust_external_memory(0)? as f64)
}

/// What this addon can do with GPUs, as JSON: `{"built":false}`, `{"built":true,"devices":[…]}` with every GPU tried, or
/// `{"built":true,"error":{…}}`. May crash or hang where a driver is broken: ask it in a process of its own.
#[napi]
pub fn probe_cuda() -> String {
    if !cfg!(feature = "cuda") {
        return json!({ "built": false }).to_string();
    }
    match device::tried_cards() {
        Ok(devices) => json!({ "built": true, "devices": devices }),
        Err(error) => json!({ "built": true, "error": Failure(error) }),
    }
    .to_string()
}

/// Measures training steps on random data; options and result are JSON.
#[napi(js_name = "bench", ts_return_type = "Promise<string>")]
pub fn run_bench<'env>(env: &'env Env, options: String, stop: &StopSignal) -> napi::Result<Object<'env>> {
    let flag = stop.flag();
    promise(env, stop.flag(), move || json(&bench::bench(&from_json(&options)?, &flag)?))
}

/// Compares every kernel of a GPU with the plain reference in double precision, in every precision, for `npm run gpu:check`;
/// options (`device`, `most`, `log`, `multiply`, `after`) and result are JSON.
#[napi(ts_return_type = "Promise<string>")]
pub fn device_parity<'env>(env: &'env Env, options: String, stop: &StopSignal) -> napi::Result<Object<'env>> {
    let flag = stop.flag();
    promise(env, stop.flag(), move || json(&parity::device_parity(&from_json(&options)?, &flag)?))
}
