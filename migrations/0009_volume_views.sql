-- A series may make several volumes: what tells one from the others, which slices it was made of, and how it looks.

alter table volume
  add column label         text not null default '',
  add column instance_uids text[] not null default '{}',
  add column axis_codes    text,
  -- PNG; null when refused.
  add column picture       bytea;
-- PNG is compressed: to try again costs time and wins nothing.
alter table volume alter column picture set storage external;
comment on column volume.ordinal is '1 is the main volume: accepted before refused, then most slices.';
comment on column volume.instance_uids is 'SOP Instance UIDs of the slices used, in their order.';
