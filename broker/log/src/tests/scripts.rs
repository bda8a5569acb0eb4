//! Runs the scenarios in `testscripts`: blocks of commands, `---`, and what they print. With `UPDATE_SCRIPTS=1` the expected
//! part is written anew, to be read before it is committed.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;
use std::sync::Arc;

use barnabas_types::{Offset, Timestamp};

use crate::testing::{LogContext, TestBatch, small_segments};
use crate::{LogConfig, ReadLimits};

/// One command line: words, and `name=value` arguments.
struct Command<'a> {
    name: &'a str,
    words: Vec<&'a str>,
    arguments: BTreeMap<&'a str, &'a str>,
}

impl<'a> Command<'a> {
    fn parse(line: &'a str) -> Self {
        let mut parts = line.split_whitespace();
        let name = parts.next().unwrap();
        let (named, words): (Vec<&str>, Vec<&str>) = parts.partition(|part| part.contains('='));
        let arguments = named.into_iter().map(|part| part.split_once('=').unwrap()).collect();
        Self { name, words, arguments }
    }

    fn number(&self, name: &str, default: i64) -> i64 {
        self.arguments.get(name).map_or(default, |value| value.parse().unwrap())
    }

    fn offset(&self) -> Offset {
        Offset(self.words[0].parse().unwrap())
    }
}

struct Scenario {
    context: LogContext,
}

impl Scenario {
    fn run(&mut self, command: &Command<'_>) -> Result<String, Box<dyn std::error::Error>> {
        let now = Timestamp(command.number("now", 1_000_000));
        match command.name {
            "config" => return Ok(self.config(command)),
            "append" => return self.append(command),
            "read" => return self.read(command),
            "end" => return self.end(command),
            "committed" => return self.committed(command),
            "state" => return Ok(self.state()),
            "flush" => return Ok(format!("durable to {}", self.context.log().flush()?)),
            "roll" => self.context.log().roll(now)?,
            "truncate" => return Ok(format!("ends at {}", self.context.truncate_to(command.offset().0)?)),
            "restart-at" => self.context.restart_at(command.offset().0)?,
            "delete-before" => _ = self.context.log().raise_log_start(command.offset()),
            "retention" => return self.retention(command, now),
            "find-time" => return self.find_time(command),
            "close" => self.context.close(),
            "kill" => self.context.kill(),
            "cut-power" => {
                self.context.kill();
                self.context.fs.cut_power()?;
            }
            "open" => {
                self.context.options.recovery_point =
                    Offset(command.number("recovery-point", self.context.options.recovery_point.0));
                return Ok(format!("{:?}", self.context.open()?));
            }
            "cut" => self.damage(command, |bytes, count| bytes.truncate(bytes.len() - count))?,
            "flip" => self.damage(command, |bytes, at| bytes[at] ^= 1)?,
            "remove" => std::fs::remove_file(self.file(command))?,
            "files" => return Ok(self.files()),
            other => panic!("no such command: {other}"),
        }
        Ok(String::new())
    }

    fn config(&mut self, command: &Command<'_>) -> String {
        let mut config = small_segments();
        config.segment_bytes = u32::try_from(command.number("segment.bytes", 1000)).unwrap();
        config.segment_ms = command.number("segment.ms", config.segment_ms);
        config.retention_ms = command.number("retention.ms", -1);
        config.retention_bytes = command.number("retention.bytes", -1);
        self.context.options.config = Arc::new(config);
        self.context.log().set_config(config);
        String::new()
    }

    fn append(&mut self, command: &Command<'_>) -> Result<String, Box<dyn std::error::Error>> {
        let producer = command.arguments.get("producer").map(|producer| {
            let parts: Vec<i64> = producer.split('/').map(|part| part.parse().unwrap()).collect();
            (parts[0], i16::try_from(parts[1]).unwrap(), i32::try_from(parts[2]).unwrap())
        });
        let mut printed = Vec::new();
        for _ in 0..command.number("times", 1) {
            let batch = TestBatch {
                values: vec!["x".repeat(100); usize::try_from(command.number("records", 1)).unwrap()],
                timestamp: command.number("time", 1000),
                producer,
                epoch: i32::try_from(command.number("epoch", 0)).unwrap(),
                base_offset: 0,
                transactional: command.words.contains(&"transactional"),
            };
            let appended = self.context.append(&batch)?;
            let duplicate = if appended.duplicate { " (a duplicate)" } else { "" };
            printed.push(format!("{} to {}{duplicate}", appended.base_offset, appended.last_offset));
        }
        Ok(printed.join(", "))
    }

    fn end(&mut self, command: &Command<'_>) -> Result<String, Box<dyn std::error::Error>> {
        let aborted = command.words[0] == "abort";
        let epoch = i16::try_from(command.number("epoch", 0))?;
        let appended = self.context.end_transaction(command.number("producer", 0), epoch, aborted)?;
        Ok(format!("marker at {}", appended.base_offset))
    }

    /// What a read-committed reader gets that reads from an offset on.
    fn committed(&mut self, command: &Command<'_>) -> Result<String, Box<dyn std::error::Error>> {
        let high_watermark = Offset(command.number("high-watermark", self.context.log().log_end().0));
        let end = self.context.log().last_stable_offset(high_watermark);
        let max_bytes = u32::try_from(command.number("max-bytes", 1_000_000))?;
        let limits = ReadLimits { end, max_bytes, at_least_one_batch: true };
        let Some(region) = self.context.log().read(command.offset(), limits)? else {
            return Ok(format!("stable to {end}, nothing"));
        };
        let aborted = self.context.log().prepare_aborted(command.offset(), end, &region).run()?.unwrap();
        let aborted: Vec<String> = aborted
            .iter()
            .map(|one| format!("{} from {} to {}", one.producer_id, one.first_offset, one.last_offset))
            .collect();
        Ok(format!("stable to {end}, {} bytes, aborted: {}", region.length, aborted.join(", ")))
    }

