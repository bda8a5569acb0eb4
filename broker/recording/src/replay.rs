//! Plays a recording: makes the core again, gives it the inputs one by one, and compares what it asks for with what it asked for then. Tells in
//! text; decides nothing about the core.

use std::any::Any;
use std::fmt::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use crate::core::{Core, Played};
use crate::file::{Inputs, Of, Recording};
use crate::ring::Entry;

/// What came of a replay.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replayed {
    /// How many inputs were played.
    pub inputs: usize,
    /// How many effects they had.
    pub effects: usize,
    /// The input, from 1, from which on it was otherwise than when it was recorded, and how.
    pub diverged: Option<(usize, String)>,
    /// The input, from 1, that broke an invariant, and which.
    pub broken: Option<(usize, String)>,
}

impl Replayed {
    /// The same as when it was recorded, and no invariant is broken.
    #[must_use]
    pub const fn is_well(&self) -> bool {
        self.diverged.is_none() && self.broken.is_none()
    }
}

impl fmt::Display for Replayed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} inputs, {} effects: ", self.inputs, self.effects)?;
        match (&self.diverged, &self.broken) {
            (Some((input, how)), _) => write!(f, "DIFFERENT from what was recorded at input {input}: {how}"),
            (None, Some((input, broken))) => {
                write!(f, "the same as recorded; input {input} BREAKS AN INVARIANT: {broken}")
            }
            (None, None) => write!(f, "the same as recorded, no invariant is broken"),
        }
    }
}

/// Plays `recording`, and tells its last `shown` inputs with their effects into `out`.
///
/// # Errors
/// What `out` says.
pub fn replay(recording: &Recording, shown: usize, out: &mut dyn Write) -> Result<Replayed, fmt::Error> {
    match &recording.of {
        Of::Raft(inputs) => play(inputs, shown, out),
        Of::Replica(inputs) => play(inputs, shown, out),
        Of::Coordinator(inputs) => play(inputs, shown, out),
    }
}

fn play<C: Core>(inputs: &Inputs<C>, shown: usize, out: &mut dyn Write) -> Result<Replayed, fmt::Error> {
    let mut core = C::begin(inputs.start.clone());
    let (count, mut replayed) = (inputs.entries.len(), Replayed::default());
    let began = inputs.entries.first().map_or(Duration::ZERO, |entry| entry.now.monotonic);
    writeln!(out, "begins with {}", core.state())?;
    for (index, Entry { now, input, digest }) in inputs.entries.iter().enumerate() {
        let number = index + 1;
        let is_shown = count - index <= shown;
        if is_shown {
            let after = now.monotonic.saturating_sub(began).as_secs_f64();
            writeln!(out, "{number:>5} {after:>+10.3}s  {}", plain(&C::tell(input)))?;
        }
        let played = catch_unwind(AssertUnwindSafe(|| core.play(input.clone(), *now))).map_err(message);
        replayed.inputs = number;
        let ends = judge(&mut replayed, number, &played, *digest);
        if is_shown {
            tell(&played, out)?;
        }
        if ends {
            break;
        }
    }
    if replayed.broken.is_none() {
        writeln!(out, "ends with {}", core.state())?;
    }
    Ok(replayed)
}

/// Compares; true when there is nothing to go on with.
fn judge(replayed: &mut Replayed, number: usize, played: &Result<Played, String>, digest: Option<u64>) -> bool {
    match (played, digest) {
        (Err(panic), recorded) => {
            replayed.broken = Some((number, panic.clone()));
            if recorded.is_some() {
                let how = format!("the core came back then, and panics now: {panic}");
                replayed.diverged.get_or_insert((number, how));
            }
            true
        }
        (Ok(played), recorded) => {
            replayed.effects += played.effects.len();
            let how = match recorded {
                None => Some("the core did not come back then, and does now".to_owned()),
                Some(digest) if digest != played.digest => Some("the effects are others".to_owned()),
                Some(_) => None,
            };
            if let Some(how) = how {
                replayed.diverged.get_or_insert((number, how));
            }
            if let Some(broken) = &played.broken {
                replayed.broken.get_or_insert((number, broken.clone()));
            }
            false
        }
    }
}

fn tell(played: &Result<Played, String>, out: &mut dyn Write) -> fmt::Result {
    match played {
        Ok(played) => played.effects.iter().try_for_each(|effect| writeln!(out, "{:>19}-> {}", "", plain(effect))),
        Err(panic) => writeln!(out, "{:>19}-> panics: {panic}", ""),
    }
}

fn message(panic: Box<dyn Any + Send>) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a panic without a text".to_owned())
}

/// Numbers without the names of their types: `Offset(5)` is `5`.
fn plain(text: &str) -> String {
    const NUMBERS: &[&str] = &["Offset(", "LeaderEpoch(", "BrokerId(", "Timestamp(", "ProducerId(", "ReplyToken("];
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let number = NUMBERS.iter().find_map(|name| rest.strip_prefix(name)?.split_once(')'));
        match number {
            Some((number, after)) if number.parse::<i64>().is_ok() && !plain.ends_with(char::is_alphanumeric) => {
                plain.push_str(number);
                rest = after;
            }
            _ => {
                plain.push(first);
                rest = rest.get(first.len_utf8()..).unwrap_or_default();
            }
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_shown_without_the_names_of_their_types() {
        assert_eq!(plain("Synced { end: Offset(5) }"), "Synced { end: 5 }");
        assert_eq!(
            plain("(LeaderEpoch(-1), Some(BrokerId(7)), \"Offset(x)\", LogOffset(3)"),
            "(-1, Some(7), \"Offset(x)\", LogOffset(3)"
        );
    }
}
