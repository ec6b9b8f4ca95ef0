//! Objects of Swift: what a guest reads and writes in pieces.
//!
//! Reading is a request a piece, for a range of the object and for no other version of it
//! (`If-Match`): what the host holds is one piece. Writing is one request whose body comes in
//! pieces (`Cloud::upload`). Swift keeps such an object apart until it is whole, and drops it if
//! the body breaks off, which segments and a manifest would not do: those are objects of their
//! own, and stay behind.

mod swift;
mod wire;

use ostro_openstack::{CloudError, Pieces, Upload};
use ostro_packs::Access;
use serde_json::json;
use tokio::task::JoinHandle;
use wasmtime::component::{Resource, ResourceTable};

use self::swift::{MAX_PIECE, Object};
use super::contract::object_store::{Host as Writes, HostWriter, WriteOptions, Written};
use super::contract::object_store_read::{
    ByteRange, Entry, Host as Reads, HostReader, ListOptions, ObjectInfo,
};
use super::contract::types::CallError;
use crate::recording;
use crate::state::{Caller, State};

use wire::Piece;

/// How many objects a guest may read and write at a time.
const MAX_HANDLES: usize = 16;

/// The objects that a guest reads and writes.
pub(crate) struct Objects {
    table: ResourceTable,
    open: usize,
    /// How many there were, which numbers them in recordings.
    count: u64,
}

impl Default for Objects {
    fn default() -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(MAX_HANDLES);
        Self {
            table,
            open: 0,
            count: 0,
        }
    }
}

impl Objects {
    /// An error if there is no room for another.
    fn check(&self) -> Result<(), CallError> {
        if self.open < MAX_HANDLES {
            return Ok(());
        }
        Err(CallError::Exhausted(format!(
            "{MAX_HANDLES} readers and writers are open, and more are not allowed: drop one"
        )))
    }

    fn next(&mut self) -> u64 {
        self.open += 1;
        self.count += 1;
        self.count
    }
}

/// An object that is read.
#[expect(unreachable_pub, reason = "`bindgen!` exports it again")]
pub struct Reader {
    number: u64,
    object: Object,
    info: ObjectInfo,
    at: u64,
    end: u64,
}

/// An object that is written.
#[expect(unreachable_pub, reason = "`bindgen!` exports it again")]
pub struct Writer {
    number: u64,
    /// None in a replay, and once it has ended.
    running: Option<Running>,
}

/// An upload on its way. It is broken off when it is dropped.
pub(crate) struct Running {
    object: Object,
    pieces: Option<Pieces>,
    task: JoinHandle<Result<ostro_core::ServiceResponse, CloudError>>,
    size: u64,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What comes of beginning to write. Nothing of it is recorded.
pub(crate) struct Started(pub(crate) Option<Running>);

impl Reads for State {
    async fn list_objects(
        &mut self,
        container: String,
        options: ListOptions,
    ) -> wasmtime::Result<Result<Vec<Entry>, CallError>> {
        self.count()?;
        let arguments = self.tape.arguments(|| wire::listing(&container, &options));
        let live = self.caller.list_objects(&container, &options);
        let live = self
            .caller
            .told("object-store-read.list-objects", swift::SERVICE, live);
        self.tape
            .through("object-store-read.list-objects", arguments, live)
            .await
    }

    async fn head(
        &mut self,
        container: String,
        object: String,
    ) -> wasmtime::Result<Result<ObjectInfo, CallError>> {
        self.count()?;
        let arguments = self.tape.arguments(|| wire::named(&container, &object));
        let live = async {
            let object = Object::new(&container, &object)?;
            self.caller.head_object(&object).await
        };
        let live = self
            .caller
            .told("object-store-read.head", swift::SERVICE, live);
        self.tape
            .through("object-store-read.head", arguments, live)
            .await
    }

