"""The path of an event, in machine code.

A *row* is an event as the places of its texts: where each of a dozen fields starts and ends in a
buffer. Two ways find the rows: `scanning` those of ordinary payloads, and the step ParseEvents, in
Python, those of all others. From there on, one way finishes and encodes every row:

    payloads ── scanning, pages ──────┐
       └─ the others: in Python ──────┴─→ rows ── finishing ─→ times, identities, combinations
                                                    └─ the rules, once for each combination ─┐
                                           Avro ←── encoding ←───────────────────────────────┘

- **Ordinary** are payloads whose used fields are texts without escapes, see `scanning`. The scanner
  may leave any payload to the other way. It must never find anything else in it: the tests hold the
  two equal.
- **Addresses.** The functions get addresses of text, as ints. An array as an argument is seven
  words in each call, and takes twice the time. Addresses are made in Python for each call, so rows
  hold offsets and can be pickled.
- **Padding.** No function compares an address with the end of a text. Every buffer ends with
  PADDING, which stops all of them (`buffers`).
- **Compiled once.** Numba compiles the entries of these modules to files (`compiling`). Importing
  the modules loads the files, without Numba. No call compiles anything.
- **Tested** on Linux with x86-64. Numba supports ARM and macOS, but nobody tried them.

| module | contents |
| --- | --- |
| `buffers`, `rows` | the formats of payloads and rows; no machine code |
| `build`, `compiling` | where machine code is kept; how it is made and called |
| `octets` | reads, writes and compares bytes at addresses |
| `blake2b` | the digest of four messages at once |
| `json_text` | skips JSON values and checks them |
| `lines`, `scanning`, `pages` | find lines, the fields of payloads, the elements of pages |
| `timestamps`, `combinations` | read times, number the distinct inputs of the rules |
| `finishing`, `encoding` | finish rows, encode them as Avro |
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
