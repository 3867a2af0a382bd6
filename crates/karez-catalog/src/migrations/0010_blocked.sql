-- When an account was blocked: nobody signs in with it. NULL: it is not.
ALTER TABLE account ADD COLUMN blocked {int};
