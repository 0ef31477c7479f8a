//! The generator of Java on the foreign function interface of JDK 22, pinned like the other one.

fn main() -> anyhow::Result<()> {
    uniffi_bindgen_java::run_main()
}
