"""Keeps records so that nobody, root included, can change them unnoticed. Formats: SPEC.md.

layout       where each file of a ledger stands
finding      what a check reports: code, severity, place, words
segment      line, leaf, frame and table formats (pure)
merkle       RFC 6962 trees and paths (pure)
manifest     the text that one seal commits to; also a `sha256sum -c` file (pure)
checkpoint   the head as signed text, C2SP tlog-checkpoint (pure)
signer       the ledger's Ed25519 key
archive      append with group commit: the line where a record becomes *durable*
closing      rewrites a closed segment's frames and computes its tree, in another process
head         compare-and-swap of the checkpoint: the line where a seal becomes *committed*
sealing      rotate, close, manifest, commit, sign; and the same steps again after a crash
reading      reads what is durable; never locks
remote       the archive process's socket, and the Sink that speaks to it
tsa/         asks a time-stamping authority (RFC 3161, Kamu SM); checks tokens apart from transport
verify       re-derives everything from bytes; imports no writer
bundle       the offline evidence package that stock tools check
"""
