//! WASI's files: the folders that a pack is granted, and nothing else.
//!
//! wasmtime-wasi keeps paths inside of a folder, whatever symbolic links are in it. Around it, this
//! denies what no pack needs and what leads out for others: making links, and opening what is no
//! plain file; it counts what is written; and it tells the operator what was denied.

mod stream;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use ostro_packs::FolderMode;
use types::{
    Advice, DescriptorFlags, DescriptorStat, DescriptorType, DirectoryEntry, DirectoryEntryStream,
    ErrorCode, HostDescriptor, HostDirectoryEntryStream, MetadataHashValue, NewTimestamp,
    OpenFlags, PathFlags,
};
use wasmtime::component::{HasData, Resource};
use wasmtime_wasi::FsPerms;
use wasmtime_wasi::filesystem::{Descriptor, Dir, OpenMode, WasiFilesystemCtxView};
use wasmtime_wasi::p2::bindings::filesystem::{preopens, types};
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream, FsError, FsResult};

use super::text::clean;
use crate::folders::{Folder, Reserved};
use crate::observer::HostCallEnd;
use crate::state::{Caller, State};
use stream::Counted;

/// How many lists of a folder's entries a guest may hold: each is in the host's memory.
const MAX_LISTS: usize = 64;

/// Links `wasi:filesystem`.
pub(super) fn link(linker: &mut wasmtime::component::Linker<State>) -> wasmtime::Result<()> {
    types::add_to_linker::<State, FilesData>(linker, State::files)?;
    preopens::add_to_linker::<State, FilesData>(linker, State::files)
}

struct FilesData;

impl HasData for FilesData {
    type Data<'a> = Files<'a>;
}

/// The files of one instance.
pub(crate) struct Files<'a> {
    pub(crate) inner: WasiFilesystemCtxView<'a>,
    pub(crate) opened: &'a mut Opened,
    pub(crate) caller: &'a Caller,
}

/// What an instance has open, and what it has done.
#[derive(Default)]
pub(crate) struct Opened {
    /// The folder that each handle belongs to.
    folders: HashMap<u32, usize>,
    lists: HashSet<u32>,
    /// What the operator was told.
    noted: HashSet<(usize, &'static str)>,
    /// What was done in each folder.
    done: HashMap<usize, FolderMode>,
    /// The folders that were measured.
    measured: HashSet<usize>,
}

impl Opened {
    /// What was done in the folders that were used, by their place in the grants.
    pub(crate) fn done(&self) -> impl Iterator<Item = (usize, FolderMode)> {
        self.done.iter().map(|(folder, mode)| (*folder, *mode))
    }

    fn does(&mut self, folder: usize, mode: FolderMode) {
        let done = self.done.entry(folder).or_insert(mode);
        *done = mode.max(*done);
    }
}

impl Files<'_> {
    fn folder(&self, at: usize) -> wasmtime::Result<&Folder> {
        let folder = self.caller.folders.get(at);
        folder.ok_or_else(|| wasmtime::Error::msg("there is no such folder"))
    }

    /// The folder that a handle belongs to.
    fn of(&self, fd: &Resource<Descriptor>) -> wasmtime::Result<usize> {
        let folder = self.opened.folders.get(&fd.rep());
        folder
            .copied()
            .ok_or_else(|| wasmtime::Error::msg("there is no such handle"))
    }

    /// The folder that a handle belongs to, if it may be written to.
    fn writable(&mut self, fd: &Resource<Descriptor>) -> FsResult<usize> {
        let at = self.of(fd).map_err(FsError::trap)?;
        let folder = self.folder(at).map_err(FsError::trap)?;
        if folder.mode(self.caller.only_reads) == FolderMode::ReadWrite {
            self.opened.does(at, FolderMode::ReadWrite);
            return Ok(at);
        }
        let what = if folder.grant.mode == FolderMode::ReadWrite {
            "a component with a validation only reads"
        } else {
            "it is granted with mode: ro"
        };
        self.deny(at, &format!("writing to {}", folder.grant.guest), what);
        Err(ErrorCode::ReadOnly.into())
    }

