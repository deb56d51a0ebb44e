-- Keeping an instance in one statement. `keep_instances` takes the instances that wait in one process, each with an
-- outcome of its own; an epoch fences statements of which nobody knows any more whether they ran.

alter table instance add column file_bytes bigint;
comment on column instance.file_bytes is 'Size of the whole file; null for instances kept before this column was there.';
alter table instance add column lost_at timestamptz;
comment on column instance.lost_at is 'When the file was found missing or of another size; the next C-STORE of this instance is kept as new.';
create index instance_lost on instance (series_instance_uid) where lost_at is not null;

-- Every instance moves last_received_at of its series: with that column in an index each move would also write all
-- indexes of the table anew. Series that receive are few at a time.
drop index series_receiving;
create index series_receiving on series (series_instance_uid) where state = 'receiving';
alter table series set (fillfactor = 70);

-- A study's row is written once: nothing of it moves with every instance.
alter table study drop column last_received_at;
create index study_received on study (first_received_at desc, study_instance_uid);

-- The archive has one owner at a time and one or more writing processes. A statement of an earlier epoch, of the archive
-- or of its writer, writes nothing, however late it comes to run.
create table archive_epoch (
  is_only boolean primary key default true check (is_only),
  epoch   bigint not null,
  -- Secret: digests of data sets are made with it, so that nobody can make two that are taken for the same.
  digest_key bytea not null default decode(replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''), 'hex')
);
insert into archive_epoch (epoch) values (0);
create table archive_writer (
  writer text primary key,
  epoch  bigint not null
);

-- Files that a committed replacement left over; removed after the commit, and at start after a crash.
create table file_removal (
  file_key   text primary key,
  decided_at timestamptz not null default now()
);

-- Takes the archive over. When it returns no keeping statement that was sent before runs or will write any more: those
-- that run are waited for (they hold the lock shared), those that come later find their writer gone.
create function advance_archive_epoch() returns bigint
  language plpgsql
  set lock_timeout = '20s'
as $$
declare
  next_epoch bigint;
begin
  update archive_epoch set epoch = epoch + 1 returning epoch into next_epoch;
  delete from archive_writer;
  perform pg_advisory_xact_lock(1263420498, 1);
  return next_epoch;
end
$$;

-- The same for the statements of one writer.
create function begin_writer_epoch(of_writer text) returns bigint
  language plpgsql
  set lock_timeout = '20s'
as $$
declare
  next_epoch bigint;
begin
  insert into archive_writer as w (writer, epoch) values (of_writer, 1)
    on conflict (writer) do update set epoch = w.epoch + 1
    returning w.epoch into next_epoch;
  perform pg_advisory_xact_lock(1263420499, hashtext(of_writer));
  return next_epoch;
end
$$;

-- Writes the rows of instances whose files are synced. `items` is an array of
-- { "study": {…}, "series": {…}, "instance": {…} }, keyed by the columns of these tables.
-- Outcomes: kept · same (these bytes were kept before) · other (the UID is taken by other bytes) · replaced ·
-- conflict (the series belongs to another study, or the instance to another series) · fenced (a later epoch began).
-- Items are taken in the order of study and series, so that two calls cannot deadlock over them.
-- Raises 40001 when another call committed between a look and a write: nothing is written, call again.
create function keep_instances(of_writer text, at_epoch bigint, duplicates text, items jsonb)
  returns table (ordinal integer, outcome text, earlier_file_key text)
  language plpgsql
  set lock_timeout = '15s'
as $$
declare
  item         record;
  new_study    study;
  new_series   series;
  new_instance instance;
  old_instance instance;
  old_series   series;
  is_known     boolean;
  is_late      boolean;
  known_patient text;
