"""The example in the documentation of `longshore.aio.flow` runs as it stands."""

from __future__ import annotations

import re

import longshore.aio.flow as flow


def test_the_example_runs() -> None:
    (example,) = re.findall(r"```python\n(.*?)```", flow.__doc__ or "", re.DOTALL)
    assert "asyncio.run(main())" in example
    exec(compile(example, "example", "exec"), {"__name__": "example"})


def test_all_that_is_exported_is_there() -> None:
    assert sorted(flow.__all__) == flow.__all__
    assert [name for name in flow.__all__ if not hasattr(flow, name)] == []
