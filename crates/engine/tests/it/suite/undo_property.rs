//! Random acts of two actors, and the undo of one of them, against what every node was before.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use longshore_core::wire::{
    CopyNode, Event, Metadata, Node, RestoreNode, Role, UndoActs, UndoObstacle, UpdateNode, Who,
};
use longshore_core::{Code, NodeId, PrincipalId, WorkspaceId};
use longshore_engine::{Actor, Depth, PageRequest, Premises, Result, Target, UploadOptions};

use crate::world::{World, name, noise, path};

const SEEDS: u64 = 12;
const ACTS: usize = 30;

/// What a node is by itself: the folders above it left out.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Own {
    parent: Option<NodeId>,
    name: String,
    digest: Option<String>,
    metadata: Metadata,
    trashed: bool,
    /// With the folders above it.
    gone: bool,
}

impl Own {
    /// The same but for what the folders above it are.
    fn is(&self, other: &Self) -> bool {
        Self { gone: other.gone, ..self.clone() } == *other
    }
}

type Picture = BTreeMap<NodeId, Own>;

struct Play<'w> {
    world: &'w World,
    workspace: WorkspaceId,
    root: NodeId,
    dice: std::vec::IntoIter<u8>,
    /// In the order of their discovery: ids differ from run to run, plays must not.
    known: Vec<NodeId>,
    /// After each place of the log, what all was.
    pictures: Vec<(u64, Picture)>,
}

impl Play<'_> {
    fn roll(&mut self, sides: usize) -> usize {
        usize::from(self.dice.next().expect("dice for the whole play")) % sides
    }

    fn any_node(&mut self) -> NodeId {
        let place = self.roll(self.known.len());
        self.known[place]
    }

    fn any_name(&mut self) -> &'static str {
        ["a", "b", "c"][self.roll(3)]
    }

    /// One attempt of an act; many are refused, as names are few.
    async fn act(&mut self, actor: &Actor) -> Result<Node> {
        let (engine, premises) = (&self.world.engine, Premises::default());
        let (node, text) = (self.any_node(), self.any_name());
        let parent_id = Some(self.any_node());
        match self.roll(10) {
            0..=2 => {
                let deep = format!("/{}/{text}", self.any_name());
                let at = if self.roll(2) == 0 { path(&deep) } else { path(&format!("/{text}")) };
                let target = Target::Path { workspace: self.workspace, path: at };
                let content = [b'0' + u8::try_from(self.roll(5)).unwrap()];
                let written = self.world.put_as(actor, target, &content, UploadOptions::default()).await;
                written.map(|written| written.node)
            }
            3 => engine.create_folder(actor, node, name(text), premises).await,
            4 => {
                let wanted = UpdateNode { name: Some(name(text)), ..UpdateNode::default() };
                engine.update_node(actor, node, wanted, premises).await
            }
            5..=6 => {
                let wanted = UpdateNode { name: Some(name(text)), parent_id, ..UpdateNode::default() };
                engine.update_node(actor, node, wanted, premises).await
            }
            7 => {
                let metadata = Metadata::from([("by".to_owned(), text.to_owned())]);
                let wanted = UpdateNode { metadata: Some(metadata), ..UpdateNode::default() };
                engine.update_node(actor, node, wanted, premises).await
            }
            8 => match self.roll(3) {
                0 => {
                    let wanted = CopyNode { parent_id, name: Some(name(text)) };
                    engine.copy_node(actor, node, wanted, premises).await
                }
                1 => {
                    let versions = engine.list_versions(actor, node, PageRequest::default()).await?.items;
                    let Some(oldest) = versions.last() else { return engine.node(actor, node).await };
                    engine.restore_version(actor, node, oldest.id, premises).await
                }
                _ => {
                    let trash = engine.trash(actor, self.workspace, PageRequest::default()).await?.items;
                    let Some(newest) = trash.first() else { return engine.node(actor, node).await };
                    engine.restore_node(actor, newest.id, RestoreNode::default(), premises).await
                }
            },
            _ => engine.trash_node(actor, node, premises).await,
        }
    }

    async fn look(&mut self) -> Picture {
        let (engine, owner) = (&self.world.engine, &self.world.owner);
        let page = || PageRequest::new(Some(1_000), None);
        let tree = engine.tree(owner, self.root, Depth::All, page()).await.unwrap().items;
        for node in &tree {
            if !self.known.contains(&node.id) {
                self.known.push(node.id);
            }
        }
        let trash = engine.trash(owner, self.workspace, page()).await.unwrap().items;
        let trashed: BTreeSet<_> = trash.iter().map(|node| node.id).collect();
        let live: BTreeMap<_, _> = tree.into_iter().map(|node| (node.id, node)).collect();
        let mut picture = Picture::new();
        for id in &self.known {
            let node = match live.get(id) {
                Some(node) => node.clone(),
                None => engine.node(owner, *id).await.unwrap(),
            };
            let own = Own {
                parent: node.parent_id,
                name: node.name,
                digest: node.digest.map(|digest| digest.to_string()),
                metadata: node.metadata,
                trashed: trashed.contains(id),
                gone: node.trashed_at.is_some(),
            };
            picture.insert(*id, own);
        }
        picture
    }

    async fn events(&self) -> Vec<Event> {
        self.world.events_of(self.workspace, longshore_engine::EventQuery::default()).await
    }

    /// What all was before an event.
    fn before(&self, seq: u64) -> &Picture {
        let earlier = self.pictures.iter().rev().find(|(place, _)| *place < seq);
        &earlier.expect("a picture of the start").1
    }

    async fn seq(&self) -> u64 {
        self.world.engine.workspace(&self.world.owner, self.workspace).await.unwrap().seq
    }
}

