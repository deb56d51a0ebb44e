-- Several nodes on one archive folder: one owner, and receivers on other machines that go on while the owner starts again.

-- The name that archive.json carries too: a receiver refuses a folder that is not the one its database belongs to.
alter table archive_epoch add column archive text;

-- Epochs of writers never come again, also after the archive was taken over: a late statement finds none that is its own.
create sequence archive_writer_epoch;
select setval('archive_writer_epoch', 1 + coalesce((select max(epoch) from archive_writer), 0));

-- Nodes that use the archive. A node that has not been seen for some time is taken for dead.
create table archive_node (
  node       text primary key,
  role       text not null,
  run        text not null,
  host       text not null,
  process_id integer not null,
  scope      text not null,
  started_at timestamptz not null default now(),
  seen_at    timestamptz not null default now()
);
comment on column archive_node.node is 'owner, repair, or receiver-NAME: each is held by one run at a time.';
comment on column archive_node.scope is 'Machine and folder within which a lock of the kernel tells whether the run lives.';

-- As before, but the lock comes first: a writer that begins at the same time has begun before (and is gone) or begins
-- after, never with the archive's earlier epoch beside the later one. The epoch rises above at_least: files of a database
-- that was restored from a backup may know a later one.
drop function advance_archive_epoch();
create function advance_archive_epoch(at_least bigint, out earlier bigint, out begun bigint)
  language plpgsql
  set lock_timeout = '20s'
as $$
begin
  perform pg_advisory_xact_lock(1263420498, 1);
  select a.epoch into earlier from archive_epoch a;
  update archive_epoch a set epoch = greatest(a.epoch, at_least) + 1 returning a.epoch into begun;
  delete from archive_writer;
end
$$;

-- is_continued: the writer still had the epoch that it holds. Otherwise it was fenced, and files that it made without a row
-- may have been removed.
drop function begin_writer_epoch(text);
create function begin_writer_epoch(of_writer text, held bigint, out begun bigint, out archive bigint, out is_continued boolean)
  language plpgsql
  set lock_timeout = '20s'
as $$
begin
  perform pg_advisory_xact_lock_shared(1263420498, 1);
  perform pg_advisory_xact_lock(1263420499, hashtext(of_writer));
  is_continued := exists (select from archive_writer w where w.writer = of_writer and w.epoch = held);
  begun := nextval('archive_writer_epoch');
  insert into archive_writer as w (writer, epoch) values (of_writer, begun)
    on conflict (writer) do update set epoch = begun;
  select a.epoch into archive from archive_epoch a;
end
$$;

-- Ends writers whose processes are gone: when it returns none of their statements runs or will write any more.
create function end_writers(of_writers text[]) returns void
  language plpgsql
  set lock_timeout = '20s'
as $$
declare
  one text;
begin
  for one in select distinct w from unnest(of_writers) w order by w loop
    perform pg_advisory_xact_lock(1263420499, hashtext(one));
    delete from archive_writer w where w.writer = one;
  end loop;
end
$$;
