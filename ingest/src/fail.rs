//! Places where a test may end a commit as a crash would, and the plan by which it does.
//!
//! A test in this crate gives a [`Hook`]. A test with real processes gives the environment variable `TOURNEE_FAIL` to
//! `tournee ingest` or `tournee lake maintain`, the only commands that read it, once, at their start:
//!
//! ```text
//! TOURNEE_FAIL="on-purpose,before_commit:air:2,store_written:*:3-5=error,store_write=slow-200"
//! ```
//!
//! It must begin with `on-purpose`, so that no stray variable breaks a lake's worker; a plan that cannot be read stops the
//! program; one that can is logged as an error at the start and at each point where it acts. A rule is
//! `POINT[:TABLE][:NTH[-LAST]][=ACTION]`. `TABLE` is a table's name or `*` (every table, the default). `NTH` counts how
//! often this process reached the point for such a table, from 1, and is 1 by default. `ACTION` is `abort` (the default: the
//! process ends as by SIGKILL), `error`, or `slow-MILLISECONDS`.

use std::env;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use thiserror::Error;
use tournee_lake::Table;

/// The variable with the plan.
pub const FAIL_VARIABLE: &str = "TOURNEE_FAIL";
const ON_PURPOSE: &str = "on-purpose";

macro_rules! points {
    ($($(#[doc = $doc:literal])+ $point:ident = $name:literal,)+) => {
        /// A step of a commit or of maintenance, in order.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum FailPoint {
            $($(#[doc = $doc])+ $point,)+
        }

        impl FailPoint {
            /// Every point, in order.
            pub const ALL: &[Self] = &[$(Self::$point,)+];

            /// Its name in a plan.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$point => $name,)+
                }
            }
        }
    };
}

points! {
    /// Nothing of the commit is written.
    BeforeParquet = "before_parquet",
    /// Parquet files are written, the watermark object is not.
    BeforeObject = "before_object",
    /// The watermark object is written, the commit is not.
    BeforeCommit = "before_commit",
    /// The log entry has its name, but the store reports an error: the outcome is unknown.
    AfterLink = "after_link",
    /// The commit is in the log, this process has not learnt it yet.
    AfterCommit = "after_commit",
    /// After a failure the log was read again, the watermark objects were not.
    Reload = "reload",
    /// Every table is committed, no message is acknowledged.
    BeforeAck = "before_ack",
    /// The messages are acknowledged (PUBACK), no watermark is published.
    BeforeWatermark = "before_watermark",
    /// The watermarks are handed to the broker.
    AfterWatermark = "after_watermark",
    /// The store is asked to write: `error` is one with nothing written.
    StoreWrite = "store_write",
    /// The store has written: `error` is a time-out after success.
    StoreWritten = "store_written",
    /// Maintenance: nothing of a rewrite is written.
    BeforeRewrite = "before_rewrite",
    /// Maintenance: the new files are written, the log does not name them.
    BeforeRewriteCommit = "before_rewrite_commit",
    /// Maintenance: the log names the new files.
    AfterRewriteCommit = "after_rewrite_commit",
    /// Maintenance: files that nobody names are about to be removed.
    BeforeDelete = "before_delete",
}

impl FailPoint {
    /// The point of this name, if there is one.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|point| point.name() == name)
    }
}

/// Asked at every [`FailPoint`]; true means "it ends here with an error".
pub type Hook = Arc<dyn Fn(FailPoint, Table) -> bool + Send + Sync>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Abort,
    Error,
    Slow(Duration),
}

#[derive(Debug)]
struct Rule {
    point: FailPoint,
    /// None: every table, and points of no table.
    table: Option<Table>,
    first: u64,
    last: u64,
    action: Action,
    reached: AtomicU64,
}

/// Where this process is to fail, on purpose.
#[derive(Clone)]
pub struct FailPlan {
    rules: Arc<[Rule]>,
}

impl fmt::Debug for FailPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.rules.iter()).finish()
    }
}

/// Why a plan was refused.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum FailPlanError {
    /// A variable that nobody meant.
    #[error("TOURNEE_FAIL is for tests that break things and must begin with `on-purpose,`: unset it")]
    NotOnPurpose,
    /// A rule.
    #[error("TOURNEE_FAIL: `{rule}` is not POINT[:TABLE][:NTH[-LAST]][=abort|error|slow-MILLISECONDS]: {what}")]
    Rule {
        /// The rule.
        rule: String,
        /// What of it.
        what: &'static str,
    },
}

impl FailPlan {
    /// The plan of the environment, none where the variable is absent or empty. Logs it as an error.
    ///
    /// # Errors
    /// A plan that cannot be read.
    pub fn from_environment() -> Result<Option<Self>, FailPlanError> {
        let Some(text) = env::var_os(FAIL_VARIABLE).filter(|text| !text.is_empty()) else { return Ok(None) };
        let text = text.to_string_lossy();
        let plan = Self::parse(&text)?;
        tracing::error!(plan = %text, "this process will FAIL ON PURPOSE: TOURNEE_FAIL is set, which only tests do");
        Ok(Some(plan))
    }

