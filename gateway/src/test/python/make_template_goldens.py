"""Renders chat templates with Python's own Jinja2, for the Java interpreter to be compared with.

    python3 make_template_goldens.py corpus [--cache DIR]   real templates of many models; prints the folder made
    python3 make_template_goldens.py probes                 our own probes; rewrites probe-goldens.json beside them

The real templates are other people's text, so they are fetched and never committed: from one pinned and hash checked
wheel of the package xinference, which carries a chat template for each model it knows. Only the templates and the
goldens stay in the cache. Needs python3 with venv and pip, and the package index once.
"""

import argparse
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import zipfile

JINJA = "3.1.6"
REQUIREMENTS = """\
jinja2==3.1.6 --hash=sha256:85ece4451f492d0c13c5dd7c13a64681a86afae63a5f347908daf103ce6d2f67
"""
MARKUPSAFE = "markupsafe==3.0.3"
PACKAGE = "xinference==4.1.0"
PACKAGE_REQUIREMENTS = PACKAGE + """ \
--hash=sha256:40dd71d79e85a86f85c0d8b435fe51111fcf2c09227350d4a452229709528f2d
"""
LEAST_TEMPLATES = 40

SCRIPT = pathlib.Path(__file__).resolve()
RESOURCES = SCRIPT.parent.parent / "resources" / "templates"
CONVERSATIONS = RESOURCES / "conversations.json"
PROBES = RESOURCES / "probes.txt"


def cache_home():
    home = os.environ.get("SKEIN_HOME")
    if home:
        return pathlib.Path(home)
    return pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "skein"


def key():
    """Names the goldens of this script and these conversations; ChatTemplateCorpusTest computes the same."""
    digest = hashlib.sha256(SCRIPT.read_bytes())
    digest.update(CONVERSATIONS.read_bytes())
    return digest.hexdigest()[:16]


# ---------------------------------------------------------------------------------------------- with Jinja2 installed


def environment(extra):
    """Jinja2 as transformers sets it up for chat templates, with a clock that stands still."""
    import datetime

    from jinja2 import nodes
    from jinja2.exceptions import TemplateError
    from jinja2.ext import Extension
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Generation(Extension):
        tags = {"generation"}

        def parse(self, parser):
            line = next(parser.stream).lineno
            body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
            return nodes.CallBlock(self.call_method("_support"), [], [], body).set_lineno(line)

        def _support(self, caller):
            return caller()

    class Raised(TemplateError):
        pass

    def raise_exception(message):
        raise Raised(message)

    def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    def strftime_now(pattern):
        return datetime.datetime(2026, 2, 3, 16, 5, 6, 789000).strftime(pattern)

    env = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, "jinja2.ext.loopcontrols", *extra]
    )
    env.filters["tojson"] = tojson
    env.globals["raise_exception"] = raise_exception
    env.globals["strftime_now"] = strftime_now
    return env, Raised


def render(env, raised, source, variables):
    try:
        return {"output": env.from_string(source).render(**variables)}
    except raised as e:
        return {"raised": str(e)}
    except Exception as e:
        return {"error": type(e).__name__}


def versions():
    import jinja2

    assert jinja2.__version__ == JINJA, jinja2.__version__
    return {"jinja2": jinja2.__version__, "python": sys.version.split()[0]}


def render_corpus(folder):
    env, raised = environment([])
    conversations = json.loads(CONVERSATIONS.read_text("utf-8"))
    lines = [versions() | {"package": PACKAGE}]
    for file in sorted(folder.glob("*.jinja")):
        source = file.read_bytes().decode("utf-8")
        for name, variables in conversations.items():
            for prompt in (True, False):
                golden = {"template": file.name, "conversation": name, "add_generation_prompt": prompt}
                result = render(env, raised, source, variables | {"add_generation_prompt": prompt})
                lines.append(golden | result)
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    (folder / "goldens.jsonl").write_bytes(text.encode("utf-8"))


def probes():
    """The probes: `=== name` on a line of its own, then the template, less its last newline."""
    for part in PROBES.read_text("utf-8").split("\n=== ")[1:]:
        name, _, source = part.partition("\n")
        yield name, source


