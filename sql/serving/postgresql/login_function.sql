-- login.sql as a function: select * from login_recommendations(42, 10).
-- Inputs:  recommendations, fallback_recommendations, seen_since, items; a user's id, how many rows at most, and the
--          segment of the fallback list for a user without a list of their own.
-- Output:  as login.sql.
-- Grain:   one row per recommended item.
-- Its body is bound to our tables as it is made, whatever the search_path of the one who calls it.
create or replace function login_recommendations("user" {user_type}, n integer default 10, segment text default null)
returns table (
    rank integer, item_id {item_type}, title text, genres text, score double precision, model text,
    is_personal integer, run_id bigint, reason_item_id {item_type}, because_of text
)
language sql
stable
begin atomic
{body}
end;