    /// Reads a plan.
    ///
    /// # Errors
    /// The first rule that cannot be read.
    pub fn parse(text: &str) -> Result<Self, FailPlanError> {
        let mut words = text.split(',').map(str::trim);
        if words.next() != Some(ON_PURPOSE) {
            return Err(FailPlanError::NotOnPurpose);
        }
        let rules = words
            .filter(|rule| !rule.is_empty())
            .map(|rule| parse_rule(rule).map_err(|what| FailPlanError::Rule { rule: rule.to_owned(), what }));
        Ok(Self { rules: rules.collect::<Result<_, _>>()? })
    }

    /// This process is at a point; true means "it ends here with an error". May not return, or only after a while. `table`
    /// is none where the point is of no table.
    #[must_use]
    pub fn reach(&self, point: FailPoint, table: Option<Table>) -> bool {
        let mut fails = false;
        for rule in self.rules.iter().filter(|rule| rule.point == point) {
            if rule.table.is_some() && rule.table != table {
                continue;
            }
            let nth = rule.reached.fetch_add(1, Ordering::SeqCst) + 1;
            if !(rule.first..=rule.last).contains(&nth) {
                continue;
            }
            let of = table.map_or("all", Table::name);
            tracing::error!(point = point.name(), table = of, nth, action = ?rule.action, "fail point, on purpose");
            match rule.action {
                Action::Abort => std::process::abort(),
                Action::Error => fails = true,
                Action::Slow(time) => std::thread::sleep(time),
            }
        }
        fails
    }

    /// For [`crate::LakeOptions`].
    #[must_use]
    pub fn hook(&self) -> Hook {
        let plan = self.clone();
        Arc::new(move |point, table| plan.reach(point, Some(table)))
    }
}

fn parse_rule(rule: &str) -> Result<Rule, &'static str> {
    let (place, action) = rule.split_once('=').unwrap_or((rule, "abort"));
    let action = match (action, action.strip_prefix("slow-").map(str::parse)) {
        ("abort", _) => Action::Abort,
        ("error", _) => Action::Error,
        (_, Some(Ok(millis))) => Action::Slow(Duration::from_millis(millis)),
        _ => return Err("no such action"),
    };
    let mut parts = place.split(':');
    let point = parts.next().and_then(FailPoint::from_name).ok_or("no such point")?;
    let (mut table, mut first, mut last) = (None, 1, 1);
    let mut part = parts.next();
    if let Some(name) = part.filter(|part| !part.starts_with(|c: char| c.is_ascii_digit())) {
        if name != "*" {
            table = Some(Table::from_name(name).ok_or("no such table")?);
        }
        part = parts.next();
    }
    if let Some(range) = part {
        let (from, to) = range.split_once('-').unwrap_or((range, range));
        first = from.parse().map_err(|_| "no such number")?;
        last = to.parse().map_err(|_| "no such number")?;
    }
    if parts.next().is_some() || first == 0 || last < first {
        return Err("numbers count from 1, and there is nothing after them");
    }
    Ok(Rule { point, table, first, last, action, reached: AtomicU64::new(0) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_found() {
        for (at, point) in FailPoint::ALL.iter().enumerate() {
            assert_eq!(*point as usize, at);
            assert_eq!(FailPoint::from_name(point.name()), Some(*point));
        }
    }

    #[test]
    fn a_rule_acts_at_its_table_and_number_only() {
        let plan =
            FailPlan::parse("on-purpose,before_commit:air:2-3=error, store_write:*=slow-1,reload=error").unwrap();
        let air = |plan: &FailPlan| plan.reach(FailPoint::BeforeCommit, Some(Table::Air));
        assert!(!plan.reach(FailPoint::BeforeCommit, Some(Table::Road)));
        assert_eq!([air(&plan), air(&plan), air(&plan), air(&plan)], [false, true, true, false]);
        assert!(!plan.reach(FailPoint::StoreWrite, Some(Table::Air)), "slow is no error");
        assert!(plan.hook()(FailPoint::Reload, Table::Gap) && !plan.reach(FailPoint::Reload, None));
        assert!(!plan.reach(FailPoint::AfterLink, None), "not in the plan");
    }

    #[test]
    fn what_nobody_meant_is_refused() {
        assert_eq!(FailPlan::parse("before_commit").unwrap_err(), FailPlanError::NotOnPurpose);
        for (rule, what) in [
            ("nowhere", "point"),
            ("before_commit:nothing", "table"),
            ("before_commit:air:x", "number"),
            ("before_commit:air:0", "from 1"),
            ("before_commit:air:3-2", "from 1"),
            ("before_commit:2:3", "nothing after"),
            ("before_commit=explode", "action"),
            ("before_commit=slow-x", "action"),
        ] {
            let error = FailPlan::parse(&format!("on-purpose,{rule}")).unwrap_err().to_string();
            assert!(error.contains(rule) && error.contains(what), "{rule}: {error}");
        }
    }
}
