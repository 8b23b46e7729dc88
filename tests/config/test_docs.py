"""docs/configuration.md: its examples load, and the errors it shows are the ones that come."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from graydns.model.errors import ConfigError
from tests.config.files import load_main, load_zone, service_zone, write_main, write_zone

TEXT = (Path(__file__).parents[2] / "docs/configuration.md").read_text()
WRONG, *EXAMPLES = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)


@pytest.mark.parametrize("example", EXAMPLES)
def test_examples(tmp_path: Path, example: str) -> None:
    """Every example loads as it is shown."""
    if example.startswith("zone:"):
        load_zone(write_zone(tmp_path, example))
    elif example.startswith("stable:"):
        load_zone(write_zone(tmp_path, service_zone(f"default: stable\nversions: {{{example.strip()}}}\n")))
    else:
        load_main(write_main(tmp_path, example))


def test_errors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The errors of the wrong example are those that are shown, to the letter."""
    write_main(tmp_path, WRONG)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError) as caught:
        load_main(Path("graydns.yaml"))
    assert f"$ graydnsctl check graydns.yaml\n{caught.value}\n```" in TEXT
