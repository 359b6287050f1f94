"""Keeps records so that nobody, root included, can change them unnoticed. Formats: SPEC.md.

layout       where each file of a ledger stands
finding      what a check reports: code, severity, place, words
segment      line, leaf, frame and table formats (pure)
merkle       RFC 6962 trees and paths (pure)
manifest     the text that one seal commits to; also a `sha256sum -c` file (pure)
checkpoint   the head as signed text, C2SP tlog-checkpoint (pure)
published    `run/durable`: how far readers may read the open segments
segment_file one segment file by descriptor: its frames, its table
signer       the ledger's Ed25519 key
options      what can be set about an archive, and what its status tells
archive      append with group commit: the line where a record becomes *durable*
open_segment an open segment, and what one commit adds to it
reserve      room kept for audit records and seals on a full disk
lock         `run/archive.lock`
starting     the steps of an archive's start
cuts         segments that have ended and that no manifest lists yet
closing      rewrites a closed segment's frames and computes its tree, in another process
closer       gives closing orders to that process, or runs small ones here
chain        manifests and head together: where the next seal goes, or why none may be made
head         compare-and-swap of the checkpoint: the line where a seal becomes *committed*
sealing      rotate, close, manifest, commit, sign
recovery     finds out how the last run ended, and takes the same steps again
seal_timer   when the next seal is due
checking     derives everything again from the bytes; what `Archive.check` calls
reading      reads what is durable; never locks. Proofs of records
segment_reader  positions to frames, open and closed segments alike
seal_facts   what stands in `seals/`, for screens
wire         what goes over `run/archive.sock`
socket_server   serves the socket in the archive process
remote       a `Sink` over the socket; `open_sink` for verbs that work with or without the process
tsa/         asks a time-stamping authority (RFC 3161, Kamu SM); checks tokens apart from transport
verify       re-derives everything from bytes; imports no writer
verify_*     its parts: files, segments, seals, chain, times, the rest, workers; named steps for a page
proof        one seal or one record with everything that proves it, read from the archive
bundle       the offline evidence package that stock tools check; `bundle_guide` writes its DOGRULAMA.md
"""
