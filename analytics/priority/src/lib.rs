//! Rules kept as data, scores and explanations. Pure: no IO, no clock.
//!
//! A rule is a TOML file: the inputs it reads, the conditions that make it speak, the terms of its score and what it
//! says in French and English. [`RuleSet::load`] reads rules, [`InputSpec`] turns reference points and indicators into
//! [`InputValue`]s, [`evaluate`] ranks the sections and explains every rank by terms that add up to the score.

mod date;
mod evaluate;
mod explain;
mod inputs;
mod model;
pub mod multicriteria;
mod rule;
mod text;

pub use evaluate::{Evaluation, Skip, evaluate, evaluate_counted};
pub use inputs::{InputValue, Inputs, NearPoint, SectionInputs};
pub use model::*;
pub use rule::{
    Aggregate, Combine, Condition, FUTURE_DAYS, Floor, InputFrom, InputSpec, Op, Rule, RuleError, RuleSet, Term,
    Transform, Words,
};
