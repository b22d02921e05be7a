//! Gives every binary its linker script: names that begin with `m_` run in M-mode from the start of RAM, the others above the firmware.

fn main() {
    let dir = std::env::var("CARGO_MANIFEST_DIR").unwrap();
    for entry in std::fs::read_dir(format!("{dir}/src/bin")).unwrap() {
        let file = entry.unwrap().file_name().into_string().unwrap();
        let name = file.trim_end_matches(".rs");
        let script = if name.starts_with("m_") { "m_mode" } else { "s_mode" };
        println!("cargo:rustc-link-arg-bin={name}=-T{dir}/link/{script}.ld");
    }
    println!("cargo:rustc-link-search={dir}/link");
    println!("cargo:rerun-if-changed=link");
    println!("cargo:rerun-if-changed=src/bin");
}
