"""The engine at scale: Elasticsearch 8.19 and 9.x. The only place that speaks to it.

transport  one client for two major versions, settings, and what the server's failures mean
names      names of indices and documents: functions of the record
templates  what an index looks like, made from the field registry
documents  parsed batches to lines of a bulk request, and the server's answers to documents
writing    bulk requests, bounded, repeated until every document is there; dead letters
cursor     how far the follower has read: one SQLite file
lag        how much waits behind a cursor
follower   reads the archive in order and writes documents and facts, exactly once
asking     questions to the server: complete, bounded in time, or an error
figures    counts over time and most frequent values
engine     the engine over the above
facts      interval facts, and the store that answers from them
minutes    when sources spoke: counted in the documents, or read from roll-ups
rollup     makes the roll-ups: what the follower does when no record waits
examine    what an administrator must know of the server
retire     whole indices dropped: by retention, and all of them for a rebuild
"""
