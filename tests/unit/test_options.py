from __future__ import annotations

import re

import pytest

from tests.support.describe import CHECKOUT
from zopestack.features.option import Option
from zopestack.model import OPTIONS


@pytest.mark.parametrize("option", OPTIONS.values(), ids=lambda option: option.name)
def test_defaults_are_accepted_and_meanings_are_one_sentence(option: Option) -> None:
    option.parse(option.default)
    assert option.help.endswith(".")
    assert "\n" not in option.help


def test_buildout_cfg_explains_its_options_in_the_words_of_the_table() -> None:
    section = (CHECKOUT / "buildout.cfg").read_text(encoding="utf-8").partition("\n[stack]\n")[2]
    explained = re.findall(r"# (.+)\n([a-z-]+) = (.+)\n", section)
    assert [name for _, name, _ in explained][:1] == ["recipe"]
    for comment, name, text in explained[1:]:
        assert comment == OPTIONS[name].help.replace("``", "")
        assert text == OPTIONS[name].default
