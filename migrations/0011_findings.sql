-- What models say of volumes beyond their vectors, and the labels that they say it of.

-- A label of a list. Lists of a bundle go with its digest; another origin, such as a site's own list, may follow.
create table label (
  label_id       integer generated always as identity primary key,
  -- bundle:DIGEST
  origin         text not null,
  list           text not null,
  key            text not null,
  name           text not null,
  snomed_code    text,
  snomed_meaning text,
  radlex         text,
  unique (origin, list, key)
);

-- One row a volume and bundle that was asked: what came of it.
create table finding_run (
  finding_run_id      bigint generated always as identity primary key,
  series_instance_uid text not null references series,
  revision            integer not null,
  ordinal             integer not null,
  model_id            text not null,
  model_version       text not null,
  bundle_digest       text not null,
  guard_kind          text,
  guard_distance      double precision,
  guard_threshold     double precision,
  -- Why no finding is given; null when findings are given.
  statement           text,
  -- Sentences: heads and prompt sets that could not be evaluated.
  problems            jsonb not null,
  created_at          timestamptz not null,
  unique (series_instance_uid, revision, ordinal, bundle_digest)
);

create table finding (
  finding_run_id bigint not null references finding_run on delete cascade,
  -- Order of the bundle.
  position       integer not null,
  source         text not null check (source in ('head', 'zeroShot')),
  source_id      text not null,
  profile        text not null,
  label_id       integer not null references label,
  value          double precision not null check (value > '-Infinity' and value < 'Infinity'),
  is_likelihood  boolean not null check (not is_likelihood or value between 0 and 1),
  is_calibrated  boolean not null,
  -- The author's; null when there is none.
  threshold      double precision,
  primary key (finding_run_id, source, source_id, label_id)
);
create index finding_label on finding (label_id);
