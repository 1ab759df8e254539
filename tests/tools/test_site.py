"""make docs: a page for each document and man page, no link that leads nowhere, nothing from elsewhere,
and a search that finds."""
import html.parser
import json
import pathlib
import posixpath
import re
import shutil
import subprocess
import urllib.parse

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


class Page(html.parser.HTMLParser):
    """The anchors of a page, its links, what it loads, and the words of its main part."""

    def __init__(self, path):
        super().__init__()
        self.anchors, self.links, self.loads, self.words, self.inside = set(), [], [], "", False
        self.feed(path.read_text())

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        if "id" in values:
            assert values["id"] not in self.anchors, f"two anchors of one name: {values['id']}"
            self.anchors.add(values["id"])
        if tag == "a":
            self.links += [values["href"]] if "href" in values else []
        else:
            self.loads += [values[name] for name in ("src", "href") if values.get(name)]
        self.inside |= tag == "main"

    def handle_endtag(self, tag):
        self.inside &= tag != "main"

    def handle_data(self, data):
        self.words += data if self.inside else ""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    target = tmp_path_factory.mktemp("site") / "docs"
    done = subprocess.run([ROOT / "tools/site", target], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return target


@pytest.fixture(scope="module")
def pages(site):
    return {path.relative_to(site).as_posix(): Page(path) for path in sorted(site.rglob("*.html"))}


@pytest.fixture(scope="module")
def index(site):
    return json.loads((site / "search-index.js").read_text().removeprefix("maplogIndex = ").removesuffix(";\n"))


def test_every_document_and_man_page_is_there(pages):
    sources = [*ROOT.glob("docs/**/*.md"), ROOT / "CONTRIBUTING.md", *ROOT.glob("src/*/README.md")]
    wanted = {path.relative_to(ROOT).with_suffix(".html").as_posix() for path in sources}
    wanted |= {f"man/{path.name}.html" for path in ROOT.glob("man/*.[1-8]")} | {"index.html"}
    assert wanted and wanted <= set(pages)
    for address, page in pages.items():
        assert len(page.words.split()) > 2, f"{address} says too little"


def test_each_page_lists_all_others(pages):
    for address, page in pages.items():
        linked = {posixpath.normpath(posixpath.join(posixpath.dirname(address), link.partition("#")[0]))
                  for link in page.links if not link.startswith("#")}
        assert set(pages) - {address} <= linked, address


def test_no_link_leads_nowhere(site, pages):
    checked = 0
    for address, page in pages.items():
        for link in page.links + page.loads:
            path, _, anchor = urllib.parse.unquote(link).partition("#")
            if re.match(r"[a-z]+:", path):
                continue
            target = posixpath.normpath(posixpath.join(posixpath.dirname(address), path)) if path else address
            assert (site / target).is_file(), f"{address} links to {link}"
            if anchor and target in pages:
                assert anchor in pages[target].anchors, f"{address} links to {link}"
            checked += 1
    assert checked > len(pages) ** 2


def test_nothing_is_loaded_from_elsewhere(site, pages):
    for address, page in pages.items():
        for link in page.loads:
            assert not re.match(r"[a-z]+:|//", link), f"{address} loads {link}"
    for name in ("site.css", "site.js"):
        text = (site / name).read_text()
        assert not re.search(r"https?:|@import|url\(|\bfetch\(|Worker|XMLHttpRequest", text)


def test_markdown_became_what_it_stands_for(pages):
    for address, page in pages.items():
        if not address.startswith("man/"):
            text = re.sub(r"\s+", " ", page.words)
            assert "```" not in text and "|---" not in text and not re.search(r"\]\([\w.#/-]+\)", text), address


def test_a_link_to_a_file_that_is_no_page_shows_its_text(site, pages):
    assert "src/LAYERS.txt" in pages["CONTRIBUTING.html"].links
    assert (site / "src/LAYERS.txt").read_text() == (ROOT / "src/LAYERS").read_text()


def test_pictures_are_there(site, pages):
    pictures = [(address, link) for address, page in pages.items() for link in page.loads if link.endswith(".svg")]
    assert len(pictures) >= len(list((ROOT / "docs/pictures").glob("*.svg")))


def test_man_pages_are_linked_from_texts_and_each_other(pages):
    assert "maplog-serve.1.html" in pages["man/maplog.1.html"].links
    assert "man/maplog.3.html" in pages["index.html"].links


def test_the_index_has_every_page_and_its_words(pages, index):
    assert {entry[0].partition("#")[0] for entry in index} == set(pages)
    for address, title, heading, text in index:
        path, _, anchor = address.partition("#")
        assert title and (heading or text) and (not anchor or anchor in pages[path].anchors)
    assert any("question folder" in entry[3] for entry in index), "cells of a table are words of their own"
    assert any(entry[0] == "man/maplog.3.html#SYNOPSIS" and "maplog.h" in entry[3] for entry in index)


@pytest.mark.skipif(not shutil.which("node"), reason="node is not installed")
@pytest.mark.parametrize("query, first", [("segment.bytes", None), ("telepathy", "index.html"),
                                          ("maplog-lab(1)", "man/maplog-lab.1.html"), ("telepathy xyzzy", "")])
def test_the_search_finds(site, query, first):
    program = ("eval(require('fs').readFileSync('search-index.js', 'utf8'));"
               "const { maplogSearch } = require('./site.js');"
               "console.log(JSON.stringify(maplogSearch(maplogIndex, process.argv[1]).map((e) => e[0])))")
    found = json.loads(subprocess.run(["node", "-e", program, query], cwd=site, check=True, capture_output=True,
                                      text=True).stdout)
    if first is None:
        assert len(found) > 3
    elif first == "":
        assert found == []
    else:
        assert found[0].partition("#")[0] == first


def test_a_link_that_leads_nowhere_ends_it(tmp_path):
    tree = tmp_path / "tree"
    (tree / "tools").mkdir(parents=True)
    for name in ("site", "site.html", "site.css", "site.js"):
        shutil.copy(ROOT / "tools" / name, tree / "tools")
    (tree / "README.md").write_text("# A tree\n\nSee [that](docs/that.md).\n")
    done = subprocess.run([tree / "tools/site", tmp_path / "out"], capture_output=True, text=True)
    assert done.returncode == 1 and "README.md: there is no docs/that.md" in done.stderr
    assert not (tmp_path / "out").exists()