begin
  perform pg_advisory_xact_lock_shared(1263420498, 1);
  perform pg_advisory_xact_lock_shared(1263420499, hashtext(of_writer));
  if (select w.epoch from archive_writer w where w.writer = of_writer) is distinct from at_epoch then
    return query select n, 'fenced', null::text from generate_series(0, jsonb_array_length(items) - 1) n;
    return;
  end if;
  for item in
    select e.position::integer - 1 as position, e.data from jsonb_array_elements(items) with ordinality e (data, position)
    order by e.data #>> '{study,study_instance_uid}', e.data #>> '{series,series_instance_uid}', e.position
  loop
    new_study := jsonb_populate_record(null::study, item.data -> 'study');
    new_series := jsonb_populate_record(null::series, item.data -> 'series');
    new_instance := jsonb_populate_record(null::instance, item.data -> 'instance');
    ordinal := item.position;
    earlier_file_key := null;

    select * into old_instance from instance i where i.sop_instance_uid = new_instance.sop_instance_uid;
    is_known := found;
    if is_known and old_instance.lost_at is null then
      if old_instance.digest = new_instance.digest then
        outcome := 'same';
        earlier_file_key := old_instance.file_key;
        return next;
        continue;
      elsif duplicates <> 'replace' then
        outcome := 'other';
        return next;
        continue;
      end if;
    end if;
    if is_known and old_instance.series_instance_uid <> new_series.series_instance_uid then
      outcome := 'conflict';
      return next;
      continue;
    end if;
    select * into old_series from series s where s.series_instance_uid = new_series.series_instance_uid;
    if found and old_series.study_instance_uid <> new_study.study_instance_uid then
      outcome := 'conflict';
      return next;
      continue;
    end if;

    -- The first instance of a study names the patient and the study; later ones do not rewrite it.
    select st.patient_id into known_patient from study st where st.study_instance_uid = new_study.study_instance_uid;
    if not found then
      insert into study (study_instance_uid, patient_id, patient_id_issuer, patient_name, patient_birth_date, patient_sex,
        study_date, study_time, accession_number, study_id, study_description, referring_physician_name,
        first_received_at, query_attributes)
      values (new_study.study_instance_uid, new_study.patient_id, new_study.patient_id_issuer, new_study.patient_name,
        new_study.patient_birth_date, new_study.patient_sex, new_study.study_date, new_study.study_time,
        new_study.accession_number, new_study.study_id, new_study.study_description, new_study.referring_physician_name,
        new_instance.received_at, new_study.query_attributes)
      on conflict (study_instance_uid) do nothing
      returning patient_id into known_patient;
      if not found then
        raise exception 'another call made this study' using errcode = '40001';
      end if;
    end if;

    -- The lock keeps completion and arrival from overtaking each other.
    select * into old_series from series s where s.series_instance_uid = new_series.series_instance_uid for update;
    if not found then
      insert into series (series_instance_uid, study_instance_uid, modality, series_number, series_description,
        body_part_examined, frame_of_reference_uid, manufacturer, model_name, state, revision,
        revision_opened_at, first_received_at, last_received_at, instance_count, query_attributes)
      values (new_series.series_instance_uid, new_study.study_instance_uid, new_series.modality, new_series.series_number,
        new_series.series_description, new_series.body_part_examined, new_series.frame_of_reference_uid,
        new_series.manufacturer, new_series.model_name, 'receiving', 1,
        new_instance.received_at, new_instance.received_at, new_instance.received_at, 0, new_series.query_attributes)
      on conflict (series_instance_uid) do nothing
      returning * into old_series;
      if not found then
        raise exception 'another call made this series' using errcode = '40001';
      end if;
    end if;
    -- A series that had left `receiving` opens its next revision.
    is_late := old_series.state <> 'receiving';
    new_instance.revision := old_series.revision + is_late::integer;

    if is_known then
      update instance i set sop_class_uid = new_instance.sop_class_uid,
        transfer_syntax_uid = new_instance.transfer_syntax_uid, instance_number = new_instance.instance_number,
        number_of_frames = new_instance.number_of_frames, rows_columns = new_instance.rows_columns,
        file_key = new_instance.file_key, size_bytes = new_instance.size_bytes, digest = new_instance.digest,
        revision = new_instance.revision, calling_ae_title = new_instance.calling_ae_title,
        received_at = new_instance.received_at, file_bytes = new_instance.file_bytes, lost_at = null,
        query_attributes = new_instance.query_attributes
      -- Another call may have replaced it before we had the lock.
      where i.sop_instance_uid = new_instance.sop_instance_uid and i.file_key = old_instance.file_key;
      if not found then
        raise exception 'another call replaced this instance' using errcode = '40001';
      end if;
      insert into file_removal (file_key) values (old_instance.file_key) on conflict do nothing;
      earlier_file_key := old_instance.file_key;
      outcome := case when old_instance.lost_at is null then 'replaced' else 'kept' end;
    else
      insert into instance (sop_instance_uid, series_instance_uid, sop_class_uid, transfer_syntax_uid, instance_number,
        number_of_frames, rows_columns, file_key, size_bytes, digest, revision, calling_ae_title, received_at, file_bytes,
        query_attributes)
      values (new_instance.sop_instance_uid, new_series.series_instance_uid, new_instance.sop_class_uid,
        new_instance.transfer_syntax_uid, new_instance.instance_number, new_instance.number_of_frames,
        new_instance.rows_columns, new_instance.file_key, new_instance.size_bytes, new_instance.digest,
        new_instance.revision, new_instance.calling_ae_title, new_instance.received_at, new_instance.file_bytes,
        new_instance.query_attributes)
      on conflict (sop_instance_uid) do nothing;
      if not found then
        raise exception 'another call kept this instance' using errcode = '40001';
      end if;
      outcome := 'kept';
    end if;
    update series s set instance_count = s.instance_count + (not is_known)::integer,
      last_received_at = new_instance.received_at, revision = new_instance.revision, state = 'receiving', reason = null,
      revision_opened_at = case when is_late then new_instance.received_at else s.revision_opened_at end,
      has_patient_conflict = s.has_patient_conflict or known_patient <> new_study.patient_id
    where s.series_instance_uid = new_series.series_instance_uid;
    return next;
  end loop;
