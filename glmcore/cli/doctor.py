"""`doctor`: what was found in the installation, the problems marked."""

import argparse
from collections.abc import Iterator
from itertools import groupby

from glmcore.chat.engine_choice import OPENVINO, choose_engine
from glmcore.chat.remote import RemoteModels
from glmcore.core.errors import ConfigError
from glmcore.core.i18n import mark, translate, translate_error, translate_plural
from glmcore.core.settings import Settings
from glmcore.models import ModelEntry, list_models, openvino
from glmcore.models.doctor import Finding, examine

EXIT_PROBLEM = 1


def run_doctor(arguments: argparse.Namespace, settings: Settings, language: str) -> int:
    findings = [*examine(settings), *_engines(settings, language), *_servers(settings)]
    for topic, group in groupby(findings, key=lambda finding: finding.topic):
        print(translate(topic, language))
        for finding in group:
            text = translate(finding.template, language).format(**finding.values)
            print(f"{'!' if finding.is_problem else ' '} {text}")
    count = sum(finding.is_problem for finding in findings)
    if not count:
        print(translate("No problem found.", language))
        return 0
    summary = translate_plural(
        "{count} problem found, marked with !", "{count} problems found, marked with !", count, language
    )
    print(summary.format(count=count))
    return EXIT_PROBLEM


def _engines(settings: Settings, language: str) -> Iterator[Finding]:
    """Which engine answers with each model, and why not the faster one for CPUs."""
    return (_engine(entry, settings, language) for entry in list_models(settings))


def _engine(entry: ModelEntry, settings: Settings, language: str) -> Finding:
    topic = mark("engines")
    try:
        values = {"name": entry.name, "engine": choose_engine(entry, settings)}
    except ConfigError as fault:
        return Finding(topic, fault.template, fault.values)
    reason = openvino.reason_against(entry, settings)
    if values["engine"] == OPENVINO or reason is None:
        return Finding(topic, mark("{name}: {engine}"), values)
    told = values | {"reason": translate_error(reason, language)}
    return Finding(topic, mark("{name}: {engine}; openvino not: {reason}"), told)


def _servers(settings: Settings) -> Iterator[Finding]:
    """Whether the other servers whose models are offered answer, and with how many."""
    try:
        remote = RemoteModels(settings)
    except ConfigError:  # found among the models
        return
    remote.look()
    topic = mark("other servers")
    for listing in remote.listings:
        if listing.fault is not None:
            yield Finding(topic, listing.fault.template, listing.fault.values, is_problem=True)
        else:
            values = {"name": listing.endpoint.name, "url": listing.endpoint.url}
            count = len(listing.entries())
            yield Finding(topic, mark("{name} answers at {url}; models: {count}"), values | {"count": count})
