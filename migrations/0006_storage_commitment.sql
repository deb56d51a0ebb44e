-- Storage commitment, PS3.4 Annex J: what peers asked us, and what we ask of peers.

-- A transaction of a peer. `held`: the association it came on may still get the report, until hold_until; `due`: the
-- peer is called; `reported`: it took the report; `failed`: it was called too often.
create table commitment (
  peer             text not null,
  transaction_uid  text not null,
  -- SHA-256 of the references in order of UID: the same transaction again, or another one under its UID.
  digest           bytea not null,
  reference_list   jsonb not null,
  -- Failed references with their reasons; null until judged, then never changed.
  failures         jsonb,
  state            text not null check (state in ('held', 'due', 'reported', 'failed')),
  hold_until       timestamptz not null,
  attempts         integer not null default 0,
  last_error       text,
  requested_at     timestamptz not null,
  updated_at       timestamptz not null,
  primary key (peer, transaction_uid)
);
create index commitment_open on commitment (hold_until) where state <> 'reported';
create index commitment_ended on commitment (updated_at) where state in ('reported', 'failed');

-- A transaction of ours. `due`: the peer is to be asked; `asked`: it took the request; `done`: it reported.
create table commitment_request (
  transaction_uid text primary key,
  peer            text not null,
  state           text not null check (state in ('due', 'asked', 'done', 'failed')),
  attempts        integer not null default 0,
  last_error      text,
  created_at      timestamptz not null,
  updated_at      timestamptz not null
);
create index commitment_request_open on commitment_request (updated_at) where state <> 'done';
create index commitment_request_ended on commitment_request (updated_at) where state in ('done', 'failed');

-- What a delivery has of it. `due`: delivered, in no transaction yet; `asked`: in transaction_uid; `resend`: not
-- committed, to be sent again.
create table delivery_commitment (
  sop_instance_uid text not null,
  peer             text not null,
  state            text not null check (state in ('due', 'asked', 'resend', 'committed', 'failed')),
  transaction_uid  text,
  -- How often it was asked for.
  rounds           integer not null default 0,
  last_error       text,
  updated_at       timestamptz not null,
  primary key (sop_instance_uid, peer),
  foreign key (sop_instance_uid, peer) references delivery on delete cascade
);
create index delivery_commitment_open on delivery_commitment (peer, updated_at) where state in ('due', 'resend');
create index delivery_commitment_transaction on delivery_commitment (transaction_uid);
