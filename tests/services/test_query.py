"""Questions that were asked, as rows: whoever writes one needs to know no other module."""

import subprocess
import sys

import pytest

RESOLVE = """
import importlib, sys
from services.schema import Base
importlib.import_module(sys.argv[1])
print(sum(key.column is not None for table in Base.metadata.tables.values() for key in table.foreign_keys))
"""


@pytest.mark.parametrize("module", ["services.query", "services.llm.table", "services.diary"])
def test_a_module_of_tables_brings_all_that_they_refer_to(module):
    done = subprocess.run(
        [sys.executable, "-c", RESOLVE, module], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 0
