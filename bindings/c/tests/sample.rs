//! The header and the sample as a C compiler sees them, linked both ways, and
//! under valgrind where it is installed.

#![cfg(unix)]
#![expect(clippy::print_stdout, reason = "a skipped check says so")]

use std::path::{Path, PathBuf};
use std::process::Command;

const SAMPLE: &str = "../../examples/quickstart/c/quickstart.c";
const EXPECTED: &str = "an answer to What is a budget?\ndenied before the model was called\n";

fn package(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Where cargo puts the libraries.
fn libraries() -> PathBuf {
    let test = std::env::current_exe().expect("a test has a file");
    test.ancestors().nth(2).expect("target/PROFILE/deps/test").to_owned()
}

fn succeeds(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        output.status.success(),
        "{command:?}\n{}{}",
        text(&output.stdout),
        text(&output.stderr)
    );
    text(&output.stdout)
}

/// The sample, linked with `library`.
fn compiled(folder: &Path, name: &str, library: &str) -> PathBuf {
    let program = folder.join(name);
    let mut compiler = Command::new("cc");
    compiler.args(["-std=c11", "-Wall", "-Wextra", "-Werror", "-g", "-I"]).arg(package("include"));
    compiler.arg(package(SAMPLE)).arg("-o").arg(&program).arg("-L").arg(libraries());
    succeeds(compiler.args([library, "-lpthread", "-ldl", "-lm"]));
    program
}

#[test]
fn the_header_is_c_and_cpp() {
    for (language, standard) in [("c", "-std=c99"), ("c++", "-std=c++17")] {
        let mut compiler = Command::new("cc");
        compiler.args(["-x", language, standard, "-Wall", "-Wextra", "-Werror", "-pedantic"]);
        succeeds(compiler.arg("-fsyntax-only").arg(package("include/cycles.h")));
    }
}

#[test]
fn the_sample_runs_with_either_library() {
    let folder = tempfile::tempdir().expect("a folder");
    let dynamic = compiled(folder.path(), "dynamic", "-lcycles");
    let path = libraries();
    assert_eq!(succeeds(Command::new(dynamic).env("LD_LIBRARY_PATH", &path)), EXPECTED);
    let archive = path.join("libcycles.a");
    let fixed = compiled(folder.path(), "fixed", archive.to_str().expect("text"));
    assert_eq!(succeeds(&mut Command::new(fixed)), EXPECTED);
}

#[test]
fn the_sample_loses_no_memory_and_touches_none_that_is_not_its_own() {
    if Command::new("valgrind").arg("--version").output().is_err() {
        println!("SKIP valgrind is not installed (Debian: valgrind)");
        assert!(std::env::var_os("CI").is_none(), "valgrind is missing in CI");
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let program = compiled(folder.path(), "sample", "-lcycles");
    let mut valgrind = Command::new("valgrind");
    // What the runtime keeps until the process ends is still reachable.
    valgrind.args(["--quiet", "--error-exitcode=9", "--leak-check=full"]);
    valgrind.args(["--show-leak-kinds=definite", "--errors-for-leak-kinds=definite"]);
    let output = succeeds(valgrind.arg(program).env("LD_LIBRARY_PATH", libraries()));
    assert_eq!(output, EXPECTED);
}
