//! Copies into real places: loop devices, files, pipes; real cuts and real damage.
#![allow(
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a test says so when it fails"
)]

#[path = "support/image.rs"]
mod image;
#[path = "support/sshd.rs"]
mod sshd;

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use image::{Card, Image};
use proptest::prelude::*;
use tempfile::TempDir;
use tf_engine::image::{
    Copied, CopyError, Format, LocalSink, Options, Phase, Progress, Sha256, Sink, Source, Verified,
    channel_reader, copy, pipe,
};
use tokio_util::sync::CancellationToken;

const MIB: usize = 1 << 20;

const VERIFY: Options = Options {
    format: None,
    sha256: None,
    verify: true,
};

fn copy_now(source: Source, options: &Options, sink: &mut dyn Sink) -> Result<Copied, CopyError> {
    copy(
        source,
        options,
        sink,
        &Arc::default(),
        &CancellationToken::new(),
    )
}

/// Bytes that don't compress well, and differ from block to block.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend(state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).unwrap()
}

fn source(bytes: &[u8]) -> Source {
    let bytes = bytes.to_vec();
    let length = bytes.len() as u64;
    Source::new(io::Cursor::new(bytes), Some(length))
}

/// A card of `size` bytes, all of them `0xa5`, and the folder that its file is in.
fn card(size: usize) -> (Card, TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("card");
    fs::write(&file, vec![0xa5; size]).unwrap();
    (Card::attach(&file), dir)
}

#[test]
#[cfg_attr(
    not(all(have = "loop", have = "mkfs")),
    ignore = "needs loop devices (as root); mkfs.ext4, mkfs.vfat and sfdisk"
)]
fn a_partitioned_image_on_a_card_is_the_same_to_the_byte() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("image");
    let image = Image::new().ext4("root", &[("etc/hostname", "board\n")]);
    image.build(&path);
    let bytes = fs::read(&path).unwrap();
    let (card, _dir) = card(bytes.len() + 4 * MIB);
    let mut sink = LocalSink::open(card.node()).unwrap();
    let copied = copy_now(source(&zstd(&bytes)), &VERIFY, &mut sink).unwrap();
    drop(sink);
    assert_eq!(copied.format, Format::Zstd);
    assert_eq!(copied.written, bytes.len() as u64);
    assert_eq!(copied.sha256, Sha256::of(&bytes));
    assert_eq!(copied.verified, Some(Verified::Direct));
    let on_card = fs::read(card.node()).unwrap();
    assert!(on_card[..bytes.len()] == bytes);
    assert!(on_card[bytes.len()..].iter().all(|byte| *byte == 0xa5));
}

#[test]
#[cfg_attr(not(have = "loop"), ignore = "needs loop devices (as root)")]
fn an_image_that_ends_inside_a_block_is_written_to_its_end() {
    let (card, _dir) = card(4 * MIB);
    let bytes = noise(2 * MIB + 513);
    let mut sink = LocalSink::open(card.node()).unwrap();
    let copied = copy_now(source(&bytes), &VERIFY, &mut sink).unwrap();
    drop(sink);
    assert_eq!(copied.written, bytes.len() as u64);
    let on_card = fs::read(card.node()).unwrap();
    assert!(on_card[..bytes.len()] == bytes);
    assert!(on_card[bytes.len()..].iter().all(|byte| *byte == 0xa5));
}

#[test]
#[cfg_attr(not(have = "loop"), ignore = "needs loop devices (as root)")]
fn an_image_that_is_too_large_says_both_sizes() {
    #[track_caller]
    fn case(card: &Card, image: Source, wanted: (u64, bool), untouched: bool) {
        let before = fs::read(card.node()).unwrap();
        let mut sink = LocalSink::open(card.node()).unwrap();
        let error = copy_now(image, &VERIFY, &mut sink).unwrap_err();
        drop(sink);
        let CopyError::TooLarge {
            image,
            exact,
            capacity,
        } = error
        else {
            panic!("{error}")
        };
        assert_eq!(((image, exact), capacity), (wanted, 2 * MIB as u64));
        assert_eq!(fs::read(card.node()).unwrap() == before, untouched);
    }
    let (card, _dir) = card(2 * MIB);
    let bytes = noise(5 * MIB);
    let size = bytes.len() as u64;
    case(&card, source(&bytes), (size, true), true);
    // The header says the size only if the encoder was told.
    let told = zstd::bulk::compress(&bytes, 1).unwrap();
    case(&card, source(&told), (size, false), true);
    case(&card, source(&zstd(&bytes)), (3 * MIB as u64, false), false);
    let exactly = Source::new(io::Cursor::new(noise(2 * MIB)), None);
    copy_now(exactly, &VERIFY, &mut LocalSink::open(card.node()).unwrap()).unwrap();
}

