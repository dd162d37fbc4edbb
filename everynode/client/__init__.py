"""The caller's side of the wire: the API's verbs over any Handler, in this process or over HTTPS."""
