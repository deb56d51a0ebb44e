-- Attempts after which the peer may have the document though it did not say so: they have a limit of their own,
-- for a peer that keeps what it never acknowledges would be sent the same document for hours.
alter table delivery add column ambiguous_attempts integer not null default 0;
