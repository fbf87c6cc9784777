//! One of a file's clients: what it does next, and what it makes of the answers.

use std::time::Duration;

use super::model::{Act, Saw};
use super::record::Record;
use crate::cluster::Cluster;
use crate::dice::Dice;
use crate::wire::{Answer, Connection, Fate, Request};

/// What the clients of one file share.
pub(super) struct Shared<'a> {
    pub(super) cluster: &'a Cluster,
    pub(super) file: String,
    pub(super) record: Record,
}

pub(super) struct Client<'a> {
    shared: &'a Shared<'a>,
    dice: Dice,
    connection: Option<Connection>,
}

impl<'a> Client<'a> {
    pub(super) const fn new(shared: &'a Shared<'a>, dice: Dice) -> Self {
        Self { shared, dice, connection: None }
    }

    /// Does things until the file's record is long enough.
    pub(super) fn run(&mut self, most: usize) {
        while self.shared.record.len() < most {
            self.turn();
            std::thread::sleep(Duration::from_millis(self.dice.below(500) as u64));
        }
    }

    fn turn(&mut self) {
        if self.dice.percent(50) { self.read() } else { self.write() }
    }

    fn write(&mut self) {
        let request = Request::new("PUT", format!("/v1/files/{}/content", self.shared.file));
        self.ask(Act::Write(None), request, |answer| (answer.status == 200).then_some(Saw::Fence(0)));
    }

    fn read(&mut self) {
        let request = Request::new("GET", format!("/v1/files/{}/content", self.shared.file));
        self.ask(Act::Read, request, |answer| {
            let content = std::str::from_utf8(&answer.body).unwrap();
            (answer.status == 200).then(|| Saw::Content(content.parse().ok()))
        });
    }

    /// Asks for something and records it. An answer may be lost on the way; who asked then goes on.
    fn ask(&mut self, act: Act, request: Request<'a>, read: impl FnOnce(&Answer) -> Option<Saw>) {
        self.connect();
        let op = self.shared.record.call(act);
        let request = match act {
            Act::Write(_) => request.content(op.to_string()),
            _ => request,
        };
        let fate = match self.dice.below(100) {
            0..5 => Fate::IsLost,
            5..9 => Fate::IsCutOff,
            _ => Fate::Arrives,
        };
        let connection = self.connection.as_mut().unwrap();
        let Some(answer) = connection.ask(&self.shared.cluster.key, &request, fate) else {
            self.connection = None;
            return;
        };
        if answer.status >= 500 || answer.status == 429 {
            // Nobody knows whether it was done, or it was not: what is pending may be either.
            return;
        }
        let text = String::from_utf8_lossy(&answer.body);
        let saw = read(&answer).unwrap_or_else(|| panic!("{act:?} was answered {}: {text}", answer.status));
        self.shared.record.answer(op, saw);
    }

    /// Connects to any server that is there, now and then to another one than before.
    fn connect(&mut self) {
        let stays = self.connection.as_ref().is_some_and(Connection::is_open);
        if stays && !self.dice.percent(10) {
            return;
        }
        loop {
            let server = self.shared.cluster.any(&mut self.dice);
            if let Ok(connection) = Connection::open(server) {
                self.connection = Some(connection);
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
