//! The ledger alone: a plain table of budgets, a plain table of reservations,
//! and the decisions between them, on one core.

use std::hint::black_box;
use std::time::{Duration, Instant};

use cycles_ledger::budget::Opening;
use cycles_ledger::{
    Budget, Budgets, MAX_SCOPES, Reservation, Reserve, TenantSettings, Terms, commit, reserve,
};
use cycles_protocol::{Amount, Unit};
use serde::Serialize;

use crate::sample::{median, percentile_us};

const LIFECYCLES: u32 = 300_000;
const NOW: i64 = 1_800_000_000_000;
/// Children of each scope; five levels of them make as many budgets as stated.
const FAN_OUTS: [(usize, &str); 4] = [(4, "1 k"), (6, "10 k"), (10, "100 k"), (16, "1 M")];

/// Reserve and commit over six budgeted scopes, of random leaves of a tree of
/// budgets, with one open reservation for each leaf.
#[derive(Serialize)]
pub(crate) struct Row {
    size: &'static str,
    budgets: usize,
    open: usize,
    lifecycles_per_s: f64,
    p99_us: f64,
}

pub(crate) fn measure(runs: usize) -> Vec<Row> {
    FAN_OUTS.iter().map(|(fan_out, size)| row(*fan_out, size, runs)).collect()
}

fn row(fan_out: usize, size: &'static str, runs: usize) -> Row {
    let mut table = Table::new(fan_out);
    table.run(LIFECYCLES); // warms up
    let seconds = (0..runs).map(|_| table.run(LIFECYCLES).as_secs_f64()).collect();
    let p99s = (0..runs).map(|_| percentile_us(&mut table.time_each(LIFECYCLES), 99)).collect();
    Row {
        size,
        budgets: table.budgets.len(),
        open: table.open.len(),
        lifecycles_per_s: f64::from(LIFECYCLES) / median(seconds),
        p99_us: median(p99s),
    }
}

struct Table {
    tenant: TenantSettings,
    /// Level after level, root first.
    budgets: Vec<Budget>,
    /// Where each level starts, and how many leaves lie below one of its scopes.
    levels: [(usize, usize); MAX_SCOPES],
    open: Vec<(usize, Reservation)>,
    random: fastrand::Rng,
}

impl Table {
    fn new(fan_out: usize) -> Self {
        let scopes_at = |level: usize| (0..level).fold(1, |scopes, _| scopes * fan_out);
        let depth = MAX_SCOPES - 1;
        let mut start = 0;
        let levels = std::array::from_fn(|level| {
            let here = (start, scopes_at(depth - level));
            start += scopes_at(level);
            here
        });
        let budget = Budget::open(Opening::of(i64::MAX / 2)).expect("fits");
        let leaves = scopes_at(depth);
        let mut table = Self {
            tenant: TenantSettings::default(),
            budgets: vec![budget; start],
            levels,
            open: Vec::with_capacity(leaves),
            random: fastrand::Rng::with_seed(7),
        };
        for leaf in 0..leaves {
            let reservation = table.reserve(leaf);
            table.open.push((leaf, reservation));
        }
        table
    }

    fn places(&self, leaf: usize) -> [usize; MAX_SCOPES] {
        self.levels.map(|(start, leaves)| start + leaf / leaves)
    }

    fn load(&self, places: &[usize; MAX_SCOPES]) -> Budgets {
        Budgets::new(places.map(|place| Some(self.budgets[place])))
    }

    fn store(&mut self, places: &[usize; MAX_SCOPES], budgets: &Budgets) {
        for (level, budget) in budgets.iter() {
            self.budgets[places[level]] = *budget;
        }
    }

    fn reserve(&mut self, leaf: usize) -> Reservation {
        let places = self.places(leaf);
        let command = Reserve {
            unit: Unit::Tokens,
            estimate: 10,
            ttl_ms: None,
            grace_ms: None,
            overage_policy: None,
        };
        let budgets = self.load(&places);
        let done = reserve::reserve(&self.tenant, &Terms::default(), &budgets, &command, NOW)
            .expect("the budget is ample");
        self.store(&places, &done.budgets);
        done.reservation
    }

    /// One reserve, and one commit of another reservation, both at random.
    fn lifecycle(&mut self) {
        let leaf = self.random.usize(..self.open.len());
        let made = self.reserve(leaf);
        let slot = self.random.usize(..self.open.len());
        let (leaf, reservation) = std::mem::replace(&mut self.open[slot], (leaf, made));
        let places = self.places(leaf);
        let budgets = self.load(&places);
        let done = commit::commit(&self.tenant, &budgets, &reservation, Amount::tokens(7), NOW)
            .expect("it is open");
        self.store(&places, &done.budgets);
        black_box(done.reservation);
    }

    fn run(&mut self, lifecycles: u32) -> Duration {
        let start = Instant::now();
        for _ in 0..lifecycles {
            self.lifecycle();
        }
        start.elapsed()
    }

    fn time_each(&mut self, lifecycles: u32) -> Vec<Duration> {
        let each = |_| {
            let start = Instant::now();
            self.lifecycle();
            start.elapsed()
        };
        (0..lifecycles).map(each).collect()
    }
}
