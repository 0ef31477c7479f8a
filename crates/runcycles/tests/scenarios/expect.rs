//! Compares what was seen with what a step expects.

use serde_json::{Map, Value};

/// Whether what was seen is what a step expects, or `usual` where it does not
/// say; errors are unexpected unless it says.
pub(crate) fn compare(
    seen: &Map<String, Value>,
    expect: &Map<String, Value>,
    usual: &[(&str, Value)],
    also: &[&str],
) -> Result<(), String> {
    for outcome in ["error", "raised", "refused"] {
        if !expect.contains_key(outcome) && seen.contains_key(outcome) {
            return Err(format!("unexpected {outcome}: {}", seen[outcome]));
        }
    }
    let mut expect = expect.clone();
    for (name, value) in usual {
        expect.entry(*name).or_insert(value.clone());
    }
    for (name, value) in &expect {
        let known = |known: &str| known == name;
        let is_usual = usual.iter().any(|(usual, _)| known(usual));
        if !is_usual
            && !also.iter().copied().any(known)
            && !["error", "raised"].into_iter().any(known)
        {
            return Err(format!("unknown expectation {name}"));
        }
        if seen.get(name) != Some(value) {
            return Err(format!("{name}: expected {value}, saw {:?}", seen.get(name)));
        }
    }
    Ok(())
}

/// Whether `seen` has everything that `expected` has.
pub(crate) fn contains(seen: &Value, expected: &Value, place: &str) -> Result<(), String> {
    match (seen, expected) {
        (Value::Object(seen), Value::Object(expected)) => {
            expected.iter().try_for_each(|(name, value)| {
                let place = format!("{place}.{name}");
                contains(seen.get(name).ok_or_else(|| format!("{place}: missing"))?, value, &place)
            })
        }
        (Value::Array(seen), Value::Array(expected)) if seen.len() == expected.len() => {
            seen.iter().zip(expected).enumerate().try_for_each(|(index, (seen, expected))| {
                contains(seen, expected, &format!("{place}[{index}]"))
            })
        }
        _ if seen == expected => Ok(()),
        _ => Err(format!("{place}: expected {expected}, saw {seen}")),
    }
}
