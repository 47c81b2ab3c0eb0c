"""Makes every code block of the documentation, and every docstring example, a test.

Each stands alone: it knows `np` and `wg`, and nothing of the blocks before it. In Markdown, what a block prints is
compared with the comment that ends the line: `print(x.grad)  # [2. 4.]`.
"""

import contextlib
import doctest
import io
import re
import tempfile
from collections.abc import Iterator

import numpy as np
from sybil import Document, Example, Region, Sybil
from sybil.document import PythonDocStringDocument
from sybil.parsers.markdown import CodeBlockParser

import wengert as wg
from wengert import declare, rules

rules.load()  # before a block could, whose declarations are forgotten

PRINTED = re.compile(r"^ *print\(.*\) {2}# (.*)$", re.MULTILINE)


def run_block(example: Example) -> str | None:
    """Run a Markdown block; what went wrong with its printed output, if anything did."""
    source = "\n" * (example.line + example.parsed.line_offset) + example.parsed
    expected = PRINTED.findall(example.parsed)
    with (
        contextlib.redirect_stdout(io.StringIO()) as out,
        declarations_kept(),
        tempfile.TemporaryDirectory() as folder,
        contextlib.chdir(folder),
    ):
        exec(compile(source, example.path, "exec", dont_inherit=True), {"__name__": "__main__", "np": np, "wg": wg})
    printed = out.getvalue().splitlines()
    return None if printed == expected else f"printed  {printed}\nexpected {expected}"


@contextlib.contextmanager
def declarations_kept() -> Iterator[None]:
    """Forget the operations that a block declares, so that other tests do not see them."""
    tables = declare.UFUNCS, declare.FUNCTIONS, declare.OPERATIONS
    before = [dict(table) for table in tables]
    try:
        yield
    finally:
        for table, kept in zip(tables, before, strict=True):
            table.clear()
            table.update(kept)


def docstring_examples(document: Document) -> Iterator[Region]:
    """The `>>>` examples of one docstring, as one test."""
    examples = doctest.DocTestParser().get_examples(document.text)
    if examples:
        yield Region(document.text.index(">>>"), len(document.text), examples, run_docstring)


def run_docstring(example: Example) -> str | None:
    """Run a docstring's examples; doctest's report, if one failed."""
    first, *_ = examples = example.parsed
    test = doctest.DocTest(examples, {"np": np, "wg": wg}, "", example.path, example.line - 1 - first.lineno, None)
    report: list[str] = []
    failed, _ = doctest.DocTestRunner(verbose=False).run(test, out=report.append)
    return "".join(report) if failed else None


pytest_collect_file = (
    Sybil([CodeBlockParser("python", run_block)], patterns=["*.md"])
    + Sybil([docstring_examples], path="src", pattern="*.py", document_types={".py": PythonDocStringDocument})
).pytest()
