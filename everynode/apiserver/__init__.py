"""The API as one Handler: authenticated, authorised, decoded, defaulted, admitted, validated, stored, and sent out again.

`server.py` is the way in. A file a verb (`reading`, `watching`, `creating`, `updating`, `deleting`), and what they stand on:
`call` (who asks for what), `body` (bytes in), `stored` (bytes at rest and out), `selection` (selectors against facets).
What is special about one kind is its strategy in `strategies/`.
"""
