//! What the listings of provisioned things are sorted by, and shares of budgets.

use serde::Serialize;

use crate::error::Error;
use crate::query::invalid;
use crate::wire::wire_enum;

wire_enum! {
    /// What tenants are sorted by (governance spec: `listTenants`).
    TenantSortKey {
        /// By id.
        TenantId = "tenant_id",
        /// By name.
        Name = "name",
        /// By status.
        Status = "status",
        /// By creation.
        CreatedAt = "created_at",
    }
}

wire_enum! {
    /// What keys are sorted by (governance spec: `listApiKeys`).
    ApiKeySortKey {
        /// By id.
        KeyId = "key_id",
        /// By name.
        Name = "name",
        /// By tenant.
        TenantId = "tenant_id",
        /// By status.
        Status = "status",
        /// By creation.
        CreatedAt = "created_at",
        /// By expiry.
        ExpiresAt = "expires_at",
    }
}

wire_enum! {
    /// What budgets are sorted by (governance spec: `listBudgets`).
    BudgetSortKey {
        /// By tenant.
        TenantId = "tenant_id",
        /// By scope.
        Scope = "scope",
        /// By unit.
        Unit = "unit",
        /// By status.
        Status = "status",
        /// By overage policy; budgets without one come first.
        CommitOveragePolicy = "commit_overage_policy",
        /// By the spent share of what is allocated.
        Utilization = "utilization",
        /// By debt.
        Debt = "debt",
    }
}

/// A share of a budget, 0 to 1, exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Share {
    billionths: i64,
}

impl Share {
    const DECIMALS: usize = 9;
    const WHOLE: i64 = 1_000_000_000;

    /// Reads a decimal fraction, like `0.8`.
    ///
    /// # Errors
    /// `INVALID_REQUEST` naming `parameter` for anything but digits with at most
    /// nine decimals, and above 1.
    pub(super) fn read(parameter: &str, text: &str) -> Result<Self, Error> {
        let wrong = || {
            invalid(format!(
                "must be 0 to 1 with at most {} decimals, like 0.8 parameter={parameter}",
                Self::DECIMALS
            ))
        };
        let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
        let is_number =
            |digits: &str| !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
        if !is_number(whole) || !is_number(decimals) || decimals.len() > Self::DECIMALS {
            return Err(wrong());
        }
        let digits = format!("{whole}{decimals:0<width$}", width = Self::DECIMALS);
        let billionths = digits.parse().map_err(|_| wrong())?;
        if billionths > Self::WHOLE { Err(wrong()) } else { Ok(Self { billionths }) }
    }

    /// How `spent` of `allocated` compares with it. Nothing is a share of nothing.
    pub(super) fn compare(self, spent: i64, allocated: i64) -> std::cmp::Ordering {
        let (spent, allocated) = if allocated == 0 { (0, 1) } else { (spent, allocated) };
        let spent = i128::from(spent) * i128::from(Self::WHOLE);
        spent.cmp(&(i128::from(self.billionths) * i128::from(allocated)))
    }
}

#[cfg(test)]
mod tests {
    use std::cmp::Ordering;

    use super::*;

    #[test]
    fn shares_are_read_and_compared_exactly() {
        let share = |text| Share::read("utilization_min", text).unwrap();
        assert_eq!(share("0.8").compare(80, 100), Ordering::Equal);
        assert_eq!(share("0.8").compare(79, 100), Ordering::Less);
        assert_eq!(share("0.333333333").compare(1, 3), Ordering::Greater);
        assert_eq!(share("1").compare(i64::MAX, i64::MAX), Ordering::Equal);
        assert_eq!(share("1.000").compare(3, 2), Ordering::Greater, "overdrawn");
        // governance spec: allocated == 0 is utilization == 0
        assert_eq!(share("0").compare(5, 0), Ordering::Equal);
        assert_eq!(share("0.5").compare(0, 0), Ordering::Less);
        for bad in
            ["", ".", "-0.1", "1.1", "2", "0.8e0", "80%", "0.0000000001", "٠.٥", &"9".repeat(30)]
        {
            let error = Share::read("utilization_min", bad).unwrap_err();
            assert!(error.message().contains("utilization_min"), "{bad}");
        }
    }
}
