//! Cases counted, and told one by one.

use crate::case::Verdict;

pub struct Tally {
    front: &'static str,
    held: usize,
    broken: Vec<String>,
}

impl Tally {
    pub fn of(front: &'static str) -> Self {
        Self { front, held: 0, broken: vec![] }
    }

    pub fn count(&mut self, name: &str, verdict: Verdict) {
        let (front, said) = (self.front, if verdict.is_ok() { "ok" } else { "FAILED" });
        println!("{front}: {name}: {said}");
        match verdict {
            Ok(()) => self.held += 1,
            Err(why) => self.broken.push(format!("{front}: {name}: {why}")),
        }
    }

    /// Fails if a case did not hold, or if there were too few.
    pub fn end(self) {
        println!("{}: {} cases held", self.front, self.held);
        assert!(self.broken.is_empty(), "{}", self.broken.join("\n"));
        assert!(self.held >= FEWEST, "{} tried {} cases only", self.front, self.held);
    }
}

/// How many cases a front end is tried with at least.
const FEWEST: usize = 20;
