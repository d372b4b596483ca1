-- Says which unusual ways of writing were recognised in the files, and how many ratings are none.
-- Inputs:  temp column_formats; ratings.
-- Output:  note, a phrase such as 'times of ratings.csv are nanoseconds since 1970'.
-- Grain:   one row per file and finding, in the order of the paths; a last one on ratings that are none.
select note
from (
    select
        path,
        unnest([
            case
                when unit in ('millisecond', 'microsecond', 'nanosecond')
                    then 'times of ' || path || ' are ' || unit || 's since 1970'
                when unit = 'date' then 'times of ' || path || ' are dates'
                when unit = 'moment' then 'times of ' || path || ' are dates with hours and minutes'
            end,
            case when user_is_float then 'user ids of ' || path || ' are read without .0' end,
            case when item_is_float then 'item ids of ' || path || ' are read without .0' end,
            case when has_comma then
                case source when 'events' then 'values' when 'links' then 'weights' else source end
                || ' of ' || path || ' have decimal commas'
            end
        ]) as note
    from column_formats
    union all
    select null, format('{:,} of {:,} ratings are none, their items count as seen', count(*) - count(rating), count(*))
    from ratings
    where superseded_at is null
    having count(*) > count(rating)
)
where note is not null
order by path nulls last, note;
