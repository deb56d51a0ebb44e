-- pgvector keeps the embeddings. On a server of your own its package must be installed first.
create extension if not exists vector;