    async fn open(
        &mut self,
        container: String,
        object: String,
        part: Option<ByteRange>,
    ) -> wasmtime::Result<Result<Resource<Reader>, CallError>> {
        self.count()?;
        let arguments = self
            .tape
            .arguments(|| wire::part(&container, &object, part.as_ref()));
        let room = self.objects.check();
        let live = async {
            room?;
            let object = Object::new(&container, &object)?;
            self.caller.head_object(&object).await
        };
        let live = self
            .caller
            .told("object-store-read.open", swift::SERVICE, live);
        let info: Result<ObjectInfo, CallError> = self
            .tape
            .through("object-store-read.open", arguments, live)
            .await?;
        // In a replay nothing was checked yet.
        let object = Object::new(&container, &object);
        let (info, object) = match info.and_then(|info| Ok((info, object?))) {
            Ok(both) => both,
            Err(error) => return Ok(Err(error)),
        };
        let (at, end) = match part {
            Some(part) => {
                let at = part.start.min(info.size);
                (at, at.saturating_add(part.length).min(info.size))
            }
            None => (0, info.size),
        };
        let reader = Reader {
            number: self.objects.next(),
            object,
            info,
            at,
            end,
        };
        Ok(Ok(self.objects.table.push(reader)?))
    }
}

impl HostReader for State {
    async fn info(&mut self, reader: Resource<Reader>) -> wasmtime::Result<ObjectInfo> {
        Ok(self.objects.table.get(&reader)?.info.clone())
    }

    async fn read(
        &mut self,
        reader: Resource<Reader>,
        most: u32,
    ) -> wasmtime::Result<Result<Vec<u8>, CallError>> {
        self.count()?;
        let reader = self.objects.table.get_mut(&reader)?;
        let number = reader.number;
        let arguments = self
            .tape
            .arguments(|| json!({ "reader": number, "most": most }));
        let live = self.caller.read_piece(reader, most);
        let live = self
            .caller
            .told("object-store-read.read", swift::SERVICE, live);
        let piece: Result<Piece, CallError> = self
            .tape
            .through("object-store-read.read", arguments, live)
            .await?;
        Ok(piece.map(|Piece(bytes)| bytes))
    }

    async fn drop(&mut self, reader: Resource<Reader>) -> wasmtime::Result<()> {
        self.objects.table.delete(reader)?;
        self.objects.open = self.objects.open.saturating_sub(1);
        Ok(())
    }
}

impl Writes for State {
    async fn create(
        &mut self,
        container: String,
        object: String,
        options: WriteOptions,
    ) -> wasmtime::Result<Result<Resource<Writer>, CallError>> {
        self.count()?;
        let arguments = self
            .tape
            .arguments(|| wire::create(&container, &object, &options));
        let room = self.objects.check();
        let live = async {
            room?;
            let object = Object::new(&container, &object)?;
            let running = self.caller.begin_upload(object, &options).await?;
            Ok(Started(Some(running)))
        };
        let live = self
            .caller
            .told("object-store.create", swift::SERVICE, live);
        let started: Result<Started, CallError> = self
            .tape
            .through("object-store.create", arguments, live)
            .await?;
        let running = match started {
            Ok(Started(running)) => running,
            Err(error) => return Ok(Err(error)),
        };
        let number = self.objects.next();
        Ok(Ok(self.objects.table.push(Writer { number, running })?))
    }

    async fn delete(
        &mut self,
        container: String,
        object: String,
    ) -> wasmtime::Result<Result<(), CallError>> {
        self.count()?;
        let arguments = self.tape.arguments(|| wire::named(&container, &object));
        let live = self.caller.delete_object(&container, &object);
        let live = self
            .caller
            .told("object-store.delete", swift::SERVICE, live);
        self.tape
            .through("object-store.delete", arguments, live)
            .await
    }

    async fn set_metadata(
        &mut self,
        container: String,
        object: String,
        metadata: Vec<(String, String)>,
    ) -> wasmtime::Result<Result<(), CallError>> {
        self.count()?;
        let arguments = self
            .tape
            .arguments(|| wire::metadata(&container, &object, &metadata));
        let live = self.caller.set_metadata(&container, &object, &metadata);
        let live = self
            .caller
            .told("object-store.set-metadata", swift::SERVICE, live);
        self.tape
            .through("object-store.set-metadata", arguments, live)
            .await
    }
}

impl HostWriter for State {
    async fn write(
        &mut self,
        writer: Resource<Writer>,
        bytes: Vec<u8>,
    ) -> wasmtime::Result<Result<(), CallError>> {
        self.count()?;
        let writer = self.objects.table.get_mut(&writer)?;
        let number = writer.number;
        let arguments = self.tape.arguments(|| {
            let mut arguments = json!({ "writer": number });
            if let Some(bytes) = recording::bytes(&bytes) {
                arguments["bytes"] = bytes;
            }
            arguments
        });
        let live = self.caller.write_piece(&mut writer.running, bytes);
        let live = self.caller.told("object-store.write", swift::SERVICE, live);
        self.tape
            .through("object-store.write", arguments, live)
            .await
    }

