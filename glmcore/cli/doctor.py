"""`doctor`: what was found in the installation, the problems marked."""

import argparse
from itertools import groupby

from glmcore.core.i18n import translate, translate_plural
from glmcore.core.settings import Settings
from glmcore.models.doctor import examine

EXIT_PROBLEM = 1


def run_doctor(arguments: argparse.Namespace, settings: Settings, language: str) -> int:
    findings = examine(settings)
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
