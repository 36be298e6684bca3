fn main() {
    napi_build::setup();
    // Symbols of functions would be a third of the addon, and nobody reads them. The `strip` of a profile would do the
    // same, but build every dependency anew.
    let target = |part| std::env::var(format!("CARGO_CFG_TARGET_{part}")).unwrap_or_default();
    if target("FAMILY") == "unix" && target("OS") != "macos" || target("ENV") == "gnu" {
        println!("cargo:rustc-cdylib-link-arg=-s");
    }
}
