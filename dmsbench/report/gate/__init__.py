"""A gate's result for people and for other programs; nothing here computes one."""
