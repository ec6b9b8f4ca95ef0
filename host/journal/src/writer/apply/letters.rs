//! Letters: what executions have to say to each other.

use rusqlite::params;

use super::{Apply, kind};
use crate::JournalError;
use crate::id::StoredId;
use crate::turn::{LetterId, NewLetter};

impl Apply<'_, '_> {
    pub(super) fn letter(&mut self, letter: &NewLetter, seal: i64) -> Result<(), JournalError> {
        let recipient = self.known(&letter.recipient)?.seq;
        let LetterId {
            sender,
            event,
            place,
        } = &letter.id;
        self.execute(
            "INSERT INTO letter (recipient, sender, event, place, seal, body)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![
                recipient,
                StoredId::new(sender.as_str()),
                event,
                place,
                seal,
                &letter.body[..]
            ],
        )?;
        let seq = self.db.last_insert_rowid();
        for digest in &letter.values {
            let value = self.value(digest)?;
            self.refer(recipient, kind::LETTER, seq, value)?;
        }
        Ok(())
    }

    pub(super) fn take_letter(&mut self, id: &LetterId) -> Result<(), JournalError> {
        let LetterId {
            sender,
            event,
            place,
        } = id;
        let taken = self.one(
            "DELETE FROM letter WHERE sender = ?1 AND event = ?2 AND place = ?3
             RETURNING seq, recipient",
            params![StoredId::new(sender.as_str()), event, place],
            |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)),
        )?;
        let Some((seq, recipient)) = taken else {
            return Err(JournalError::Invalid(format!(
                "letter {place} of event {event} of execution {sender} was taken in before"
            )));
        };
        self.release(recipient, kind::LETTER, seq)
    }
}
