"""What is written in the repositories that the browser looks at."""

import csv
import io
import json
import struct

#: What runs a script, loads something from elsewhere, or leaves the card, in a browser that is let.
PAYLOADS = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg onload=alert(1)></svg>",
    "<svg><script>alert(1)</script></svg>",
    "<svg><animate onbegin=alert(1) attributeName=x dur=1s>",
    "<math><mtext></table><mglyph><style><!--</style><img title=\"--&gt;&lt;img src=1 onerror=alert(1)&gt;\">",
    "<iframe srcdoc=\"<script>parent.alert(1)</script>\"></iframe>",
    "<iframe src=//evil.example></iframe>",
    "<details open ontoggle=alert(1)>x</details>",
    "<video src=//evil.example/v poster=//evil.example/p onerror=alert(1)></video>",
    "<img src=//evil.example/a srcset=\"//evil.example/b 2x\">",
    "![x](https://evil.example/a.png)",
    "<style>@import '//evil.example/x.css'; body { display: none }</style>",
    "<link rel=stylesheet href=//evil.example/x.css>",
    "<meta http-equiv=refresh content=\"0;url=//evil.example\">",
    "<base href=//evil.example/>",
    "<form action=//evil.example><button autofocus onfocus=alert(1)>x</button></form>",
    "<input autofocus onfocus=alert(1)>",
    "<object data=//evil.example/x></object><embed src=//evil.example/x>",
    "<noscript><p title=\"</noscript><img src=x onerror=alert(1)>\">",
    "<template><img src=x onerror=alert(1)></template>",
    "<a href=\"javascript:alert(1)\" autofocus>x</a> [y](javascript:alert(1)) [z](data:text/html,x)",
    "<p style=\"position:fixed;inset:0;background:url(//evil.example/x)\">x</p>",
    "<body onload=alert(1)>",
    "<marquee onstart=alert(1)>x</marquee>",
]

CARD = """---
license: apache-2.0
language: [sw, fr]
pipeline_tag: text-generation
library_name: transformers
base_model: alice/base
datasets: alice/data
tags: [health, clinics]
---
# Swahili for clinics

Text with **weight**, `code`, a [link](docs/more.md) and ![a chart](img/chart.png).

| a | b |
|---|---|
| 1 | a long line of a table that needs more room than an old phone has, so that it scrolls inside of itself |

```python
print("a long line of code that needs more room than an old phone has, so that it is broken where the screen ends")
```

1. one
2. two

> said by somebody
"""


#: A notebook of every sort of cell.
NOTEBOOK = json.dumps({"nbformat": 4, "cells": [
    {"cell_type": "markdown", "source": ["# Rainfall\n", "Text with **weight** and a [link](src/a%20b%23.py).\n"]},
    {"cell_type": "code", "source": "print('a long line of code that needs more room than an old phone has, so that it is broken there')", "outputs": [
        {"output_type": "stream", "text": ["1\n", "2\n"]},
        {"output_type": "execute_result", "data": {"text/html": "<table><thead><tr><th>a</th></tr></thead><tbody><tr><td>1</td></tr></tbody></table>", "text/plain": "a 1"}},
        {"output_type": "display_data", "data": {"image/png": "AAAA"}},
        {"output_type": "error", "traceback": ["\u001b[0;31mTypeError\u001b[0m: no"]},
    ]},
    {"cell_type": "raw", "source": "raw"},
]})


def safetensors(names: list[str]) -> bytes:
    """A file of tensors of two numbers each."""
    header = {name: {"dtype": "F16", "shape": [2], "data_offsets": [4 * at, 4 * at + 4]} for at, name in enumerate(names)}
    text = json.dumps(header | {"__metadata__": {"format": "pt"}}).encode()
    return struct.pack("<Q", len(text)) + text + bytes(4 * len(names))


SAFETENSORS = safetensors([f"model.layers.{number}.a_long_name_of_a_tensor.weight" for number in range(100)])


def hostile_rows() -> str:
    """A CSV whose names of columns and cells are what strangers try."""
    out = io.StringIO()
    rows = csv.writer(out)
    rows.writerow(PAYLOADS[:5])
    for payload in PAYLOADS:
        rows.writerow([payload] * 5)
    return out.getvalue()