end
$$;

-- The same for what nearly every call brings: new instances of series that receive, each known to stand with its study and
-- patient. `groups` is an array of { "study", "series", "received_at", "count", "instances": [{…}] } in the order of series.
-- Raises 40001 for anything else: nothing is written, call keep_instances.
create function keep_known_instances(of_writer text, at_epoch bigint, groups jsonb) returns void
  language plpgsql
  set lock_timeout = '15s'
as $$
declare
  of_group    jsonb;
  of_revision integer;
  written     integer;
begin
  if not (pg_try_advisory_xact_lock_shared(1263420498, 1)
      and pg_try_advisory_xact_lock_shared(1263420499, hashtext(of_writer))) then
    raise exception 'an epoch begins' using errcode = '40001';
  end if;
  for position in 0 .. jsonb_array_length(groups) - 1 loop
    of_group := groups -> position;
    update series s set instance_count = s.instance_count + (of_group ->> 'count')::integer,
      last_received_at = (of_group ->> 'received_at')::timestamptz
    where s.series_instance_uid = of_group ->> 'series' and s.study_instance_uid = of_group ->> 'study'
      and s.state = 'receiving'
      and (select w.epoch from archive_writer w where w.writer = of_writer) = at_epoch
    returning s.revision into of_revision;
    if not found then
      raise exception 'the series does not receive' using errcode = '40001';
    end if;
    insert into instance (sop_instance_uid, series_instance_uid, sop_class_uid, transfer_syntax_uid, instance_number,
      number_of_frames, rows_columns, file_key, size_bytes, digest, revision, calling_ae_title, received_at, file_bytes,
      query_attributes)
    select i.sop_instance_uid, of_group ->> 'series', i.sop_class_uid, i.transfer_syntax_uid, i.instance_number,
      i.number_of_frames, i.rows_columns, i.file_key, i.size_bytes, i.digest, of_revision, i.calling_ae_title,
      i.received_at, i.file_bytes, i.query_attributes
    from jsonb_to_recordset(of_group -> 'instances') as i (sop_instance_uid text, sop_class_uid text,
      transfer_syntax_uid text, instance_number text, number_of_frames text, rows_columns text, file_key text,
      size_bytes bigint, digest bytea, calling_ae_title text, received_at timestamptz, file_bytes bigint,
      query_attributes jsonb)
    on conflict do nothing;
    get diagnostics written = row_count;
    if written <> (of_group ->> 'count')::integer then
      raise exception 'an instance is known already' using errcode = '40001';
    end if;
  end loop;
end
$$;
