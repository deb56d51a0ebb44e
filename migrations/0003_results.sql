-- What was made of it: volumes with their verdicts, embedding spaces, documents and their deliveries, query audit.

create table volume (
  series_instance_uid text not null references series,
  revision            integer not null,
  ordinal             integer not null,
  verdict             jsonb not null,
  instance_count      integer not null,
  -- Middle slice and its centre: the key image of the reports. Null when refused.
  key_instance        jsonb,
  created_at          timestamptz not null,
  primary key (series_instance_uid, revision, ordinal)
);

-- One space for each bundle digest and profile: vectors of different spaces are never compared, because each
-- space has a table of its own, embedding_<space_id>, made when its first vector comes.
create table embedding_space (
  space_id      integer generated always as identity primary key,
  model_id      text not null,
  model_version text not null,
  bundle_digest text not null,
  profile       text not null,
  dimension     integer not null check (dimension between 1 and 16000),
  created_at    timestamptz not null,
  unique (bundle_digest, profile)
);

create table series_model (
  series_instance_uid text not null references series,
  revision            integer not null,
  space_id            integer not null references embedding_space,
  provider            text not null,
  created_at          timestamptz not null,
  primary key (series_instance_uid, revision, space_id)
);

create table document (
  sop_instance_uid        text primary key,
  series_instance_uid     text not null references series,
  revision                integer not null,
  kind                    text not null,
  title                   text not null,
  sop_class_uid           text not null,
  transfer_syntax_uid     text not null,
  file_key                text not null unique,
  size_bytes              bigint not null,
  text_lines              jsonb not null,
  created_at              timestamptz not null
);
create index document_series on document (series_instance_uid, revision);

create table delivery (
  sop_instance_uid text not null references document,
  peer             text not null,
  state            text not null check (state in ('pending', 'delivered', 'failed')),
  attempts         integer not null default 0,
  last_error       text,
  updated_at       timestamptz not null,
  primary key (sop_instance_uid, peer)
);
create index delivery_open on delivery (peer) where state <> 'delivered';

-- Who asked which similarity question and which patients were in the answer.
create table query_audit (
  query_audit_id   bigint generated always as identity primary key,
  asked_at         timestamptz not null,
  surface          text not null,
  calling_ae_title text not null,
  remote_address   text not null,
  example          text not null,
  answers          jsonb not null
);
