"""Models that LangChain reaches: Anthropic, Google, Bedrock and whatever else it knows.

Nothing outside this folder imports LangChain, and this folder is imported only for bots that use such a model: it
costs a second and 50 MiB.
"""
