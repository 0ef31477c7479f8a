//! Who spends and on what, kept small: every open reservation has one.

use std::collections::BTreeMap;

use cycles_protocol::scope::Level;
use cycles_protocol::{Action, Subject};

/// A reservation's subject and action as they were sent, with their texts in
/// one allocation.
#[derive(Debug, Clone)]
pub struct Work {
    /// The subject's levels, then the action's kind, then its name.
    text: Box<str>,
    /// How long each level is; none is empty, so 0 stands for one that is unset.
    levels: [u8; Level::ALL.len()],
    kind: u16,
    rest: Option<Box<Rest>>,
}

/// What most have none of.
#[derive(Debug, Clone)]
struct Rest {
    dimensions: Option<BTreeMap<String, String>>,
    tags: Option<Vec<String>>,
}

impl Work {
    /// Both were validated: levels have 1 to 128 bytes, a kind at most 64
    /// characters.
    pub(crate) fn new(subject: &Subject, action: &Action) -> Self {
        let parts = Self::of(subject.levels(), &action.kind, &action.name);
        parts.with(subject.dimensions.clone(), action.tags.clone())
    }

    /// The levels that are set, root first, and what is done.
    pub fn of<'a>(
        subject: impl IntoIterator<Item = (Level, &'a str)>,
        kind: &str,
        name: &str,
    ) -> Self {
        // Most are shorter.
        let mut text = String::with_capacity(64);
        let mut levels = [0; Level::ALL.len()];
        for (level, value) in subject {
            text.push_str(value);
            levels[level as usize] = u8::try_from(value.len()).unwrap_or(u8::MAX);
        }
        text.push_str(kind);
        text.push_str(name);
        let kind = u16::try_from(kind.len()).unwrap_or(u16::MAX);
        Self { text: text.into_boxed_str(), levels, kind, rest: None }
    }

    /// The same, with what most have none of.
    #[must_use]
    pub fn with(
        mut self,
        dimensions: Option<BTreeMap<String, String>>,
        tags: Option<Vec<String>>,
    ) -> Self {
        let has_more = dimensions.is_some() || tags.is_some();
        self.rest = has_more.then(|| Box::new(Rest { dimensions, tags }));
        self
    }

    /// The subject's dimensions.
    #[must_use]
    pub fn dimensions(&self) -> Option<&BTreeMap<String, String>> {
        self.rest.as_ref()?.dimensions.as_ref()
    }

    /// The action's tags.
    #[must_use]
    pub fn tags(&self) -> Option<&Vec<String>> {
        self.rest.as_ref()?.tags.as_ref()
    }

    /// The action's kind and name.
    #[must_use]
    pub fn kind_and_name(&self) -> (&str, &str) {
        let start: usize = self.levels.iter().map(|length| usize::from(*length)).sum();
        self.text[start..].split_at(usize::from(self.kind))
    }

    /// The subject's value at `level`.
    #[must_use]
    pub fn level(&self, level: Level) -> Option<&str> {
        let index = level as usize;
        let start: usize = self.levels[..index].iter().map(|length| usize::from(*length)).sum();
        let length = usize::from(self.levels[index]);
        (length > 0).then(|| &self.text[start..start + length])
    }

    /// The levels that are set, root first.
    pub fn levels(&self) -> impl Iterator<Item = (Level, &str)> {
        Level::ALL.into_iter().filter_map(|level| Some((level, self.level(level)?)))
    }

    /// The subject as it was sent.
    pub(crate) fn subject(&self) -> Subject {
        let mut subject = Subject {
            dimensions: self.rest.as_ref().and_then(|rest| rest.dimensions.clone()),
            ..Subject::default()
        };
        for (level, value) in self.levels() {
            *subject.get_mut(level) = Some(value.to_owned());
        }
        subject
    }

    /// The action as it was sent.
    pub(crate) fn action(&self) -> Action {
        let (kind, name) = self.kind_and_name();
        Action { tags: self.tags().cloned(), ..Action::new(kind, name) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_come_back_as_sent() {
        let whole = Subject {
            tenant: Some("Acme".into()),
            app: Some("a".repeat(128)),
            toolset: Some("t".into()),
            dimensions: Some(BTreeMap::from([("k".into(), "é".into())])),
            ..Subject::default()
        };
        let agent = Subject { agent: Some("bot".into()), ..Subject::default() };
        let tagged = Action { tags: Some(vec![]), ..Action::new("🦀".repeat(64), "") };
        for (subject, action) in
            [(whole.clone(), tagged), (agent, Action::new("", "é")), (whole, Action::new("a", "b"))]
        {
            let work = Work::new(&subject, &action);
            assert_eq!((work.subject(), work.action()), (subject.clone(), action));
            assert!(work.levels().eq(subject.levels()));
        }
    }
}
