//! The README and the page on testing show files that are run: their code
//! blocks must equal them.
//!
//! A block is preceded by `<!-- file: PATH -->` when it is the whole file, or by
//! `<!-- from: PATH -->` when its lines stand there together, however indented.

use anyhow::Result;

use crate::repo::Repo;

/// The pages that show code.
const PAGES: [&str; 10] = [
    "README.md",
    "bindings/go/README.md",
    "bindings/kotlin/README.md",
    "bindings/ruby/README.md",
    "bindings/spring/README.md",
    "docs/guarded-calls.md",
    "docs/node.md",
    "docs/program.md",
    "docs/python.md",
    "docs/testing.md",
];

const LANGUAGES: [&str; 9] = ["rust", "python", "js", "ts", "kotlin", "java", "go", "ruby", "c"];

/// A fenced block and the comment before it.
struct Block<'a> {
    line: usize,
    language: &'a str,
    source: Option<(&'a str, &'a str)>,
    text: String,
}

/// What is wrong with the pages' blocks, one line each.
pub(crate) fn check(repo: &Repo) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for page in PAGES {
        found.extend(problems(page, &repo.read(page)?, |path| repo.read(path).ok()));
    }
    Ok(found)
}

fn problems(page: &str, text: &str, read: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let code = blocks(text).into_iter().filter(|block| LANGUAGES.contains(&block.language));
    code.filter_map(|block| Some(format!("{page}:{}: {}", block.line, problem(&block, &read)?)))
        .collect()
}

fn problem(block: &Block<'_>, read: impl Fn(&str) -> Option<String>) -> Option<String> {
    let Some((kind, path)) = block.source else {
        return Some("code without `<!-- file: PATH -->` before it is never run".to_owned());
    };
    let Some(file) = read(path) else { return Some(format!("{path} does not exist")) };
    let same = match kind {
        "file" => file == block.text,
        _ => stripped(&file).contains(&stripped(&block.text)),
    };
    (!same).then(|| format!("the block is not what {path} says"))
}

/// The text without indentation and empty lines.
fn stripped(text: &str) -> String {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.flat_map(|line| [line, "\n"]).collect()
}

fn blocks(markdown: &str) -> Vec<Block<'_>> {
    let mut blocks = Vec::new();
    let mut open: Option<Block<'_>> = None;
    let mut source = None;
    for (number, line) in markdown.lines().enumerate() {
        if let Some(block) = &mut open {
            if line == "```" {
                blocks.extend(open.take());
            } else {
                block.text.push_str(line);
                block.text.push('\n');
            }
        } else if let Some(language) = line.strip_prefix("```") {
            let text = String::new();
            open = Some(Block { line: number + 1, language, source: source.take(), text });
        } else if let Some(comment) =
            line.strip_prefix("<!-- ").and_then(|rest| rest.strip_suffix(" -->"))
        {
            source = comment.split_once(": ").filter(|(kind, _)| matches!(*kind, "file" | "from"));
        } else if !line.trim().is_empty() {
            source = None;
        }
    }
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "fn main() {\n    work();\n    rest();\n}\n";

    fn check(readme: &str) -> Vec<String> {
        problems("README.md", readme, |path| (path == "a.rs").then(|| FILE.to_owned()))
    }

    #[test]
    fn blocks_that_equal_their_files_are_fine() {
        assert!(check(&format!("<!-- file: a.rs -->\n\n```rust\n{FILE}```\n")).is_empty());
        assert!(check("<!-- from: a.rs -->\n```rust\nwork();\nrest();\n```\n").is_empty());
        assert!(check("```sh\ncargo xtask demo\n```\n").is_empty());
    }

    #[test]
    fn others_are_named_by_line() {
        assert_eq!(check("\n```rust\nwork();\n```\n").len(), 1);
        assert!(
            check("<!-- file: a.rs -->\n```rust\nwork();\n```\n")[0].starts_with("README.md:2:")
        );
        assert_eq!(check("<!-- from: a.rs -->\n```rust\nrest();\nwork();\n```\n").len(), 1);
        assert_eq!(check("<!-- file: gone.rs -->\n```rust\nwork();\n```\n").len(), 1);
    }
}
