//! Who spends and on what, kept small: every open reservation has one.

use std::collections::BTreeMap;

use cycles_protocol::scope::Level;
use cycles_protocol::{Action, Subject};

/// A reservation's subject and action as they were sent, with their texts in
/// one allocation.
#[derive(Debug)]
pub(crate) struct Work {
    /// The subject's levels, then the action's kind, then its name.
    text: Box<str>,
    /// How long each level is; none is empty, so 0 stands for one that is unset.
    levels: [u8; Level::ALL.len()],
    kind: u16,
    rest: Option<Box<Rest>>,
}

/// What most have none of.
#[derive(Debug)]
struct Rest {
    dimensions: Option<BTreeMap<String, String>>,
    tags: Option<Vec<String>>,
}

impl Work {
    /// Both were validated: levels have 1 to 128 bytes, a kind at most 64
    /// characters.
    pub(crate) fn new(subject: Subject, action: Action) -> Self {
        let mut text = String::new();
        let mut levels = [0; Level::ALL.len()];
        for (level, value) in subject.levels() {
            text.push_str(value);
            levels[level as usize] = u8::try_from(value.len()).unwrap_or(u8::MAX);
        }
        text.push_str(&action.kind);
        text.push_str(&action.name);
        let kind = u16::try_from(action.kind.len()).unwrap_or(u16::MAX);
        let has_more = subject.dimensions.is_some() || action.tags.is_some();
        let rest =
            has_more.then(|| Box::new(Rest { dimensions: subject.dimensions, tags: action.tags }));
        Self { text: text.into_boxed_str(), levels, kind, rest }
    }

    /// The subject's value at `level`.
    pub(crate) fn level(&self, level: Level) -> Option<&str> {
        let index = level as usize;
        let start: usize = self.levels[..index].iter().map(|length| usize::from(*length)).sum();
        let length = usize::from(self.levels[index]);
        (length > 0).then(|| &self.text[start..start + length])
    }

    /// The levels that are set, root first.
    pub(crate) fn levels(&self) -> impl Iterator<Item = (Level, &str)> {
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
        let start: usize = self.levels.iter().map(|length| usize::from(*length)).sum();
        let (kind, name) = self.text[start..].split_at(usize::from(self.kind));
        let tags = self.rest.as_ref().and_then(|rest| rest.tags.clone());
        Action { tags, ..Action::new(kind, name) }
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
            let work = Work::new(subject.clone(), action.clone());
            assert_eq!((work.subject(), work.action()), (subject.clone(), action));
            assert!(work.levels().eq(subject.levels()));
        }
    }
}
