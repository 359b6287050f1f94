"""Records made searchable. Everything here follows the archive and can be thrown away and made anew from it.

engine     what every search engine can do, and the values it answers with (documents, pages; never SQL or files)
query      the query language: text to tree, tree to SQL, tree to a Python predicate
text       fold and tokenise: the one meaning of a word, for documents and for questions
fields     the columns of a document: the ECS registry plus what the index itself adds
tables     parsed batches to Arrow tables in storage form
storage    what values look like on disk (addresses as 16 bytes, times as microseconds) and on the way out
catalogue  which files exist and how far the follower has read: one SQLite transaction
files      Parquet files: written, read, retired, checked
compaction small files into large ones
segments   a run of segment lines, cut into columns block by block
runs       the archive read on past damage
lock       one follower per data directory
follower   reads the archive in order and writes the embedded index, exactly once
waiting    wait until the index has what was durable at the call
scan       DuckDB over the files that the catalogue names
words      which words a large file holds: files without them are passed by
paging     the order of results and where a page ends
steady     ask again where files were merged away under a question
documents  hits to documents, with what was received from the archive
figures    counts, histograms and top values
facts      interval facts: what each record attests about who had which address when
embedded   the engine over the above
"""
