"""The loaders' decisions, for simulated and real viewers alike: plain functions over plain arrays.

`interface` is the seam: the hooks of a loader version, called through the version that a viewer's options name.
`versions` has one module per loader that people run; `state` is what every loader remembers. The other modules are
rules that versions share.
"""
