from pathlib import Path

import pytest

from labctl.errors import FileError
from labctl.protocol.format import format_text
from labctl.protocol.template import TEMPLATES, template

ROOT = Path(__file__).parents[3]
ROUGH = """# first
labctl:   1
name:  "CCD"   # three


about: |
      long # no comment

      more
params: {a: 0.1 mA/cm2,b: 5 µA cm⁻²,   c: [1 mA,2 mA]} # p
steps:
-   rest:   2 h # two hours
# about activation
-   name: activation
    repeat: 5
    steps:
        # inner
        - plate: {current: 0.05 mA/cm2,
              for: 1 h}
        - strip: {current: 0.05 mA/cm2,  # kept
              for: 1 h}
        # end of the inner
-
   mark: it's
      over two lines
# last
"""
USUAL = """# first
labctl: 1
name: "CCD"  # three

about: |
  long # no comment

  more
params: {a: 0.1 mA/cm2, b: 5 µA cm⁻², c: [1 mA, 2 mA]}  # p
steps:
  - rest: 2 h  # two hours
  # about activation
  - name: activation
    repeat: 5
    steps:
      # inner
      - plate: {current: 0.05 mA/cm2, for: 1 h}
      - strip: {current: 0.05 mA/cm2,  # kept
          for: 1 h}
      # end of the inner
  - mark: it's
      over two lines
# last
"""


def test_the_usual_form_keeps_every_comment():
    assert format_text(ROUGH, "f") == USUAL


@pytest.mark.parametrize("text", [USUAL, *map(template, TEMPLATES)], ids=["usual", *TEMPLATES])
def test_the_usual_form_stays(text):
    assert format_text(text, "f") == text


@pytest.mark.parametrize("path", sorted((ROOT / "protocols").glob("*.yaml")), ids=lambda path: path.stem)
def test_the_library_has_the_usual_form(path):
    text = path.read_text(encoding="utf-8")
    assert format_text(text, path.name) == text


def test_what_is_no_yaml_is_not_written():
    with pytest.raises(FileError):
        format_text("a: b: c\n", "f")
