-- A profile may have several spaces, and a model may not be able to do its work on a volume: then it says why.

alter table embedding_space
  add column space text    not null default '',
  add column rank  integer not null default 0;
comment on column embedding_space.space is 'Id in the manifest; empty: of a bundle from before spaces had one.';
comment on column embedding_space.rank is '0: the one that answers when only a model is named, else further ones.';
alter table embedding_space drop constraint embedding_space_bundle_digest_profile_key;
alter table embedding_space add unique (bundle_digest, profile, space);
-- The first profile of a bundle was always the first to be written.
update embedding_space set rank = 1
  where space_id not in (select min(space_id) from embedding_space group by bundle_digest);

create table model_skip (
  series_instance_uid text not null references series,
  revision            integer not null,
  ordinal             integer not null,
  model_id            text not null,
  profile             text not null,
  code                text not null,
  reason              text not null,
  created_at          timestamptz not null,
  primary key (series_instance_uid, revision, ordinal, model_id, profile)
);
comment on table model_skip is 'Volumes that a model made nothing of, and why.';
