-- What C-FIND asks for beyond the columns of 0002: one document a row (src/dicom/query-attributes.ts), filled from the
-- header at receipt. Its `search` holds folded names and times of one length, which are compared instead of the values.
alter table study add column query_attributes jsonb not null default '{}';
alter table series add column query_attributes jsonb not null default '{}';
alter table instance add column query_attributes jsonb not null default '{}';

-- Rows that were there before get the search keys of their columns; their other attributes stay unknown.
update study set query_attributes = jsonb_build_object('search',
  case when patient_name = '' then '{}'::jsonb else jsonb_build_object('00100010', jsonb_build_array(
    lower(regexp_replace(normalize(patient_name, NFD), '[\u0300-\u036f]', '', 'g')))) end
  || case when referring_physician_name = '' then '{}'::jsonb else jsonb_build_object('00080090', jsonb_build_array(
    lower(regexp_replace(normalize(referring_physician_name, NFD), '[\u0300-\u036f]', '', 'g')))) end
  || case when study_time !~ '^\d{2}(\d{2}(\d{2}(\.\d{1,6})?)?)?$' then '{}'::jsonb
    else jsonb_build_object('00080030', jsonb_build_array(
      rpad(split_part(study_time, '.', 1), 6, '0') || '.' || rpad(split_part(study_time, '.', 2), 6, '0'))) end);

-- The three component groups of the name (PS3.5 6.2.1.2): a name is found by any of them.
alter table study
  add column patient_name_alphabetic text collate "C" not null
    generated always as (rtrim(split_part(coalesce(query_attributes #>> '{search,00100010,0}', ''), '=', 1), '^')) stored,
  add column patient_name_ideographic text collate "C" not null
    generated always as (rtrim(split_part(coalesce(query_attributes #>> '{search,00100010,0}', ''), '=', 2), '^')) stored,
  add column patient_name_phonetic text collate "C" not null
    generated always as (rtrim(split_part(coalesce(query_attributes #>> '{search,00100010,0}', ''), '=', 3), '^')) stored;
create index study_patient_name_alphabetic on study (patient_name_alphabetic);
create index study_patient_name_ideographic on study (patient_name_ideographic);
create index study_patient_name_phonetic on study (patient_name_phonetic);

-- Keys that are matched with wildcards compare bytes, so that an index finds a prefix whatever the database's locale.
alter table study
  alter column patient_id type text collate "C",
  alter column patient_id_issuer type text collate "C",
  alter column accession_number type text collate "C",
  alter column study_date type text collate "C";

-- The order in which pages of patients and studies are read. A study without Patient ID is a patient of its own.
drop index study_patient_id;
create index study_patient on study (patient_id, patient_id_issuer,
  (case when patient_id = '' then study_instance_uid else '' end), study_date desc, study_instance_uid desc);
drop index study_date;
create index study_date on study (study_date, study_instance_uid);

-- SOP Classes in Study is read from this index alone.
drop index instance_series;
create index instance_series on instance (series_instance_uid, sop_class_uid);
