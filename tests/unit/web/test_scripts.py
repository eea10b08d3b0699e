"""A page's scripts come in one file: what is imported before what imports it, each once, each in a scope of its own."""

import re
from pathlib import Path

from labctl import web
from labctl.web.pages import Pages
from labctl.web.scripts import joined

TEXTS = {
    "count.js": "let n = 0;\nexport async function more() { n += 1; }\nexport const HALF = 0.5;\n",
    "both.js": 'import { more } from "./count.js";\nconst n = 10;\nexport class Sum { now() { return n + more(); } }\n',
    "page.js": 'import "./both.js";\nimport { HALF, more } from "./count.js";\nlet n = await more();\n',
}
JOINED = """\
const MODULES = {};
MODULES["count.js"] = (() => {
let n = 0;
async function more() { n += 1; }
const HALF = 0.5;

return { more, HALF };
})();
MODULES["both.js"] = (() => {
const { more } = MODULES["count.js"];
const n = 10;
class Sum { now() { return n + more(); } }

return { Sum };
})();

const { HALF, more } = MODULES["count.js"];
let n = await more();
"""


def test_modules_are_joined_before_what_imports_them_each_once_and_in_a_scope_of_its_own():
    assert joined("page.js", TEXTS) == JOINED
    assert joined("count.js", TEXTS) == TEXTS["count.js"], "a module that imports nothing stays as it is"


def test_no_script_that_is_served_asks_for_another():
    pages = Pages()
    for file in (Path(web.__file__).parent / "static").glob("*.js"):
        assert not re.findall(r"\bimport\b *[({\"].*", pages.file(file.name).decode()), file.name
