//! Sets `cfg(device)` where kernels of a device are compiled in: features `cuda` and `emulation`.

fn main() {
    println!("cargo:rustc-check-cfg=cfg(device)");
    println!("cargo:rerun-if-changed=build.rs");
    let has = |feature: &str| std::env::var_os(format!("CARGO_FEATURE_{feature}")).is_some();
    if has("CUDA") || has("EMULATION") {
        println!("cargo:rustc-cfg=device");
    }
}
