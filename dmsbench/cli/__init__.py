"""The command line: one small module a command. Heavy imports happen inside the commands."""
