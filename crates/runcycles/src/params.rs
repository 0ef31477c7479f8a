//! What the two listings are asked for, as text; read strictly before it is sent.

use cycles_protocol::{Error as Refusal, IdempotencyKey, SortDirection, SortKey, Subject, query};
use serde::Serialize;
use serde_json::Value;

use crate::error::Error;

/// Which balances to read. At least one level must be set, here or in the
/// client's settings; those that are set are matched exactly.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct BalanceParams {
    /// First level.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// Second level.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workspace: Option<String>,
    /// Third level.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app: Option<String>,
    /// Fourth level.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workflow: Option<String>,
    /// Fifth level.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// Sixth level.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub toolset: Option<String>,
    /// Also scopes below the ones that match.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub include_children: Option<bool>,
    /// Page size, 1 to 200; 50 unless set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// From the page before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// Which reservations to list, and how. Times are ISO 8601 date-times, windows
/// are inclusive and may be open.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ListReservationsParams {
    /// Where they stand, like `ACTIVE`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// First level.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// Second level.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workspace: Option<String>,
    /// Third level.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app: Option<String>,
    /// Fourth level.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workflow: Option<String>,
    /// Fifth level.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// Sixth level.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub toolset: Option<String>,
    /// The key that one was created with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<IdempotencyKey>,
    /// Made at or after this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Made at or before this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// Lease ends at or after this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_from: Option<String>,
    /// Lease ends at or before this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_to: Option<String>,
    /// Committed or released at or after this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finalized_from: Option<String>,
    /// Committed or released at or before this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finalized_to: Option<String>,
    /// Sort key; by creation unless set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sort_by: Option<SortKey>,
    /// Direction; largest first unless set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sort_dir: Option<SortDirection>,
    /// Heavy fields to add: `metadata`, `committed_metadata`, `evidence`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub include: Vec<String>,
    /// From the page before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// Page size, 1 to 200; 50 unless set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

impl BalanceParams {
    /// Whether at least one level is set.
    #[must_use]
    pub fn has_filter(&self) -> bool {
        let levels =
            [&self.tenant, &self.workspace, &self.app, &self.workflow, &self.agent, &self.toolset];
        levels.into_iter().any(Option::is_some)
    }

    /// Reads them; where no level is set, those of `defaults` are.
    ///
    /// # Errors
    /// [`Error::Validation`] naming the parameter.
    pub(crate) fn read(&self, defaults: Subject) -> Result<cycles_protocol::BalanceParams, Error> {
        let mut params = self.clone();
        if !self.has_filter() {
            Subject {
                tenant: params.tenant,
                workspace: params.workspace,
                app: params.app,
                workflow: params.workflow,
                agent: params.agent,
                toolset: params.toolset,
                ..
            } = defaults;
        }
        Ok(query::balances(&pairs(&params)?).map_err(Refusal::before_sending)?)
    }
}

impl ListReservationsParams {
    /// Reads them.
    ///
    /// # Errors
    /// [`Error::Validation`] naming the parameter.
    pub(crate) fn read(&self) -> Result<cycles_protocol::ListReservationsParams, Error> {
        Ok(query::list(&pairs(self)?).map_err(Refusal::before_sending)?)
    }
}

/// The query string's pairs. An empty text would be taken for no filter at all.
fn pairs(params: &impl Serialize) -> Result<Vec<(String, String)>, Error> {
    let Ok(Value::Object(fields)) = serde_json::to_value(params) else {
        return Err(Error::Internal("parameters are not an object".to_owned()));
    };
    let pair = |(name, value): (String, Value)| {
        let text = match value {
            Value::String(text) => text,
            Value::Array(list) => {
                list.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(",")
            }
            other => other.to_string(),
        };
        if text.is_empty() {
            return Err(Error::Validation(format!(
                "must not be empty; leave it out to match all parameter={name}"
            )));
        }
        Ok((name, text))
    };
    fields.into_iter().map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_parameter_is_sent() {
        let text = |value: &str| Some(value.to_owned());
        let time = "2026-01-31T00:00:00Z";
        let params = ListReservationsParams {
            status: text("ACTIVE"),
            tenant: text("t"),
            workspace: text("w"),
            app: text("a"),
            workflow: text("f"),
            agent: text("b"),
            toolset: text("s"),
            idempotency_key: Some("k".into()),
            from: text(time),
            to: text(time),
            expires_from: text(time),
            expires_to: text(time),
            finalized_from: text(time),
            finalized_to: text(time),
            sort_by: Some(SortKey::Reserved),
            sort_dir: Some(SortDirection::Asc),
            include: vec!["metadata".to_owned(), "evidence".to_owned()],
            cursor: text("c"),
            limit: Some(7),
        };
        let mut sent = params.read().unwrap().to_query();
        let mut asked = pairs(&params).unwrap();
        sent.sort();
        asked.sort();
        assert_eq!(sent, asked);
        assert_eq!(sent.len(), 19);
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        let list = |params: ListReservationsParams| params.read().unwrap_err().to_string();
        let text = |value: &str| Some(value.to_owned());
        let default = ListReservationsParams::default;
        for (params, says) in [
            (ListReservationsParams { status: text("OPEN"), ..default() }, "status"),
            (ListReservationsParams { limit: Some(0), ..default() }, "limit"),
            (ListReservationsParams { limit: Some(201), ..default() }, "limit"),
            (ListReservationsParams { from: text("yesterday"), ..default() }, "from"),
            (ListReservationsParams { tenant: text(""), ..default() }, "tenant"),
            (ListReservationsParams { agent: text("a b"), ..default() }, "agent"),
            (ListReservationsParams { sort_by: Some(SortKey::Unknown), ..default() }, "sort_by"),
        ] {
            let message = list(params);
            assert!(message.contains(says), "{says}: {message}");
        }
    }

    #[test]
    fn balances_are_the_clients_own_unless_asked_otherwise() {
        let own = || Subject { tenant: Some("acme".into()), ..Subject::default() };
        let read = BalanceParams::default().read(own()).unwrap();
        assert_eq!(read.subject, own());
        let other = BalanceParams { agent: Some("bot".into()), ..BalanceParams::default() };
        assert_eq!(other.read(own()).unwrap().subject.tenant, None);
        assert!(BalanceParams::default().read(Subject::default()).is_err());
    }
}
