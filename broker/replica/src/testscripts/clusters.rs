//! Commands for a small cluster: what its brokers, its controller and its network do, step by step.

use barnabas_types::BrokerId;

use super::command::Command;
use super::replicas::durability;
use crate::world::{Message, World};
use crate::{Bug, Durability, Settings};

pub(super) struct ClusterHarness {
    world: World,
    /// False where a script is about brokers that lose what they were counted for, which nobody notices.
    keeps_promises: bool,
}

impl ClusterHarness {
    /// `cluster brokers=3 durability=replicated min_isr=1 bug=TruncatesToWatermark`: broker 1 leads epoch 0, and all have applied that.
    pub(super) fn new(command: &Command<'_>) -> Self {
        let bug = command.text("bug").map(|name| name.parse::<Bug>().expect("such a bug"));
        let settings = Settings {
            min_insync_replicas: command.number("min_isr", 1),
            durability: durability(command, Durability::Replicated),
            bug,
            ..Settings::default()
        };
        let mut world = World::new(command.number("brokers", 2), settings);
        world.ids().into_iter().for_each(|id| world.apply(id, 1));
        Self { world, keeps_promises: command.number("keeps_promises", true) }
    }

    fn id(command: &Command<'_>) -> BrokerId {
        BrokerId(command.words.first().expect("a broker").parse().expect("a broker's id"))
    }

    /// Delivers the first message that `wanted` names.
    fn deliver(&mut self, wanted: impl Fn(&Message) -> bool) {
        let position = self.world.messages.iter().position(wanted).expect("no such message is on its way");
        self.world.deliver(position);
    }

    fn ask(&mut self, id: BrokerId) {
        self.deliver(|message| matches!(message, Message::Fetch { from, .. } if from.0 == id));
    }

    fn hear(&mut self, id: BrokerId) {
        self.deliver(|message| matches!(message, Message::Fetched { to, .. } if to.0 == id));
    }

    fn restart(&mut self, id: BrokerId, command: &Command<'_>) {
        let broker = self.world.broker_mut(id);
        let end = broker.log.records.len();
        let kept = command.number("keep", end);
        broker.life = None;
        broker.log.truncate(kept);
        broker.log.durable = kept;
        let is_noticed = self.keeps_promises && self.world.settings.durability == Durability::Replicated;
        self.world.controller.register(id, is_noticed && kept < end);
        self.world.start(id, 0);
    }

    pub(super) fn run(&mut self, command: &Command<'_>) -> Vec<String> {
        let before = self.world.trace.len();
        match command.name {
            "cluster" => {}
            "compare" => return vec![self.compare()],
            "pass" => {
                self.world.now_ms += command.number("ms", 0);
                self.world.ids().into_iter().for_each(|id| self.world.tick(id));
            }
            "apply" => {
                let all = self.world.ids();
                let id = command.words.first().map(|_| Self::id(command));
                id.map_or(all, |id| vec![id]).into_iter().for_each(|id| self.world.apply(id, usize::MAX));
            }
            name => self.step(name, Self::id(command), command),
        }
        if self.keeps_promises {
            self.world.check();
        }
        let noted = self.world.trace.iter().skip(before).map(|line| line.trim_start());
        let noted = noted.filter_map(|line| line.split_once(' ').map(|(_, line)| line));
        let told = ["truncates", "CommittedRecordsCut", "BROKEN"];
        let told = if self.keeps_promises { told.as_slice() } else { &told[..2] };
        let noted = noted.filter(|line| told.iter().any(|word| line.contains(word)));
        let mut lines: Vec<_> = noted.map(ToOwned::to_owned).collect();
        lines.push(self.state());
        lines
    }

    fn step(&mut self, name: &str, id: BrokerId, command: &Command<'_>) {
        let world = &mut self.world;
        match name {
            "produce" => assert!(world.produce(id, command.number("acks_all", false)), "{id} does not take it"),
            "sync" => world.sync(id),
            "ask" => self.ask(id),
            "hear" => self.hear(id),
            "fetch" => {
                for _ in 0..command.number("times", 1) {
                    self.ask(id);
                    self.hear(id);
                }
            }
            "alter" => {
                self.deliver(|message| matches!(message, Message::Alter { from, .. } if from.0 == id));
                self.deliver(|message| matches!(message, Message::Altered { to, .. } if to.0 == id));
            }
            "checkpoint" => {
                let watermark = world.broker(id).life.as_ref().expect("it runs").replica.high_watermark();
                world.broker_mut(id).checkpoint = watermark;
            }
            "crash" => world.broker_mut(id).life = None,
            "restart" => self.restart(id, command),
            "fence" => world.controller.fence(id),
            "unfence" => assert!(world.controller.unfence(id, world.controller.states.len()), "{id} is not fenced"),
            "prefer" => world.controller.prefer(id),
            "elect_unclean" => world.controller.elect_unclean(id),
            other => panic!("no command {other}"),
        }
    }

    fn state(&self) -> String {
        let show = |id: BrokerId| {
            let broker = self.world.broker(id);
            let Some(life) = &broker.life else { return format!("{id} down [{}]", broker.log.show()) };
            let leads = if life.replica.is_leader() { " leads" } else { "" };
            format!("{id}{leads} hw={} [{}]", life.replica.high_watermark(), broker.log.show())
        };
        let brokers: Vec<_> = self.world.ids().into_iter().map(show).collect();
        let isr: Vec<_> = self.world.controller.state().isr.iter().map(ToString::to_string).collect();
        format!("= isr={} | {}", isr.join(","), brokers.join(" | "))
    }

    /// Whether all that run have the same log.
    fn compare(&self) -> String {
        let running = self.world.brokers.values().filter(|broker| broker.life.is_some());
        let mut logs: Vec<_> = running.map(|broker| &broker.log.records).collect();
        logs.dedup();
        if logs.len() < 2 { "= all the same".to_owned() } else { "= DIFFERENT".to_owned() }
    }
}
