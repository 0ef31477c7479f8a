//! Soft limits on work that may go on, and from when they apply.
//!
//! Caps never refuse and move no money. They are looked at after a hold, and
//! only where somebody set some, so the lists of names in them cost nothing
//! elsewhere.

use std::collections::HashSet;
use std::sync::Arc;

use cycles_protocol::Caps;

use crate::Budgets;

/// Stands in an allowlist that allows nothing. An empty list would allow
/// everything (spec: `Caps`, PRECEDENCE RULES), and no tool is called this.
const NO_TOOL: &str = "";

/// Caps of a budget or policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CapsRule {
    at_utilization: u8,
    caps: Arc<Caps>,
}

impl CapsRule {
    /// Caps that apply from `at_utilization` percent; none when they limit
    /// nothing.
    #[must_use]
    pub fn new(at_utilization: u8, mut caps: Caps) -> Option<Self> {
        // spec: an empty list restricts nothing, so it need not be told
        for list in [&mut caps.tool_allowlist, &mut caps.tool_denylist] {
            list.take_if(|list| list.is_empty());
        }
        (caps != Caps::default()).then(|| Self { at_utilization, caps: Arc::new(caps) })
    }

    /// The utilisation from which they apply, percent.
    #[must_use]
    pub const fn at_utilization(&self) -> u8 {
        self.at_utilization
    }

    /// What they limit.
    #[must_use]
    pub fn caps(&self) -> &Caps {
        &self.caps
    }
}

/// The caps that come with a hold: the strictest of all that apply, or none.
///
/// `budgets` are those after the hold. A budget's rule looks at that budget, a
/// policy's at the fullest of them.
pub fn granted<'a>(
    budgets: &Budgets,
    of_policy: Option<&'a CapsRule>,
    of_budgets: impl Iterator<Item = (usize, &'a CapsRule)>,
) -> Option<Arc<Caps>> {
    let of_policy = of_policy
        .filter(|rule| budgets.iter().any(|(_, budget)| budget.is_used_to(rule.at_utilization)));
    let of_budgets = of_budgets.filter(|(position, rule)| {
        budgets.get(*position).is_some_and(|budget| budget.is_used_to(rule.at_utilization))
    });
    let applying = of_policy.into_iter().chain(of_budgets.map(|(_, rule)| rule));
    let applying: Vec<_> = applying.map(|rule| &rule.caps).collect();
    match applying[..] {
        [] => None,
        [only] => Some(Arc::clone(only)),
        _ => Some(Arc::new(strictest(&applying))),
    }
}

/// Caps that allow what all of them allow, and no more.
fn strictest(all: &[&Arc<Caps>]) -> Caps {
    Caps {
        max_tokens: all.iter().filter_map(|caps| caps.max_tokens).min(),
        max_steps_remaining: all.iter().filter_map(|caps| caps.max_steps_remaining).min(),
        tool_allowlist: allowed(all),
        tool_denylist: union(all.iter().copied()),
        // The longest pause is the strictest.
        cooldown_ms: all.iter().filter_map(|caps| caps.cooldown_ms).max(),
    }
}

/// What every allowlist allows, without what caps that have none deny: the
/// combined allowlist decides alone.
fn allowed(all: &[&Arc<Caps>]) -> Option<Vec<String>> {
    let (listing, denying): (Vec<_>, Vec<_>) =
        all.iter().copied().partition(|caps| caps.tool_allowlist.is_some());
    let mut lists = listing.iter().filter_map(|caps| caps.tool_allowlist.as_ref());
    let mut allowed = lists.next()?.clone();
    for list in lists {
        let list: HashSet<_> = list.iter().collect();
        allowed.retain(|tool| list.contains(tool));
    }
    if let Some(denied) = union(denying.into_iter()) {
        let denied: HashSet<_> = denied.into_iter().collect();
        allowed.retain(|tool| !denied.contains(tool));
    }
    if allowed.is_empty() {
        allowed.push(NO_TOOL.to_owned());
    }
    Some(allowed)
}