    /// Tells the operator, once a call for each reason, and whoever observes each time.
    fn deny(&mut self, at: usize, what: &str, reason: &'static str) {
        let denied = HostCallEnd::Denied;
        self.caller.tell("files", "files", Duration::ZERO, denied);
        if self.opened.noted.insert((at, reason)) {
            let pack = &self.caller.policy.id.name;
            let what = clean(what);
            self.caller
                .note(&format!("denied to pack {pack:?}: {what}: {reason}"));
        }
    }

    /// What wasmtime-wasi said of a path. It does not permit what leads out of the folder.
    fn checked<T>(&mut self, at: usize, path: &str, answer: FsResult<T>) -> FsResult<T> {
        if let Err(error) = &answer
            && matches!(error.downcast_ref(), Some(ErrorCode::NotPermitted))
        {
            let what = format!("the path {path:?}");
            self.deny(at, &what, "it leads out of its folder, or is not permitted");
        }
        answer
    }

    /// Room in a folder for so much more.
    async fn reserve(&mut self, at: usize, bytes: u64, files: u64) -> FsResult<Reserved> {
        let is_first = self.opened.measured.insert(at);
        let folder = self.folder(at).map_err(FsError::trap)?;
        let (usage, grant) = (Arc::clone(&folder.usage), folder.grant.clone());
        if is_first {
            usage.measure(grant.max_files).await;
        }
        if let Ok(reserved) = usage.reserve_measured(&grant, bytes, files).await {
            return Ok(reserved);
        }
        let what = format!("writing more to {}", grant.guest);
        self.deny(at, &what, "it holds all that max-size and max-files allow");
        Err(ErrorCode::InsufficientSpace.into())
    }

    /// Room for `length` bytes at `offset`, with the gap in front of them.
    async fn reserve_at(
        &mut self,
        at: usize,
        fd: &Resource<Descriptor>,
        offset: u64,
        length: u64,
    ) -> FsResult<Reserved> {
        let most = self.folder(at).map_err(FsError::trap)?.grant.max_size;
        let end = offset.checked_add(length);
        if end.is_none_or(|end| end > most) {
            let what = format!("writing at byte {offset}");
            self.deny(at, &what, "it is past what max-size allows");
            return Err(ErrorCode::FileTooLarge.into());
        }
        let size = self.inner.stat(borrow(fd)).await?.size;
        let gap = offset.saturating_sub(size);
        self.reserve(at, gap.saturating_add(length), 0).await
    }

    /// A stream that was made, with what is written to it counted.
    fn counted(
        &mut self,
        at: usize,
        stream: Resource<DynOutputStream>,
    ) -> FsResult<Resource<DynOutputStream>> {
        let folder = self.folder(at).map_err(FsError::trap)?;
        let (usage, grant) = (Arc::clone(&folder.usage), folder.grant.clone());
        let is_measured = !self.opened.measured.insert(at);
        let inner = self.inner.table.delete(stream)?;
        let stream: DynOutputStream = Box::new(Counted::new(inner, usage, grant, is_measured));
        Ok(self.inner.table.push(stream)?)
    }
}

/// The same handle again. Handles that guests lend are lent on.
fn borrow(fd: &Resource<Descriptor>) -> Resource<Descriptor> {
    Resource::new_borrow(fd.rep())
}

impl preopens::Host for Files<'_> {
    fn get_directories(&mut self) -> wasmtime::Result<Vec<(Resource<Descriptor>, String)>> {
        let mut found = Vec::with_capacity(self.caller.folders.len());
        for (at, folder) in self.caller.folders.iter().enumerate() {
            let (perms, mode) = match folder.mode(self.caller.only_reads) {
                FolderMode::ReadOnly => (FsPerms::ReadOnly, OpenMode::READ),
                FolderMode::ReadWrite => (FsPerms::ReadWrite, OpenMode::READ | OpenMode::WRITE),
            };
            let dir = Dir::new(folder.dir.try_clone()?, perms, mode, false);
            let fd = self.inner.table.push(Descriptor::Dir(dir))?;
            self.opened.folders.insert(fd.rep(), at);
            found.push((fd, folder.grant.guest.clone()));
        }
        Ok(found)
    }
}

