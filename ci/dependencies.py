#!/usr/bin/env python3
"""Looks at everything that is built in: where it comes from, under which licence, and what it does while it is built.

Says all that is wrong at once, and ends with 1 then. Known weaknesses are not looked up: that needs a list of them, which
changes each day (`cargo audit` has one).
"""

import json
import re
import subprocess
import sys
from pathlib import Path

ALLOWED = {
    "0BSD", "Apache-2.0", "BSD-3-Clause", "BSL-1.0", "ISC", "MIT", "Unicode-3.0", "Unlicense", "Zlib",
}
# Other licences, of what is used in tests alone: no program that uses Callboard contains it.
IN_TESTS = {"MPL-2.0": {"webdriver"}}
REFUSED = {
    "actix-governor": "its licence is the GPL",
    "background-jobs": "its licence is the AGPL",
    "openssl-sys": "ring is the one library for cryptography",
    "aws-lc-sys": "ring is the one library for cryptography",
    "native-tls": "ring is the one library for cryptography",
    "refinery": "it brings a binding of SQLite of its own",
}
# What a build script does that fetches something.
FETCHES = re.compile(r'TcpStream|reqwest|ureq|minreq|curl::|hyper::|Command::new\("(curl|wget|git)"')


def is_allowed(licence, name):
    """Whether an expression such as `(MIT OR Apache-2.0) AND Unicode-3.0` leaves a way."""
    words = re.findall(r"\(|\)|[^\s()/]+|/", licence or "")
    python = []
    for word in words:
        if word in ("(", ")"):
            python.append(word)
        elif word in ("OR", "/"):
            python.append("or")
        elif word == "AND":
            python.append("and")
        elif word == "WITH" or word.endswith("-exception"):
            continue  # An exception only allows more.
        else:
            python.append(str(word in ALLOWED or name in IN_TESTS.get(word, ())))
    return bool(python) and eval(" ".join(python), {"__builtins__": {}})


def code(path):
    """A file of Rust without its comments."""
    text = Path(path).read_text(errors="replace")
    return re.sub(r"/\*.*?\*/|//[^\n]*", "", text, flags=re.DOTALL)


def problems(metadata):
    sources = {package["source"] for package in metadata["packages"]} - {None}
    if len(sources) != 1 or not all(source.startswith("registry+") for source in sources):
        yield f"dependencies come from more than one registry: {sorted(sources)}"
    ours = Path(metadata["workspace_root"])
    for package in metadata["packages"]:
        name, licence = package["name"], package["license"]
        who = f"{name} {package['version']}"
        if package["source"] is None:
            if ours not in Path(package["manifest_path"]).parents:
                yield f"{who} stands outside of the repository: {package['manifest_path']}"
            if "[lints]\nworkspace = true" not in Path(package["manifest_path"]).read_text():
                yield f"{who} does not take the lints of the workspace, which forbid unsafe code"
        if name in REFUSED:
            yield f"{who} is not to be used: {REFUSED[name]}"
        if not is_allowed(licence, name):
            yield f"{who} is under {licence or 'no licence'}, which is not one of those that are allowed"
        for target in package["targets"]:
            if "custom-build" in target["kind"] and (found := FETCHES.search(code(target["src_path"]))):
                yield f"{who} fetches something while it is built: {found.group()} in {target['src_path']}"


def main():
    host = re.search(r"^host: (.*)$", subprocess.check_output(["rustc", "-vV"], text=True), re.MULTILINE).group(1)
    command = ["cargo", "metadata", "--locked", "--all-features", "--filter-platform", host, "--format-version", "1"]
    metadata = json.loads(subprocess.check_output(command))
    found = list(problems(metadata))
    print("\n".join(found) or f"{len(metadata['packages'])} packages are in order")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
