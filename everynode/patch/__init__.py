"""How one JSON tree becomes the next: merge patch, JSON patch, strategic merge patch, server-side apply.

Pure functions over plain trees (dicts, lists, strings, numbers). None of them changes what it is given; a result may share
the parts that stay the same with its input, so whoever goes on to change it in place copies it first.
"""
