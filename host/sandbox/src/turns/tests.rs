use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use super::*;

type Waiting = Pin<Box<dyn Future<Output = Option<Place>>>>;

/// A call of a pack in a project, as `project/pack`.
fn wanted(who: &str) -> Wanted {
    let (project, pack) = who.split_once('/').unwrap();
    Wanted {
        project: project.into(),
        pack: pack.into(),
        slots: 1,
        of_project: None,
        of_pack: None,
    }
}

fn acquire(turns: &Turns, wanted: Wanted) -> Waiting {
    let turns = turns.clone();
    Box::pin(async move { turns.acquire(wanted).await })
}

fn poll(waiting: &mut Waiting) -> Option<Place> {
    match waiting
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
    {
        Poll::Ready(place) => place,
        Poll::Pending => None,
    }
}

fn now(turns: &Turns, wanted: Wanted) -> Place {
    poll(&mut acquire(turns, wanted)).expect("there is room")
}

/// In which order `who` are served, one after the other, once `first` is done.
fn served(turns: &Turns, first: Place, who: &[&'static str]) -> Vec<&'static str> {
    let mut waiting: Vec<_> = who
        .iter()
        .map(|who| (*who, acquire(turns, wanted(who))))
        .collect();
    for (_, waiting) in &mut waiting {
        assert!(poll(waiting).is_none());
    }
    let mut served = Vec::new();
    let mut place = first;
    while !waiting.is_empty() {
        drop(place);
        let (index, next) = waiting
            .iter_mut()
            .enumerate()
            .find_map(|(index, (_, waiting))| Some((index, poll(waiting)?)))
            .expect("room that was given back goes to somebody");
        served.push(waiting.remove(index).0);
        place = next;
    }
    served
}

#[test]
fn projects_take_turns_and_packs_within_them() {
    let turns = Turns::new(1);
    let first = now(&turns, wanted("x/x"));
    let who = ["a/p", "a/p", "a/p", "a/q", "b/p", "a/q", "c/p"];
    assert_eq!(
        served(&turns, first, &who),
        ["a/p", "b/p", "c/p", "a/q", "a/p", "a/q", "a/p"]
    );
    assert_eq!(lock(&turns.0).free, 1);
}

#[test]
fn whoever_has_its_share_is_passed_over() {
    let turns = Turns::new(10);
    let bounded = |who| Wanted {
        of_project: Some(2),
        ..wanted(who)
    };
    let places = [now(&turns, bounded("a/p")), now(&turns, bounded("a/q"))];
    let mut third = acquire(&turns, bounded("a/p"));
    assert!(poll(&mut third).is_none());
    let other = now(&turns, bounded("b/p"));
    assert!(poll(&mut third).is_none());
    drop(places);
    let third = poll(&mut third).expect("its project has room again");
    drop((third, other));
    let queue = lock(&turns.0);
    assert_eq!((queue.free, queue.running.len()), (10, 0));
}

#[test]
fn the_bound_of_a_pack_holds_in_all_projects() {
    let turns = Turns::new(10);
    let bounded = |who| Wanted {
        of_pack: Some(1),
        ..wanted(who)
    };
    let place = now(&turns, bounded("a/p"));
    let mut other = acquire(&turns, bounded("b/p"));
    assert!(poll(&mut other).is_none());
    drop(place);
    assert!(poll(&mut other).is_some());
}

#[test]
fn a_large_one_is_not_overtaken_for_ever() {
    let turns = Turns::new(4);
    let mut places: Vec<Place> = (0..4).map(|_| now(&turns, wanted("a/small"))).collect();
    let mut large = acquire(
        &turns,
        Wanted {
            slots: 3,
            ..wanted("b/large")
        },
    );
    assert!(poll(&mut large).is_none());
    let mut small = acquire(&turns, wanted("c/small"));
    assert!(poll(&mut small).is_none());
    places.pop();
    assert!(poll(&mut small).is_none(), "it would overtake");
    places.truncate(1);
    let large = poll(&mut large).expect("there is room for it");
    assert!(poll(&mut small).is_none());
    drop(large);
    assert!(poll(&mut small).is_some());
}

#[test]
fn whoever_gives_up_takes_no_room() {
    let turns = Turns::new(1);
    let place = now(&turns, wanted("a/p"));
    let mut early = acquire(&turns, wanted("a/p"));
    let mut late = acquire(&turns, wanted("b/p"));
    let mut last = acquire(&turns, wanted("c/p"));
    for waiting in [&mut early, &mut late, &mut last] {
        assert!(poll(waiting).is_none());
    }
    drop(early);
    drop(place);
    // `late` has it by now, without having looked.
    assert!(poll(&mut last).is_none());
    drop(late);
    drop(poll(&mut last).expect("it goes on"));
    let queue = lock(&turns.0);
    assert_eq!((queue.free, queue.order.len()), (1, 0));
}
