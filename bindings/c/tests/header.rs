//! `include/cycles.h` is what the sources say. With `UPDATE=1` it is written.

use std::path::Path;

#[test]
fn the_header_is_what_the_sources_say() {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let config = cbindgen::Config::from_file(package.join("cbindgen.toml")).expect("config");
    let bindings = cbindgen::Builder::new().with_crate(package).with_config(config).generate();
    let mut text = Vec::new();
    bindings.expect("the sources parse").write(&mut text);
    let text = String::from_utf8(text).expect("a header is text");
    let file = package.join("include/cycles.h");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&file, &text).expect("the header can be written");
    }
    let kept = std::fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(kept, text, "run UPDATE=1 cargo test -p runcycles-c --test header");
}
