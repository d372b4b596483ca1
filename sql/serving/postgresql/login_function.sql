-- Creates login_recommendations, which runs login.sql: select * from login_recommendations(42, 10).
-- Inputs:  as login.sql; user_type and item_type are the SQL types of the ids, body is the query.
-- Output:  as login.sql.
-- Grain:   one row per recommended item.
-- A body in `begin atomic` is bound to our tables when the function is created, whatever the caller's search_path is.
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
