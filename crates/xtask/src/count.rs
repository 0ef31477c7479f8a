//! Reads how many tests ran out of what test runners leave behind.

use std::path::Path;

use anyhow::{Context, Result};

/// Tests of one run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Count {
    /// Passed.
    pub(crate) passed: u32,
    /// Failed, errors included.
    pub(crate) failed: u32,
    /// Not run.
    pub(crate) skipped: u32,
}

impl Count {
    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            passed: self.passed + other.passed,
            failed: self.failed + other.failed,
            skipped: self.skipped + other.skipped,
        }
    }
}

/// The sum of `test result:` lines that `cargo test` prints.
pub(crate) fn cargo(stdout: &str) -> Count {
    stdout
        .lines()
        .filter_map(|line| line.split("test result: ").nth(1))
        .map(|result| Count {
            passed: before(result, " passed"),
            failed: before(result, " failed"),
            skipped: before(result, " ignored"),
        })
        .fold(Count::default(), Count::plus)
}

/// The `---` lines of `go test -v`.
pub(crate) fn go(stdout: &str) -> Count {
    let ended = |how: &str| {
        let lines = stdout.lines().filter(|line| line.trim_start().starts_with(how));
        u32::try_from(lines.count()).unwrap_or(u32::MAX)
    };
    Count { passed: ended("--- PASS: "), failed: ended("--- FAIL: "), skipped: ended("--- SKIP: ") }
}

/// The closing line of minitest: `9 runs, 79 assertions, 0 failures, 0 errors, 0 skips`.
pub(crate) fn minitest(stdout: &str) -> Count {
    let closing = |line: &&str| line.contains(" runs, ") && line.contains(" assertions, ");
    let Some(line) = stdout.lines().rev().find(closing) else { return Count::default() };
    let failed = before(line, " failures") + before(line, " errors");
    let skipped = before(line, " skips");
    Count { passed: before(line, " runs").saturating_sub(failed + skipped), failed, skipped }
}

/// The closing lines of `node --test`, in its spec or its tap form.
pub(crate) fn node(stdout: &str) -> Count {
    let last = |word: &str| {
        let value = |line: &str| {
            let (name, number) = line.trim_start_matches(['#', 'ℹ', ' ']).split_once(' ')?;
            (name == word).then(|| number.trim().parse().ok())?
        };
        stdout.lines().rev().find_map(value).unwrap_or(0)
    };
    Count {
        passed: last("pass"),
        failed: last("fail") + last("cancelled"),
        skipped: last("skipped") + last("todo"),
    }
}

/// `JUnit` XML files: one file, or all of a folder.
pub(crate) fn junit(path: &Path) -> Result<Count> {
    let mut files = vec![path.to_owned()];
    if path.is_dir() {
        let entries = std::fs::read_dir(path)?.flatten().map(|entry| entry.path());
        files = entries.filter(|file| file.extension().is_some_and(|end| end == "xml")).collect();
    }
    let mut sum = Count::default();
    for file in files {
        let text = std::fs::read_to_string(&file)
            .with_context(|| format!("no test report {}", file.display()))?;
        sum = text
            .match_indices("<testsuite ")
            .fold(sum, |sum, (at, _)| sum.plus(suite(&text[at..])));
    }
    Ok(sum)
}

/// One `<testsuite …>` element; its own attributes come before the first `>`.
fn suite(xml: &str) -> Count {
    let element = xml.split('>').next().unwrap_or_default();
    let number = |name: &str| -> u32 {
        let value =
            element.split(&format!(" {name}=\"")).nth(1).and_then(|rest| rest.split('"').next());
        value.and_then(|value| value.parse().ok()).unwrap_or(0)
    };
    let failed = number("failures") + number("errors");
    let skipped = number("skipped");
    Count { passed: number("tests").saturating_sub(failed + skipped), failed, skipped }
}

/// The number that stands right before `word`.
fn before(text: &str, word: &str) -> u32 {
    let number = text.split(word).next().and_then(|head| head.rsplit(' ').next());
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn go_lines_are_counted_subtests_too() {
        let text = "=== RUN   TestA\n    --- PASS: TestA/one (0.00s)\n--- PASS: TestA (0.00s)\n--- FAIL: TestB (0.10s)\n    --- SKIP: TestA/two (0.00s)\nok x\n";
        assert_eq!(go(text), Count { passed: 2, failed: 1, skipped: 1 });
    }

    #[test]
    fn minitest_counts_runs_and_not_assertions() {
        let text = "Finished in 1 s, 8.0 runs/s, 70.6 assertions/s.\n\n\
                    9 runs, 79 assertions, 2 failures, 1 errors, 1 skips\n";
        assert_eq!(minitest(text), Count { passed: 5, failed: 3, skipped: 1 });
        assert_eq!(minitest("cannot load such file"), Count::default());
    }

    #[test]
    fn cargo_results_are_summed() {
        let text = "running 3 tests\ntest result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; \
                    0 filtered out\nnoise 9 passed\n\
                    test result: \u{1b}[31mFAILED\u{1b}[0m. 4 passed; 3 failed; 0 ignored; 0 measured\n";
        assert_eq!(cargo(text), Count { passed: 6, failed: 3, skipped: 1 });
        assert_eq!(cargo("error: could not compile"), Count::default());
    }

    #[test]
    fn node_results_are_read_in_both_forms() {
        let spec =
            "✔ passes (1ms)\nℹ tests 6\nℹ pass 3\nℹ fail 1\nℹ cancelled 1\nℹ skipped 1\nℹ todo 0\n";
        assert_eq!(node(spec), Count { passed: 3, failed: 2, skipped: 1 });
        let tap = "# Subtest: pass 99\n# tests 2\n# pass 2\n# fail 0\n# cancelled 0\n# skipped 0\n# todo 0\n";
        assert_eq!(node(tap), Count { passed: 2, failed: 0, skipped: 0 });
    }

    #[test]
    fn junit_counts_come_from_the_suite_and_not_from_its_cases() {
        let xml = "<testsuites><testsuite name=\"a\" errors=\"1\" failures=\"2\" skipped=\"3\" tests=\"10\">\
                   <testcase tests=\"7\"/></testsuite></testsuites>";
        let at = xml.find("<testsuite ").unwrap();
        assert_eq!(suite(&xml[at..]), Count { passed: 4, failed: 3, skipped: 3 });
    }
}
