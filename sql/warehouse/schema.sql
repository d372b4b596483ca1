-- The tables of the warehouse. Runs at every opening; changes nothing that exists.
-- Inputs:  none.
-- Outputs: landed_files, the raw tables, views landed_ratings, landed_tags, landed_events, quarantine, clean_state, known_files, set_aside_files,
--          rewritten_files.
-- The clean tables are brought up to date by sql/warehouse/clean/ whenever the landed files or the data settings change. Their
-- rows stand in no order: those of new files are added at the end.
--   ratings (user_id, item_id, rating double, rated_at timestamp, superseded_at timestamp)
--   tags    (user_id, item_id, tag text, tagged_at timestamp, superseded_at timestamp)
--   events  (user_id, item_id, event text, value double, happened_at timestamp, superseded_at timestamp)
--   items   (item_id, title text, genres text[], attributes map(text, text[]))
--   users   (user_id, features map(text, text))
--   links   (user_id, friend_id, weight double, linked_at timestamp, superseded_at timestamp, is_mutual boolean)
--   relations (head_item, head_entity text, relation text, tail_item, tail_entity text)
-- user_id and item_id are bigint or text, the same in every table; friend_id is a user_id, head_item and tail_item are
-- item_ids. Times are UTC.
-- A rating is visible at a moment t when rated_at < t and (superseded_at is null or superseded_at >= t): the latest
-- rating of a pair wins, as of any moment, and no rating from after the moment can hide one from before it.
-- Tags likewise, a pair's repeated tag counting once. A rating of null is none: the user met the item without rating it
-- (data.ratings.not_rated), which supersedes no rating. Where a source has no times, that of a row is its file's landing.
-- A deletion supersedes the ratings, tags or events of its pair that are not later: they are visible before its time, and
-- gone from then on. `superseded_at` of an event is null unless it was deleted.
-- Links are visible like ratings; one without a time is at any moment. A mutual link stands once, for both directions.
-- Of a relation's head and its tail, either the item or the entity is there, and the other null.

-- One row per live input file: each content once per source. `columns` tells how it was read (JSON): the column
-- mapping, the separator and the like.
-- `kind` is snapshot, append or increment. `ignored_columns` are those of the file that nothing reads.
-- `rows` counts its rows, the rejected lines too; `reader` is the hash of the source code that read it.
create table if not exists landed_files (
    file_id integer, source text, path text, kind text, sha256 text, size bigint,
    columns text, rows bigint, landed_at timestamp, reader text
);
-- Earlier versions did not record the reader: null, so that their files are read again.
alter table landed_files add column if not exists reader text;
alter table landed_files add column if not exists ignored_columns text[];

-- Earlier versions knew no deletions: their events are all there.
alter table if exists events add column if not exists superseded_at timestamp;
-- The number of `rows` of forgotten users and items, which are in no raw table; null in earlier versions.
alter table landed_files add column if not exists forgotten bigint;

-- Rows as they came, as text. `line` is the line of the file, not counting rejected lines before it. Times hardly repeat: zstd
-- packs them in half the time of the dictionary that DuckDB would choose, and as small.
create table if not exists raw_ratings (
    file_id integer, line bigint, user_id text, item_id text, rating text, timestamp text using compression zstd
);
create table if not exists raw_tags (
    file_id integer, line bigint, user_id text, item_id text, tag text, timestamp text using compression zstd
);
create table if not exists raw_events (
    file_id integer, line bigint, user_id text, item_id text, event text, value text, timestamp text using compression zstd
);
-- Earlier versions knew no deletions.
alter table raw_ratings add column if not exists deleted text;
alter table raw_tags add column if not exists deleted text;
alter table raw_events add column if not exists deleted text;
-- Rows of large files whose ids and times are whole numbers, written in short, so that the numbers stand for the text
-- (tasks/ingestion/numeric_file.py). A file's rows are in one of the two tables of its source. The views have all as text.
create table if not exists raw_numeric_ratings (
    file_id integer, line bigint, user_id bigint, item_id bigint, rating text, timestamp bigint
);
create table if not exists raw_numeric_tags (
    file_id integer, line bigint, user_id bigint, item_id bigint, tag text, timestamp bigint
);
create table if not exists raw_numeric_events (
    file_id integer, line bigint, user_id bigint, item_id bigint, event text, value text, timestamp bigint
);
create view if not exists landed_ratings as
select file_id, line, user_id, item_id, rating, timestamp, deleted from raw_ratings
union all
select file_id, line, user_id::text, item_id::text, rating, timestamp::text, null from raw_numeric_ratings;
create view if not exists landed_tags as
select file_id, line, user_id, item_id, tag, timestamp, deleted from raw_tags
union all
select file_id, line, user_id::text, item_id::text, tag, timestamp::text, null from raw_numeric_tags;
create view if not exists landed_events as
select file_id, line, user_id, item_id, event, value, timestamp, deleted from raw_events
union all
select file_id, line, user_id::text, item_id::text, event, value, timestamp::text, null from raw_numeric_events;
create table if not exists raw_items (file_id integer, line bigint, item_id text, title text, genres text);
-- Columns under their own names: the attributes of items, the features of users. Earlier versions had none.
alter table raw_items add column if not exists described_by map(text, text);
create table if not exists raw_users (file_id integer, line bigint, user_id text, described_by map(text, text));
create table if not exists raw_links (
    file_id integer, line bigint, user_id text, friend_id text, weight text, timestamp text
);
create table if not exists raw_relations (file_id integer, line bigint, head text, relation text, tail text);

-- Lines that are no rows: the wrong number of columns, broken quotes. `line` is the line of the file.
create table if not exists raw_rejects (file_id integer, line bigint, raw text, reasons text[]);

-- One row per rejected row of the live files, with all its reasons; `raw` is the line itself where it could not be
-- read as columns, else the columns as JSON.
create table if not exists quarantine (source text, path text, line bigint, raw text, reasons text[]);

-- At most one row: the cache key of the clean tables, and the `CleanData` that cleaning returned (JSON). `base` is the hash of
-- all that they depend on besides the files, and `files` maps source and file id to the hash of what a file's rows depend on
-- (JSON), so that the next cleaning only types what changed. Earlier versions kept neither: null.
create table if not exists clean_state (key text, reference text);
alter table clean_state add column if not exists base text;
alter table clean_state add column if not exists files text;

-- Versions and hashes of the input files in the last night, so that unchanged ones are not hashed again. `path` is relative
-- to the folder. `sha256` is null for a file that waits to be complete.
create table if not exists known_files (
    path text, device hugeint, inode hugeint, size bigint, mtime_ns bigint, ctime_ns bigint,
    sha256 text, mixes_line_ends boolean
);

-- Increments that could not be read, by content: they are passed over while the code that reads them is the same.
create table if not exists set_aside_files (path text, sha256 text, reader text, why text);

-- Increments that recs forget has rewritten in the home, by hash: `was_sha256` before, `sha256` and `size` since. Either
-- means the landed content, so that neither the rewritten file nor a copy of the earlier one lands again.
create table if not exists rewritten_files (was_sha256 text, sha256 text, size bigint);
