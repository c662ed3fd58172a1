//! What the three batch actions share: the shape of a batch, and how its results are listed.

use stanchion_types::limits::{BATCH_BYTES_MAX, BATCH_ENTRIES_MAX};
use stanchion_types::request::BatchEntry;
use stanchion_types::response::BatchResult;
use stanchion_types::{Code, Error};

use crate::choices;
use crate::errors::{Fault, entry as error_entry};
use crate::fields::{Fields, Name};
use crate::text::is_plain_id;
use crate::writer::Writer;

pub(super) const ID: Name = Name::same("Id");
const FAILED: Name = Name::new("Failed", "BatchResultErrorEntry");
const SENDER_FAULT: Name = Name::same("SenderFault");
const CODE: Name = Name::same("Code");
const MESSAGE: Name = Name::same("Message");

/// The entries of a batch as they came.
pub(super) struct Batch<'t, T> {
    /// Name of the entries, for the texts of errors.
    entry_name: &'static str,
    /// How many entries came; only the first 11 are read.
    found: usize,
    entries: Vec<(&'t str, T)>,
}

/// Reads a member of an entry that must be there and must not be empty; if not, the entry fails alone.
pub(super) fn required<'t>(entry: impl Fields<'t>, name: Name) -> Result<Result<&'t str, Error>, Error> {
    let text = entry.text(name)?.filter(|text| !text.is_empty());
    Ok(text.ok_or_else(|| Error::missing_parameter(name.json)))
}

impl<'t, T> Batch<'t, T> {
    /// Reads the id and the members of each entry.
    ///
    /// # Errors
    /// For members of a wrong type; `MissingParameter` for an entry without id.
    pub(super) fn read<F: Fields<'t>>(
        fields: F,
        name: Name,
        read: impl Fn(F) -> Result<T, Error>,
    ) -> Result<Self, Error> {
        let all = fields.objects(name)?;
        let found = all.len();
        let mut entries = Vec::with_capacity(found.min(BATCH_ENTRIES_MAX));
        // A batch with more entries is refused whatever is in them.
        for (index, entry) in all.into_iter().enumerate().take(BATCH_ENTRIES_MAX) {
            let id = entry.text(ID)?;
            let id = id.ok_or_else(|| Error::missing_parameter(&format!("{}.{}.Id", name.query, index + 1)))?;
            entries.push((id, read(entry)?));
        }
        Ok(Batch { entry_name: name.query, found, entries })
    }

    /// Checks the shape of the batch, then each entry.
    ///
    /// # Errors
    /// For a fault of the batch as a whole: no entries, too many, bad ids, repeated ids.
    pub(super) fn check<U>(self, check: impl Fn(T) -> Result<U, Error>) -> Result<Vec<BatchEntry<U>>, Error> {
        self.check_shape()?;
        Ok(self.check_each(check))
    }

    /// Checks as [`Batch::check`] does, and before the entries their size together.
    ///
    /// # Errors
    /// As [`Batch::check`], and `BatchRequestTooLong`.
    pub(super) fn check_sized<U>(
        self,
        size: impl Fn(&T) -> usize,
        check: impl Fn(T) -> Result<U, Error>,
    ) -> Result<Vec<BatchEntry<U>>, Error> {
        self.check_shape()?;
        let bytes: usize = self.entries.iter().map(|(_, entry)| size(entry)).sum();
        if bytes > BATCH_BYTES_MAX {
            let message =
                format!("Batch requests cannot be longer than {BATCH_BYTES_MAX} bytes. You have sent {bytes} bytes.");
            return Err(Error::new(Code::BatchRequestTooLong, message));
        }
        Ok(self.check_each(check))
    }

    fn check_each<U>(self, check: impl Fn(T) -> Result<U, Error>) -> Vec<BatchEntry<U>> {
        let mut checked = Vec::with_capacity(self.entries.len());
        for (id, entry) in self.entries {
            checked.push(BatchEntry { id: id.to_owned(), entry: check(entry) });
        }
        checked
    }

    fn check_shape(&self) -> Result<(), Error> {
        if self.found == 0 {
            let message = format!("There should be at least one {} in the request.", self.entry_name);
            return Err(Error::new(Code::EmptyBatchRequest, message));
        }
        if self.found > BATCH_ENTRIES_MAX {
            let message =
                format!("Maximum number of entries per request are {BATCH_ENTRIES_MAX}. You have sent {}.", self.found);
            return Err(Error::new(Code::TooManyEntriesInBatchRequest, message));
        }
        if !self.entries.iter().all(|(id, _)| is_plain_id(id)) {
            return Err(Error::new(
                Code::InvalidBatchEntryId,
                "A batch entry id can only contain alphanumeric characters, hyphens and underscores. \
                 It can be at most 80 letters long.",
            ));
        }
        // There are ten at most, so comparing each with those before costs less than a set.
        let is_repeated = |at: usize| self.entries[..at].iter().any(|(id, _)| *id == self.entries[at].0);
        match (1..self.entries.len()).find(|&at| is_repeated(at)).map(|at| self.entries[at].0) {
            Some(id) => Err(Error::new(Code::BatchEntryIdsNotDistinct, format!("Id {id} repeated."))),
            None => Ok(()),
        }
    }
}

/// Writes the results of a batch: those that succeeded, then those that failed.
pub(super) fn encode<W: Writer, T>(
    writer: &mut W,
    successful: Name,
    results: &[BatchResult<T>],
    success: impl Fn(&mut W, &T),
) {
    let succeeded = results.iter().filter_map(|result| Some((&result.id, result.outcome.as_ref().ok()?)));
    writer.list(successful, succeeded, |writer, (id, outcome)| {
        writer.text(ID, id);
        success(writer, outcome);
    });
    let failed = results.iter().filter_map(|result| Some((&result.id, result.outcome.as_ref().err()?)));
    writer.list(FAILED, failed, |writer, (id, error)| {
        writer.text(ID, id);
        writer.boolean(SENDER_FAULT, error_entry(error.code).fault() == Fault::Sender);
        writer.text(CODE, choices::batch_code(error.code));
        writer.text(MESSAGE, &error.message);
    });
}
