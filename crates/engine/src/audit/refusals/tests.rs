use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use longshore_core::{Code, KeyId, Timestamp, WorkspaceId};

use super::{APART, Noted, OF_ADDRESS, OF_ONE, OF_STRANGERS, WAITING, WINDOW};
use crate::actor::{Credential, Origin};
use crate::audit::Entry;

const NOW: Timestamp = Timestamp::from_micros(1_763_613_468_000_000);

fn refused(at: Timestamp) -> Entry {
    Entry { code: Some(Code::Forbidden), ..Entry::new("refused", at) }
}

fn of_key(key: KeyId, at: Timestamp) -> Entry {
    Entry { credential: Some(Credential::Key(key)), ..refused(at) }
}

fn from(address: IpAddr, at: Timestamp) -> Entry {
    let origin = Origin { address: Some(address), ..Origin::default() };
    Entry { origin: Some(Arc::new(origin)), ..refused(at) }
}

fn more(entry: &Entry) -> Option<u64> {
    entry.told_facts()?["more"].as_u64()
}

#[test]
fn a_key_is_written_so_often_a_minute_and_the_rest_is_said() {
    let (mut noted, key) = (Noted::default(), KeyId::new(NOW));
    let here = WorkspaceId::new(NOW);
    for number in 0..1_000 {
        let entry = of_key(key, NOW.plus(Duration::from_millis(number))).within(here);
        assert_eq!(noted.note(entry, NOW), number == 0, "one task");
    }
    let (written, more_to_come) = noted.take(|window| window.is_over(NOW));
    assert_eq!((written.len() as u64, more_to_come), (OF_ONE, true));
    assert!(written.iter().all(|entry| more(entry).is_none()));
    let later = NOW.plus(WINDOW);
    let (written, more_to_come) = noted.take(|window| window.is_over(later));
    let [rest] = &written[..] else { panic!("{written:?}") };
    assert_eq!((more(rest), rest.workspace, rest.code), (Some(940), Some(here), Some(Code::Forbidden)));
    assert_eq!((rest.credential, more_to_come), (Some(Credential::Key(key)), false));
    noted.note(of_key(key, later), later);
    assert_eq!(noted.take(|_| false).0.len(), 1, "the next minute begins anew");
}

#[test]
fn what_is_said_together_is_of_one_workspace_or_of_none() {
    let (mut noted, key) = (Noted::default(), KeyId::new(NOW));
    for number in 0..100 {
        let workspace = WorkspaceId::new(NOW.plus(Duration::from_millis(number % 2)));
        noted.note(of_key(key, NOW).within(workspace), NOW);
    }
    let (written, _) = noted.take(|_| true);
    assert_eq!(written.last().map(|entry| (more(entry), entry.workspace)), Some((Some(40), None)));
}

#[test]
fn strangers_are_bounded_by_address_and_together() {
    let mut noted = Noted::default();
    for number in 0..50_u128 {
        let address = Ipv6Addr::from_bits((0x2001_0db8 << 96) | number);
        noted.note(from(address.into(), NOW), NOW);
    }
    let (written, _) = noted.take(|_| true);
    assert_eq!(written.len() as u64, OF_ADDRESS + 1, "one customer's network is one");
    let mut noted = Noted::default();
    for number in 0..100_000_u32 {
        noted.note(from(Ipv4Addr::from_bits(number).into(), NOW), NOW);
    }
    assert!(noted.windows.len() <= APART);
    let (written, _) = noted.take(|_| true);
    assert_eq!(written.len() as u64, OF_STRANGERS + 1);
    let said: u64 = written.iter().filter_map(more).sum();
    assert_eq!(said + OF_STRANGERS, 100_000, "each is counted once");
    // Those whom nobody knows leave room for a key that is known.
    noted.note(of_key(KeyId::new(NOW), NOW), NOW);
    assert_eq!(noted.take(|_| false).0.len(), 1);
}

#[test]
fn no_more_wait_than_there_is_room_for_and_none_is_lost() {
    let mut noted = Noted::default();
    for number in 0..WAITING as u64 + 500 {
        noted.note(of_key(KeyId::new(NOW.plus(Duration::from_millis(number / 50))), NOW), NOW);
    }
    assert!(noted.waiting.len() <= WAITING && noted.windows.len() <= APART, "{}", noted.waiting.len());
    let (first, _) = noted.take(|_| false);
    let count = first.len();
    noted.note(of_key(KeyId::new(NOW), NOW), NOW);
    let waiting = noted.waiting.len();
    noted.take_back(first, NOW);
    assert!(noted.waiting.len() <= WAITING);
    let (written, _) = noted.take(|_| true);
    let said: u64 = written.iter().filter_map(more).sum();
    let whole = written.iter().filter(|entry| more(entry).is_none()).count();
    assert_eq!(whole as u64 + said, WAITING as u64 + 501);
    assert!(count > 0 && waiting <= 1);
}