/// What any of the denylists denies.
fn union<'a>(all: impl Iterator<Item = &'a Arc<Caps>>) -> Option<Vec<String>> {
    let mut seen = HashSet::new();
    let lists = all.filter_map(|caps| caps.tool_denylist.as_ref());
    let denied: Vec<_> = lists.flatten().filter(|tool| seen.insert(*tool)).cloned().collect();
    (!denied.is_empty()).then_some(denied)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::Opening;
    use crate::fixtures::budgets;
    use proptest::prelude::*;

    fn tokens(max_tokens: i64) -> Caps {
        Caps { max_tokens: Some(max_tokens), ..Caps::default() }
    }

    fn used(spent: i64) -> Opening {
        Opening { spent, ..Opening::of(1000) }
    }

    #[test]
    fn they_apply_from_their_threshold_on() {
        let rule = CapsRule::new(80, tokens(5)).unwrap();
        let of_budget = |opening| granted(&budgets(&[opening]), None, [(0, &rule)].into_iter());
        assert_eq!(of_budget(used(799)), None);
        assert_eq!(of_budget(used(800)).as_deref(), Some(&tokens(5)));
        assert!(of_budget(Opening::of(0)).is_some(), "nothing of nothing is left");
        let always = CapsRule::new(0, tokens(5)).unwrap();
        let unused = budgets(&[Opening::of(i64::MAX)]);
        assert!(granted(&unused, None, [(0, &always)].into_iter()).is_some());
    }

    #[test]
    fn debt_and_the_largest_amounts_count() {
        let rule = CapsRule::new(100, tokens(5)).unwrap();
        let opening = |spent, debt| Opening { spent, debt, ..Opening::of(i64::MAX) };
        let full = budgets(&[opening(i64::MAX - 1, 1)]);
        assert!(granted(&full, None, [(0, &rule)].into_iter()).is_some());
        let nearly = budgets(&[opening(i64::MAX - 2, 1)]);
        assert!(granted(&nearly, None, [(0, &rule)].into_iter()).is_none());
    }

    #[test]
    fn a_policy_looks_at_the_fullest_budget() {
        let rule = CapsRule::new(80, tokens(5)).unwrap();
        let policy = |openings: &[Opening]| {
            granted(&budgets(openings), Some(&rule), std::iter::empty()).is_some()
        };
        assert!(policy(&[used(800), used(0)]) && policy(&[used(0), used(800)]));
        assert!(!policy(&[used(799), used(0)]));
    }

    #[test]
    fn several_combine_to_the_strictest() {
        let list = |tools: &[&str]| Some(tools.iter().map(ToString::to_string).collect());
        let policy = Caps {
            max_tokens: Some(100),
            max_steps_remaining: Some(3),
            tool_allowlist: list(&["a", "b", "c"]),
            cooldown_ms: Some(10),
            ..Caps::default()
        };
        let root = Caps {
            max_tokens: Some(50),
            tool_allowlist: list(&["c", "b"]),
            tool_denylist: list(&["b"]),
            ..Caps::default()
        };
        let leaf =
            Caps { tool_denylist: list(&["c", "x"]), cooldown_ms: Some(20), ..Caps::default() };
        let [policy, root, leaf] = [policy, root, leaf].map(|caps| CapsRule::new(0, caps).unwrap());
        let rules = [(0, &root), (1, &leaf)];
        let caps = granted(&budgets(&[used(0), used(0)]), Some(&policy), rules.into_iter());
        let expected = Caps {
            max_tokens: Some(50),
            max_steps_remaining: Some(3),
            tool_allowlist: list(&["b"]),
            tool_denylist: list(&["b", "c", "x"]),
            cooldown_ms: Some(20),
        };
        assert_eq!(caps.as_deref(), Some(&expected));
    }

    #[test]
    fn caps_that_limit_nothing_are_none() {
        assert_eq!(CapsRule::new(0, Caps::default()), None);
        let empty = Caps { tool_allowlist: Some(vec![]), tool_denylist: Some(vec![]), ..tokens(1) };
        assert_eq!(CapsRule::new(0, empty), CapsRule::new(0, tokens(1)));
    }

    fn tools() -> impl Strategy<Value = Option<Vec<String>>> {
        let tool = prop::sample::select(vec!["a", "b", "c", "d"]).prop_map(str::to_owned);
        prop::option::of(prop::collection::vec(tool, 1..4))
    }

    proptest! {
        #[test]
        fn a_tool_may_run_where_all_allow_it(
            lists in prop::collection::vec((tools(), tools()), 2..5),
        ) {
            let all: Vec<_> = lists
                .into_iter()
                .map(|(tool_allowlist, tool_denylist)| {
                    Arc::new(Caps { tool_allowlist, tool_denylist, ..Caps::default() })
                })
                .collect();
            let combined = strictest(&all.iter().collect::<Vec<_>>());
            for tool in ["a", "b", "c", "d", "e"] {
                let expected = all.iter().all(|caps| caps.is_tool_allowed(tool));
                prop_assert_eq!(combined.is_tool_allowed(tool), expected, "{} {:?}", tool, &combined);
            }
        }
    }
}