impl types::Host for Files<'_> {
    fn convert_error_code(&mut self, error: FsError) -> wasmtime::Result<ErrorCode> {
        self.inner.convert_error_code(error)
    }

    fn filesystem_error_code(
        &mut self,
        error: Resource<wasmtime::Error>,
    ) -> wasmtime::Result<Option<ErrorCode>> {
        self.inner.filesystem_error_code(error)
    }
}

impl HostDescriptor for Files<'_> {
    async fn advise(
        &mut self,
        fd: Resource<Descriptor>,
        offset: u64,
        length: u64,
        advice: Advice,
    ) -> FsResult<()> {
        self.inner.advise(fd, offset, length, advice).await
    }

    async fn sync_data(&mut self, fd: Resource<Descriptor>) -> FsResult<()> {
        self.inner.sync_data(fd).await
    }

    async fn get_flags(&mut self, fd: Resource<Descriptor>) -> FsResult<DescriptorFlags> {
        self.inner.get_flags(fd).await
    }

    async fn get_type(&mut self, fd: Resource<Descriptor>) -> FsResult<DescriptorType> {
        self.inner.get_type(fd).await
    }

    async fn set_size(&mut self, fd: Resource<Descriptor>, size: u64) -> FsResult<()> {
        let at = self.writable(&fd)?;
        let _room = self.reserve_at(at, &fd, size, 0).await?;
        let usage = Arc::clone(&self.folder(at).map_err(FsError::trap)?.usage);
        usage.is_less();
        self.inner.set_size(fd, size).await
    }

    async fn set_times(
        &mut self,
        fd: Resource<Descriptor>,
        accessed: NewTimestamp,
        modified: NewTimestamp,
    ) -> FsResult<()> {
        self.writable(&fd)?;
        self.inner.set_times(fd, accessed, modified).await
    }

    async fn read(
        &mut self,
        fd: Resource<Descriptor>,
        length: u64,
        offset: u64,
    ) -> FsResult<(Vec<u8>, bool)> {
        self.inner.read(fd, length, offset).await
    }

    async fn write(
        &mut self,
        fd: Resource<Descriptor>,
        bytes: Vec<u8>,
        offset: u64,
    ) -> FsResult<u64> {
        let at = self.writable(&fd)?;
        let _room = self.reserve_at(at, &fd, offset, bytes.len() as u64).await?;
        let usage = Arc::clone(&self.folder(at).map_err(FsError::trap)?.usage);
        usage.is_less();
        self.inner.write(fd, bytes, offset).await
    }

    async fn read_directory(
        &mut self,
        fd: Resource<Descriptor>,
    ) -> FsResult<Resource<DirectoryEntryStream>> {
        let at = self.of(&fd).map_err(FsError::trap)?;
        if self.opened.lists.len() >= MAX_LISTS {
            self.deny(at, "listing one more folder", "64 lists are held already");
            return Err(ErrorCode::InsufficientMemory.into());
        }
        self.opened.does(at, FolderMode::ReadOnly);
        let list = self.inner.read_directory(fd).await?;
        self.opened.lists.insert(list.rep());
        Ok(list)
    }

    async fn sync(&mut self, fd: Resource<Descriptor>) -> FsResult<()> {
        self.inner.sync(fd).await
    }

    async fn create_directory_at(
        &mut self,
        fd: Resource<Descriptor>,
        path: String,
    ) -> FsResult<()> {
        let at = self.writable(&fd)?;
        let _room = self.reserve(at, 0, 1).await?;
        let made = self.inner.create_directory_at(fd, path.clone()).await;
        self.checked(at, &path, made)
    }

    async fn stat(&mut self, fd: Resource<Descriptor>) -> FsResult<DescriptorStat> {
        self.inner.stat(fd).await
    }

    async fn stat_at(
        &mut self,
        fd: Resource<Descriptor>,
        flags: PathFlags,
        path: String,
    ) -> FsResult<DescriptorStat> {
        let at = self.of(&fd).map_err(FsError::trap)?;
        self.opened.does(at, FolderMode::ReadOnly);
        let found = self.inner.stat_at(fd, flags, path.clone()).await;
        self.checked(at, &path, found)
    }

    async fn set_times_at(
        &mut self,
        fd: Resource<Descriptor>,
        flags: PathFlags,
        path: String,
        accessed: NewTimestamp,
        modified: NewTimestamp,
    ) -> FsResult<()> {
        let at = self.writable(&fd)?;
        let answer = self
            .inner
            .set_times_at(fd, flags, path.clone(), accessed, modified)
            .await;
        self.checked(at, &path, answer)
    }

    async fn link_at(
        &mut self,
        fd: Resource<Descriptor>,
        _: PathFlags,
        path: String,
        _: Resource<Descriptor>,
        _: String,
    ) -> FsResult<()> {
        let at = self.writable(&fd)?;
        self.deny(
            at,
            &format!("a hard link to {path:?}"),
            "links are not made",
        );
        Err(ErrorCode::NotPermitted.into())
    }

    async fn open_at(
        &mut self,
        fd: Resource<Descriptor>,
        flags: PathFlags,
        path: String,
        how: OpenFlags,
        rights: DescriptorFlags,
    ) -> FsResult<Resource<Descriptor>> {
        let writes = how.intersects(OpenFlags::CREATE | OpenFlags::TRUNCATE)
            || rights.intersects(DescriptorFlags::WRITE | DescriptorFlags::MUTATE_DIRECTORY);
        let at = if writes {
            self.writable(&fd)?
        } else {
            self.of(&fd).map_err(FsError::trap)?
        };
        self.opened.does(at, FolderMode::ReadOnly);
        let found = self.inner.stat_at(borrow(&fd), flags, path.clone()).await;
        let mut room = None;
        match &found {
            // Opening a pipe would hold a thread of the host until somebody opens its other end,
            // and a device does what its driver does.
            Ok(found) if !is_plain(found.type_) => {
                self.deny(at, &format!("opening {path:?}"), "it is no plain file");
                return Err(ErrorCode::NotPermitted.into());
            }
            Err(error)
                if how.contains(OpenFlags::CREATE)
                    && matches!(error.downcast_ref(), Some(ErrorCode::NoEntry)) =>
            {
                room = Some(self.reserve(at, 0, 1).await?);
            }
            _ => {}
        }
        let opened = self
            .inner
            .open_at(fd, flags, path.clone(), how, rights)
            .await;
        if how.contains(OpenFlags::TRUNCATE) || (room.is_some() && opened.is_err()) {
            let usage = Arc::clone(&self.folder(at).map_err(FsError::trap)?.usage);
            usage.is_less();
        }
        let opened = self.checked(at, &path, opened)?;
        self.opened.folders.insert(opened.rep(), at);
        Ok(opened)
    }

    async fn readlink_at(&mut self, fd: Resource<Descriptor>, path: String) -> FsResult<String> {
        let at = self.of(&fd).map_err(FsError::trap)?;
        let found = self.inner.readlink_at(fd, path.clone()).await;
        self.checked(at, &path, found)
    }

    async fn remove_directory_at(
        &mut self,
        fd: Resource<Descriptor>,
        path: String,
    ) -> FsResult<()> {
        let at = self.writable(&fd)?;
        let usage = Arc::clone(&self.folder(at).map_err(FsError::trap)?.usage);
        let answer = self.inner.remove_directory_at(fd, path.clone()).await;
        usage.is_less();
        self.checked(at, &path, answer)
    }

    async fn rename_at(
        &mut self,
        fd: Resource<Descriptor>,
        path: String,
        to: Resource<Descriptor>,
        new: String,
    ) -> FsResult<()> {
        let at = self.writable(&fd)?;
        let other = self.writable(&to)?;
        if at != other {
            // Each folder has limits of its own. Programs copy, where they are told this.
            return Err(ErrorCode::CrossDevice.into());
        }
        let usage = Arc::clone(&self.folder(at).map_err(FsError::trap)?.usage);
        let answer = {
            let _still = usage.moving.read().await;
            self.inner.rename_at(fd, path.clone(), to, new).await
        };
        usage.is_less();
        self.checked(at, &path, answer)
    }

    async fn symlink_at(
        &mut self,
        fd: Resource<Descriptor>,
        path: String,
        _: String,
    ) -> FsResult<()> {
        // wasmtime-wasi does not follow a link that leads out, but others who read the folder
        // would.
        let at = self.writable(&fd)?;
        let what = format!("a symbolic link to {path:?}");
        self.deny(at, &what, "links are not made");
        Err(ErrorCode::NotPermitted.into())
    }

    async fn unlink_file_at(&mut self, fd: Resource<Descriptor>, path: String) -> FsResult<()> {
        let at = self.writable(&fd)?;
        let usage = Arc::clone(&self.folder(at).map_err(FsError::trap)?.usage);
        let answer = self.inner.unlink_file_at(fd, path.clone()).await;
        usage.is_less();
        self.checked(at, &path, answer)
    }

    fn read_via_stream(
        &mut self,
        fd: Resource<Descriptor>,
        offset: u64,
    ) -> FsResult<Resource<DynInputStream>> {
        self.inner.read_via_stream(fd, offset)
    }

    fn write_via_stream(
        &mut self,
        fd: Resource<Descriptor>,
        offset: u64,
    ) -> FsResult<Resource<DynOutputStream>> {
        let at = self.writable(&fd)?;
        let most = self.folder(at).map_err(FsError::trap)?.grant.max_size;
        if offset > most {
            let what = format!("writing at byte {offset}");
            self.deny(at, &what, "it is past what max-size allows");
            return Err(ErrorCode::FileTooLarge.into());
        }
        let stream = self.inner.write_via_stream(fd, offset)?;
        self.counted(at, stream)
    }

    fn append_via_stream(
        &mut self,
        fd: Resource<Descriptor>,
    ) -> FsResult<Resource<DynOutputStream>> {
        let at = self.writable(&fd)?;
        let stream = self.inner.append_via_stream(fd)?;
        self.counted(at, stream)
    }

    async fn is_same_object(
        &mut self,
        one: Resource<Descriptor>,
        other: Resource<Descriptor>,
    ) -> wasmtime::Result<bool> {
        self.inner.is_same_object(one, other).await
    }

    async fn metadata_hash(&mut self, fd: Resource<Descriptor>) -> FsResult<MetadataHashValue> {
        self.inner.metadata_hash(fd).await
    }

    async fn metadata_hash_at(
        &mut self,
        fd: Resource<Descriptor>,
        flags: PathFlags,
        path: String,
    ) -> FsResult<MetadataHashValue> {
        self.inner.metadata_hash_at(fd, flags, path).await
    }

    fn drop(&mut self, fd: Resource<Descriptor>) -> wasmtime::Result<()> {
        self.opened.folders.remove(&fd.rep());
        HostDescriptor::drop(&mut self.inner, fd)
    }
}

impl HostDirectoryEntryStream for Files<'_> {
    async fn read_directory_entry(
        &mut self,
        list: Resource<DirectoryEntryStream>,
    ) -> FsResult<Option<DirectoryEntry>> {
        self.inner.read_directory_entry(list).await
    }

    fn drop(&mut self, list: Resource<DirectoryEntryStream>) -> wasmtime::Result<()> {
        self.opened.lists.remove(&list.rep());
        HostDirectoryEntryStream::drop(&mut self.inner, list)
    }
}

fn is_plain(kind: DescriptorType) -> bool {
    matches!(
        kind,
        DescriptorType::RegularFile | DescriptorType::Directory | DescriptorType::SymbolicLink
    )
}
