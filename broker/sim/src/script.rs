//! A history as text: its plan, the salt of what chance decides in it, and what is done to the quorum, when. A seed plays another history as soon
//! as anything is drawn otherwise; a script does not. Draws nothing.

use std::fmt;
use std::str::FromStr;

use crate::deed::Deed;
use crate::plan::Plan;
use crate::random::Salt;
use crate::schedule::Instant;
use crate::seeded::Bug;

/// A script that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScriptError {
    /// A line without a value that it needs, or with one that cannot be read.
    #[error("'{line}' lacks {name}, or has another kind of value there")]
    Value {
        /// The line.
        line: String,
        /// The name of the value.
        name: String,
    },
    /// A line that begins with no known word.
    #[error("'{line}' begins with no known word")]
    Word {
        /// The line.
        line: String,
    },
}

/// One line: a word, and values with their names.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a> {
    text: &'a str,
}

impl<'a> Line<'a> {
    /// The line `text`.
    #[must_use]
    pub const fn new(text: &'a str) -> Self {
        Self { text }
    }

    /// Its first word.
    #[must_use]
    pub fn word(&self) -> &'a str {
        self.text.split_whitespace().next().unwrap_or_default()
    }

    fn value(&self, name: &str) -> Option<&'a str> {
        self.text.split_whitespace().find_map(|part| part.strip_prefix(name)?.strip_prefix('='))
    }

    /// True when it has a value of that name.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.value(name).is_some()
    }

    /// The value of that name.
    ///
    /// # Errors
    /// There is none, or one of another kind.
    pub fn get<T: FromStr>(&self, name: &str) -> Result<T, ScriptError> {
        let value = self.value(name).and_then(|value| value.parse().ok());
        value.ok_or_else(|| ScriptError::Value { line: self.text.to_owned(), name: name.to_owned() })
    }

    /// That nobody knows its word.
    #[must_use]
    pub fn unknown(&self) -> ScriptError {
        ScriptError::Word { line: self.text.to_owned() }
    }
}

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// What was wrong, for readers.
    pub about: Vec<String>,
    /// The bug that it finds; None for one that was mended.
    pub bug: Option<Bug>,
    /// What was violated.
    pub violated: String,
    /// What chance decides.
    pub salt: Salt,
    /// See there.
    pub plan: Plan,
    /// What is done, in order.
    pub deeds: Vec<(Instant, Deed)>,
}

impl Script {
    /// The smallest script that was found to violate the same invariant: without each deed that it does not need. `still_fails` plays one.
    #[must_use]
    pub fn without_what_it_does_not_need(mut self, still_fails: impl Fn(&Self) -> bool) -> Self {
        let mut piece = self.deeds.len().div_ceil(2);
        while piece > 0 {
            let (mut at, mut shrank) = (0, false);
            while at < self.deeds.len() {
                let mut smaller = self.clone();
                smaller.deeds.drain(at..(at + piece).min(self.deeds.len()));
                if still_fails(&smaller) {
                    (self, shrank) = (smaller, true);
                } else {
                    at += piece;
                }
            }
            piece = if shrank && piece == 1 { 1 } else { piece / 2 };
        }
        self
    }
}

impl fmt::Display for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.about.iter().try_for_each(|line| writeln!(f, "# {line}"))?;
        if let Some(bug) = self.bug {
            writeln!(f, "bug name={bug:?}")?;
        }
        writeln!(f, "violated name={}", self.violated)?;
        writeln!(f, "chance salt={}", self.salt.0)?;
        writeln!(f, "{}", self.plan)?;
        self.deeds.iter().try_for_each(|(at, deed)| writeln!(f, "{deed} at={at}"))
    }
}

impl FromStr for Script {
    type Err = ScriptError;

    fn from_str(text: &str) -> Result<Self, ScriptError> {
        let mut script = Self {
            about: Vec::new(),
            bug: None,
            violated: String::new(),
            salt: Salt(0),
            plan: Plan::default(),
            deeds: Vec::new(),
        };
        for text in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            if let Some(about) = text.strip_prefix('#') {
                script.about.push(about.trim().to_owned());
                continue;
            }
            let line = Line::new(text);
            match line.word() {
                "bug" => {
                    let name: String = line.get("name")?;
                    script.bug = Some(name.parse::<Bug>().map_err(|_| line.unknown())?);
                }
                "violated" => script.violated = line.get("name")?,
                "chance" => script.salt = Salt(line.get("salt")?),
                "plan" => script.plan = Plan::parse(&line)?,
                _ => script.deeds.push((line.get("at")?, Deed::parse(&line)?)),
            }
        }
        Ok(script)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_script_does_not_need_is_left_out() {
        let kill = |at| (Instant(at), Deed::Kill { node: 0 });
        let script = Script {
            about: Vec::new(),
            bug: None,
            violated: String::new(),
            salt: Salt(1),
            plan: Plan::default(),
            deeds: (0..20).map(kill).collect(),
        };
        let needs = |script: &Script| [3, 11].iter().all(|at| script.deeds.contains(&kill(*at)));
        assert_eq!(script.without_what_it_does_not_need(needs).deeds, [kill(3), kill(11)]);
    }

    #[test]
    fn a_script_that_cannot_be_read_says_which_line() {
        let error = |text: &str| text.parse::<Script>().unwrap_err().to_string();
        assert_eq!(error("kill at=5"), "'kill at=5' lacks node, or has another kind of value there");
        assert_eq!(error("hope node=1 at=5"), "'hope node=1 at=5' begins with no known word");
        assert_eq!(error("plan voters=many"), "'plan voters=many' lacks voters, or has another kind of value there");
    }
}
