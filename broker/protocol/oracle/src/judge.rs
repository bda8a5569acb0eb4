//! A JVM with Kafka's classes at the other end of a pipe. Questions are written without waiting for answers, and answers come in the same order; what an
//! answer means is not looked at here.

use std::collections::BTreeMap;
use std::io::{BufReader, BufWriter, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::sync_channel;

use anyhow::{Context, Result, bail};
use barnabas_protocol::VersionRange;

use crate::catalogue::Recoded;

/// How many questions may be without an answer.
const OUTSTANDING: usize = 512;
/// How many questions are written to the pipe at once.
const AT_ONCE: usize = 32;

/// A question to the JVM.
pub enum Question {
    /// What becomes of these bytes when they are read in one version and written in another?
    Recode { read: i16, write: i16, bytes: Vec<u8> },
    /// What does a message of Kafka's own making look like?
    Make { version: i16, seed: u64 },
}

/// The JVM.
pub struct Judge {
    process: Child,
    questions: BufWriter<ChildStdin>,
    answers: Answers,
    /// Its messages and their versions.
    pub versions: BTreeMap<String, VersionRange>,
}

impl Judge {
    /// Starts a JVM with this class path.
    pub fn start(class_path: &str) -> Result<Self> {
        let mut process = Command::new("java")
            .args(["-XX:+UseSerialGC", "-Xmx512m", "-Xshare:auto", "-cp", class_path, "Oracle"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot run java; install a JRE of version 17 or later")?;
        let (Some(questions), Some(answers)) = (process.stdin.take(), process.stdout.take()) else {
            bail!("java has no pipes");
        };
        let mut judge = Self {
            process,
            questions: BufWriter::new(questions),
            answers: Answers(BufReader::with_capacity(1 << 16, answers)),
            versions: BTreeMap::new(),
        };
        judge.introduce().context("java did not introduce itself")?;
        Ok(judge)
    }

    fn introduce(&mut self) -> Result<()> {
        for _ in 0..i32::from_be_bytes(self.answers.array()?) {
            let length = usize::from(u16::from_be_bytes(self.answers.array()?));
            let name = String::from_utf8(self.answers.bytes(length)?)?;
            let (min, max) = (i16::from_be_bytes(self.answers.array()?), i16::from_be_bytes(self.answers.array()?));
            self.versions.insert(name, VersionRange::new(min, max));
        }
        Ok(())
    }

    /// Asks all of `cases`, and hands each with its answer to `check`.
    pub fn ask<C: Send, I: Iterator<Item = C> + Send>(
        &mut self,
        cases: I,
        question: impl Fn(&C) -> (&str, &Question) + Send,
        mut check: impl FnMut(C, Recoded) -> Result<()>,
    ) -> Result<()> {
        let (asked, to_check) = sync_channel::<C>(OUTSTANDING);
        let Self { questions, answers, .. } = self;
        std::thread::scope(|scope| {
            let writer = scope.spawn(move || -> Result<()> {
                for (number, case) in cases.enumerate() {
                    let (name, question) = question(&case);
                    put(questions, name, question)?;
                    if number % AT_ONCE == AT_ONCE - 1 {
                        questions.flush()?;
                    }
                    // Nobody checks any more: the reason is on the other side.
                    if asked.send(case).is_err() {
                        return Ok(());
                    }
                }
                Ok(questions.flush()?)
            });
            for case in to_check {
                let answer = answers.answer().context("java gave no answer; its own words are above")?;
                check(case, answer)?;
            }
            writer.join().map_err(|_| anyhow::anyhow!("the writer of questions panicked"))?
        })
    }
}

/// What comes out of the JVM.
struct Answers(BufReader<ChildStdout>);

impl Answers {
    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut bytes = [0; N];
        self.0.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    fn bytes(&mut self, length: usize) -> Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        self.0.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    fn block(&mut self) -> Result<Vec<u8>> {
        let length = usize::try_from(i32::from_be_bytes(self.array()?))?;
        self.bytes(length)
    }

    fn answer(&mut self) -> Result<Recoded> {
        let [status] = self.array()?;
        let rest = usize::try_from(i32::from_be_bytes(self.array()?))?;
        let (bytes, json) = (self.block()?, self.block()?);
        let reason = || String::from_utf8_lossy(&bytes).into_owned();
        Ok(match status {
            0 => Recoded::Unread(reason()),
            1 => Recoded::Unwritten { rest, reason: reason() },
            2 => Recoded::Written { rest, bytes, json: String::from_utf8(json)? },
            status => bail!("java answered with status {status}"),
        })
    }
}

fn put(to: &mut impl Write, name: &str, question: &Question) -> Result<()> {
    let name = |to: &mut dyn Write| -> Result<()> {
        to.write_all(&u16::try_from(name.len())?.to_be_bytes())?;
        Ok(to.write_all(name.as_bytes())?)
    };
    match question {
        Question::Recode { read, write, bytes } => {
            to.write_all(b"R")?;
            name(to)?;
            to.write_all(&read.to_be_bytes())?;
            to.write_all(&write.to_be_bytes())?;
            to.write_all(&i32::try_from(bytes.len())?.to_be_bytes())?;
            to.write_all(bytes)?;
        }
        Question::Make { version, seed } => {
            to.write_all(b"M")?;
            name(to)?;
            to.write_all(&version.to_be_bytes())?;
            to.write_all(&seed.to_be_bytes())?;
        }
    }
    Ok(())
}

impl Drop for Judge {
    fn drop(&mut self) {
        // It ends by itself at the end of its input; this is for when we are the ones who stop early.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
