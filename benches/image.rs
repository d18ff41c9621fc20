//! A packed image to a file or a device against decoding it alone, and the memory that takes:
//! `cargo bench --bench image [-- TARGET [MIB]]`. TARGET, a file or block device, is overwritten;
//! without it a temporary file is.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark for a person to read"
)]

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tf_engine::image::{Format, LocalSink, Options, Source, copy};
use tokio_util::sync::CancellationToken;

/// Half noise and half text, as an image of a root filesystem is: packs to about a half.
fn write_image(mut into: impl Write, mib: usize) -> io::Result<()> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut block = vec![0; 4096];
    for _ in 0..mib * 256 {
        for (index, word) in block.chunks_exact_mut(8).enumerate() {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let word_of_text = b"/usr/lib".to_owned();
            let noise = state.to_le_bytes();
            word.copy_from_slice(if index % 2 == 0 {
                &noise
            } else {
                &word_of_text
            });
        }
        into.write_all(&block)?;
    }
    Ok(())
}

fn pack(format: Format, image: &Path, packed: &Path) -> io::Result<()> {
    let mut image = File::open(image)?;
    let file = File::create(packed)?;
    match format {
        Format::Raw => io::copy(&mut image, &mut &file).map(|_| ()),
        Format::Gzip => {
            let mut encoder = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
            io::copy(&mut image, &mut encoder)?;
            encoder.finish().map(|_| ())
        }
        Format::Bzip2 => {
            let mut encoder = bzip2::write::BzEncoder::new(file, bzip2::Compression::fast());
            io::copy(&mut image, &mut encoder)?;
            encoder.finish().map(|_| ())
        }
        Format::Xz => {
            let mut encoder = liblzma::write::XzEncoder::new(file, 1);
            io::copy(&mut image, &mut encoder)?;
            encoder.finish().map(|_| ())
        }
        Format::Zstd => zstd::stream::copy_encode(image, file, 19),
    }
}

/// Decodes into nothing, in one thread.
fn decode_alone(format: Format, packed: &Path) -> io::Result<Duration> {
    let begun = Instant::now();
    let file = io::BufReader::with_capacity(256 << 10, File::open(packed)?);
    let mut reader: Box<dyn Read> = match format {
        Format::Raw => Box::new(file),
        Format::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(file)),
        Format::Bzip2 => Box::new(bzip2::bufread::MultiBzDecoder::new(file)),
        Format::Xz => Box::new(liblzma::bufread::XzDecoder::new(file)),
        Format::Zstd => Box::new(zstd::stream::read::Decoder::with_buffer(file)?),
    };
    let mut buffer = vec![0; 1 << 20];
    while reader.read(&mut buffer)? > 0 {}
    Ok(begun.elapsed())
}

/// Peak resident memory in MiB (proc(5), `VmHWM`) since `reset_peak`.
fn peak_mib() -> io::Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    Ok(kib.unwrap_or(0) / 1024)
}

fn reset_peak() -> io::Result<()> {
    fs::write("/proc/self/clear_refs", "5")
}

fn main() -> io::Result<()> {
    let mut arguments = std::env::args()
        .skip(1)
        .filter(|argument| argument != "--bench");
    let dir = tempfile::tempdir()?;
    let target = arguments
        .next()
        .map_or_else(|| dir.path().join("card"), Into::into);
    let mib = arguments
        .next()
        .and_then(|mib| mib.parse().ok())
        .unwrap_or(200);
    let image = dir.path().join("image");
    write_image(io::BufWriter::new(File::create(&image)?), mib)?;
    println!("{mib} MiB to {}", target.display());
    println!("format  stored  decode  copy    ratio  verified         peak");
    for format in Format::ALL {
        let packed = dir.path().join("packed");
        pack(format, &image, &packed)?;
        let stored = packed.metadata()?.len() >> 20;
        decode_alone(format, &packed)?;
        let alone = decode_alone(format, &packed)?.as_secs_f64();
        let run = |verify| -> io::Result<_> {
            let mut sink = LocalSink::open(&target)?;
            let options = Options {
                verify,
                ..Options::default()
            };
            let begun = Instant::now();
            let source = Source::open(&packed)?;
            let stop = CancellationToken::new();
            let copied = copy(source, &options, &mut sink, &Arc::default(), &stop);
            Ok((
                copied.map_err(io::Error::other)?.verified,
                begun.elapsed().as_secs_f64(),
            ))
        };
        reset_peak()?;
        let (_, plain) = run(false)?;
        let (how, checked) = run(true)?;
        println!(
            "{:<6} {stored:>3} MiB {alone:>6.2}s {plain:>6.2}s {:>6.2}  {checked:>6.2}s {:<8} {:>3} MiB",
            format.name(),
            plain / alone,
            how.map(|how| format!("{how:?}")).unwrap_or_default(),
            peak_mib()?,
        );
    }
    Ok(())
}
