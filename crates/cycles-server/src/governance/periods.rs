//! Budget periods: an extension, under a path of its own.

use axum::http::StatusCode;
use axum::response::Response;
use cycles_protocol::Error;
use cycles_protocol::control::BudgetPeriod;

use super::{Exchange, budget_ref, read};
use crate::{answer, query};

impl Exchange<'_> {
    pub(super) async fn set_budget_period(self) -> Result<Response, Error> {
        let budget = budget_ref(&query::pairs(self.parts.uri.query())?)?;
        let period: BudgetPeriod = read(&self.parts, self.body).await?;
        let budget = self.app.control().set_budget_period(&budget, Some(period))?;
        Ok(answer::json(self.call, StatusCode::OK, &budget))
    }

    pub(super) fn end_budget_periods(self) -> Result<Response, Error> {
        let budget = budget_ref(&query::pairs(self.parts.uri.query())?)?;
        let budget = self.app.control().set_budget_period(&budget, None)?;
        Ok(answer::json(self.call, StatusCode::OK, &budget))
    }
}
