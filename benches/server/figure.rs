//! Figures: what was wanted beside what was found.

use std::{fmt::Display, fs, path::Path, process::Command};

/// All that was found.
#[derive(Default)]
pub struct Figures {
    lines: Vec<[String; 4]>,
    broken: Vec<String>,
}

impl Figures {
    /// A figure with what it should be, which is told and no more: a machine may be slow or busy.
    pub fn add(&mut self, what: &str, wanted: &str, found: impl Display, more: impl Display) {
        let line = [what.to_owned(), wanted.to_owned(), found.to_string(), more.to_string()];
        println!("  {what}: {found}");
        self.lines.push(line);
    }

    /// A promise, which must hold on every machine.
    pub fn promise(&mut self, what: &str, broken: usize, of: &str) {
        self.add(what, "0", broken, of);
        if broken > 0 {
            self.broken.push(format!("{what}: {broken}"));
        }
    }

    /// Tells everything.
    pub fn tell(&self) {
        let head = ["figure", "wanted", "found", ""].map(str::to_owned);
        let lines: Vec<_> = std::iter::once(&head).chain(&self.lines).collect();
        let width = |column: usize| lines.iter().map(|line| line[column].len()).max().unwrap_or(0);
        let [what, wanted, found] = [width(0), width(1), width(2)];
        println!();
        for line in &lines {
            let text = format!(
                "{:what$}  {:>wanted$}  {:>found$}  {}",
                line[0], line[1], line[2], line[3]
            );
            println!("{}", text.trim_end());
        }
        for broken in &self.broken {
            println!("BROKEN {broken}");
        }
    }

    /// Whether every promise held.
    pub fn held(&self) -> bool {
        self.broken.is_empty()
    }

    /// Keeps everything for the page of figures: a line that says how, of what and when it was found,
    /// then one for each figure, with tabs between its parts.
    pub fn keep(&self, path: &Path, how: &str) {
        let lines: String = self.lines.iter().map(|line| line.join("\t") + "\n").collect();
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let commit = said("git", &["describe", "--always", "--dirty=+", "--exclude=*"]);
        let date = said("date", &["-u", "+%F"]);
        fs::write(path, format!("{how}, commit {commit}, on {date}\n{lines}")).unwrap();
    }
}

/// What a program says of these sources, or of this day.
fn said(program: &str, words: &[&str]) -> String {
    let output = Command::new(program).args(words).current_dir(env!("CARGO_MANIFEST_DIR")).output();
    match output {
        Ok(output) if output.status.success() => {
            String::from_utf8_lossy(&output.stdout).trim().to_owned()
        }
        _ => "unknown".to_owned(),
    }
}

/// How many times as much we cost, round by round.
pub fn compare(what: &str, wanted: &str, ours: &[f64], theirs: &[f64], figures: &mut Figures) {
    let ratios: Vec<_> = ours.iter().zip(theirs).map(|(ours, theirs)| ours / theirs).collect();
    let more = format!("p25 {:.2}", quantile(&ratios, 0.25));
    figures.add(what, wanted, format!("{:.2}", median(&ratios)), more);
}

/// The value below which this part of all values lies.
pub fn quantile(values: &[f64], part: f64) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values[((values.len() - 1) as f64 * part).round() as usize]
}

/// The value in the middle.
pub fn median(values: &[f64]) -> f64 {
    quantile(values, 0.5)
}
