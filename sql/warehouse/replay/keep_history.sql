-- Copies the clean tables, so that nights can change the warehouse while their past is replayed.
-- Inputs:  ratings, tags, events, items, users, links, relations; the attached, empty database `history`.
-- Outputs: the same tables in `history`, in the same order.
-- Grain:   as in the warehouse (schema.sql).
create table history.ratings as from ratings;

create table history.tags as from tags;

create table history.events as from events;

create table history.items as from items;

create table history.users as from users;

create table history.links as from links;

create table history.relations as from relations;
