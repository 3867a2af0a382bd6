-- Bytes of large files that an account may own. NULL: what the node's settings say; -1: without a bound.
ALTER TABLE account ADD COLUMN owned_bytes_max {int};