def render_probes():
    env, raised = environment(["jinja2.ext.do"])
    variables = json.loads((RESOURCES / "probe-variables.json").read_text("utf-8"))
    goldens = {name: render(env, raised, source, variables) for name, source in probes()}
    text = json.dumps({"made with": versions(), "goldens": goldens}, ensure_ascii=False, indent=1)
    (RESOURCES / "probe-goldens.json").write_bytes((text + "\n").encode("utf-8"))
    errors = [name for name, golden in goldens.items() if "error" in golden]
    print(len(goldens), "probes, of which these fail in Jinja2:", ", ".join(errors))


# ------------------------------------------------------------------------------------------------------ with pip only


def run(*command):
    try:
        subprocess.run(command, check=True, stdout=sys.stderr, timeout=900)
    except (OSError, subprocess.SubprocessError) as e:
        sys.exit(f"{e}\nThis needs python3 with venv and pip (python3-venv, python3-pip) and a package index.")


def python_with_jinja(folder):
    run(sys.executable, "-m", "venv", str(folder / "venv"))
    python = str(folder / "venv" / ("Scripts" if os.name == "nt" else "bin") / "python")
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    (folder / "requirements.txt").write_text(REQUIREMENTS)
    run(*pip, "--require-hashes", "-r", str(folder / "requirements.txt"))
    run(*pip, MARKUPSAFE)
    return python


def find_templates(value, name, found):
    """Collects every chat_template in nested model descriptions, the first name for each text."""
    if isinstance(value, dict):
        name = value.get("model_name", name)
        template = value.get("chat_template")
        if isinstance(template, str) and "{%" in template:
            found.setdefault(template, name)
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            find_templates(item, name, found)


def fetch_templates(work, python, folder):
    (work / "package.txt").write_text(PACKAGE_REQUIREMENTS)
    pip = [python, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps", "--no-cache-dir"]
    run(*pip, "--only-binary=:all:", "--require-hashes", "-r", str(work / "package.txt"), "-d", str(work))
    (wheel,) = work.glob("*.whl")
    found = {}
    with zipfile.ZipFile(wheel) as archive:
        for entry in sorted(archive.namelist()):
            if "/llm/" in entry and entry.endswith(".json"):
                find_templates(json.loads(archive.read(entry)), entry, found)
    if len(found) < LEAST_TEMPLATES:
        sys.exit(f"{PACKAGE} holds {len(found)} templates, expected at least {LEAST_TEMPLATES}")
    for number, (template, name) in enumerate(found.items()):
        safe = "".join(c if c.isalnum() or c in "-." else "-" for c in name)
        (folder / f"{number:03}-{safe}.jinja").write_bytes(template.encode("utf-8"))


def make_corpus(cache, templates):
    target = cache / "template-goldens" / key()
    if not (target / "goldens.jsonl").exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
            work = pathlib.Path(scratch)
            folder = work / "made"
            folder.mkdir()
            python = python_with_jinja(work)
            if templates:
                for file in sorted(pathlib.Path(templates).glob("*.jinja")):
                    shutil.copy(file, folder)
            else:
                fetch_templates(work, python, folder)
            run(python, str(SCRIPT), "render", str(folder))
            folder.rename(target)
    print(target)


def make_probes():
    with tempfile.TemporaryDirectory() as scratch:
        run(python_with_jinja(pathlib.Path(scratch)), str(SCRIPT), "render-probes")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    corpus = commands.add_parser("corpus")
    corpus.add_argument("--cache", type=pathlib.Path, default=cache_home())
    corpus.add_argument("--templates", help="a folder with .jinja files to use instead of the package's")
    commands.add_parser("probes")
    commands.add_parser("render").add_argument("folder", type=pathlib.Path)
    commands.add_parser("render-probes")
    options = parser.parse_args()
    if options.command == "corpus":
        make_corpus(options.cache, options.templates)
    elif options.command == "probes":
        make_probes()
    elif options.command == "render":
        render_corpus(options.folder)
    else:
        render_probes()


if __name__ == "__main__":
    main()
