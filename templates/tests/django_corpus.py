"""Renders the corpus with Django and django-template-partials.

Reads one line of JSON: a list of {"templates": {name: text}, "render": name, "context": {..}}.
Writes one line of JSON: for each, {"text": ..} or {"error": ..}.
"""

import json
import sys

import django
from django.conf import settings
from django.template import Context, Engine

settings.configure(USE_TZ=True)
django.setup()


def render(case):
    files = ("django.template.loaders.locmem.Loader", case["templates"])
    engine = Engine(
        loaders=[("template_partials.loader.Loader", [files])],
        builtins=["template_partials.templatetags.partials"],
    )
    try:
        return {"text": engine.get_template(case["render"]).render(Context(case["context"]))}
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"}


json.dump([render(case) for case in json.loads(sys.stdin.readline())], sys.stdout)
