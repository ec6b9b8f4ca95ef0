//! Letters come once, and what they carry is kept as long as they.

use ostro_journal::{Blob, JournalError, LetterId, NewLetter, Turn, Unfinished};
use tempfile::tempdir;

use crate::common::*;

#[test]
fn a_letter_is_there_until_it_is_taken_in_and_only_once() {
    let dir = tempdir().unwrap();
    let journal = open(dir.path());
    let (parent, below) = (row(1), child(2, 1));
    let large = Blob::new(vec![7; 9000]);
    let letter = |place, body: &[u8], values| NewLetter {
        id: LetterId {
            sender: below.id.clone(),
            event: 0,
            place,
        },
        recipient: parent.id.clone(),
        body: body.into(),
        values,
    };
    let mut turn = Turn::new();
    turn.execution(parent.clone())
        .execution(below.clone())
        .event(event(&below.id, 0))
        .value(large.clone())
        .letter(letter(0, b"paused", Vec::new()))
        .letter(letter(1, b"ended", vec![large.digest()]));
    journal.write(turn).unwrap();
    drop(journal);

    let journal = open(dir.path());
    let letters = journal.letters(&parent.id).unwrap();
    let bodies: Vec<&[u8]> = letters.iter().map(|letter| &letter.body[..]).collect();
    assert_eq!(bodies, [b"paused" as &[u8], b"ended"]);
    assert!(journal.letters(&below.id).unwrap().is_empty());

    let take = || {
        let mut turn = Turn::new();
        turn.take_letter(letters[0].id.clone());
        turn
    };
    journal.write(take()).unwrap();
    assert_eq!(journal.letters(&parent.id).unwrap().len(), 1);
    let again = journal.write(take()).unwrap_err();
    assert!(matches!(again, JournalError::Invalid(_)), "{again}");
}

#[test]
fn a_letter_moves_whom_it_is_for() {
    let dir = tempdir().unwrap();
    let journal = open(dir.path());
    let (mut parent, mut below) = (row(1), child(2, 1));
    parent.moving = false;
    below.moving = false;
    let id = LetterId {
        sender: parent.id.clone(),
        event: 1,
        place: 0,
    };
    let mut turn = Turn::new();
    turn.execution(parent.clone()).execution(below.clone());
    journal.write(turn).unwrap();
    let roots = |which| {
        let roots = journal.unfinished(which, None, 10).unwrap();
        roots.into_iter().map(|root| root.id).collect::<Vec<_>>()
    };
    assert!(roots(Unfinished::Moving).is_empty());
    let parents = vec![parent.id.clone()];
    assert_eq!(roots(Unfinished::Still), parents);

    let mut turn = Turn::new();
    turn.letter(NewLetter {
        id: id.clone(),
        recipient: below.id.clone(),
        body: (b"stopped" as &[u8]).into(),
        values: Vec::new(),
    });
    journal.write(turn).unwrap();
    assert_eq!(roots(Unfinished::Moving), parents);
    assert!(roots(Unfinished::Still).is_empty());

    let mut turn = Turn::new();
    turn.take_letter(id);
    journal.write(turn).unwrap();
    assert!(roots(Unfinished::Moving).is_empty());
}
