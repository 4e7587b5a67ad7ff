"""Tools that call an HTTP API: the request from its template, the call, and what the model gets of the answer."""