    async fn finish(
        &mut self,
        writer: Resource<Writer>,
    ) -> wasmtime::Result<Result<Written, CallError>> {
        self.count()?;
        let writer = self.objects.table.get_mut(&writer)?;
        let number = writer.number;
        let arguments = self.tape.arguments(|| json!({ "writer": number }));
        let live = self.caller.finish_upload(&mut writer.running);
        let live = self
            .caller
            .told("object-store.finish", swift::SERVICE, live);
        self.tape
            .through("object-store.finish", arguments, live)
            .await
    }

    async fn drop(&mut self, writer: Resource<Writer>) -> wasmtime::Result<()> {
        self.objects.table.delete(writer)?;
        self.objects.open = self.objects.open.saturating_sub(1);
        Ok(())
    }
}

impl Caller {
    /// The next piece of an object.
    async fn read_piece(&self, reader: &mut Reader, most: u32) -> Result<Piece, CallError> {
        if most == 0 {
            return Err(CallError::Invalid(
                "most is 0: no bytes are the end of an object".to_owned(),
            ));
        }
        let bound = self.policy.limits.output.min(MAX_PIECE);
        let length = u64::from(most).min(bound).min(reader.end - reader.at);
        if length == 0 {
            return Ok(Piece(Vec::new()));
        }
        let (at, etag) = (reader.at, &reader.info.etag);
        let bytes = self.read_range(&reader.object, etag, at, length).await?;
        reader.at += length;
        Ok(Piece(bytes))
    }

    /// Begins an upload.
    async fn begin_upload(
        &self,
        object: Object,
        options: &WriteOptions,
    ) -> Result<Running, CallError> {
        self.check_object(&object, Access::Write)?;
        let request = object.put(options)?;
        // This says at once that there is no container, and renews a token that is too old: what
        // is on its way cannot be sent again.
        self.find_container(&object.container).await?;
        let (pieces, upload) = Upload::new();
        let cloud = std::sync::Arc::clone(&self.cloud);
        let task = tokio::spawn(async move { cloud.upload(request, upload).await });
        Ok(Running {
            object,
            pieces: Some(pieces),
            task,
            size: 0,
        })
    }

    /// Sends a piece. An upload that failed says why, and is over.
    async fn write_piece(
        &self,
        running: &mut Option<Running>,
        bytes: Vec<u8>,
    ) -> Result<(), CallError> {
        let Some(upload) = running else {
            return Err(over());
        };
        let bound = self.policy.limits.output.min(MAX_PIECE);
        let length = bytes.len() as u64;
        if length > bound {
            return Err(CallError::Exhausted(format!(
                "{length} bytes at once: at most {bound} are written at a time"
            )));
        }
        let pieces = upload.pieces.as_ref().ok_or_else(over)?;
        if pieces.send(bytes.into()).await.is_ok() {
            upload.size += length;
            return Ok(());
        }
        match running.take() {
            Some(upload) => Err(self.upload_failed(upload).await),
            None => Err(over()),
        }
    }

    /// Ends an upload well, and says what came of it.
    async fn finish_upload(&self, running: &mut Option<Running>) -> Result<Written, CallError> {
        let mut upload = running.take().ok_or_else(over)?;
        if let Some(pieces) = upload.pieces.take() {
            // Where nobody takes it any more, the answer says why.
            let _ = pieces.end().await;
        }
        let size = upload.size;
        let answer = (&mut upload.task).await;
        let answer = answer.map_err(|_| CallError::Unavailable("the upload broke".to_owned()))?;
        let answer = answer.map_err(|error| self.cloud_error(&error, swift::SERVICE))?;
        let answer = swift::check(answer, &upload.object)?;
        Ok(Written {
            size,
            etag: swift::etag(&answer).unwrap_or_default(),
        })
    }

    /// Why nobody takes the pieces of an upload any more.
    async fn upload_failed(&self, mut upload: Running) -> CallError {
        match (&mut upload.task).await {
            Ok(Ok(answer)) => match swift::check(answer, &upload.object) {
                Err(error) => error,
                Ok(_) => CallError::Unavailable("the service did not wait for the end".to_owned()),
            },
            Ok(Err(error)) => self.cloud_error(&error, swift::SERVICE),
            Err(_) => CallError::Unavailable("the upload broke".to_owned()),
        }
    }
}

fn over() -> CallError {
    CallError::Invalid("this writer is of no use any more: it has finished or failed".to_owned())
}