    fn read(&mut self, command: &Command<'_>) -> Result<String, Box<dyn std::error::Error>> {
        let end = Offset(command.number("end", self.context.log().log_end().0));
        let max_bytes = u32::try_from(command.number("max-bytes", 1_000_000))?;
        let limits = ReadLimits { end, max_bytes, at_least_one_batch: true };
        let Some(region) = self.context.log().read(command.offset(), limits)? else { return Ok("nothing".into()) };
        let bytes = region.bytes()?;
        let batches = barnabas_records::batches(&bytes).map_while(Result::ok);
        let batches: Vec<String> =
            batches.map(|batch| format!("{}-{}", batch.header().base_offset, batch.header().last_offset())).collect();
        Ok(format!("{} bytes: {}", region.length, batches.join(" ")))
    }

    fn state(&mut self) -> String {
        let log = self.context.log();
        let segments: Vec<String> = log.segment_base_offsets().map(|base| base.to_string()).collect();
        let epochs: Vec<String> = log
            .leader_epochs()
            .entries()
            .iter()
            .map(|entry| format!("{}@{}", entry.epoch, entry.start_offset))
            .collect();
        let mut producers: Vec<String> = log
            .producers()
            .producers()
            .map(|(id, entry)| format!("{id}/{}:{}", entry.epoch, entry.batches().count()))
            .collect();
        producers.sort();
        format!(
            "start {} end {} durable {}, segments {}, epochs {}, producers {}",
            log.log_start(),
            log.log_end(),
            log.durable_end(),
            segments.join(" "),
            epochs.join(" "),
            producers.join(" ")
        )
    }

    fn retention(&mut self, command: &Command<'_>, now: Timestamp) -> Result<String, Box<dyn std::error::Error>> {
        let high_watermark = Offset(command.number("high-watermark", self.context.log().log_end().0));
        let doomed = self.context.log().apply_retention(high_watermark, now)?;
        let gone: Vec<String> =
            doomed.iter().map(|doomed| format!("{} by {:?}", doomed.base_offset, doomed.reason)).collect();
        doomed.iter().try_for_each(crate::Doomed::remove)?;
        Ok(if gone.is_empty() { "nothing goes".into() } else { gone.join(", ") })
    }

    fn find_time(&mut self, command: &Command<'_>) -> Result<String, Box<dyn std::error::Error>> {
        let ticket = match command.words[0] {
            "largest" => self.context.log().prepare_offset_of_largest_timestamp()?,
            time => self.context.log().prepare_offset_for_timestamp(Timestamp(time.parse()?))?,
        };
        let found = ticket.run()?.map(|found| format!("{} at {}", found.offset, found.timestamp));
        Ok(found.unwrap_or_else(|| "none".into()))
    }

    fn file(&self, command: &Command<'_>) -> PathBuf {
        let (base, suffix) = command.words[0].split_once('.').unwrap();
        self.context.path(&format!("{base:0>20}.{suffix}"))
    }

    fn damage(&self, command: &Command<'_>, change: impl Fn(&mut Vec<u8>, usize)) -> std::io::Result<()> {
        let path = self.file(command);
        let mut bytes = std::fs::read(&path)?;
        change(&mut bytes, command.words[1].parse().unwrap());
        std::fs::write(path, bytes)
    }

    fn files(&self) -> String {
        let mut files: Vec<String> = std::fs::read_dir(&self.context.options.directory)
            .unwrap()
            .map(|entry| entry.unwrap())
            .map(|entry| {
                let name = entry.file_name().into_string().unwrap();
                format!("{} {}", name.trim_start_matches("0000000000000000"), entry.metadata().unwrap().len())
            })
            .collect();
        files.sort();
        files.join("\n")
    }
}

fn play(script: &str, directory: &str) -> String {
    let mut scenario = Scenario { context: LogContext::new(LogConfig { retention_ms: -1, ..small_segments() }) };
    let directory_here = scenario.context.options.directory.display().to_string();
    let mut played = String::new();
    for block in script.split("\n\n") {
        let commands = block.lines().take_while(|line| *line != "---");
        let (mut input, mut output) = (String::new(), String::new());
        for line in commands {
            writeln!(input, "{line}").unwrap();
            if line.starts_with('#') || line.is_empty() {
                continue;
            }
            let printed = scenario.run(&Command::parse(line)).unwrap_or_else(|error| format!("error: {error}"));
            if !printed.is_empty() {
                writeln!(output, "{}", printed.trim_end().replace(&directory_here, directory)).unwrap();
            }
        }
        let separator = if output.is_empty() { "" } else { "---\n" };
        writeln!(played, "{input}{separator}{output}").unwrap();
    }
    played.trim_end().to_owned() + "\n"
}

#[test]
fn every_script_prints_what_it_says() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/testscripts");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let script = std::fs::read_to_string(&path).unwrap();
        let played = play(&script, "DIR");
        if std::env::var_os("UPDATE_SCRIPTS").is_some() {
            std::fs::write(&path, played).unwrap();
        } else {
            assert_eq!(played, script, "{}", path.display());
        }
        count += 1;
    }
    assert!(count >= 6, "scripts are missing: {count} found");
}