/// A mount that is undone when dropped.
struct Mount<'p>(&'p Path);

impl Drop for Mount<'_> {
    fn drop(&mut self) {
        let _ = image::program("umount").arg(self.0).status();
    }
}

#[test]
#[cfg_attr(
    not(all(have = "loop", have = "mkfs")),
    ignore = "needs loop devices (as root); mkfs.ext4, mkfs.vfat and sfdisk"
)]
fn a_card_that_is_mounted_is_refused_with_its_mount() {
    #[track_caller]
    fn case(card: &Card, mounted: &Path, point: &Path) {
        image::run(image::program("mount").arg(mounted).arg(point));
        let mount = Mount(point);
        let error = LocalSink::open(card.node()).unwrap_err();
        drop(mount);
        assert_eq!(error.kind(), io::ErrorKind::ResourceBusy);
        let wanted = format!("{} is mounted on {}", mounted.display(), point.display());
        assert!(error.to_string().contains(&wanted), "{error}");
        LocalSink::open(card.node()).unwrap();
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("image");
    Image::new().ext4("root", &[]).build(&path);
    let point = dir.path().join("mount point");
    fs::create_dir(&point).unwrap();

    let whole = Card::blank(dir.path(), 16);
    image::run(image::program("mkfs.ext4").arg("-q").arg(whole.node()));
    case(&whole, whole.node(), &point);

    let parted = Card::attach(&path);
    image::run(image::program("partx").arg("-a").arg(parted.node()));
    let first = PathBuf::from(format!("{}p1", parted.node().display()));
    case(&parted, &first, &point);
}

#[test]
fn a_missing_device_never_becomes_a_file() {
    let path = Path::new("/dev/tf-engine-no-such-card");
    let error = LocalSink::open(path).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
    assert!(!path.exists());
    let dir = tempfile::tempdir().unwrap();
    let link = dir.path().join("card");
    std::os::unix::fs::symlink(path, &link).unwrap();
    assert_eq!(
        LocalSink::open(&link).unwrap_err().kind(),
        io::ErrorKind::NotFound
    );
    let missing = dir.path().join("no/such/folder/card");
    assert_eq!(
        LocalSink::open(&missing).unwrap_err().kind(),
        io::ErrorKind::NotFound
    );
}

#[test]
fn what_is_neither_file_nor_block_device_is_refused() {
    for path in ["/dev/null", "/tmp"] {
        let error = LocalSink::open(Path::new(path)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{path}");
    }
}

#[test]
fn a_file_is_made_or_emptied() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("card");
    for bytes in [noise(3 * MIB + 5), noise(MIB)] {
        let mut sink = LocalSink::open(&path).unwrap();
        let copied = copy_now(source(&zstd(&bytes)), &VERIFY, &mut sink).unwrap();
        assert!(copied.verified.is_some());
        assert!(fs::read(&path).unwrap() == bytes);
    }
}

#[test]
fn the_digest_is_that_of_the_image_as_stored() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = noise(MIB);
    let stored = zstd(&bytes);
    let sha256 = Some(Sha256::of(&stored));
    let options = Options { sha256, ..VERIFY };
    let mut sink = LocalSink::open(&dir.path().join("card")).unwrap();
    copy_now(source(&stored), &options, &mut sink).unwrap();

    let other = Sha256::of(b"another image");
    let options = Options {
        sha256: Some(other),
        ..VERIFY
    };
    let error = copy_now(source(&stored), &options, &mut sink).unwrap_err();
    let CopyError::Digest { expected, found } = error else {
        panic!("{error}")
    };
    assert_eq!((expected, Some(found)), (other, sha256));
}

