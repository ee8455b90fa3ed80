"""A config is refused where another reader of YAML would take something of it without a word."""

from __future__ import annotations

from importlib import resources

import pytest
import yaml

from lit_a3c.utils.errors import ConfigError
from lit_a3c.utils.yaml_strict import MAX_CHARACTERS, check_yaml, load_yaml

BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{below}'] * 10)}]\n" for below, name in zip("abcdefgh", "bcdefghi", strict=True)
)
REFUSED = {
    "at the top": ("seed: 1\ndata:\n  a: 1\nseed: 2\n", "the key 'seed' is given twice, in lines 1 and 4"),
    "below": ("data:\n  env_id: A\n  x: 1\n  env_id: B\n", "the key 'data.env_id' is given twice, in lines 2 and 4"),
    "in a list": ("a:\n- b: 1\n  b: 1\n", r"the key 'a\[0\].b' is given twice, in lines 2 and 3"),
    "in braces": ("{a: 1, a: 2}", "the key 'a' is given twice, in line 1"),
    "in other words": ("{1: x, 0x1: y}", "the key '0x1' is given twice"),
    "two merges": ("a: &a {x: 1}\nb:\n  <<: *a\n  <<: *a\n", "the key 'b.<<' is given twice"),
    "in what is merged": ("a:\n  <<: {x: 1, x: 2}\n", "the key 'a.<<.x' is given twice"),
    "explosion": (BOMB, "holds more than 100,000 values when its aliases are written out"),
    "itself": ("a: &a [*a]\n", "the alias of line 1 contains itself"),
    "documents": ("a: 1\n---\nb: 2\n", "it holds several documents; the second begins in line"),
    "length": ("#" * (MAX_CHARACTERS + 1), "it has 1,000,001 characters; 1,000,000 are allowed"),
    "depth": ("[" * 5000 + "]" * 5000, "it is nested too deeply"),
}
NO_YAML = {
    "bracket": "a: [1, 2\n",
    "indentation": "a: 1\n   b: 2\n",
    "tab": "a:\n\tb: 2\n",
    "no anchor": "a: *b\n",
    "object": "a: !!python/object/apply:os.system [x]\n",
    "control character": "a: \x07\n",
    "month": "a: 2024-99-99\n",
    "key": "{[1]: 2, {a: 1}: 3}",
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case: str) -> None:
    """The message has the key with those that lead to it, and the lines."""
    text, message = REFUSED[case]
    for read in (load_yaml, check_yaml):
        with pytest.raises(ConfigError, match=message):
            read(text)


@pytest.mark.parametrize("case", NO_YAML)
def test_what_is_no_yaml_is_named_as_such(case: str) -> None:
    """Whatever PyYAML raises, its reason is in one line."""
    with pytest.raises(ConfigError, match="it is not YAML that can be read: ") as refusal:
        load_yaml(NO_YAML[case])
    assert "\n" not in str(refusal.value)


def test_everything_else_is_read_as_by_pyyaml() -> None:
    """Anchors, merged keys that are given again, other types, the shipped configs, and an empty text."""
    texts = [file.read_text() for file in resources.files("lit_a3c.configs").iterdir() if file.name.endswith(".yaml")]
    texts += ["", "# nothing\n", "a: &a {x: 1, y: 2}\nb:\n  <<: *a\n  x: 3\n", "[1, 1.5, yes, null, 2024-01-01]"]
    assert len(texts) > 8
    for text in texts:
        assert load_yaml(text) == yaml.safe_load(text)
        check_yaml(text)


def test_shared_values_count_each_time_but_few_are_allowed() -> None:
    """An alias that is used a thousand times is no explosion."""
    assert len(load_yaml("a: &a [1, 2]\nb: [" + ", ".join(["*a"] * 1000) + "]\n")["b"]) == 1000
