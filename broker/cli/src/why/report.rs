//! Findings and how they are told: sentences for people, one JSON object for programs. Finds nothing itself.

use std::fmt::Write;

use serde::Serialize;

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Something does not work, or would not survive what it was made to survive.
    Wrong,
    /// It works, and is worth knowing.
    Note,
}

/// One thing that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How much it matters.
    pub severity: Severity,
    /// What it is.
    pub what: String,
    /// For how long it has been so, in milliseconds, if that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub for_ms: Option<i64>,
    /// What would mend it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
}

/// An explanation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// What is explained.
    pub subject: String,
    /// How it stands, in a sentence.
    pub state: String,
    /// What was found, the worst first.
    pub findings: Vec<Finding>,
}

impl Report {
    /// An explanation without findings.
    #[must_use]
    pub fn new(subject: impl Into<String>, state: impl Into<String>) -> Self {
        Self { subject: subject.into(), state: state.into(), findings: Vec::new() }
    }

    /// Adds what is wrong, for how long if that is known, and what would mend it.
    pub fn wrong_for(&mut self, for_ms: Option<i64>, what: impl Into<String>, fix: impl Into<String>) {
        let finding = Finding { severity: Severity::Wrong, what: what.into(), for_ms, fix: Some(fix.into()) };
        // Behind those that matter as much.
        let place = self.findings.iter().take_while(|finding| finding.severity == Severity::Wrong).count();
        self.findings.insert(place, finding);
    }

    /// As [`Report::wrong_for`], of what has no known beginning.
    pub fn wrong(&mut self, what: impl Into<String>, fix: impl Into<String>) {
        self.wrong_for(None, what, fix);
    }

    /// Adds what is worth knowing.
    pub fn note(&mut self, what: impl Into<String>, fix: Option<String>) {
        self.findings.push(Finding { severity: Severity::Note, what: what.into(), for_ms: None, fix });
    }

    /// True when nothing is wrong.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        self.findings.iter().all(|finding| finding.severity == Severity::Note)
    }

    /// For people.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = format!("{}: {}\n", self.subject, self.state);
        if self.is_healthy() {
            text.push_str("Nothing is wrong with it.\n");
        }
        for finding in &self.findings {
            let head = match finding.severity {
                Severity::Wrong => "Wrong",
                Severity::Note => "Note",
            };
            let since = finding.for_ms.map(|ms| format!(" For {} now.", duration(ms))).unwrap_or_default();
            let _infallible = writeln!(text, "\n{head}: {}{since}", finding.what);
            if let Some(fix) = &finding.fix {
                let _infallible = writeln!(text, "  To mend it: {fix}");
            }
        }
        text
    }

    /// For programs.
    #[must_use]
    pub fn json(&self) -> String {
        #[derive(Serialize)]
        struct Told<'a> {
            healthy: bool,
            #[serde(flatten)]
            report: &'a Report,
        }
        // Texts and numbers always become JSON.
        serde_json::to_string(&Told { healthy: self.is_healthy(), report: self }).unwrap_or_default()
    }
}

/// Milliseconds as a person says them.
#[must_use]
pub fn duration(ms: i64) -> String {
    match ms {
        ..1_000 => format!("{ms} ms"),
        1_000..120_000 => format!("{} s", ms / 1_000),
        120_000..7_200_000 => format!("{} minutes", ms / 60_000),
        7_200_000..172_800_000 => format!("{} hours", ms / 3_600_000),
        _ => format!("{} days", ms / 86_400_000),
    }
}

/// Ids, and the word for them: `broker 1`, `brokers 1, 2 and 3`.
#[must_use]
pub fn named(word: &str, ids: &[i32]) -> String {
    let texts: Vec<String> = ids.iter().map(i32::to_string).collect();
    match texts.split_last() {
        None => format!("no {word}"),
        Some((last, [])) => format!("{word} {last}"),
        Some((last, others)) => format!("{word}s {} and {last}", others.join(", ")),
    }
}

/// A number of things: `1 partition`, `3 partitions`.
#[must_use]
pub fn counted(count: usize, word: &str) -> String {
    if count == 1 { format!("{count} {word}") } else { format!("{count} {word}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_comes_first_and_is_told_with_its_age_and_its_cure() {
        let mut report = Report::new("orders-0", "Nobody leads it.");
        report.note("It has one replica.", None);
        report.wrong_for(Some(34_500), "Broker 2 is down.", "start it");
        let expected = "orders-0: Nobody leads it.\n\nWrong: Broker 2 is down. For 34 s now.\n  To mend it: start it\n\n\
                        Note: It has one replica.\n";
        assert_eq!((report.text().as_str(), report.is_healthy()), (expected, false));
        let json = r#"{"healthy":false,"subject":"orders-0","state":"Nobody leads it.","findings":[{"severity":"wrong","what":"Broker 2 is down.","for_ms":34500,"fix":"start it"},{"severity":"note","what":"It has one replica."}]}"#;
        assert_eq!(report.json(), json);
    }

    #[test]
    fn without_anything_wrong_it_says_so() {
        let mut report = Report::new("quorum", "Node 1 leads it.");
        report.note("It has one voter.", None);
        assert!(report.is_healthy() && report.text().contains("Nothing is wrong with it."));
    }

    #[test]
    fn lists_and_durations_are_said_as_people_say_them() {
        assert_eq!(named("broker", &[]), "no broker");
        assert_eq!(named("broker", &[1]), "broker 1");
        assert_eq!(named("broker", &[1, 2, 3]), "brokers 1, 2 and 3");
        let said = [900, 34_000, 125_000, 8_000_000, 400_000_000].map(duration);
        assert_eq!(said, ["900 ms", "34 s", "2 minutes", "2 hours", "4 days"]);
    }
}
