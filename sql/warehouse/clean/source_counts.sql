-- Counts the clean, duplicate, deleted, quarantined and forgotten rows of each source that has live files and was cleaned.
-- Inputs:  landed_files, quarantine, the clean tables; temp repeat_counts, the sources that were cleaned;
--          $kept_pairs, the pairs that sources had before rows were added, a list of {source, past_pairs}.
-- Output:  source, rows_in, clean, duplicates, quarantined, reasons (a map from reason to count, most frequent first), pairs
--          (distinct pairs of user and item of the clean rows; null for sources that are no interactions), deleted (rows
--          that a deletion took away), deletions (rows that say so), forgotten (rows that came in and were refused).
-- Grain:   one row per source, in the order of their names.
with arrived as (
    select source, sum(rows)::bigint as rows_in, coalesce(sum(forgotten), 0)::bigint as forgotten
    from landed_files
    group by source
),
kept as (
    select 'ratings' as source, count(*) filter (superseded_at is null) as clean from ratings
    union all
    select 'tags', count(*) filter (superseded_at is null) from tags
    union all
    select 'events', count(*) filter (superseded_at is null) from events
    union all
    select 'items', count(*) from items
    union all
    select 'users', count(*) from users
    union all
    select 'links', count(*) filter (superseded_at is null) from links
    union all
    select 'relations', count(*) from relations
),
paired as (
    select 'ratings' as source, count(*) filter (superseded_at is null) as pairs from ratings
    union all
    select 'tags', count(*) from (
        select distinct user_id, item_id
        from tags
        where superseded_at is null and exists (from repeat_counts where source = 'tags' and new_pairs is null)
    )
    union all
    select 'events', count(*) from (
        select distinct user_id, item_id
        from events
        where superseded_at is null and exists (from repeat_counts where source = 'events' and new_pairs is null)
    )
),
past as (
    select unnest($kept_pairs::struct(source text, past_pairs bigint)[], recursive := true)
),
rejected as (
    select source, count(*) as quarantined
    from quarantine
    group by source
),
reasons as (
    select source, reason, count(*) as n
    from (select source, unnest(reasons) as reason from quarantine)
    group by all
),
reason_counts as (
    select source, map(list(reason order by n desc, reason), list(n order by n desc, reason)) as reasons
    from reasons
    group by source
)
select
    source,
    rows_in,
    clean,
    duplicates,
    coalesce(quarantined, 0) as quarantined,
    coalesce(reasons, map {}) as reasons,
    case
        when source in ('tags', 'events') and new_pairs is not null then past_pairs + new_pairs else pairs
    end as pairs,
    deleted,
    deletions,
    forgotten
from arrived
inner join kept using (source)
left join paired using (source)
inner join repeat_counts using (source)
left join past using (source)
left join rejected using (source)
left join reason_counts using (source)
order by source;
