-- Types the raw users. Only a user without a valid id, or with a NUL character, is faulty: its id becomes null.
-- Inputs:  raw_users; temp column_formats; $user_example (a value of the user ids' type).
-- Outputs: temp read_users, with features as map(text, text), without empty values and words for no value; the faulty
--          rows are added to temp faulty_rows.
-- Grain:   one row per raw row.
create or replace temp table read_users as
with texts as (
    select
        file_id,
        line,
        id_text(user_id, $user_example) as user_text,
        user_is_float,
        described_by,
        contains(coalesce(described_by::text, ''), chr(0)) as has_nul
    from raw_users
    inner join column_formats using (file_id)
)
select
    file_id,
    line,
    case when not has_nul then id_of(user_text, $user_example, user_is_float) end as user_id,
    map_from_entries(list_filter(
        list_transform(
            map_entries(described_by), lambda entry: {'key': entry.key, 'value': value_of(entry.value)}
        ),
        lambda entry: entry.value is not null
    )) as features
from texts;

insert into faulty_rows
with faulty as (
    select file_id, line
    from read_users
    where user_id is null
),
texts as (
    select *, stripped(user_id) as user_text
    from raw_users
    semi join faulty using (file_id, line)
)
select
    'users',
    file_id,
    line,
    to_json({'user': user_id, 'features': described_by})::text,
    faults([
        id_fault(user_text, 'user id', $user_example),
        case when contains(described_by::text, chr(0)) then 'features hold a NUL character' end
    ])
from texts;
