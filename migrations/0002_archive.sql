-- What was received: one row a study, series and instance. Text is kept as decoded from the data set (UTF-8);
-- dates and times stay DICOM strings (DA, TM), because that is what the query keys match.

create table study (
  study_instance_uid       text primary key,
  patient_id               text not null,
  patient_id_issuer        text not null,
  patient_name             text not null,
  patient_birth_date       text not null,
  patient_sex              text not null,
  study_date               text not null,
  study_time               text not null,
  accession_number         text not null,
  study_id                 text not null,
  study_description        text not null,
  referring_physician_name text not null,
  first_received_at        timestamptz not null,
  last_received_at         timestamptz not null
);
create index study_patient_id on study (patient_id);
create index study_accession_number on study (accession_number);
create index study_date on study (study_date);

create table series (
  series_instance_uid    text primary key,
  study_instance_uid     text not null references study,
  modality               text not null,
  series_number          text not null,
  series_description     text not null,
  body_part_examined     text not null,
  frame_of_reference_uid text not null,
  manufacturer           text not null,
  model_name             text not null,
  state                  text not null check (state in
    ('receiving', 'complete', 'reconstructed', 'embedded', 'reported', 'delivered', 'refused', 'failed')),
  reason                 text,
  -- A late instance opens the next revision; work of an older revision then changes nothing any more.
  revision               integer not null,
  revision_opened_at     timestamptz not null,
  -- Instances of one series that name different patients: kept, never processed.
  has_patient_conflict   boolean not null default false,
  first_received_at      timestamptz not null,
  last_received_at       timestamptz not null,
  instance_count         integer not null
);
create index series_study on series (study_instance_uid);
create index series_receiving on series (last_received_at) where state = 'receiving';

create table instance (
  sop_instance_uid    text primary key,
  series_instance_uid text not null references series,
  sop_class_uid       text not null,
  transfer_syntax_uid text not null,
  instance_number     text not null,
  number_of_frames    text not null,
  rows_columns        text not null,
  file_key            text not null unique,
  size_bytes          bigint not null,
  digest              bytea not null,
  -- The revision of the series in which the instance arrived.
  revision            integer not null,
  calling_ae_title    text not null,
  received_at         timestamptz not null
);
create index instance_series on instance (series_instance_uid);
