//! One of a file's clients: what it does next, and what it makes of the answers.

use std::sync::Mutex;
use std::time::Duration;

use serde_json::{Value, json};

use super::LEASE;
use super::model::{Act, Id, Loss, Saw};
use super::record::Record;
use crate::cluster::Cluster;
use crate::dice::Dice;
use crate::wire::{Answer, Connection, Fate, Request};

/// A grant that a client knows of.
#[derive(Clone, Debug)]
pub(super) struct Grant {
    /// The operation that asked for it.
    op: Id,
    lock: String,
    token: String,
}

/// What the clients of one file share.
pub(super) struct Shared<'a> {
    pub(super) cluster: &'a Cluster,
    pub(super) file: String,
    pub(super) record: Record,
    /// The newest grant, for whoever wants to break it.
    pub(super) newest: Mutex<Option<Grant>>,
}

pub(super) struct Client<'a> {
    shared: &'a Shared<'a>,
    dice: Dice,
    connection: Option<Connection>,
    mine: Option<Grant>,
    /// A grant that it had, and whose token it may still try.
    old: Option<Grant>,
    /// Its place among those who wait.
    ticket: Option<Value>,
    /// Locks that it asked for and never heard of.
    open: Vec<(Id, Request<'a>)>,
}

impl<'a> Client<'a> {
    pub(super) fn new(shared: &'a Shared<'a>, dice: Dice) -> Self {
        Self { shared, dice, connection: None, mine: None, old: None, ticket: None, open: Vec::new() }
    }

    /// Does things until the file's record is long enough.
    pub(super) fn run(mut self, most: usize) -> Self {
        while self.shared.record.len() < most {
            self.turn();
            // Who holds the lock is in a hurry, as the others wait for it.
            let longest = if self.mine.is_some() { 80 } else { 600 };
            std::thread::sleep(Duration::from_millis(self.dice.below(longest) as u64));
        }
        self
    }

    fn turn(&mut self) {
        let pick = self.dice.below(100);
        match (self.mine.clone(), self.old.clone()) {
            // A place among those who wait holds up all behind it.
            (None, _) if self.ticket.is_some() => self.acquire(),
            (_, _) if pick < 12 => self.read(),
            (_, _) if pick < 15 => self.break_newest(),
            (_, _) if pick < 20 => self.write(None),
            (Some(mine), _) => match pick {
                20..57 => self.write(Some(&mine)),
                57..72 => self.renew(&mine),
                72..96 => self.release(&mine),
                // Longer than its lease: what it then tries is late.
                _ => std::thread::sleep(LEASE + Duration::from_millis(self.dice.below(400) as u64)),
            },
            (None, Some(old)) if pick < 40 => match pick {
                20..30 => self.write(Some(&old)),
                30..35 => self.renew(&old),
                _ => self.release(&old),
            },
            (None, _) => self.acquire(),
        }
    }

    fn acquire(&mut self) {
        let wait = if self.dice.percent(7) { 1 + self.dice.below(3) } else { 0 };
        let mut body = json!({"ttl_seconds": LEASE.as_secs(), "wait_seconds": wait});
        if let Some(ticket) = self.ticket.take() {
            body["wait_ticket"] = ticket;
        }
        let request = Request::new("POST", format!("/v1/files/{}/lock", self.shared.file)).json(&body);
        self.ask(Act::Acquire, request, |client, op, answer| {
            let body = answer.json();
            match answer.status {
                200 | 201 => {
                    let text = |name: &str| body[name].as_str().unwrap().to_owned();
                    let grant = Grant { op, lock: text("id"), token: text("token") };
                    *client.shared.newest.lock().unwrap() = Some(grant.clone());
                    client.mine = Some(grant);
                    Some(Saw::Fence(body["fence"].as_u64().unwrap()))
                }
                423 => {
                    client.ticket = Some(body["queue"]["ticket"].clone()).filter(Value::is_string);
                    Some(if body["lock"].is_object() { Saw::Locked } else { Saw::Queued })
                }
                // The repeat of a request that was granted, too late to be of use.
                410 | 412 if answer.code() == "lock_lost" => Some(Saw::Nothing),
                _ => None,
            }
        });
    }

    fn renew(&mut self, grant: &Grant) {
        let request = Request::new("POST", format!("/v1/locks/{}/renew", grant.lock))
            .json(&json!({}))
            .header("Lock-Token", &grant.token);
        self.ask(Act::Renew(grant.op), request, |client, _, answer| match answer.status {
            200 => Some(Saw::Fence(answer.json()["fence"].as_u64().unwrap())),
            410 => client.lost(answer),
            _ => None,
        });
    }

