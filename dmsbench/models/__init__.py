"""Vision-language models behind one protocol, and the checkpoints that ship with dmsbench."""
