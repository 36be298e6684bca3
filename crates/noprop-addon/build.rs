//! Linker flags of an addon, and where the CUDA addon looks for CUDA's libraries besides the system's usual places.

/// Beside the addon, and where NVIDIA's packages put the libraries. The driver's own is always in a usual place.
const LIBRARIES: &str = "$ORIGIN:/usr/local/cuda/lib64:/usr/local/cuda-13/lib64:/opt/cuda/lib64";

fn main() {
    napi_build::setup();
    if std::env::var_os("CARGO_FEATURE_CUDA").is_some() {
        println!("cargo:rustc-cdylib-link-arg=-Wl,-rpath,{LIBRARIES}");
    }
    if links_by_lld() == Some(true) {
        // Functions of the same code are kept once; nothing here compares their addresses.
        println!("cargo:rustc-cdylib-link-arg=-Wl,--icf=all");
    }
}

/// Whether rustc links by its own lld, as it does for this target since 1.90 wherever it has one and no other linker is set. Others may
/// not know the flag.
fn links_by_lld() -> Option<bool> {
    let of = |name| std::env::var(name).ok();
    let target = of("TARGET")?;
    if target != "x86_64-unknown-linux-gnu"
        || of("RUSTC_LINKER").is_some()
        || of("CARGO_ENCODED_RUSTFLAGS")?.contains("link")
    {
        return Some(false);
    }
    let told = |args: &[&str]| {
        let asked = std::process::Command::new(of("RUSTC")?).args(args).output().ok()?;
        String::from_utf8(asked.stdout).ok()
    };
    // rustc 1.95.0 (59807616e 2026-04-14)
    let minor: u32 = told(&["--version"])?.split('.').nth(1)?.parse().ok()?;
    if minor < 90 {
        return Some(false);
    }
    let sysroot = told(&["--print", "sysroot"])?;
    let lld = format!("{}/lib/rustlib/{target}/bin/gcc-ld/ld.lld", sysroot.trim());
    Some(std::path::Path::new(&lld).exists())
}