    fn release(&mut self, grant: &Grant) {
        let request = Request::new("DELETE", format!("/v1/locks/{}", grant.lock));
        let request = request.header("Lock-Token", &grant.token);
        self.ask(Act::Release(grant.op), request, |client, _, answer| match answer.status {
            204 => {
                client.let_go();
                Some(Saw::Done)
            }
            410 => client.lost(answer),
            _ => None,
        });
    }

    fn break_newest(&mut self) {
        let Some(grant) = self.shared.newest.lock().unwrap().clone() else { return };
        let request = Request::new("DELETE", format!("/v1/locks/{}?force=true", grant.lock));
        let request = request.json(&json!({"reason": "a test"}));
        self.ask(Act::Break(grant.op), request, |_, _, answer| match answer.status {
            204 => Some(Saw::Done),
            410 => lost(answer),
            _ => None,
        });
    }

    fn write(&mut self, grant: Option<&Grant>) {
        let mut request = Request::new("PUT", format!("/v1/files/{}/content", self.shared.file));
        if let Some(grant) = grant {
            request = request.header("Lock-Token", &grant.token);
        }
        self.ask(Act::Write(grant.map(|grant| grant.op)), request, |client, _, answer| match answer.status {
            200 => Some(Saw::Fence(answer.header("Lock-Fence").unwrap().parse().unwrap())),
            423 => Some(Saw::Locked),
            412 if answer.code() == "lock_lost" => client.lost(answer),
            _ => None,
        });
    }

    fn read(&mut self) {
        let request = Request::new("GET", format!("/v1/files/{}/content", self.shared.file));
        self.ask(Act::Read, request, |_, _, answer| {
            let content = std::str::from_utf8(&answer.body).unwrap();
            (answer.status == 200).then(|| Saw::Content(content.parse().ok()))
        });
    }

    fn let_go(&mut self) {
        self.old = self.mine.take().or_else(|| self.old.take());
    }

    fn lost(&mut self, answer: &Answer) -> Option<Saw> {
        self.let_go();
        lost(answer)
    }

    /// Asks for something and records it. An answer may be lost on the way; who asked then goes on, or asks again
    /// with the same key.
    fn ask(
        &mut self,
        act: Act,
        request: Request<'a>,
        read: impl Fn(&mut Self, Id, &Answer) -> Option<Saw> + 'a,
    ) {
        self.connect();
        let op = self.shared.record.call(act);
        let mut request = request.header("Idempotency-Key", format!("{}-{op}", self.shared.file));
        if let Act::Write(_) = act {
            request = request.content(op.to_string());
        }
        // Whether an earlier attempt may still be under way, and be done after its repeat was refused.
        let mut is_open = false;
        let answer = loop {
            let fate = match self.dice.below(100) {
                0..5 => Fate::IsLost,
                5..9 => Fate::IsCutOff,
                _ => Fate::Arrives,
            };
            let connection = self.connection.as_mut().unwrap();
            let got = connection.ask(&self.shared.cluster.key, &request, fate);
            if let Some(answer) = got.filter(|_| fate == Fate::Arrives) {
                break answer;
            }
            is_open |= fate != Fate::IsLost || !connection.is_open();
            self.connection = None;
            let goes_on = match act {
                Act::Acquire => true,
                Act::Write(_) => self.dice.percent(60),
                _ => false,
            };
            if !goes_on {
                return;
            }
            self.connect();
        };
        let text = String::from_utf8_lossy(&answer.body);
        // Nobody knows whether it was done, or it was not: what is pending may be either.
        let mut saw = Saw::Nothing;
        if answer.status < 500 && answer.status != 429 {
            let read = read(self, op, &answer);
            saw = read.unwrap_or_else(|| panic!("{act:?} was answered {}: {text}", answer.status));
        }
        if matches!(saw, Saw::Fence(_)) || saw != Saw::Nothing && !is_open {
            self.shared.record.answer(op, saw);
        } else if act == Act::Acquire {
            self.open.push((op, request));
        }
    }

    /// Asks once more for the locks of which nobody knows whether they were granted, now that the servers are well
    /// and nothing is under way any more.
    pub(super) fn settle(&mut self) {
        for (op, request) in std::mem::take(&mut self.open) {
            let answer = self.shared.cluster.ask(&request);
            match answer.status {
                200 => {
                    let fence = answer.json()["fence"].as_u64().unwrap();
                    self.shared.record.answer(op, Saw::Fence(fence));
                }
                410 | 412 if answer.code() == "lock_lost" => self.shared.record.answer(op, Saw::Granted),
                // It was not done until now.
                201 | 423 => self.shared.record.forget(op),
                status => panic!("{status}: {}", String::from_utf8_lossy(&answer.body)),
            }
        }
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

/// Reads why a grant is no more.
fn lost(answer: &Answer) -> Option<Saw> {
    Loss::named(answer.json()["reason"].as_str()?).map(Saw::Lost)
}
