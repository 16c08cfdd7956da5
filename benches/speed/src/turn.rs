//! Turns: everybody who is compared does the same in turn, so that what the machine does meanwhile
//! meets all of them.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use crate::figure::{Figures, median, quantile};

/// One who is compared.
pub struct Case<'c> {
    pub name: &'static str,
    act: Box<dyn FnMut(usize) -> Spent + 'c>,
    /// How often it acts in a turn, once that is known.
    times: Option<usize>,
    /// Of each turn, what one act cost.
    pub spent: Vec<Spent>,
}

/// What was spent, in nanoseconds.
#[derive(Clone, Copy)]
pub struct Spent {
    pub processor: f64,
    pub wall: f64,
}

impl<'c> Case<'c> {
    /// One that answers what so many acts of it cost, together.
    pub fn new(name: &'static str, act: impl FnMut(usize) -> Spent + 'c) -> Self {
        Self { name, act: Box::new(act), times: None, spent: vec![] }
    }

    /// One that acts in this thread.
    pub fn here(name: &'static str, mut act: impl FnMut() + 'c) -> Self {
        Self::new(name, move |times| {
            spent(ClockId::ThreadCPUTime, || {
                for _ in 0..times {
                    act();
                }
            })
        })
    }

    /// One that acts so often each time.
    pub fn batch(name: &'static str, times: usize, mut act: impl FnMut() -> Spent + 'c) -> Self {
        Self { times: Some(times), ..Self::new(name, move |_| act()) }
    }

    /// What one act costs, now.
    pub fn turn(&mut self) -> Spent {
        let times = self.times.unwrap_or(1);
        let Spent { processor, wall } = (self.act)(times);
        Spent { processor: processor / times as f64, wall: wall / times as f64 }
    }

    /// Of each turn, the processor time of one act.
    pub fn processor(&self) -> Vec<f64> {
        self.spent.iter().map(|spent| spent.processor).collect()
    }

    /// Of each turn, how long one act took.
    pub fn wall(&self) -> Vec<f64> {
        self.spent.iter().map(|spent| spent.wall).collect()
    }

    /// Of each turn, how many times as much processor time as another it took.
    pub fn over(&self, other: &Case<'_>) -> Vec<f64> {
        let (ours, theirs) = (self.processor(), other.processor());
        ours.iter().zip(&theirs).map(|(ours, theirs)| ours / theirs).collect()
    }
}

/// Lets each of them take so many turns, each about as long as `turn`.
pub fn alternate(cases: &mut [Case<'_>], rounds: usize, turn: Duration) {
    for case in &mut *cases {
        // The first act is slower than any other.
        case.turn();
        let once = case.turn().processor;
        let times = (turn.as_nanos() as f64 / once).ceil().clamp(1.0, 1e6) as usize;
        case.times.get_or_insert(times);
    }
    for _ in 0..rounds {
        for case in &mut *cases {
            let spent = case.turn();
            case.spent.push(spent);
        }
    }
}

/// What an act spends, by this clock.
pub fn spent(clock: ClockId, act: impl FnOnce()) -> Spent {
    let now = |clock| {
        let now = clock_gettime(clock);
        now.tv_sec as f64 * 1e9 + now.tv_nsec as f64
    };
    let before = (now(clock), now(ClockId::Monotonic));
    act();
    let after = (now(clock), now(ClockId::Monotonic));
    Spent { processor: after.0 - before.0, wall: after.1 - before.1 }
}

/// Tells what values are: the one in the middle, and the one that a quarter is below.
pub fn tell(figures: &mut Figures, what: &str, wanted: &str, values: &[f64], unit: &str) {
    // Three digits that mean something, or all that stand before the point.
    let shown = |value: f64| {
        let decimals = (2 - value.abs().max(0.01).log10().floor() as i32).clamp(0, 2) as usize;
        format!("{value:.decimals$}{unit}")
    };
    let more = format!("p25 {}", shown(quantile(values, 0.25)));
    figures.add(what, wanted, shown(median(values)), more);
}

/// Tells times that were aimed at, and once more as they would be where the aims were found: there,
/// a verification by `JWT_AWS_LC`, which took `theirs` in the same round, takes 25 µs.
pub fn tell_time(
    figures: &mut Figures,
    what: &str,
    aim: &str,
    values: &[f64],
    theirs: &[f64],
    unit: &str,
) {
    tell(figures, what, aim, values, unit);
    let values: Vec<_> =
        values.iter().zip(theirs).map(|(value, theirs)| value * AT_THE_AIMS / theirs).collect();
    tell(figures, &format!("{what}, where jsonwebtoken takes 25 µs"), aim, &values, unit);
}

/// What a verification by `JWT_AWS_LC` takes on the machine that the aims are of, in nanoseconds.
const AT_THE_AIMS: f64 = 25_000.0;
