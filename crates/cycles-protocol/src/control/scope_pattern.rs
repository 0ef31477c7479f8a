//! Which scopes a policy is for.

use std::fmt;

use crate::error::{Error, ErrorCode};
use crate::limits;
use crate::scope::Level;

/// A set of scopes (governance spec: createPolicy, SCOPE PATTERNS):
///
/// | pattern | names |
/// |---|---|
/// | `tenant:acme/workspace:eng` | that scope |
/// | `tenant:acme/workspace:eng/*` | every scope below it |
/// | `tenant:acme/agent:*` | every scope of that level directly below it |
/// | `agent:bot`, `*/agent:bot`, `agent:*` | the same at any depth |
/// | `*` | every scope |
///
/// Case does not matter, as in scopes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScopePattern {
    text: String,
    /// The segments that are spelled out, joined.
    head: String,
    /// Whether the head starts at the scope's root.
    is_anchored: bool,
    tail: Tail,
}

/// What may follow the head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tail {
    /// Anything, without a head: `*`.
    All,
    /// Nothing.
    None,
    /// At least one segment: `/*`.
    Descendants,
    /// One segment of a level: `kind:*`.
    Kind(Level),
}

/// How narrow a pattern is; the greater, the narrower. Within one tenant, a
/// pattern is greater than every pattern of the same head that names more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Specificity {
    /// Segments spelled out below the tenant.
    named: usize,
    tail: u8,
    is_anchored: bool,
}

impl ScopePattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// `INVALID_REQUEST` saying what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let lower = text.to_ascii_lowercase();
        if lower == "*" {
            return Ok(Self::of(lower, String::new(), false, Tail::All));
        }
        let anywhere = lower.strip_prefix("*/");
        let body = anywhere.unwrap_or(&lower);
        let (head, tail) = split_tail(body);
        let head = head.to_owned();
        let mut levels: Vec<Level> = Vec::new();
        for segment in head.split('/').filter(|_| !head.is_empty()) {
            levels.push(named(segment).ok_or_else(|| invalid(text))?);
        }
        if let Tail::Kind(level) = tail {
            levels.push(level);
        }
        let is_anchored = levels.first() == Some(&Level::Tenant);
        let in_order = levels.windows(2).all(|pair| pair[0] < pair[1]);
        if levels.is_empty() || !in_order || (is_anchored && anywhere.is_some()) {
            return Err(invalid(text));
        }
        Ok(Self::of(lower, head, is_anchored, tail))
    }

    const fn of(text: String, head: String, is_anchored: bool, tail: Tail) -> Self {
        Self { text, head, is_anchored, tail }
    }

    /// The pattern in lower case.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The tenant that the pattern spells out.
    #[must_use]
    pub fn tenant(&self) -> Option<&str> {
        crate::scope::tenant(&self.head).filter(|_| self.is_anchored)
    }

    /// Whether the pattern names `path`, a canonical scope path, or a scope
    /// above it: one of the scopes that a request on `path` touches.
    #[must_use]
    pub fn touches(&self, path: &str) -> bool {
        if self.is_anchored || self.tail == Tail::All {
            return self.starts(path);
        }
        let deeper = path.match_indices('/').map(|(at, _)| &path[at + 1..]);
        std::iter::once(path).chain(deeper).any(|from| self.starts(from))
    }

    /// Whether `path` begins with a scope that the pattern names.
    fn starts(&self, path: &str) -> bool {
        let Some(rest) = path.strip_prefix(self.head.as_str()) else { return false };
        match self.tail {
            Tail::All => true,
            Tail::None => rest.is_empty() || rest.starts_with('/'),
            Tail::Descendants => rest.starts_with('/'),
            Tail::Kind(level) => {
                let next = if self.head.is_empty() { Some(rest) } else { rest.strip_prefix('/') };
                next.and_then(|next| next.strip_prefix(level.as_str()))
                    .is_some_and(|value| value.starts_with(':'))
            }
        }
    }

    /// How narrow the pattern is.
    #[must_use]
    pub fn specificity(&self) -> Specificity {
        let segments = self.head.split('/').filter(|segment| !segment.is_empty());
        let named = segments.count() - usize::from(self.tenant().is_some());
        let tail = match self.tail {
            // All scopes of the policy's tenant, like `*`.
            Tail::All | Tail::Kind(Level::Tenant) => 0,
            Tail::None => 1,
            Tail::Descendants => 2,
            Tail::Kind(_) => 3,
        };
        Specificity { named, tail, is_anchored: self.is_anchored }
    }
}

