"""Runs over several processes and machines by Ray, an optional library that nothing else imports."""
