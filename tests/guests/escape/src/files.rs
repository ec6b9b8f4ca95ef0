//! By way of files. A path is `FOLDER PATH`: where a folder is seen, and what is asked for in it.

use crate::Came;
use crate::wasi::filesystem::preopens;
use crate::wasi::filesystem::types::{
    Descriptor, DescriptorFlags, ErrorCode, NewTimestamp, OpenFlags, PathFlags,
};
use crate::wasi::io::streams::StreamError;

fn folder(name: &str) -> Result<Descriptor, String> {
    let mut folders = preopens::get_directories().into_iter();
    let found = folders.find(|(_, seen)| seen == name);
    found
        .map(|(folder, _)| folder)
        .ok_or_else(|| format!("no folder is seen as {name}"))
}

pub(crate) fn folders() -> String {
    let mut names: Vec<_> = preopens::get_directories()
        .into_iter()
        .map(|(_, name)| name)
        .collect();
    names.sort();
    names.join(" ")
}

fn say(error: ErrorCode) -> String {
    error.name().to_owned()
}

fn at(with: &[&str]) -> Result<(Descriptor, String), String> {
    let [name, path, ..] = with else {
        return Err("a folder and a path".to_owned());
    };
    Ok((folder(name)?, path.replace("NUL", "\0")))
}

fn number(with: &[&str], at: usize) -> u64 {
    with.get(at).and_then(|n| n.parse().ok()).unwrap_or(1)
}

fn open(with: &[&str], how: OpenFlags, rights: DescriptorFlags) -> Result<Descriptor, String> {
    let (folder, path) = at(with)?;
    folder
        .open_at(PathFlags::SYMLINK_FOLLOW, &path, how, rights)
        .map_err(say)
}

fn made(with: &[&str]) -> Result<Descriptor, String> {
    open(
        with,
        OpenFlags::CREATE,
        DescriptorFlags::READ | DescriptorFlags::WRITE,
    )
}

pub(crate) fn read(with: &[&str]) -> Came {
    let file = open(with, OpenFlags::empty(), DescriptorFlags::READ)?;
    let (bytes, _) = file.read(1000, 0).map_err(say)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

pub(crate) fn list(with: &[&str]) -> Came {
    let folder = open(with, OpenFlags::DIRECTORY, DescriptorFlags::READ)?;
    let list = folder.read_directory().map_err(say)?;
    let mut names = Vec::new();
    while let Some(entry) = list.read_directory_entry().map_err(say)? {
        names.push(entry.name);
    }
    names.sort();
    Ok(names.join(" "))
}

pub(crate) fn write(with: &[&str]) -> Came {
    let file = made(with)?;
    file.write(b"escaped", 0).map_err(say)?;
    Ok("written".to_owned())
}

/// Writes by a stream to what it opened to read.
pub(crate) fn stream(with: &[&str]) -> Came {
    let file = open(with, OpenFlags::empty(), DescriptorFlags::READ)?;
    let stream = file.write_via_stream(0).map_err(say)?;
    match stream.blocking_write_and_flush(b"escaped") {
        Ok(()) => Ok("written".to_owned()),
        Err(StreamError::LastOperationFailed(error)) => Err(error.to_debug_string()),
        Err(StreamError::Closed) => Err("closed".to_owned()),
    }
}

/// FOLDER PATH TIMES: so often 4 KiB.
pub(crate) fn fill(with: &[&str]) -> Came {
    let file = made(with)?;
    let stream = file.append_via_stream().map_err(say)?;
    for turn in 0..number(with, 2) {
        if let Err(error) = stream.blocking_write_and_flush(&[b'x'; 4096]) {
            return Err(match error {
                StreamError::LastOperationFailed(error) => {
                    let code = crate::wasi::filesystem::types::filesystem_error_code(&error);
                    format!("{} after {turn}", code.map_or_else(String::new, say))
                }
                StreamError::Closed => format!("closed after {turn}"),
            });
        }
    }
    Ok("filled".to_owned())
}

/// FOLDER PATH TIMES: so many files.
pub(crate) fn fill_files(with: &[&str]) -> Came {
    for turn in 0..number(with, 2) {
        let path = format!("{}{turn}", with[1]);
        made(&[with[0], &path]).map_err(|error| format!("{error} after {turn}"))?;
    }
    Ok("filled".to_owned())
}

pub(crate) fn resize(with: &[&str]) -> Came {
    made(with)?.set_size(number(with, 2)).map_err(say)?;
    Ok("resized".to_owned())
}

pub(crate) fn write_at(with: &[&str]) -> Came {
    made(with)?.write(b"x", number(with, 2)).map_err(say)?;
    Ok("written".to_owned())
}

pub(crate) fn make_folder(with: &[&str]) -> Came {
    let (folder, path) = at(with)?;
    folder.create_directory_at(&path).map_err(say)?;
    Ok("made".to_owned())
}

pub(crate) fn delete(with: &[&str]) -> Came {
    let (folder, path) = at(with)?;
    folder.unlink_file_at(&path).map_err(say)?;
    Ok("deleted".to_owned())
}

pub(crate) fn touch(with: &[&str]) -> Came {
    let (folder, path) = at(with)?;
    let now = NewTimestamp::Now;
    folder
        .set_times_at(PathFlags::SYMLINK_FOLLOW, &path, now, now)
        .map_err(say)?;
    Ok("touched".to_owned())
}

/// FOLDER TARGET PATH.
pub(crate) fn symlink(with: &[&str]) -> Came {
    let (folder, target) = at(with)?;
    folder.symlink_at(&target, with[2]).map_err(say)?;
    let path = [with[0], with[2]];
    Ok(format!("made, and {:?}", read(&path)))
}

/// FOLDER PATH FOLDER PATH.
pub(crate) fn link(with: &[&str]) -> Came {
    let (from, old) = at(with)?;
    let (to, new) = at(&with[2..])?;
    from.link_at(PathFlags::empty(), &old, &to, &new)
        .map_err(say)?;
    Ok("made".to_owned())
}

/// FOLDER PATH FOLDER PATH.
pub(crate) fn rename(with: &[&str]) -> Came {
    let (from, old) = at(with)?;
    let (to, new) = at(&with[2..])?;
    from.rename_at(&old, &to, &new).map_err(say)?;
    Ok("renamed".to_owned())
}

/// FOLDER PATH TIMES, and all stay open.
pub(crate) fn open_many(with: &[&str]) -> Came {
    let mut all = Vec::new();
    for _ in 0..number(with, 2) {
        all.push(open(with, OpenFlags::empty(), DescriptorFlags::READ)?);
    }
    Ok(format!("{} are open", all.len()))
}

/// FOLDER PATH TIMES, and all stay open.
pub(crate) fn list_many(with: &[&str]) -> Came {
    let folder = open(with, OpenFlags::DIRECTORY, DescriptorFlags::READ)?;
    let mut all = Vec::new();
    for _ in 0..number(with, 2) {
        let list = folder.read_directory();
        all.push(list.map_err(|error| format!("{} after {}", say(error), all.len()))?);
    }
    Ok(format!("{} are held", all.len()))
}

/// A handle that nobody gave.
pub(crate) fn forge(with: &[&str]) -> Came {
    let handle = u32::try_from(number(with, 0)).unwrap_or_default();
    let forged = unsafe { Descriptor::from_handle(handle) };
    let kind = forged.get_type().map_err(say)?;
    core::mem::forget(forged);
    Ok(format!("it is a {kind:?}"))
}
