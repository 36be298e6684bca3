//! Linker flags of an addon, and where the CUDA addon looks for CUDA's libraries besides the system's usual places.

/// Beside the addon, and where NVIDIA's packages put the libraries. The driver's own is always in a usual place.
const LIBRARIES: &str = "$ORIGIN:/usr/local/cuda/lib64:/usr/local/cuda-13/lib64:/opt/cuda/lib64";

fn main() {
    napi_build::setup();
    // Symbols of functions would be a third of the addon, and nobody reads them. The `strip` of a profile would do the
    // same, but build every dependency anew.
    let target = |part| std::env::var(format!("CARGO_CFG_TARGET_{part}")).unwrap_or_default();
    if target("FAMILY") == "unix" && target("OS") != "macos" || target("ENV") == "gnu" {
        println!("cargo:rustc-cdylib-link-arg=-s");
    }
    if std::env::var_os("CARGO_FEATURE_CUDA").is_some() {
        println!("cargo:rustc-cdylib-link-arg=-Wl,-rpath,{LIBRARIES}");
    }
}