impl fmt::Display for ScopePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Takes a terminal `*` or `kind:*` off; what is left must be spelled out.
fn split_tail(body: &str) -> (&str, Tail) {
    let (head, last) = body.rsplit_once('/').unwrap_or(("", body));
    let kind = last.strip_suffix(":*").and_then(level);
    match (last, kind) {
        ("*", _) => (head, Tail::Descendants),
        (_, Some(level)) => (head, Tail::Kind(level)),
        _ => (body, Tail::None),
    }
}

fn level(name: &str) -> Option<Level> {
    Level::ALL.into_iter().find(|level| level.as_str() == name)
}

/// The level of a segment that is spelled out.
fn named(segment: &str) -> Option<Level> {
    let (name, value) = segment.split_once(':')?;
    level(name).filter(|_| limits::is_subject_value(value))
}

fn invalid(text: &str) -> Error {
    Error::new(
        ErrorCode::InvalidRequest,
        format!(
            "not a scope pattern; write a scope like tenant:acme/workspace:eng, end it with /* or level:* for many, or start at a level below the tenant for any depth; levels are tenant, workspace, app, workflow, agent, toolset in this order scope_pattern={text:?}"
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCOPES: [&str; 5] = [
        "tenant:acme",
        "tenant:acme/workspace:eng",
        "tenant:acme/workspace:eng/agent:bot",
        "tenant:acme/workspace:english",
        "tenant:acme/agent:bot/toolset:web",
    ];

    /// Which of [`SCOPES`] the pattern names or names a scope above of.
    fn touched_by(pattern: &str) -> Vec<usize> {
        let pattern = ScopePattern::parse(pattern).unwrap();
        (0..SCOPES.len()).filter(|index| pattern.touches(SCOPES[*index])).collect()
    }

    #[test]
    fn each_form_names_its_scopes() {
        for (pattern, touched) in [
            ("*", &[0, 1, 2, 3, 4][..]),
            ("tenant:*", &[0, 1, 2, 3, 4]),
            ("tenant:acme", &[0, 1, 2, 3, 4]),
            ("Tenant:ACME/*", &[1, 2, 3, 4]),
            ("tenant:acme/workspace:*", &[1, 2, 3]),
            ("tenant:acme/workspace:eng", &[1, 2]),
            ("tenant:acme/workspace:eng/*", &[2]),
            ("tenant:acme/workspace:eng/agent:*", &[2]),
            ("tenant:acme/agent:*", &[4]),
            ("agent:*", &[2, 4]),
            ("*/agent:bot", &[2, 4]),
            ("agent:bot/*", &[4]),
            ("agent:bot/toolset:*", &[4]),
            ("workspace:eng/agent:bot", &[2]),
            ("agent:bo", &[]),
            ("agent:ot", &[]),
            ("app:*", &[]),
            ("tenant:acm", &[]),
            ("tenant:other/*", &[]),
        ] {
            assert_eq!(touched_by(pattern), touched, "{pattern}");
        }
    }

    #[test]
    fn what_no_scope_could_match_is_refused() {
        for bad in [
            "",
            "/",
            "*/",
            "*/*",
            "**",
            "acme",
            "team:x",
            "agent:",
            "agent:bot*",
            "agent:a b",
            "*/tenant:acme",
            "workspace:*/agent:x",
            "tenant:acme/*/agent:x",
            "agent:x/app:y",
            "agent:x/agent:*",
            "tenant:acme/",
            "/tenant:acme",
            "tenant:acme//agent:x",
        ] {
            let error = ScopePattern::parse(bad).expect_err(bad);
            assert_eq!(error.code(), ErrorCode::InvalidRequest);
        }
    }

    #[test]
    fn the_narrower_pattern_is_greater() {
        let order = [
            "*",
            "tenant:acme",
            "tenant:acme/*",
            "agent:*",
            "tenant:acme/agent:*",
            "agent:bot",
            "tenant:acme/agent:bot",
            "tenant:acme/agent:bot/*",
            "tenant:acme/agent:bot/toolset:*",
            "tenant:acme/agent:bot/toolset:web",
        ];
        let specificity = |text| ScopePattern::parse(text).unwrap().specificity();
        assert!(order.map(specificity).is_sorted_by(|a, b| a < b));
    }

    #[test]
    fn only_a_tenant_that_is_spelled_out_is_one() {
        let tenant = |text| ScopePattern::parse(text).unwrap().tenant().map(str::to_owned);
        assert_eq!(tenant("tenant:Acme/*").as_deref(), Some("acme"));
        for none in ["*", "tenant:*", "agent:x"] {
            assert_eq!(tenant(none), None, "{none}");
        }
    }
}