/// A card that is damaged between the write and the reading back.
struct Damaged(LocalSink);

impl Sink for Damaged {
    fn capacity(&self) -> Option<u64> {
        self.0.capacity()
    }
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write(bytes)
    }
    fn finish(&mut self) -> io::Result<()> {
        self.0.finish()?;
        let file = File::options().write(true).open(self.0.path())?;
        file.write_all_at(b"\0damage", 100_000)?;
        file.sync_all()
    }
    fn rewind(&mut self) -> io::Result<Option<Verified>> {
        self.0.rewind()
    }
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

#[test]
#[cfg_attr(not(have = "loop"), ignore = "needs loop devices (as root)")]
fn damage_after_the_write_is_found_with_both_digests() {
    let (card, _dir) = card(4 * MIB);
    let bytes = noise(2 * MIB);
    let mut damaged = bytes.clone();
    damaged[100_000..100_007].copy_from_slice(b"\0damage");
    let mut sink = Damaged(LocalSink::open(card.node()).unwrap());
    let error = copy_now(source(&bytes), &VERIFY, &mut sink).unwrap_err();
    let CopyError::Verify {
        size,
        written,
        read,
    } = error
    else {
        panic!("{error}")
    };
    assert_eq!(size, bytes.len() as u64);
    assert_eq!((written, read), (Sha256::of(&bytes), Sha256::of(&damaged)));
}

/// A place that takes some bytes and then fails.
struct Full(usize);

impl Sink for Full {
    fn capacity(&self) -> Option<u64> {
        None
    }
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0 = self
            .0
            .checked_sub(bytes.len())
            .ok_or(io::ErrorKind::StorageFull)?;
        Ok(())
    }
    fn finish(&mut self) -> io::Result<()> {
        Ok(())
    }
    fn rewind(&mut self) -> io::Result<Option<Verified>> {
        Ok(None)
    }
    fn read(&mut self, _buffer: &mut [u8]) -> io::Result<usize> {
        Ok(0)
    }
}

/// Gives some bytes and then fails.
struct Failing(io::Cursor<Vec<u8>>);

impl Read for Failing {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0.read(buffer)? {
            0 => Err(io::ErrorKind::ConnectionReset.into()),
            count => Ok(count),
        }
    }
}

#[test]
fn an_error_says_which_part_failed() {
    let bytes = noise(8 * MIB);
    let stored = zstd(&bytes);
    let cut = stored[..stored.len() / 2].to_vec();
    let mut place = Full(usize::MAX);

    let error = copy_now(
        Source::new(Failing(io::Cursor::new(cut.clone())), None),
        &VERIFY,
        &mut place,
    );
    assert!(
        matches!(&error, Err(CopyError::Source(error)) if error.kind() == io::ErrorKind::ConnectionReset),
        "{error:?}"
    );
    let error = copy_now(source(&cut), &VERIFY, &mut place);
    assert!(
        matches!(
            error,
            Err(CopyError::Decode {
                format: Format::Zstd,
                ..
            })
        ),
        "{error:?}"
    );
    let short = Source::new(io::Cursor::new(bytes), Some(9 * MIB as u64));
    let error = copy_now(short, &VERIFY, &mut place);
    assert!(matches!(error, Err(CopyError::Source(_))), "{error:?}");
    let error = copy_now(source(&stored), &VERIFY, &mut Full(3 * MIB));
    assert!(
        matches!(&error, Err(CopyError::Sink(error)) if error.kind() == io::ErrorKind::StorageFull),
        "{error:?}"
    );
    let forced = Options {
        format: Some(Format::Xz),
        ..VERIFY
    };
    let error = copy_now(source(&stored), &forced, &mut place);
    assert!(
        matches!(
            error,
            Err(CopyError::Decode {
                format: Format::Xz,
                ..
            })
        ),
        "{error:?}"
    );
}

