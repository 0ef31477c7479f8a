//! Amounts that a budget just covers, or just does not.

use cycles_protocol::scope::Level;
use cycles_protocol::{Amount, Subject};

use super::Traffic;
use crate::simulation::command::Act;
use crate::simulation::oracle::Oracle;

impl Traffic {
    /// A reservation, question or event that takes a budget to the last unit of
    /// what remains or may be owed, or a unit beside it.
    pub(super) fn on_the_brink(&mut self, client: usize, oracle: &Oracle) -> Act {
        let budgets = oracle.figures(self.clients[client].tenant);
        let Some((budget, figures)) = self.dice.pick(&budgets) else {
            return self.reserve(client, None);
        };
        let mut amount = figures.remaining;
        if self.dice.percent(50) {
            let credit = figures.overdraft_limit.saturating_sub(figures.debt);
            amount = amount.max(0).saturating_add(credit);
        }
        let amount = amount.saturating_add(self.dice.between(-1..=1)).max(0);
        let amount = Amount::new(budget.unit, amount);
        let subject = subject_of(&budget.scope);
        let mut act = match self.dice.below(4) {
            0 => self.reserve(client, None),
            1 => self.ask_decision(client),
            _ => self.debit(client),
        };
        match &mut act {
            Act::Create(request) => (request.subject, request.estimate) = (subject, amount),
            Act::Decide(request) => (request.subject, request.estimate) = (subject, amount),
            Act::Event(request) => (request.subject, request.actual) = (subject, amount),
            _ => {}
        }
        act
    }
}

/// The subject whose deepest scope this is.
fn subject_of(scope: &str) -> Subject {
    let mut subject = Subject::default();
    for segment in scope.split('/') {
        for level in Level::ALL {
            if let Some((name, value)) = segment.split_once(':')
                && name == level.as_str()
            {
                *subject.get_mut(level) = Some(value.to_owned());
            }
        }
    }
    subject
}
