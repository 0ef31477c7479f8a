//! The uniffi generator, pinned to the library's own lockfile.

fn main() {
    uniffi::uniffi_bindgen_main();
}
