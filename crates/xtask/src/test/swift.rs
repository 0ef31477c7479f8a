//! What there is of Swift: generated, and compiled where that is possible.

use crate::build::swift;
use crate::language::Language;
use crate::repo::{Repo, in_ci};
use crate::report::Report;

/// Generates and compiles, one check each. A missing Swift is no failure, also not in
/// CI: no package registry has it.
pub(super) fn run(repo: &Repo, report: &mut Report) {
    report.check("swift: generated", || swift::generate(repo).map(|()| true));
    match Language::Go.missing() {
        Some(what) => report.skip("swift: C header", what, in_ci()),
        None => report.check("swift: C header", || swift::check_header(repo).map(|()| true)),
    }
    match swift::missing() {
        Some(what) => report.skip("swift: compiled", what, false),
        None => report.check("swift: compiled", || swift::compile(repo).map(|()| true)),
    }
}
