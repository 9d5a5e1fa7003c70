"""Models behind an OpenAI-compatible API: vLLM, SGLang, TGI, llama.cpp, hosted ones."""