/// What the log says of one actor's acts since a place, and of the others'.
struct Told {
    /// For each node, the first event of the actor.
    firsts: BTreeMap<NodeId, u64>,
    /// The events of the others: node and place.
    others: Vec<(NodeId, u64)>,
}

fn tell(events: &[Event], actor: PrincipalId, since: u64) -> Told {
    let mut told = Told { firsts: BTreeMap::new(), others: Vec::new() };
    // An act that began before is not among them, wherever it ended.
    for event in events.iter().filter(|event| event.act > since) {
        let node = event.node_id.expect("all of these are of nodes");
        if event.actor == actor {
            told.firsts.entry(node).or_insert(event.seq);
        } else {
            told.others.push((node, event.seq));
        }
    }
    told
}

/// Checks that an undo which was done did what it had to, and no more.
fn check_done(play: &Play<'_>, told: &Told, before: &Picture, after: &Picture) {
    for (node, first) in &told.firsts {
        match play.before(*first).get(node) {
            Some(was) => assert!(after[node].is(was), "{node}: {:?} is not {was:?}", after[node]),
            None => assert!(after[node].gone, "{node} was not there: {:?}", after[node]),
        }
    }
    for (node, was) in before {
        let now = &after[node];
        if !told.firsts.contains_key(node) {
            assert!(now.is(was), "{node} is none of its business: {was:?}, now {now:?}");
        }
        if was.gone || !now.gone || told.firsts.contains_key(node) {
            continue;
        }
        // It went to the trash with a folder above it: nobody else may have changed it since the first act on
        // that folder.
        let mut above = now.parent;
        while let Some(folder) = above {
            if after[&folder].trashed && !before[&folder].trashed {
                let first = told.firsts[&folder];
                assert!(!told.others.iter().any(|(id, seq)| id == node && *seq > first), "{node} is lost");
            }
            above = after[&folder].parent;
        }
    }
}

async fn play(world: &World, seed: u64, actors: [&Actor; 2]) -> &'static str {
    let made =
        world.engine.create_workspace(&world.owner, name(&format!("play {seed}")), None).await.unwrap();
    let mut play = Play {
        world,
        workspace: made.id,
        root: made.root_id,
        dice: noise(4_000, seed).into_iter(),
        known: vec![made.root_id],
        pictures: Vec::new(),
    };
    let since = 1 + play.roll(8) as u64;
    for _ in 0..ACTS {
        world.clock.advance(Duration::from_millis(1));
        let picture = play.look().await;
        let seq = play.seq().await;
        play.pictures.push((seq, picture));
        // In a third of the plays the second actor only prepares the ground.
        let second = if seed.is_multiple_of(3) { seq < since } else { play.roll(4) == 0 };
        let _refused = play.act(actors[usize::from(second)]).await.is_err();
    }
    let before = play.look().await;
    let told = tell(&play.events().await, actors[0].principal, since);
    let wanted = UndoActs { actor: Some(Who::Me), since_seq: Some(since), ..UndoActs::default() };
    let undo = async |wanted| world.engine.undo(actors[0], made.id, wanted, Premises::default()).await;
    let preview = undo(UndoActs { preview: true, ..wanted.clone() }).await;
    let seq = play.seq().await;
    let undone = undo(wanted).await;
    let after = play.look().await;
    match undone {
        Ok(undone) => {
            let preview = preview.unwrap();
            assert_eq!((preview.changes, preview.conflicts.len()), (undone.changes, 0));
            check_done(&play, &told, &before, &after);
            let Some(act) = undone.act else { return "nothing" };
            assert_eq!(act, seq + 1);
            let redo = UndoActs { act: Some(act), ..UndoActs::default() };
            undo(redo).await.unwrap();
            assert_eq!(play.look().await, before, "the undo of an undo is as if none had been");
            "done"
        }
        Err(error) if error.code() == Code::NotUndoable => {
            assert!(told.firsts.is_empty());
            "nothing"
        }
        Err(error) => {
            assert_eq!(error.code(), Code::UndoConflict, "{error}");
            assert_eq!((before, play.seq().await), (after, seq), "a refused undo changes nothing");
            let conflicts = &error.facts().unwrap().conflicts;
            assert_eq!(preview.unwrap().conflicts, *conflicts);
            let first = told.firsts.values().min().unwrap();
            assert!(
                told.others.iter().any(|(_, seq)| seq > first),
                "nobody else did anything: {conflicts:?}"
            );
            for conflict in conflicts.iter().filter(|one| one.reason == UndoObstacle::Changed) {
                let event = (conflict.node_id, conflict.seq.unwrap());
                assert!(told.others.contains(&event), "{conflict:?} names no event of another");
                assert_eq!(conflict.actor, Some(actors[1].principal));
            }
            "refused"
        }
    }
}

pub(super) async fn random_acts_are_undone_exactly(world: &World) {
    let (one, two) = (world.user(Role::Editor, None).await, world.user(Role::Editor, None).await);
    let mut ends = BTreeMap::new();
    for seed in 0..SEEDS {
        println!("seed {seed}");
        *ends.entry(play(world, seed, [&one, &two]).await).or_insert(0) += 1;
    }
    assert!(ends["done"] >= 3 && ends["refused"] >= 3, "the plays are too much alike: {ends:?}");
}