#[test]
fn a_forced_raw_copy_leaves_a_packed_image_packed() {
    let stored = zstd(&noise(MIB));
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("card");
    let forced = Options {
        format: Some(Format::Raw),
        ..VERIFY
    };
    copy_now(
        source(&stored),
        &forced,
        &mut LocalSink::open(&path).unwrap(),
    )
    .unwrap();
    assert!(fs::read(&path).unwrap() == stored);
}

#[tokio::test]
async fn a_copy_stops_while_its_source_says_nothing() {
    let (sender, reader) = channel_reader();
    let stop = CancellationToken::new();
    let progress = Arc::new(Progress::default());
    let copying = {
        let (stop, progress) = (stop.clone(), Arc::clone(&progress));
        thread::spawn(move || {
            copy(
                Source::new(reader, None),
                &VERIFY,
                &mut Full(usize::MAX),
                &progress,
                &stop,
            )
        })
    };
    sender.send(noise(3 * MIB).into()).await.unwrap();
    stop.cancel();
    let result = copying.join().unwrap();
    assert!(matches!(result, Err(CopyError::Stopped)), "{result:?}");
    drop(sender);
}

#[tokio::test]
async fn a_download_that_is_cut_is_an_error_though_raw_bytes_have_no_end_mark() {
    let (sender, reader) = channel_reader();
    let copying =
        thread::spawn(move || copy_now(Source::new(reader, None), &VERIFY, &mut Full(usize::MAX)));
    sender.send(noise(3 * MIB).into()).await.unwrap();
    drop(sender);
    let result = copying.join().unwrap();
    assert!(matches!(result, Err(CopyError::Source(_))), "{result:?}");
}

#[tokio::test]
async fn an_image_goes_from_a_channel_into_a_pipe() {
    let bytes = noise(6 * MIB + 3);
    let stored = zstd(&bytes);
    let (sender, reader) = channel_reader();
    let (mut sink, mut out) = pipe(None);
    let length = stored.len() as u64;
    let progress = Arc::new(Progress::default());
    let copying = {
        let progress = Arc::clone(&progress);
        thread::spawn(move || {
            let source = Source::new(reader, Some(length));
            copy(
                source,
                &VERIFY,
                &mut sink,
                &progress,
                &CancellationToken::new(),
            )
        })
    };
    let sending = async {
        for piece in stored.chunks(100_000) {
            sender.send(piece.to_vec().into()).await.unwrap();
        }
        sender.finish().await.unwrap();
    };
    let mut arrived = Vec::new();
    let ((), read) = tokio::join!(sending, tokio::io::copy(&mut out, &mut arrived));
    read.unwrap();
    assert!(arrived == bytes);
    let copied = copying.join().unwrap().unwrap();
    assert_eq!(copied.verified, None);
    assert_eq!(
        (progress.length(), progress.fetched()),
        (Some(length), length)
    );
    assert_eq!(progress.written(), bytes.len() as u64);
    assert_eq!(progress.phase(), Phase::Syncing);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_bytes_come_out_as_they_went_in(
        bytes in proptest::collection::vec(any::<u8>(), 0..4000),
        repeat in 0_usize..1500,
        packed in any::<bool>(),
        cut in any::<proptest::sample::Index>(),
    ) {
        let bytes = bytes.repeat(repeat);
        let stored = if packed { zstd(&bytes) } else { bytes.clone() };
        let raw = Options { format: (!packed).then_some(Format::Raw), ..VERIFY };
        let dir = tempfile::tempdir().unwrap();
        let mut sink = LocalSink::open(&dir.path().join("card")).unwrap();
        let copied = copy_now(source(&stored), &raw, &mut sink);
        if bytes.is_empty() {
            prop_assert!(matches!(copied, Err(CopyError::Empty)));
            return Ok(());
        }
        prop_assert_eq!(copied.unwrap().sha256, Sha256::of(&bytes));
        prop_assert!(fs::read(sink.path()).unwrap() == bytes);
        let whole = Some(stored.len() as u64);
        let cut = stored[..cut.index(stored.len())].to_vec();
        let cut = Source::new(io::Cursor::new(cut), whole);
        prop_assert!(copy_now(cut, &raw, &mut sink).is_err());
    }
}
