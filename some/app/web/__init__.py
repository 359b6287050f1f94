"""The web edge: whole pages made on the server, and the JSON interface beside them.

* `application` plugs the edge together; `ports` says what it needs from the rooms below.
* `routes/` are five-line functions; the work is done by `today`, `records`, `query_bar`, `seals`, `account`.
* `pages` holds one frozen context per page: a template sees its fields and nothing else.
* `render` owns Jinja, `display` turns numbers and times into text, `charts` draws, `assets` serves static files.
* `security` is the outermost layer (headers, hosts, forms, sizes), `access` says who may call which route.
"""
