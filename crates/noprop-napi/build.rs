//! Linker flags of an addon, and where the CUDA addon looks for CUDA's libraries besides the system's usual places.

/// Beside the addon, and where NVIDIA's packages put the libraries. The driver's own is always in a usual place.
const LIBRARIES: &str = "$ORIGIN:/usr/local/cuda/lib64:/usr/local/cuda-13/lib64:/opt/cuda/lib64";

fn main() {
    napi_build::setup();
    if std::env::var_os("CARGO_FEATURE_CUDA").is_some() {
        println!("cargo:rustc-cdylib-link-arg=-Wl,-rpath,{LIBRARIES}");
    }
}
